"""Moves a clip's sudden motions onto the onsets of a sound, by playing it a little faster here and slower there.

Legend: `shown` is a moment of the finished clip, `drawn` the moment, at plain speed, that is shown then; in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wan_demo.sound.onsets import Event

Floats = npt.NDArray[np.floating[Any]]

STEP_S = 0.01  # between two moments at which the speed may change
SPEED = 0.1  # it is 1 - SPEED, 1 or 1 + SPEED
WIDE_S = 0.03  # deviation of the reward around an onset: nearer is better, and farther than three is nothing
COST = 1e-4  # of a step at another speed than 1


@dataclass(frozen=True)
class Retiming:
    """What is drawn when, STEP_S apart from 0 on, never backwards."""

    drawn: tuple[float, ...]

    def at(self, shown: float) -> float:
        """The drawn moment at a shown one."""
        return float(np.interp(shown, self._shown, self.drawn))

    def when(self, drawn: float) -> float:
        """The moment at which a drawn one is shown."""
        return float(np.interp(drawn, self.drawn, self._shown))

    @property
    def _shown(self) -> Floats:
        return np.arange(len(self.drawn)) * STEP_S


def align(motions: Sequence[Event], onsets: Sequence[Event], shown_s: float, drawn_s: float) -> Retiming:
    """The retiming that puts as many motions as near to onsets as it can, the strongest first.

    shown_s: how long the finished clip is; drawn_s: how much is drawn, of which no more is shown. Dynamic programming
    over the lead of what is drawn over what is shown, which changes by SPEED * STEP_S or not at all in each step.
    """
    unit = STEP_S * SPEED
    steps = max(1, int(np.ceil(shown_s / STEP_S)))
    leads = np.arange(-steps, steps + 1)  # in units
    best = np.where(leads == 0, 0.0, -np.inf)
    came = np.zeros((steps + 1, len(leads)), np.int8)
    for n in range(1, steps + 1):
        # from a lead one lower, the same, one higher
        paths = np.stack([np.append(-np.inf, best[:-1]) - COST, best, np.append(best[1:], -np.inf) - COST])
        choice = np.where(paths.max(0) > paths[1], paths.argmax(0), 1)
        came[n] = choice - 1
        best = np.take_along_axis(paths, choice[None], 0)[0] + _reward(n * STEP_S, leads * unit, motions, onsets)
    allowed = steps * STEP_S + leads * unit <= max(drawn_s, shown_s * (1 - SPEED)) + 1e-9
    place = int(np.where(allowed, best, -np.inf).argmax())
    lead = [0.0] * (steps + 1)
    for n in range(steps, -1, -1):
        lead[n] = float(leads[place] * unit)
        place += int(came[n, place])
    return Retiming(tuple(n * STEP_S + lead[n] for n in range(steps + 1)))


def misses(motions: Sequence[Event], onsets: Sequence[Event], retiming: Retiming | None = None) -> list[float]:
    """Seconds from each motion, when it is shown, to the nearest onset."""
    shown = [motion.moment if retiming is None else retiming.when(motion.moment) for motion in motions]
    return [min(abs(moment - onset.moment) for onset in onsets) for moment in shown] if onsets else []


def _reward(shown: float, leads: Floats, motions: Sequence[Event], onsets: Sequence[Event]) -> Floats:
    """What each lead earns at this moment, by the motions that it shows within the step."""
    earned = np.zeros(len(leads))
    if not onsets:
        return earned
    value = max(onset.strength**0.5 * np.exp(-0.5 * ((shown - onset.moment) / WIDE_S) ** 2) for onset in onsets)
    for motion in motions:
        late = motion.moment - shown - leads
        earned += np.where((late > -STEP_S / 2) & (late <= STEP_S / 2), value * motion.strength, 0)
    return earned
