"""What a thing's track through a clip shows: its motion, its speed and its size."""

from dataclasses import dataclass

import numpy as np

from distill.stencils import stencil_radius
from distill.things import Floats
from distill.world import PERIOD_S

WEAK = 0.4  # share of a motion's least way at which a slow one shows; drawn are 0.5 and more, 0.48 of what shrinks
LAG_S = {"falls": 1.2, "grows": 0.9, "shrinks": 1.1}  # mean time until a part of a usual way is gone; of others 1
FAST_LAG = 0.8  # of that; fast motions have 0.62
FAST_TURN = 226.0  # degrees; usual turns end at 207, fast ones begin at 245
SMALL, BIG = 0.236, 0.322  # radii in sides between the drawn small, usual and big ones: .178-.205, .27-.31, .338-.388


@dataclass(frozen=True)
class Room:
    """How a thing of a pair has it smaller than one alone: sideways ways, and radii. hop: see `world.hop`."""

    breadth: float = 1.0
    radius: float = 1.0
    hop: float = 1.0


def motion_and_speed(track: Floats, turned: Floats, fps: float, room: Room) -> tuple[str | None, str | None]:
    """The one motion that a track (F, 3) of x, y and radius shows, and its speed; None where it shows none or several.

    Each must go far enough, about half of the least that the world draws, and go there without turning back.
    One that goes less far, and is alone, is slow. turned: (F,) in degrees.
    """
    share = min((len(track) - 1) / fps / PERIOD_S, 1.0)  # a shorter clip shows a part of the motion
    frame, seen = np.arange(len(track)), np.isfinite(track[:, 2])
    tracks = (track[:, 0], track[:, 1], np.log2(track[:, 2]))
    x, y, big = (np.interp(frame, frame[seen], values[seen]).astype(np.float32) for values in tracks)
    ways = {
        "moves left": (-x, 0.24 * room.breadth),
        "moves right": (x, 0.24 * room.breadth),
        "rises": (-y, 0.24),
        "falls": (y, 0.24),
        "grows": (big, 0.7),
        "shrinks": (-big, 0.7),
    }
    gone = {name: _progress(_smooth(row, fps)) / (least * share) for name, (row, least) in ways.items()}
    gone["spins"] = abs(_progress(turned)) / (110 * share)
    strong = [name for name, far in gone.items() if far >= 1]
    if _bounces(y / room.hop, fps):
        return (None, None) if strong else ("bounces", None)
    shown = strong or [name for name, far in gone.items() if far >= WEAK]
    if len(shown) != 1:
        return None, None
    motion = shown[0]
    if not strong:
        return motion, "slowly"
    if motion == "spins":
        return motion, "fast" if gone["spins"] * 110 >= FAST_TURN else ""
    return motion, None if share < 0.95 else _pace(motion, ways[motion][0], fps)


def _pace(motion: str, row: Floats, fps: float) -> str:
    """ "fast" or "", of a motion that goes all its way: a fast one arrives early, and then rests."""
    left = (row[-1] - row) / (row[-1] - row[0])
    lag = float(left.mean()) * len(row) / fps
    return "fast" if lag < FAST_LAG * LAG_S.get(motion, 1.0) else ""


def size(thing: str | None, motion: str | None, radius: Floats, room: Room) -> str | None:
    """Of a thing in its frames, from its equal-area radius in sides; None for what has no one size."""
    if thing is None or motion in ("grows", "shrinks") or not len(radius):
        return None
    usual = float(np.median(radius)) / stencil_radius(thing) / room.radius
    return "small" if usual < SMALL else "big" if usual > BIG else ""


def _smooth(track: Floats, fps: float) -> Floats:
    """Average over a quarter of a second."""
    window = int(min(fps / 4, len(track) / 4)) // 2 * 2 + 1
    return np.convolve(track, np.full(window, 1 / window), "valid").astype(np.float32)


def _progress(track: Floats) -> float:
    """End less start, or 0 for a track that wanders."""
    net = float(track[-1] - track[0])
    return net if abs(net) >= 0.75 * float(np.abs(np.diff(track)).sum()) else 0.0


def _bounces(track: Floats, fps: float) -> bool:
    """Up, down and up again (or the reverse), each by a tenth of the height or more, without leaps or jitter."""
    down = _smooth(track, fps)
    turns, pivot, heading = 0, float(down[0]), 0
    for y in down.tolist():
        if heading * (y - pivot) > 0:
            pivot = y
        elif abs(y - pivot) >= 0.1:
            turns, pivot, heading = turns + (heading != 0), y, 1 if y > pivot else -1
    reach, way = float(np.ptp(down)), float(np.abs(np.diff(down)).sum())
    leap = float(np.percentile(np.abs(np.diff(track)), 95)) * fps
    # Drawn: 3 turns, 4, and 3.1 a second of the track's own reach: smoothing takes a quarter of that.
    return 2 <= turns <= 4 and reach >= 0.2 and way <= 5 * reach and leap <= 5 * float(np.ptp(track))
