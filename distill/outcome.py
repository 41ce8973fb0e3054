"""What an evaluation has to tell of one tier, in one language."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distill import features
from distill.evaluate import Result, Sample, Seen, count
from distill.measures import bootstrap, diversity
from distill.world import Floats
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
        for name in ("thing", "colour", "scene", "motion"):
            rows: dict[str, tuple[int, int]] = {}
            for s in self.seen:
                right, of = rows.get(getattr(s.combination, name), (0, 0))
                rows[getattr(s.combination, name)] = (right + s.marks["all_right"], of + 1)
            told[name] = dict(sorted(rows.items()))
        return told

    @cached_property
    def frechet(self) -> float:
        """Of the clips' features and those of the clips that the world draws of the same combinations."""
        return features.frechet(*(np.stack(rows) for rows in zip(*self._features(), strict=True)))

    def moved(self, motion: str | None = None) -> tuple[float, Interval]:
        """Mean ratio of a clip's motion to that of the world's clip beside it."""
        ratios = [s.figures.motion / s.truth.motion for s in self.seen if motion in (None, s.combination.motion)]
        return float(np.mean(ratios)), bootstrap(np.array(ratios))

    def figure(self, name: str) -> tuple[float, Interval, float]:
        """Mean of a figure over the clips, its interval, and the mean over the world's clips."""
        mine, world = (np.array([getattr(f, name) for f in row]) for row in self._figures())
        return float(mine.mean()), bootstrap(mine), float(world.mean())

    def varied(self) -> tuple[float, float] | None:
        """How far clips of one combination lie apart: generated, and drawn by the world. None without repeats."""
        size = self.column.sample.repeats
        if size < 2:
            return None
        mine, world = (np.stack(rows) for rows in zip(*self._features(), strict=True))
        whole = range(0, len(mine) - size + 1, size)
        return diversity([mine[i : i + size] for i in whole]), diversity([world[i : i + size] for i in whole])

    def _features(self) -> list[tuple[Floats, Floats]]:
        return [(s.features, s.truth_features) for s in self.seen]

    def _figures(self) -> tuple[list[object], list[object]]:
        return [s.figures for s in self.seen], [s.truth for s in self.seen]
