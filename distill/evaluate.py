"""Scores a tier: generates clips for captions, lets the pixel judge read them, counts what is right."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from distill import features, judge, parallel
from distill.batch import make
from distill.captions import paraphrase, plain
from distill.measures import Figures, measure, wilson
from distill.things import Floats
from distill.tokenizer import knows
from distill.world import ATTRIBUTES, HELD_OUT, TRAIN, Camera, Combination, Frames, What, pair, parts, varied
from distill.world import draw as render
from wan_demo.clip import Clip
from wan_demo.models import Models
from wan_demo.presets import Preset

SPLITS = ("heldout", "train", "pairs", "varied")
PAIRS, VARIANTS = 2000, 5  # that a sample is chosen from: pairs, and variants of each held-out combination
ASKED = (*ATTRIBUTES, "size", "speed", "lively")  # what may be asked of a clip
RENDERED = 10**6  # added to a clip's seed for the clip that the world draws beside it
WAITING = 128  # clips at most that wait for a judge; one takes 4 MB
Some = TypeVar("Some", bound=What)


class Share(NamedTuple):
    """So many right, of so many."""

    right: int
    of: int

    @property
    def value(self) -> float:
        return self.right / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """95% (Wilson)."""
        return wilson(self.value, self.of)


@dataclass(frozen=True)
class Result:
    """What the judge found right: a share for each of ASKED that some clip was asked for, of those, and "all_right"."""

    shares: dict[str, Share]

    @property
    def clips(self) -> int:
        return self.shares["all_right"].of

    @property
    def all_right(self) -> float:
        return self.shares["all_right"].value

    @property
    def interval(self) -> tuple[float, float]:
        """Of all_right."""
        return self.shares["all_right"].interval


@dataclass(frozen=True)
class Sample:
    """Which clips: `clips` of them for what a split shows (one of SPLITS), chosen and drawn from a seed.

    language: of the captions; any_words: paraphrases instead of the plain captions. repeats: clips in a row of one
    combination or pair, each with a seed of its own.
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
class Asked:
    """A clip to make: its number in the sample, what it should show, in words, and its seed."""

    number: int
    what: What
    caption: str
    seed: int


@dataclass(frozen=True)
class Seen:
    """A clip: its number in the sample, what was asked, what is right, and some of its frames.

    traits: of it; world: of a clip that the world draws of the same. Both are None where not asked for.
    """

    number: int
    what: What
    caption: str
    marks: dict[str, bool]
    frames: Frames = field(repr=False)
    traits: Traits | None = None
    world: Traits | None = None


def evaluate(preset: Preset, models: Models, sample: Sample, log: Path | None = None) -> Result:
    """Generate the clips of a sample, judge the model's own frames, and count."""
    return count([seen.marks for seen in watch(preset, models, sample, log=log)])


def count(marks: Sequence[dict[str, bool]]) -> Result:
    """The shares that are right, each of the clips that have such a mark."""
    told = {name: [m[name] for m in marks if name in m] for name in (*ASKED, "all_right")}
    return Result({name: Share(sum(rows), len(rows)) for name, rows in told.items() if rows})


def watch(
    preset: Preset,
    models: Models,
    sample: Sample,
    measured: bool = False,
    log: Path | None = None,
    batch: int = 1,
    judges: Executor | None = None,
) -> list[Seen]:
    """Generate and look at every clip of a sample, in its order; only of things that the models have a word for.

    The chain's models run as in the app; what follows them (30 fps, 720p, label, MP4) is left out. The processes of
    `distill.parallel` share the clips. measured: their traits, too. log: a file that gets a line of JSON a clip.
    batch: clips that are generated at once. judges: see `crew`; None for this process.

    Raises:
        ValueError: the models have no words for anything in the split.
    """
    mine = tell(sample, models.tokenizer)[parallel.rank() :: parallel.world()]
    seen: list[Seen] = []
    name = f"{preset.family} {preset.tier} {sample.split} {sample.language}"
    with tqdm(total=len(mine), desc=name, disable=parallel.rank() > 0) as bar:
        for one in _looks(mine, preset, models, measured, batch, judges or _Here()):
            seen.append(one)
            bar.update()
            bar.set_postfix(all_right=f"{np.mean([s.marks['all_right'] for s in seen]):.3f}")
            if log is not None:
                _write(log, one, sample)
    return sorted(parallel.gather(seen), key=lambda s: s.number)


