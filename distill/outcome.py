"""What an evaluation has to tell of one tier, in one language."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distill.evaluate import Result, Sample, Seen, Traits, count
from distill.features import frechet
from distill.measures import bootstrap, diversity
from distill.things import Floats
from distill.world import ATTRIBUTES
from wan_demo.presets import Preset

Interval = tuple[float, float]


@dataclass(frozen=True)
class Column:
    """What is compared: a name, whose it is, and the clips."""

    name: str
    preset: Preset
    sample: Sample


@dataclass(frozen=True)
class Outcome:
    """A column and its clips. Intervals are of 95%."""

    column: Column
    seen: list[Seen]

    @property
    def result(self) -> Result:
        return count([s.marks for s in self.seen])

    def by_value(self) -> dict[str, dict[str, tuple[int, int]]]:
        """For each attribute and value: how many clips are right in every respect, of how many."""
        told: dict[str, dict[str, tuple[int, int]]] = {}
        for name in ATTRIBUTES:
            rows: dict[str, tuple[int, int]] = {}
            for s in self.seen:
                right, of = rows.get(getattr(s.combination, name), (0, 0))
                rows[getattr(s.combination, name)] = (right + s.marks["all_right"], of + 1)
            told[name] = dict(sorted(rows.items()))
        return told

    @cached_property
    def pairs(self) -> list[tuple[str, Traits, Traits]]:
        """Of each clip: its motion as asked for, its traits, and those of the world's clip beside it."""
        return [(s.combination.motion, s.traits, s.world) for s in self.seen if s.traits and s.world]

    @cached_property
    def features(self) -> tuple[Floats, Floats]:
        """(N, D) of the clips, and of the world's."""
        return np.stack([t.features for _, t, _ in self.pairs]), np.stack([w.features for _, _, w in self.pairs])

    @property
    def frechet(self) -> float | None:
        """Of the clips' features and those of the world's clips beside them; None for too few clips to tell."""
        mine, world = self.features
        return frechet(mine, world) if len(mine) > mine.shape[1] else None

    def moved(self, motion: str | None = None) -> tuple[float, Interval]:
        """Mean ratio of a clip's motion to that of the world's clip beside it, where that one's can be seen."""
        seen = [(t.figures.motion, w.figures.motion) for m, t, w in self.pairs if motion in (None, m)]
        ratios = [mine / world for mine, world in seen if world > 0] or [math.nan]
        return float(np.mean(ratios)), bootstrap(np.array(ratios))

    def figure(self, name: str) -> tuple[float, Interval, float]:
        """Mean of a figure over the clips, its interval, and the mean over the world's clips."""
        mine = np.array([getattr(t.figures, name) for _, t, _ in self.pairs])
        world = np.array([getattr(w.figures, name) for _, _, w in self.pairs])
        return float(mine.mean()), bootstrap(mine), float(world.mean())

    def varied(self) -> tuple[float, float] | None:
        """How far clips of one combination lie apart: generated, and drawn by the world. None without repeats."""
        size = self.column.sample.repeats
        if size < 2:
            return None
        starts = range(0, len(self.pairs) - size + 1, size)
        mine, world = ([rows[i : i + size] for i in starts] for rows in self.features)
        return diversity(mine), diversity(world)
