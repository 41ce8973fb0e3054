"""Long clips, their seams and their colours: python -m benchmarks.length [--tier full] [--duration 10] [--clips 8]

Clips of held-out combinations, at the model's own size, mended as in the app. seam: the largest difference of
neighbouring frames within a latent of where a window begins or ends, over the median of all; most: the largest of all.
drift: how far the thing's colour is from its median over the clip, at most, in any channel, of 255; ends: that of the
first half second against the last's.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distill.captions import plain
from distill.evaluate import Sample, choose, known
from distill.judge import Reading, judge, score
from distill.things import HOLES
from distill.world import HELD_OUT
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.diffuse import windows
from wan_demo.finish.mend import mend
from wan_demo.models import Models, load
from wan_demo.pipeline import draw, result_of
from wan_demo.presets import Preset, find
from wan_demo.request import TIERS, Request


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.length", description=__doc__)
    parser.add_argument("--tier", choices=TIERS, default="distilled")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--duration", type=float, default=10)
    parser.add_argument("--weights", type=Path, help="another weights folder than the shipped one")
    options = parser.parse_args()
    preset = find("pocket", options.tier)
    if not preset.finish.duration_s < options.duration <= preset.longest_s:
        parser.error(
            f"windows meet in clips of more than {preset.usual_s} s: give a --duration up to {preset.longest_s}."
        )
    preset = preset if options.weights is None else preset.at(options.weights)
    models = load(preset)
    asked = known(HELD_OUT, "en", models.tokenizer)
    for number, combination in enumerate(choose(asked, Sample(clips=options.clips))):
        caption, started = plain(combination), time.perf_counter()
        clip, _ = mend(make(caption, number, preset, models, options.duration))
        seen = judge(clip.frames, float(clip.fps))
        told = {"caption": caption, "frames": len(clip.frames), "s": round(time.perf_counter() - started, 1)}
        told |= asdict(score(seen, combination)) | seams(clip.frames, borders(len(clip.frames), preset, models))
        print(json.dumps(told | drift(clip.frames, seen, clip.fps)), flush=True)


def make(text: str, seed: int, preset: Preset, models: Models, duration_s: float) -> Clip:
    """The model's clip for a caption."""
    request = Request(text, preset.tier, seed, duration_s=duration_s)
    return decode(result_of(draw(request, preset, models, Clock())), models.vae)


def borders(frames: int, preset: Preset, models: Models) -> list[int]:
    """The latents, of a clip of so many frames, that a window begins or ends at."""
    latents, _, _ = models.compression.latents(replace(preset.finish, frames=frames))
    size, _, _ = models.compression.latents(preset.finish)
    starts = windows(latents, size)
    return sorted({*starts, *(start + size for start in starts)} - {0, latents})


def seams(frames: npt.NDArray[np.uint8], latents: list[int]) -> dict[str, float]:
    """Of frames (F, H, W, 3); latents: where windows begin or end."""
    change = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean((1, 2, 3))  # i: from frame i to the next
    near = {i for t in latents for i in range(4 * t - 8, 4 * t + 4) if 0 <= i < len(change)}
    median = float(np.median(change))
    return {"seam": round(max(change[i] for i in near) / median, 2), "most": round(float(change.max()) / median, 2)}


def drift(frames: npt.NDArray[np.uint8], seen: Reading, fps: Fraction) -> dict[str, float | None]:
    """Of the brightest quarter of what lies within half the thing's radius, or, where that is a hole, about it.

    Half a ball or flower is darker there. A moon is not measured: the scene shows in its middle.
    """
    if seen.thing == "moon":
        return {"drift": None, "ends": None}
    height, width = frames.shape[1:3]
    least, most = (0.6, 0.8) if seen.thing in HOLES else (0.0, 0.5)
    y, x = np.mgrid[:height, :width] + 0.5
    shades = []
    for frame, centre, radius in zip(frames, seen.centre, seen.radius, strict=True):
        away = np.hypot(x - centre[0] * width, y - centre[1] * height) / (radius * height)
        inside = frame[(least <= away) & (away < most)]
        if len(inside):
            light = inside.sum(1)
            shades.append(np.median(inside[light >= np.quantile(light, 0.75)], axis=0))
    if len(shades) < len(frames) / 2:
        return {"drift": None, "ends": None}
    track, some = np.array(shades), round(fps / 2)
    ends = np.abs(np.median(track[:some], 0) - np.median(track[-some:], 0)).max()
    return {"drift": float(np.abs(track - np.median(track, 0)).max()), "ends": float(ends)}


if __name__ == "__main__":
    main()
