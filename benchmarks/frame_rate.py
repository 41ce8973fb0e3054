"""How true the frames are that the frame-rate converter draws: 16 frames a second made 30, against ffmpeg and blending.

python -m benchmarks.frame_rate [--clips 24] [--flow dis|torch] [--device cuda] [--plain] [--json FILE]

Two sets of clips, each drawn at 16 and, for the truth, at 30 frames a second: the pocket world, and a disc that flies
over a drifting texture. PSNR is that of the frames which fall between source frames; those on one are copies. ffmpeg's
minterpolate may be late by a frame, so the shift that suits it best is taken, of its better setting.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.clips import SHOWN, natural
from distill.world import Camera, draw
from wan_demo.clip import Clip
from wan_demo.finish.flow_torch import on_device
from wan_demo.finish.frame_rate import Means, convert_frame_rate
from wan_demo.finish.optical_flow import dis
from wan_demo.finish.refine import load_refiner
from wan_demo.presets import find

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3)

SOURCE, TARGET = Fraction(16), Fraction(30)
SECONDS = 2
SETTINGS = ("", ":mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1")
EDGE = 4  # frames at either end that minterpolate does not draw, and which do not count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=24, help="clips of each set")
    parser.add_argument("--flow", choices=("dis", "torch"), help="by default dis on a CPU, torch on a GPU")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--plain", action="store_true", help="without the trained refiner")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    device = torch.device(options.device)
    refiner = None if options.plain else load_refiner(find("pocket", "full").weights / "refiner", device)
    means = Means.on(device, refiner)
    if options.flow is not None:
        means = Means(dis if options.flow == "dis" else on_device(device), refiner)
    suite = (("world", world(options.clips)), ("flying", flying(options.clips)))
    figures = {name: measure(clips, means) for name, clips in suite}
    for name, row in figures.items():
        print(f"{name:8}" + "".join(f"  {method} {value:.2f}" for method, value in row.items()))
    kind = "s a thread" if options.device == "cpu" else "s"
    print(f"720p: {speed(means, options.device):.1f} {kind} for 151 frames")
    if options.json:
        options.json.write_text(json.dumps(figures))


def measure(clips: Iterator[tuple[Clip, Frames]], means: Means) -> dict[str, float]:
    """Mean PSNR over the clips, dB, of each method."""
    rows = []
    for source, truth in clips:
        between = [k for k in range(EDGE, len(truth) - EDGE) if (k * SOURCE / TARGET).denominator > 1]
        ours = convert_frame_rate(source, TARGET, len(truth), means).frames
        theirs = max(late(minterpolate(source, s), truth, between) for s in SETTINGS)
        rows.append((psnr(ours, truth, between), theirs, psnr(blend(source, len(truth)), truth, between)))
    return dict(zip(("ours", "minterpolate", "blending"), np.mean(rows, 0).tolist(), strict=True))


def late(frames: Frames, truth: Frames, which: list[int]) -> float:
    """PSNR at the best of five shifts in time."""
    shifted = (np.roll(frames, -shift, 0)[: len(truth)] for shift in range(-2, 3))
    return max(psnr(some, truth, which) for some in shifted)


def psnr(frames: Frames, truth: Frames, which: list[int]) -> float:
    error = np.mean(np.square(frames[which].astype(np.float32) - truth[which]))
    return float(10 * np.log10(255**2 / max(float(error), 1e-3)))


def blend(source: Clip, count: int) -> Frames:
    """Neighbours mixed by nearness in time."""
    made = []
    for k in range(count):
        index, when = divmod(k * SOURCE / TARGET, 1)
        first, second = (source.frames[min(i, len(source.frames) - 1)] for i in (index, index + 1))
        made.append(cv2.addWeighted(first, 1 - float(when), second, float(when), 0))
    return np.asarray(np.stack(made), np.uint8)


def minterpolate(source: Clip, setting: str) -> Frames:
    height, width = source.frames.shape[1:3]
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24")
    size = ("-s", f"{width}x{height}", "-r", str(SOURCE), "-i", "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *raw, *size]
    command += ["-vf", f"format=yuv444p,minterpolate=fps={TARGET}{setting}", *raw, "-"]
    made = subprocess.run(command, input=source.frames.tobytes(), capture_output=True, check=True).stdout
    frames = np.frombuffer(made, np.uint8).reshape(-1, height, width, 3)
    missing = max(0, round(source.duration_s * TARGET) - len(frames))
    return np.concatenate([frames, np.repeat(frames[-1:], missing, 0)])


def world(count: int) -> Iterator[tuple[Clip, Frames]]:
    """Held-out combinations, evenly chosen, as large as the pocket family draws."""
    for i in range(count):
        combination = SHOWN[i * len(SHOWN) // count]
        slow, true = (
            draw(combination, i, Camera(round(SECONDS * fps), float(fps), 224, 128)).frames for fps in (SOURCE, TARGET)
        )
        yield Clip(slow, SOURCE), true


def flying(count: int) -> Iterator[tuple[Clip, Frames]]:
    """A disc with a texture of its own, in curved flight over another texture that drifts."""
    for seed in range(count):
        ground, cover = (natural(2 * seed + i, 1, 192, 288).frames[0] for i in range(2))
        slow, true = (
            np.stack([fly(ground, 255 - cover, seed, float(k / fps)) for k in range(round(SECONDS * fps))])
            for fps in (SOURCE, TARGET)
        )
        yield Clip(np.asarray(slow, np.uint8), SOURCE), np.asarray(true, np.uint8)


def fly(ground: Frames, cover: Frames, seed: int, when: float) -> Frames:
    rng = np.random.default_rng(seed)
    drift, phase, radius = rng.uniform(-14, 14, 2), rng.uniform(0, 6.28), rng.uniform(18, 30)
    x, y = 112 + 60 * np.cos(phase + 2.2 * when), 64 + 25 * np.sin(phase + 2.9 * when)
    picture = _moved(ground, drift * when - 32)
    disc = _moved(cover, np.array([x - 144, y - 96]))
    rows, columns = np.mgrid[:128, :224]
    inside = np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1)[..., None]
    return np.asarray(picture + inside * (disc.astype(np.float32) - picture) + 0.5, np.uint8)


def _moved(picture: Frames, by: npt.NDArray[np.float64]) -> Frames:
    move = np.column_stack([np.eye(2), by])
    moved = cv2.warpAffine(picture, move, (224, 128), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def speed(means: Means, device: str) -> float:
    """Seconds for 151 frames of 1280x720 from 81: of processor time in one thread, or with a GPU of the clock."""
    clip, clock = natural(0, 81, 720, 1280), time.process_time if device == "cpu" else time.perf_counter
    started = clock()
    convert_frame_rate(Clip(clip.frames, SOURCE), TARGET, 151, means)
    return clock() - started


if __name__ == "__main__":
    main()
