"""Scores a tier: generates clips for captions, lets the pixel judge read them, counts what is right."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from distill import features, parallel
from distill.captions import paraphrase, plain
from distill.data import FINISH
from distill.judge import judge, score
from distill.measures import Figures, measure, wilson
from distill.things import Floats
from distill.world import HELD_OUT, TRAIN, Combination, Frames
from distill.world import draw as render
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.models import Models
from wan_demo.pipeline import draw, result_of
from wan_demo.presets import Preset
from wan_demo.request import Request
from wan_demo.text import unknown_words

SPLITS = {"heldout": HELD_OUT, "train": TRAIN}
RENDERED = 10**6  # added to a clip's seed for the clip that the world draws beside it


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
    """Which clips: `clips` of them for combinations of a split (one of SPLITS), chosen and drawn from a seed.

    language: of the captions; any_words: paraphrases instead of the plain captions. repeats: clips in a row of one
    combination, each with a seed of its own.
    """

    split: str = "heldout"
    clips: int = 200
    seed: int = 0
    language: str = "en"
    any_words: bool = False
    repeats: int = 1


@dataclass(frozen=True)
class Traits:
    """What is measured of a clip, whatever it should show: figures, and features (D,) of `distill.features`."""

    figures: Figures
    features: Floats = field(repr=False)


@dataclass(frozen=True)
class Seen:
    """A clip: its number in the sample, what was asked, what is right, and some of its frames.

    traits: of it; world: of a clip that the world draws of the same combination. Both are None where not asked for.
    """

    number: int
    combination: Combination
    caption: str
    marks: dict[str, bool]
    frames: Frames = field(repr=False)
    traits: Traits | None = None
    world: Traits | None = None


def evaluate(preset: Preset, models: Models, sample: Sample, log: Path | None = None) -> Result:
    """Generate the clips of a sample, judge the model's own frames, and count."""
    return count([seen.marks for seen in watch(preset, models, sample, None, log)])


def count(marks: Sequence[dict[str, bool]]) -> Result:
    """The shares that are right."""
    shares = {k: float(np.mean([m[k] for m in marks])) for k in marks[0]}
    return Result(len(marks), **shares, interval=wilson(shares["all_right"], len(marks)))


def watch(
    preset: Preset, models: Models, sample: Sample, eye: features.Eye | None = None, log: Path | None = None
) -> list[Seen]:
    """Generate and look at every clip of a sample, in its order; only of things that the models have a word for.

    The chain's models run as in the app; what follows them (30 fps, 720p, label, MP4) is left out. The processes of
    `distill.parallel` share the clips. eye: for traits; without it there are none. log: a file that gets a line of JSON
    a clip.
    """
    asked = known(SPLITS[sample.split], sample.language, models.tokenizer)
    chosen = list(enumerate(choose(asked, sample)))[parallel.rank() :: parallel.world()]
    seen: list[Seen] = []
    name = f"{preset.family} {preset.tier} {sample.split} {sample.language}"
    with tqdm(total=len(chosen), desc=name, disable=parallel.rank() > 0) as bar:
        for number, combination in chosen:
            seen.append(look(number, combination, preset, models, sample, eye))
            bar.update()
            bar.set_postfix(all_right=f"{np.mean([s.marks['all_right'] for s in seen]):.3f}")
            if log is not None:
                _write(log, seen[-1], sample)
    return sorted(parallel.gather(seen), key=lambda s: s.number)


def look(
    number: int, combination: Combination, preset: Preset, models: Models, sample: Sample, eye: features.Eye | None
) -> Seen:
    """Make clip `number` of a sample and judge it; with an eye, measure it and the world's own beside it."""
    text = caption(number, combination, sample)
    clip = make(text, sample.seed + number, preset, models)
    verdict = score(judge(clip.frames, float(clip.fps)), combination)
    marks = asdict(verdict) | {"all_right": verdict.all_right}
    few = clip.frames[np.linspace(0, len(clip.frames) - 1, 5).astype(int)]
    if eye is None:
        return Seen(number, combination, text, marks, few)
    drawn = render(combination, RENDERED + sample.seed + number, FINISH)
    return Seen(
        number,
        combination,
        text,
        marks,
        few,
        traits(clip.frames, float(clip.fps), eye),
        traits(drawn.frames, FINISH.fps, eye),
    )


def traits(frames: Frames, fps: float, eye: features.Eye) -> Traits:
    return Traits(measure(frames, fps), features.look(eye, frames, fps))


def known(split: Sequence[Combination], language: str, tokenizer: PreTrainedTokenizerBase) -> list[Combination]:
    """The combinations whose plain caption a tokenizer has all words of."""
    return [c for c in split if not unknown_words(plain(c, language), tokenizer)]


def choose(split: Sequence[Combination], sample: Sample) -> Iterator[Combination]:
    """Combinations of a split in a fixed random order, again and again if more are asked for than there are."""
    order = np.random.default_rng(sample.seed).permutation(len(split))
    return (split[order[i // sample.repeats % len(split)]] for i in range(sample.clips))


def caption(number: int, combination: Combination, sample: Sample) -> str:
    """What the model is asked for clip `number`."""
    if not sample.any_words:
        return plain(combination, sample.language)
    return paraphrase(combination, np.random.default_rng([sample.seed, number]), sample.language)


def make(text: str, seed: int, preset: Preset, models: Models, duration_s: float = 2.0) -> Clip:
    """The model's clip for a caption."""
    request = Request(text, preset.tier, seed, duration_s=duration_s)
    return decode(result_of(draw(request, preset, models, Clock())), models.vae)


def _write(log: Path, seen: Seen, sample: Sample) -> None:
    told = {"caption": seen.caption, "seed": sample.seed + seen.number, **seen.marks, "language": sample.language}
    told |= {"asked": asdict(seen.combination)} | (asdict(seen.traits.figures) if seen.traits else {})
    with log.open("a") as file:
        file.write(json.dumps(told) + "\n")
