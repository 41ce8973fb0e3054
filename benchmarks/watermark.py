"""What the watermark stands: a table of attacks, the picture's quality, false alarms and speed.

python -m benchmarks.watermark [--clips 4] [--unmarked 10000] [--attacks NAME ...] [--no-quality] [--json FILE]

Half the clips are drawn by the distilled pocket model, half are drifting noise with the spectrum of photographs, all
1280x720. Each attack is one or more runs of ffmpeg on the marked file. A clip's bit accuracy is that of its best
reading, valid or not; exact is the share of clips of which the keyed check accepted the right 64 bits. What is taken
for copied is told without a record of the clip and with it. Forgeries: see benchmarks/forgeries.py.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
from tqdm import tqdm

from benchmarks.clips import embed, natural
from wan_demo import models, mp4, pipeline
from wan_demo.check import pictures_of
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.edit import Edit, times
from wan_demo.finish.frame_rate import PLAIN
from wan_demo.presets import find
from wan_demo.provenance.detector import CLEAR, Picture, find_mark, readings
from wan_demo.provenance.fingerprint import ALIKE, Fingerprint
from wan_demo.provenance.identity import Identity, load_identity
from wan_demo.publish import finished as finish
from wan_demo.request import Request

KEY = bytes(range(32))
PROMPTS = (
    "a red ball moves right over green grass",
    "a white star rises in the night sky",
    "a blue box falls in the snow",
    "a purple triangle moves left over the sea",
    "a yellow moon rises over the sea",
    "a green heart grows in the desert",
    "an orange ball bounces in the snow",
    "a pink star spins over green grass",
)
UNMARKED_FRAMES = 8
CLEAN = ("-crf", "17")
HALF = "lutrgb=r=val*.5:g=val*.5:b=val*.5"
MORE = "lutrgb=r=clip(val*1.5\\,0\\,255):g=clip(val*1.5\\,0\\,255):b=clip(val*1.5\\,0\\,255)"
SMALLER = "crop=iw*.71:ih*.71:iw*.2:ih*.1"
PERSPECTIVE = "perspective=W*{0}:H*{0}:W*(1-{0}/2):H*{0}/3:0:H:W*(1-{0}):H*(1-{0}/2)"


def h264(crf: int, *more: str) -> tuple[str, ...]:
    return ("-crf", str(crf), *more)


def h265(crf: int) -> tuple[str, ...]:
    return ("-c:v", "libx265", "-crf", str(crf), "-x265-params", "log-level=none")


def filtered(*filters: str) -> tuple[str, ...]:
    return ("-vf", ",".join(filters), *CLEAN)


# name: the options of each run of ffmpeg
ATTACKS: dict[str, tuple[tuple[str, ...], ...]] = {
    "none": (),
    **{f"H.264 CRF {crf}": (h264(crf),) for crf in (23, 30, 40, 50)},
    **{f"H.265 CRF {crf}": (h265(crf),) for crf in (23, 30, 40, 50)},
    "AV1 CRF 40": (("-c:v", "libsvtav1", "-crf", "40", "-preset", "8"),),
    "resize .71": (filtered("scale=iw*.71:-2"),),
    "resize .55": (filtered("scale=iw*.55:-2"),),
    "crop .71": (filtered(SMALLER),),
    "crop .55": (filtered("crop=iw*.55:ih*.55:iw*.3:ih*.2"),),
    "rotation 10": (filtered("rotate=10*PI/180"),),
    "rotation 90": (filtered("transpose=1"),),
    "mirrored": (filtered("hflip"),),
    "perspective .1": (filtered(PERSPECTIVE.format(0.1)),),
    "brightness -50%": (filtered(HALF),),
    "brightness +50%": (filtered(MORE),),
    "contrast -50%": (filtered("eq=contrast=.5"),),
    "contrast +50%": (filtered("eq=contrast=1.5"),),
    "saturation +50%": (filtered("eq=saturation=1.5"),),
    "grey": (filtered("hue=s=0"),),
    "hue 90": (filtered("hue=h=90"),),
    "blur, sigma 3": (filtered("gblur=sigma=3"),),
    "median 7x7": (filtered("median=radius=3"),),
    "denoised": (filtered("hqdn3d=8"),),
    "noise": (filtered("noise=alls=16:allf=t"),),
    "JPEG frames": (("-c:v", "mjpeg", "-q:v", "12", "-pix_fmt", "yuvj420p"), CLEAN),
    "logo": (filtered("drawbox=iw*.05:ih*.1:iw*.3:ih*.25:red:fill"),),
    "30 to 24 fps": (("-r", "24", *CLEAN),),
    "every 10th frame dropped": (filtered("select=mod(n\\,10)", "setpts=N/30/TB"),),
    "25% faster": (filtered("setpts=PTS/1.25"),),
    "3 frames averaged": (filtered("tmix=frames=3"),),
    "second half": (("-ss", "0.5", *CLEAN),),
    "two generations": (h264(28), h265(28)),
    "screen": (filtered("scale=iw*.6:-2", PERSPECTIVE.format(0.03)), h264(30), filtered("scale=1280:-2")),
    "CRF 30, crop .71, brightness -50%": (h264(30), filtered(SMALLER, HALF)),
    "CRF 40, crop .71, brightness -50%": (h264(40), filtered(SMALLER, HALF)),
}


@dataclass(frozen=True)
class Marked:
    """A clip before and after it was marked, with its payload, and the marked file."""

    kind: str
    clip: Clip
    marked: Clip
    payload: bytes
    path: Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watermark", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clips", type=int, default=4, help="of each kind")
    parser.add_argument("--unmarked", type=int, default=10000)
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=[*ATTACKS], metavar="NAME", help="these alone")
    parser.add_argument("--quality", action=argparse.BooleanOptionalAction, default=True, help="PSNR, VMAF and speed")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: dict[str, Any] = {}
        if options.clips:
            clips = list(mark(options.clips, folder))
            if options.quality:
                figures["quality"] = quality(clips, folder)
            figures["attacks"] = {
                attack: attacked(clips, attack, folder)
                for attack in tqdm(options.attacks, desc="attacks", file=sys.stderr, mininterval=5)
            }
        if options.unmarked:
            figures["unmarked"] = false_alarms(options.unmarked, load_identity(folder / "keys"))
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def mark(count: int, folder: Path) -> Iterator[Marked]:
    """`count` generated clips and as many of noise, each with another payload."""
    parts = models.load(find("pocket", "distilled"))
    for i in range(count):
        yield put(i, "generated", drawn(PROMPTS[i % len(PROMPTS)], i, parts), folder)
    for i in range(count, 2 * count):
        yield put(i, "noise", natural(i, 30, 720, 1280), folder)


def drawn(prompt: str, seed: int, parts: models.Models) -> Clip:
    """A clip of the distilled pocket model, as the chain finishes it."""
    request, clock = Request(prompt, seed=seed), Clock()
    latents = pipeline.result_of(pipeline.draw(request, find("pocket", "distilled"), parts, clock))
    return finished(decode(latents, parts.vae), request)


def put(i: int, kind: str, clip: Clip, folder: Path) -> Marked:
    """Mark the i-th clip."""
    payload = np.random.default_rng(i).bytes(8)
    made = embed(clip, payload, KEY)
    mp4.write(made, folder / f"{i}.mp4")
    return Marked(kind, clip, made, payload, folder / f"{i}.mp4")


def finished(clip: Clip, request: Request) -> Clip:
    """As the chain finishes it, but for the watermark."""
    frames = finish(Edit(clip, times(clip, request)), request, Clock(), [], PLAIN)
    return Clip(np.stack(list(frames)), request.delivery.fps)


def quality(marked: list[Marked], folder: Path) -> dict[str, Any]:
    """Lowest PSNR (dB, RGB), greatest loss of VMAF by the mark when both are encoded, ms a frame."""
    psnr, loss, embedding, reading = [], [], [], []
    for m in marked:
        error = np.mean(np.square(m.marked.frames.astype(np.float32) - m.clip.frames))
        psnr.append(10 * np.log10(255**2 / float(error)))
        original, plain = lossless(m.clip, folder / "lossless.mp4"), folder / "plain.mp4"
        mp4.write(m.clip, plain)
        loss.append(vmaf(plain, original) - vmaf(m.path, original))
        count = len(m.clip.frames)
        started = time.process_time()
        embed(m.clip, m.payload, KEY)
        embedding.append((time.process_time() - started) / count * 1000)
        started = time.process_time()
        find_mark(pictures_of(m.path), KEY, m.payload.__eq__)
        reading.append((time.process_time() - started) / count * 1000)
    return {
        "psnr_db": round(float(min(psnr)), 2),
        "vmaf_loss": round(max(loss), 2),
        "embed_ms": round(float(np.median(embedding)), 1),
        "read_ms": round(float(np.median(reading)), 1),
    }


def attacked(marked: list[Marked], attack: str, folder: Path) -> dict[str, float]:
    """Of both kinds together: bit accuracy, share read exactly, share of those taken for copied, without and with a
    fingerprint; and the least likeness to that."""
    shares: dict[str, list[float]] = {name: [] for name in ("bits", "exact", "copied", "copied_with_record")}
    alikes = list[float]()
    for m in marked:
        path = m.path
        for i, run in enumerate(ATTACKS[attack]):
            path = encode(path, folder / f"attacked{i}.{'mkv' if 'mjpeg' in run else 'mp4'}", run)
        sets = pictures_of(path)
        reading = find_mark(sets, KEY, m.payload.__eq__)
        alike = None if reading is None else Fingerprint.of(pictures_of(m.path)[0]).likeness(sets[0], reading.pose)
        alikes += [] if alike is None else [alike]
        best = m.payload if reading else max((r[0] for r, _ in readings(sets, KEY)), key=lambda r: r[1])[0]
        shares["bits"].append(float(np.mean(bits(best) == bits(m.payload))))
        shares["exact"].append(reading is not None)
        shares["copied"].append(reading is not None and reading.copied)
        shares["copied_with_record"].append(alike is not None and alike < ALIKE)
    return {name: float(np.mean(values)) for name, values in shares.items()} | {"alike": min(alikes, default=np.nan)}


def false_alarms(count: int, identity: Identity) -> dict[str, Any]:
    """Readings of unmarked clips, the payloads among them that are clear enough to be looked into, of which one in
    2**24 should pass the keyed check, and how many clips were taken for ours."""
    clear = tried = accepted = 0
    for i in tqdm(range(count), desc="unmarked", file=sys.stderr, mininterval=5):
        pictures = []
        for frame in natural(10**6 + i, UNMARKED_FRAMES).frames:
            y, _, blue = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb))
            pictures.append(Picture.of(np.asarray(y, np.uint8), np.asarray(blue, np.uint8)))
        found = [candidates for candidates, _ in readings([pictures], identity.carrier_key)]
        likely = [payload for candidates in found for payload, likeness in candidates if likeness >= CLEAR]
        tried, clear = tried + len(found), clear + len(likely)
        accepted += any(identity.made(payload.hex()) for payload in likely)
    expected = clear / 2**24 / count
    return {"clips": count, "readings": tried, "clear": clear, "accepted": accepted, "expected_false": expected}


def encode(source: Path, target: Path, options: tuple[str, ...]) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", source, *options]
    subprocess.run([*command, *(() if "-pix_fmt" in options else ("-pix_fmt", "yuv420p")), target], check=True)
    return target


def lossless(clip: Clip, target: Path) -> Path:
    """The clip's own frames, but for what 4:2:0 takes from their colours."""
    _, height, width, _ = clip.frames.shape
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(clip.fps), "-i", "-"]
    how = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p", "-qp", "0"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *raw, *how, target]
    subprocess.run(command, input=clip.frames.tobytes(), check=True)
    return target


def vmaf(path: Path, reference: Path) -> float:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-i", reference, "-lavfi", "libvmaf", "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(said.rsplit("VMAF score: ", 1)[1].split()[0])


def bits(payload: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.unpackbits(np.frombuffer(payload, np.uint8))


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [f"{name}: {value}" for name, value in figures.items() if name != "attacks"]
    if "attacks" in figures:
        lines += [
            "",
            "| attack | bit accuracy | exact | taken for copied | with its record | alike |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {row['bits']:.3f} | {row['exact']:.0%} | {row['copied']:.0%} |"
            f" {row['copied_with_record']:.0%} | {row['alike']:.3f} |"
            for name, row in figures["attacks"].items()
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
