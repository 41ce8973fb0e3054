"""How what moves in a clip moves, and where its motion changes at once: bounces, stops, starts."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.clip import Clip

Floats = npt.NDArray[np.float64]

SIDE = 128  # pixels of the shorter side on which motion is looked for
MOVES = 0.25  # pixels between two frames from which a pixel moves
SUDDEN = 0.25  # change of velocity, in heights a second, from which it is an impact
APART = 2.5  # frames between two impacts; nearer ones are one
STANDS_OUT = 2.0  # times the median change


@dataclass(frozen=True)
class Impact:
    """The motion changes at once.

    moment: seconds from the start of the clip. strength: the change of velocity, in heights of the frame a second.
    place: from left to right, 0 to 1. bounce: what fell rises.
    """

    moment: float
    strength: float
    place: float
    bounce: bool


@dataclass(frozen=True, eq=False)
class Motion:
    """Between frames k and k + 1 of a clip, averaged over what moves: velocity (F - 1, 2) to the right and down, in
    heights of the frame a second; place (F - 1,), from left to right, 0 to 1. fps: frames a second."""

    velocity: Floats
    place: Floats
    fps: float

    @property
    def speed(self) -> Floats:
        return np.hypot(self.velocity[:, 0], self.velocity[:, 1])


def measure_motion(clip: Clip) -> Motion:
    """By optical flow. What stands still is not averaged in, unless all does."""
    scale = min(1.0, SIDE / min(clip.frames.shape[1:3]))
    small = [cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for frame in clip.frames]
    height, width = small[0].shape[:2]
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    momentum, area, place = [], [], []
    for first, second in pairwise(small):
        change = cv2.absdiff(first, second)
        channel = int(change.sum((0, 1)).argmax())
        grey = (np.ascontiguousarray(frame[..., channel]) for frame in (first, second))
        flow = np.asarray(finder.calc(*grey, None), np.float64)  # type: ignore[call-overload]
        moves = np.hypot(flow[..., 0], flow[..., 1]) > MOVES
        momentum.append(flow[moves].sum(0))
        area.append(int(moves.sum()))
        columns = np.nonzero(moves)[1]
        place.append(float(columns.mean()) / width if len(columns) else np.nan)
    usual = float(np.median([a for a in area if a] or [1]))  # what stops for a moment has no area of its own then
    velocity = np.array(momentum).reshape(-1, 2) / usual / height * float(clip.fps)
    known = np.array(place, np.float64)
    return Motion(velocity, np.where(np.isnan(known), 0.5, known), float(clip.fps))


def find_impacts(motion: Motion) -> tuple[Impact, ...]:
    """Where the velocity before and after differ much more than elsewhere, in time order, between frames too."""
    velocity = motion.velocity
    if len(velocity) < 4:
        return ()
    # k: the interval in which it happens; the ones before and after are whole
    change = np.linalg.norm(velocity[2:] - velocity[:-2], axis=1)
    least = max(SUDDEN, STANDS_OUT * float(np.median(change)))
    found: list[Impact] = []
    for i in np.argsort(-change, kind="stable"):
        if change[i] < least:
            break
        impact = _impact(motion, int(i) + 1)
        if all(abs(impact.moment - other.moment) * motion.fps >= APART for other in found):
            found.append(impact)
    return tuple(sorted(found, key=lambda impact: impact.moment))


def _impact(motion: Motion, k: int) -> Impact:
    """The impact in interval k: its own velocity is the mean of those before and after, weighted by their times."""
    before, now, after = motion.velocity[k - 1 : k + 2]
    jump = before - after
    share = float(np.clip(np.dot(now - after, jump) / max(float(np.dot(jump, jump)), 1e-9), 0, 1))
    strength = float(np.linalg.norm(jump))
    bounce = bool(before[1] > SUDDEN / 2 and after[1] < -SUDDEN / 2)
    return Impact((k + share) / motion.fps, strength, float(motion.place[k]), bounce)
