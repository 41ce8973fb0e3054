"""Reads a clip of the pocket world from its pixels alone: which things, colours, scene and motions, and how they are.

No model and no caption is consulted: the background is what each row shows most, the thing is what stands out from it,
and its shape is compared with the world's silhouettes. What cannot be told is None, never a guess.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from itertools import permutations

import cv2
import numpy as np

from distill.glimpses import (
    DISC,
    SIDE,
    STANDS_OUT,
    Backdrop,
    Glimpse,
    Spot,
    cleared,
    covered,
    from_background,
    look,
    prepare,
    scene_of,
    spot,
)
from distill.stencils import SYMMETRY, band, overlap, turns
from distill.things import HOLES, Floats
from distill.tracks import Room, motion_and_speed, size
from distill.world import PAIR_BREADTH, PAIR_RADIUS, THINGS, Combination, Frames, Pair, What, hop, parts

FOUND, AGREE = 0.8, 0.75  # shares of the frames that must show a thing, and agree on its shape or its colour
LEAST_IOU = {  # less where thin
    "ball": 0.9,
    "box": 0.9,
    "triangle": 0.88,
    "star": 0.83,
    "heart": 0.88,
    "moon": 0.7,
    "flower": 0.9,
    "fish": 0.84,
    "bird": 0.83,
    "boat": 0.88,
    "leaf": 0.86,
    "ring": 0.88,
}
ALONE, OF_TWO = Room(), Room(PAIR_BREADTH, PAIR_RADIUS)
# Of the width, where things leave the background to be seen: a pair; one thing that may cover most of a row.
FREE, NARROW = ((0, 0.07), (0.45, 0.55), (0.93, 1)), ((0, 0.1), (0.9, 1))
AROUND = 13  # px about a thing in which its edges may waver
FLICKS, LEAST_ALIVE = 8.0, 0.003  # sd over time towards the light, in RGB; share of the background that changes so


@dataclass(frozen=True)
class Reading:
    """What a clip shows of a thing, None where it cannot be told, and its track, nan where it was not found.

    centre: (F, 2) centroid as (x, y) in fractions of the frame; radius: (F,) of the disc of equal area, in sides (the
    frame's shorter one). size, speed: of the world's SIZES and SPEEDS, or "" where usual; lively: whether the scenery
    moves.
    """

    thing: str | None
    colour: str | None
    scene: str | None
    motion: str | None
    centre: Floats
    radius: Floats
    size: str | None = None
    speed: str | None = None
    lively: bool | None = None


@dataclass(frozen=True)
class Score:
    """Which of the four attributes of a combination a clip shows."""

    thing: bool
    colour: bool
    scene: bool
    motion: bool

    @property
    def all_right(self) -> bool:
        return all(astuple(self))


def read(frames: Frames, fps: float, what: What) -> tuple[Reading, ...]:
    """Read as many things as were asked for."""
    return judge_pair(frames, fps) if isinstance(what, Pair) else (judge(frames, fps),)


def judge(frames: Frames, fps: float) -> Reading:
    """Read a clip: frames (F, H, W, 3) uint8 RGB with F >= 2 and H, W >= 48, at fps frames a second."""
    pictures = _pictures(frames)
    scene, lively, backdrop = _behind(pictures)
    glimpses = [next(iter(look(picture, backdrop)), None) for picture in pictures]
    return _reading(glimpses, scene, lively, pictures[0], fps)


def judge_pair(frames: Frames, fps: float) -> tuple[Reading, Reading]:
    """Read a clip of two things, the one that is on the left at the start first; else like judge().

    Where most frames do not show exactly two, nothing is told of either.
    """
    pictures = _pictures(frames)
    scene, lively, backdrop = _behind(pictures, things=2)
    seen = [look(picture, backdrop, things=2) for picture in pictures]
    if np.mean([len(glimpses) == 2 for glimpses in seen]) < FOUND:
        seen = [[] for _ in seen]
    first, second = (_reading(glimpses, scene, lively, pictures[0], fps, OF_TWO) for glimpses in _followed(seen))
    return first, second


def score(reading: Reading, combination: Combination) -> Score:
    """Compare a reading with what the clip should show; a slow motion is right only where one is asked."""
    pace = bool(combination.speed) or reading.speed != "slowly"
    return Score(
        reading.thing == combination.thing,
        reading.colour == combination.colour,
        reading.scene == combination.scene,
        reading.motion == combination.motion and pace,
    )


def marks(readings: Iterable[Reading], what: What) -> dict[str, bool]:
    """Which attributes are right: all that `what` asks for, and all_right.

    An attribute of a pair is right if it is for both, under whichever order of the two makes most right.
    """
    one, *other = readings
    orders = [(one, *other), (*other, one)] if other else [(one,)]
    told = []
    for order in orders:
        each = [_marks(reading, part) for reading, part in zip(order, parts(what), strict=True)]
        told.append({key: all(m.get(key, True) for m in each) for key in dict.fromkeys(k for m in each for k in m)})
    best = max(told, key=lambda m: sum(m.values()))
    return best | {"all_right": all(best.values())}


def _marks(reading: Reading, what: Combination) -> dict[str, bool]:
    found = score(reading, what)
    told = {"thing": found.thing, "colour": found.colour, "scene": found.scene, "motion": found.motion}
    for name in ("size", "speed", "lively"):
        if asked := getattr(what, name):
            told[name] = getattr(reading, name) == asked
    return told


def _pictures(frames: Frames) -> list[Floats]:
    usual = frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[3] == 3
    if not usual or len(frames) < 2 or min(frames.shape[1:3]) < 48:
        raise ValueError(f"judge() reads (F >= 2, H >= 48, W >= 48, 3) uint8 frames, not {frames.shape} {frames.dtype}")
    return [prepare(frame) for frame in frames]


def _behind(pictures: list[Floats], things: int = 1) -> tuple[str | None, bool | None, Backdrop]:
    """The scene, whether it is lively, and what lies behind the things."""
    few, width = np.stack(pictures[:: max(1, len(pictures) // 8)]), pictures[0].shape[1]
    free = FREE if things == 2 else NARROW if width < 1.5 * few.shape[1] else ()
    seen = np.concatenate([few[:, :, round(a * width) : round(b * width)] for a, b in free], 2) if free else few
    rows = np.median(seen, axis=(0, 2)).astype(np.float32)
    scene, ideal = scene_of(rows)
    if scene is None:
        return None, None, Backdrop(rows, None)
    if free:
        rows = cleared(few, rows, ideal)
    # Lights that only a lively scene shows are not looked for in a still one, where they could hide a part of a thing.
    light, always = spot(scene)
    lively = _lively(few, rows, light)
    return scene, lively, Backdrop(rows, light if lively or always else None)


def _lively(pictures: Floats, rows: Floats, light: Spot) -> bool | None:
    """Whether enough of the background, as far as no thing covers it, turns to the light and back over time."""
    each = [covered(from_background(picture, Backdrop(rows, light)) > STANDS_OUT) for picture in pictures]
    things = cv2.morphologyEx(np.maximum.reduce(each), cv2.MORPH_OPEN, DISC[5])
    free = cv2.dilate(things, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (AROUND, AROUND))) == 0
    if free.mean() < 0.1:
        return None
    towards = np.array(light[0], np.float32) - rows
    towards /= np.linalg.norm(towards, axis=1, keepdims=True) + 1e-6
    glow = np.einsum("fhwc,hc->fhw", pictures, towards) * free
    glow -= glow.sum(2, keepdims=True) / np.maximum(free.sum(1), 1)[:, None]  # a frame's flicker, a camera's nod
    return bool((glow.std(0)[free] > FLICKS).mean() >= LEAST_ALIVE)


def _followed(seen: list[list[Glimpse]]) -> tuple[list[Glimpse | None], list[Glimpse | None]]:
    """Two tracks, of the left and of the right thing where two are seen first: the nearest from frame to frame."""
    tracks: tuple[list[Glimpse | None], list[Glimpse | None]] = ([], [])
    last: list[tuple[float, float]] = []
    for glimpses in seen:
        two: tuple[Glimpse | None, ...] = (None, None)
        if last and glimpses:
            orders = permutations([*glimpses, None][:2])
            ways = [(_way(order, last), k, order) for k, order in enumerate(orders)]
            two = min(ways)[2]
        elif len(glimpses) == 2:
            left, right = sorted(glimpses, key=lambda g: g.centre[0])
            two = (left, right)
        if any(two):
            last = [g.centre if g else last[k] for k, g in enumerate(two)]
        for track, glimpse in zip(tracks, two, strict=True):
            track.append(glimpse)
    return tracks


def _way(two: tuple[Glimpse | None, ...], last: list[tuple[float, float]]) -> float:
    """How far the things of a frame are, together, from where the two were last."""
    return sum(math.dist(g.centre, at) for g, at in zip(two, last, strict=True) if g)


def _reading(
    glimpses: list[Glimpse | None],
    scene: str | None,
    lively: bool | None,
    of: Floats,
    fps: float,
    room: Room = ALONE,
) -> Reading:
    """What the glimpses of one thing, one a frame, tell together; of: a frame, as wide and high as any."""
    track = np.array([(*g.centre, g.radius) if g else (math.nan,) * 3 for g in glimpses], np.float32)
    height, width = of.shape[:2]
    room = replace(room, hop=hop(width, height))
    track /= np.array((width, height, SIDE), np.float32)
    thing = colour = motion = speed = None
    if np.isfinite(track[:, 2]).mean() >= FOUND:
        thing, turned = _shape(glimpses)
        colour = _vote([g.colour if g else None for g in glimpses])
        motion, speed = motion_and_speed(track, turned, fps, room)
    whole = np.array([g.radius / SIDE for g in glimpses if g and g.whole])
    how_big = size(thing, motion, whole, room)
    return Reading(thing, colour, scene, motion, track[:, :2], track[:, 2], how_big, speed, lively)


def _vote(ballots: list[str | None]) -> str | None:
    """The name that at least AGREE of all ballots bear."""
    name, count = Counter(ballots).most_common(1)[0]
    return name if count >= AGREE * len(ballots) else None


def _shape(glimpses: list[Glimpse | None]) -> tuple[str | None, Floats]:
    """The thing by vote of the frames that show it whole, and how far it has turned, in degrees clockwise, (F,)."""
    still = np.zeros(len(glimpses), np.float32)
    whole = {i: g for i, g in enumerate(glimpses) if g and g.whole}
    if len(whole) < max(2, len(glimpses) / 3):
        return None, still
    patches = np.stack([g.shape.ravel() for g in whole.values()])
    overlaps = {name: overlap(patches, name) for name in THINGS}
    fits = np.stack([rows.max(1) - LEAST_IOU[name] for name, rows in overlaps.items()])
    best = zip((THINGS[k] for k in fits.argmax(0)), fits.max(0), whole.values(), strict=True)
    thing = _vote([name if fit >= 0 and (name in HOLES) == g.open else None for name, fit, g in best])
    if thing is None:
        return None, still
    angles = [band(g.grey) for g in whole.values()] if thing == "ball" else turns(overlaps[thing], thing)
    turned = np.unwrap(np.array(angles, np.float32), period=SYMMETRY[thing])
    return thing, np.interp(np.arange(len(glimpses)), list(whole), turned).astype(np.float32)
