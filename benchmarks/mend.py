"""How much flicker, shake and drift is taken out where it was put in, and whether clean clips are left alone.

python -m benchmarks.mend [--clips 16] [--json FILE]

Half of the clips are held-out combinations of the pocket world, half textures that pan at a changing speed. World clips
are left out of the shake row: their background has too little in it to tell how a camera moves, and so they must stay
as they are. Pans are left out of the drift row: what they show changes as much as a drift would. What is left of a
fault is its change from frame to frame, against the clean clip: of mean luminance for flicker, of the picture's place
(phase correlation) for shake; for drift it is the difference of the last frames from the first.
"""

import argparse
import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.clips import SHOWN, natural
from distill.world import Camera, draw
from wan_demo.clip import Clip
from wan_demo.finish.colour import mend_drift
from wan_demo.finish.flicker import mend_flicker
from wan_demo.finish.stabilise import mend_shake

Floats = npt.NDArray[np.float64]
FPS, FRAMES, WIDTH, HEIGHT, ROOM = Fraction(16), 33, 224, 128, 32
LUMA = np.array([0.2126, 0.7152, 0.0722])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.clips)
    for name, value in figures.items():
        print(f"{name:34} {value:.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures))


def measure(count: int) -> dict[str, float]:
    """Shares of the faults that are left, and what is done to clean clips."""
    worlds = [world(i, count) for i in range(0, count, 2)]
    pans = [pan(i, None) for i in range(1, count, 2)]
    clean = worlds + pans
    shaken = [pan(i, np.random.default_rng(i)) for i in range(1, count, 2)]
    return {
        "flicker left": left(clean, [flicker(clip, i) for i, clip in enumerate(clean)], luminance, _flickerless),
        "shake left": left(pans, shaken, place, _steady),
        "drift left": left(worlds, [drift(clip, i) for i, clip in enumerate(worlds)], cast_, _undrifted),
        "clean clips mended": float(np.mean([_flickerless(c) is not c or _undrifted(c) is not c for c in clean])),
        "clean pans moved, px at most": max(moved(clip, _steady(clip)) for clip in pans),
        "world clips stabilised": float(np.mean([_steady(clip) is not clip for clip in worlds])),
    }


def _flickerless(clip: Clip) -> Clip:
    return mend_flicker(clip)[0]


def _steady(clip: Clip) -> Clip:
    return mend_shake(clip)[0]


def _undrifted(clip: Clip) -> Clip:
    return mend_drift(clip)[0]


def left(clean: list[Clip], faulty: list[Clip], value: Callable[[Clip], Floats], mend: Callable[[Clip], Clip]) -> float:
    """The rms change of a fault's value from frame to frame after mending, as a share of that before."""
    shares = []
    for good, bad in zip(clean, faulty, strict=True):
        before, after = (np.diff(value(clip) - value(good), axis=0) for clip in (bad, mend(bad)))
        shares.append(float(np.sqrt(np.mean(after**2) / np.mean(before**2))))
    return float(np.mean(shares))


def luminance(clip: Clip) -> Floats:
    """Mean luminance of each frame, (F, 1)."""
    return np.asarray(clip.frames.mean((1, 2)) @ LUMA, np.float64)[:, None]


def cast_(clip: Clip) -> Floats:
    """Mean colour of the first and of the last four frames, (2, 3)."""
    means = clip.frames.mean((1, 2))
    return np.stack([means[:4].mean(0), means[-4:].mean(0)])


def place(clip: Clip) -> Floats:
    """Where each frame's picture is, (F, 2) pixels, by phase correlation of neighbours."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64) for frame in clip.frames]
    window = cv2.createHanningWindow((WIDTH, HEIGHT), cv2.CV_64F)
    steps = [cv2.phaseCorrelate(a, b, window)[0] for a, b in pairwise(grey)]
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])


def moved(clip: Clip, mended: Clip) -> float:
    """Pixels by which mending moved any frame, at most."""
    if mended is clip:
        return 0.0
    return float(np.abs(place(mended) - place(clip)).max())


def world(i: int, count: int) -> Clip:
    combination = SHOWN[i * len(SHOWN) // count]
    return Clip(draw(combination, i, Camera(FRAMES, float(FPS), WIDTH, HEIGHT)).frames, FPS)


def pan(seed: int, shake: np.random.Generator | None) -> Clip:
    """A texture that moves past, slower and faster; with a generator, it shakes by 1.5 px and 0.2 degrees as well."""
    picture = natural(seed, 1, HEIGHT + 4 * ROOM, WIDTH + 6 * ROOM).frames[0]
    rng = np.random.default_rng(seed)
    end = rng.uniform(-1.4, 1.4, 2) * ROOM
    frames = []
    for k in range(FRAMES):
        ease = 0.5 - 0.5 * np.cos(np.pi * k / (FRAMES - 1))
        away = end * (ease - 0.5)
        turn = 0.0
        if shake is not None:
            away, turn = away + shake.normal(0, 1.5, 2), shake.normal(0, 0.2)
        matrix = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), turn, 1.0)
        matrix[:, 2] += away - [3 * ROOM, 2 * ROOM]
        frames.append(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC))
    return Clip(np.asarray(np.stack(frames), np.uint8), FPS)


def flicker(clip: Clip, seed: int) -> Clip:
    """Each frame 5% brighter or darker, and raised or lowered by 2 of 255, at random."""
    rng = np.random.default_rng(seed)
    gain, level = rng.normal(1, 0.05, (len(clip.frames), 1, 1, 1)), rng.normal(0, 2, (len(clip.frames), 1, 1, 1))
    return _shown(clip, gain, level)


def drift(clip: Clip, seed: int) -> Clip:
    """The balance of colours changes by 12% from the first frame to the last."""
    rng = np.random.default_rng(seed)
    line = np.linspace(0, 1, len(clip.frames))[:, None, None, None]
    return _shown(clip, 1 + 0.12 * line * rng.choice([-1, 1], (1, 1, 1, 3)), np.zeros(1))


def _shown(clip: Clip, gain: Floats, level: Floats) -> Clip:
    return Clip(np.clip(np.rint(clip.frames * gain + level), 0, 255).astype(np.uint8), clip.fps)


if __name__ == "__main__":
    main()
