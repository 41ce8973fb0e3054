"""What an evaluation has to tell of one tier, in one language, for one split."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distill.evaluate import ASKED, Result, Sample, Seen, Share, Traits, count
from distill.features import frechet
from distill.measures import bootstrap, diversity
from distill.things import Floats
from distill.world import What, parts
from wan_demo.presets import Preset

Interval = tuple[float, float]


@dataclass(frozen=True)
class Column:
    """What is compared: the models, by a name, and the clips. detail: what sets it apart from others of this name."""

    name: str
    preset: Preset
    sample: Sample
    detail: str = ""

    @property
    def title(self) -> str:
        return f"{self.name}, {self.detail}" if self.detail else self.name


@dataclass(frozen=True)
class Outcome:
    """A column and its clips. Intervals are of 95%."""

    column: Column
    seen: list[Seen]

    @property
    def result(self) -> Result:
        return count([s.marks for s in self.seen])

    def by_value(self) -> dict[str, dict[str, Share]]:
        """For each attribute that was asked for, and its values: clips that are right in every respect, of how many.

        A pair counts for what either of its things shows, once.
        """
        told: dict[str, dict[str, Share]] = {}
        for s in self.seen:
            for name, value in values(s.what):
                right, of = told.setdefault(name, {}).get(value, (0, 0))
                told[name][value] = Share(right + s.marks["all_right"], of + 1)
        return {name: dict(sorted(told[name].items())) for name in ASKED if name in told}

    @cached_property
    def beside(self) -> list[tuple[What, Traits, Traits]]:
        """Of each clip: what it should show, its traits, and those of the world's clip beside it."""
        return [(s.what, s.traits, s.world) for s in self.seen if s.traits and s.world]

    @cached_property
    def features(self) -> tuple[Floats, Floats]:
        """(N, D) of the clips, and of the world's."""
        return np.stack([t.features for _, t, _ in self.beside]), np.stack([w.features for _, _, w in self.beside])

    @property
    def comparable(self) -> bool:
        """Whether features tell anything: they were learned from wide frames."""
        finish = self.column.preset.finish
        return finish.width > 1.5 * finish.height

    @property
    def frechet(self) -> float | None:
        """Of the clips' features and those of the world's clips beside them; None where that tells nothing."""
        mine, world = self.features
        return frechet(mine, world) if self.comparable and len(mine) > mine.shape[1] else None

    def moved(self, motion: str | None = None) -> tuple[float, Interval]:
        """Mean ratio of a clip's motion to that of the world's clip beside it, where that one's can be seen.

        motion: of the clips where a thing moves so; None for all.
        """
        some = [b for b in self.beside if motion is None or ("motion", motion) in values(b[0])]
        seen = [(t.figures.motion, w.figures.motion) for _, t, w in some]
        ratios = [mine / world for mine, world in seen if world > 0] or [math.nan]
        return float(np.mean(ratios)), bootstrap(np.array(ratios))

    def figure(self, name: str) -> tuple[float, Interval, float]:
        """Mean of a figure over the clips, its interval, and the mean over the world's clips."""
        mine = np.array([getattr(t.figures, name) for _, t, _ in self.beside])
        world = np.array([getattr(w.figures, name) for _, _, w in self.beside])
        return float(mine.mean()), bootstrap(mine), float(world.mean())

    def varied(self) -> tuple[float, float] | None:
        """How far clips of one combination lie apart: generated, and drawn by the world. None without repeats, or where
        features tell nothing."""
        size = self.column.sample.repeats
        if size < 2 or not self.comparable:
            return None
        starts = range(0, len(self.beside) - size + 1, size)
        mine, world = ([rows[i : i + size] for i in starts] for rows in self.features)
        return diversity(mine), diversity(world)


def values(what: What) -> list[tuple[str, str]]:
    """The attributes and values that are asked for, of either thing, each once."""
    told = ((name, getattr(one, name)) for one in parts(what) for name in ASKED)
    return list(dict.fromkeys((name, "yes" if value is True else value) for name, value in told if value))
