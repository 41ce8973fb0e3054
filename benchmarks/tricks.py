"""What each trick of a tier gives and what it costs: python -m benchmarks.tricks [--family wan22 --device cuda ...]

Seconds from prompt to latents (a median, after a run that warms up), the most memory on a GPU, and, with real weights,
how near the decoded frames are to those without the trick. --fast names the tricks, all that can be had without it.
"""

import argparse
import json
import math
import statistics
import time
from dataclasses import replace

import numpy as np
import torch

from wan_demo import machine
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.models import Models
from wan_demo.pipeline import draw, result_of
from wan_demo.plans import GIB
from wan_demo.presets import Preset, find
from wan_demo.request import Request
from wan_demo.setup import Setup, add_flags, read, usable_tricks

PROMPTS = (
    "a red ball moves right over green grass",
    "a yellow moon rises over the sea",
    "a green heart moves left in the snow",
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tricks", description=__doc__)
    parser.add_argument("--tier", default="full")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--steps", type=int, help="cut the schedule to about so many")
    parser.add_argument("--random-weights", action="store_true")
    add_flags(parser)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    setup = read(options)
    plain: list[np.ndarray] = []
    asked = setup.tricks or usable_tricks()
    for tricks in ((), *((trick,) for trick in asked), asked):
        figures, frames = measure(replace(setup, tricks=tricks), options)
        plain = plain or frames
        if not options.random_weights:
            figures["psnr_db"] = round(min(map(psnr, plain, frames)), 1)
        print(json.dumps({"tricks": list(tricks), **figures}), flush=True)


def measure(setup: Setup, options: argparse.Namespace) -> tuple[dict[str, float], list[np.ndarray]]:
    """Seconds and memory of a set of tricks, and a clip's frames for each prompt."""
    preset, parts = machine.parts_of(
        setup, replace(find(setup.family, options.tier), tricks=setup.tricks), options.random_weights
    )
    if options.steps:
        preset = replace(preset, schedule=preset.schedule.cut(options.steps))
    draw_one(PROMPTS[0], preset, parts)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    timed = [draw_one(PROMPTS[0], preset, parts)[0] for _ in range(options.runs)]
    figures = {"seconds": round(statistics.median(timed), 3)}
    if torch.cuda.is_available():
        figures["peak_gib"] = round(torch.cuda.max_memory_allocated() / GIB, 2)
    return figures, [draw_one(prompt, preset, parts)[1] for prompt in PROMPTS]


def draw_one(prompt: str, preset: Preset, parts: Models) -> tuple[float, np.ndarray]:
    """Seconds to the latents, and their frames."""
    started = time.perf_counter()
    latents = result_of(draw(Request(prompt, preset.tier), preset, parts, Clock()))
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    with parts.present("vae") as vae:
        return seconds, decode(latents, vae).frames


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.mean((one.astype(float) - other) ** 2)
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)


if __name__ == "__main__":
    main()