def _looks(
    asked: Sequence[Asked], preset: Preset, models: Models, measured: bool, batch: int, judges: Executor
) -> Iterator[Seen]:
    """What is seen of each clip, in order. While clips wait for judges, the next ones are made."""
    waiting: deque[Future[Seen]] = deque()
    for start in range(0, len(asked), batch):
        some = asked[start : start + batch]
        clips = make([one.caption for one in some], [one.seed for one in some], preset, models)
        waiting.extend(judges.submit(look, one, clip, measured) for one, clip in zip(some, clips, strict=True))
        while waiting and (waiting[0].done() or len(waiting) > WAITING):
            yield waiting.popleft().result()
    yield from (future.result() for future in waiting)


def look(asked: Asked, clip: Clip, measured: bool) -> Seen:
    """Judge a clip; and measure it, and the world's own beside it."""
    frames, fps = clip.frames, float(clip.fps)
    marks = judge.marks(judge.read(frames, fps, asked.what), asked.what)
    few = frames[np.linspace(0, len(frames) - 1, 5).astype(int)]
    seen = (asked.number, asked.what, asked.caption, marks, few)
    if not measured:
        return Seen(*seen)
    drawn = render(asked.what, RENDERED + asked.seed, Camera(len(frames), fps, frames.shape[2], frames.shape[1]))
    return Seen(*seen, traits(frames, fps), traits(drawn.frames, fps))


def traits(frames: Frames, fps: float) -> Traits:
    return Traits(measure(frames, fps), features.look(eye(), frames, fps))


@cache
def eye() -> features.Eye:
    """The shipped one: each process that judges loads it once."""
    return features.load()


def tell(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> list[Asked]:
    """The clips of a sample, of what the tokenizer has words for.

    Raises:
        ValueError: that is nothing.
    """
    asked = known(split(sample.split), sample.language, tokenizer)
    if not asked:
        raise ValueError(f"The models have no words for what the split {sample.split} shows, in {sample.language}.")
    return [
        Asked(number, what, caption(number, what, sample, tokenizer), sample.seed + number)
        for number, what in enumerate(choose(asked, sample))
    ]


@cache
def split(name: str) -> tuple[What, ...]:
    """What the clips of one of SPLITS may show, always the same.

    heldout, train: plain combinations. pairs: of things never seen together in training. varied: each held-out
    combination, with a size, a speed or lively scenery, or more than one of these.
    """
    rng = np.random.default_rng(0)
    if name == "pairs":
        return tuple(pair(rng, held_out=True) for _ in range(PAIRS))
    if name == "varied":
        return tuple(_changed(what, rng) for _ in range(VARIANTS) for what in HELD_OUT)
    return {"heldout": HELD_OUT, "train": TRAIN}[name]


def _changed(what: Combination, rng: np.random.Generator) -> Combination:
    while (changed := varied(what, rng)) == what:
        pass
    return changed


def known(members: Sequence[Some], language: str, tokenizer: PreTrainedTokenizerBase) -> list[Some]:
    """Those whose plain caption a tokenizer has all words of."""
    return [what for what in members if knows(tokenizer, plain(what, language))]


def choose(members: Sequence[Some], sample: Sample) -> Iterator[Some]:
    """Of a split's in a fixed random order, again and again if more are asked for than there are."""
    order = np.random.default_rng(sample.seed).permutation(len(members))
    return (members[order[i // sample.repeats % len(members)]] for i in range(sample.clips))


def caption(number: int, what: What, sample: Sample, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """What the model is asked for clip `number`, in words that its tokenizer has; None has all."""
    if not sample.any_words:
        return plain(what, sample.language)
    rng = np.random.default_rng([sample.seed, number])
    while True:
        text = paraphrase(what, rng, sample.language)
        if knows(tokenizer, text):
            return text


def crew(judges: int) -> Executor:
    """Who looks at clips: so many processes of one thread each, or, with 0, this one. Close it after use."""
    if not judges:
        return _Here()
    os.environ["OMP_NUM_THREADS"] = "1"  # is read when numpy is loaded, before a process runs anything of ours
    return ProcessPoolExecutor(judges, get_context("spawn"), _alone)  # a copy of this one would share its locks


def _alone() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


class _Here(Executor):
    """Does what it is given at once, in this process."""

    def submit(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(job(*args, **kwargs))
        return done


def _write(log: Path, seen: Seen, sample: Sample) -> None:
    told = {"caption": seen.caption, "seed": sample.seed + seen.number, **seen.marks, "language": sample.language}
    height, width = seen.frames.shape[1:3]
    told |= {"size": f"{width}x{height}", "split": sample.split, "what": [asdict(one) for one in parts(seen.what)]}
    if len(parts(seen.what)) == 1:
        told["asked"] = asdict(seen.what)
    if seen.traits:
        told["figures"] = asdict(seen.traits.figures)
    with log.open("a") as file:
        file.write(json.dumps(told) + "\n")
