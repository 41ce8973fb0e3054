"""Scores a tier: generates clips for combinations, lets the pixel judge read them, counts what is right."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from distill import parallel
from distill.captions import plain
from distill.judge import judge, score
from distill.world import HELD_OUT, TRAIN, Combination
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.models import Models, load
from wan_demo.pipeline import draw, result_of
from wan_demo.presets import Preset
from wan_demo.request import Request

SPLITS = {"heldout": HELD_OUT, "train": TRAIN}


@dataclass(frozen=True)
class Result:
    """Shares of `clips` clips that the judge found right; interval: 95% (Wilson) for all_right."""

    clips: int
    thing: float
    colour: float
    scene: float
    motion: float
    all_right: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """How many clips, one each for a combination of a split (one of SPLITS), chosen and drawn from a seed."""

    split: str = "heldout"
    clips: int = 200
    seed: int = 0


def report(preset: Preset, device: str, sample: Sample, log: Path | None, as_json: bool) -> None:
    """Score a tier, in every process of `distill.parallel`; the first one prints."""
    result = evaluate(preset, load(preset, device), sample, log)
    if parallel.rank() > 0:
        return
    if as_json:
        told = {"family": preset.family, "tier": preset.tier, "split": sample.split, **asdict(result)}
        print(json.dumps(told), flush=True)
    else:
        print("\n".join(f"{name:<10} {value}" for name, value in asdict(result).items()), flush=True)


def evaluate(preset: Preset, models: Models, sample: Sample, log: Path | None = None) -> Result:
    """Generate the clips of a sample, and judge the model's own frames.

    The chain's models run as in the app; what follows them (30 fps, 720p, label, MP4) is left out. The processes of
    `distill.parallel` share the clips. log: a file that gets a line of JSON a clip.
    """
    right: list[dict[str, bool]] = []
    combinations = enumerate(choose(SPLITS[sample.split], sample.clips, sample.seed))
    chosen = list(combinations)[parallel.rank() :: parallel.world()]
    name = f"{preset.family} {preset.tier} {sample.split}"
    with tqdm(total=len(chosen), desc=name, disable=parallel.rank() > 0) as bar:
        for i, combination in chosen:
            clip = make(combination, sample.seed + i, preset, models)
            verdict = score(judge(clip.frames, float(clip.fps)), combination)
            marks = asdict(verdict) | {"all_right": verdict.all_right}
            right.append(marks)
            bar.update()
            bar.set_postfix(all_right=f"{np.mean([m['all_right'] for m in right]):.3f}")
            if log is not None:
                with log.open("a") as file:
                    file.write(json.dumps({"caption": plain(combination), "seed": sample.seed + i, **marks}) + "\n")
    right = parallel.gather(right)
    shares = {k: float(np.mean([m[k] for m in right])) for k in right[0]}
    return Result(sample.clips, **shares, interval=wilson(shares["all_right"], sample.clips))


def choose(split: Sequence[Combination], clips: int, seed: int) -> Iterator[Combination]:
    """Combinations of a split in a fixed random order, again and again if `clips` asks for more than there are."""
    order = np.random.default_rng(seed).permutation(len(split))
    return (split[order[i % len(split)]] for i in range(clips))


def make(combination: Combination, seed: int, preset: Preset, models: Models) -> Clip:
    """The model's clip for the plain caption of a combination."""
    request = Request(plain(combination), preset.tier, seed)
    return decode(result_of(draw(request, preset, models, Clock())), models.vae)


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """95% confidence interval of a share (Wilson, 1927)."""
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return round(centre - half, 3), round(centre + half, 3)
