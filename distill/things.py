"""The shapes of the things: outlines, and what is drawn darker inside them.

Thing coordinates are in radii around its middle: u to the right, v downwards. Outlines stay within 1.25 radii.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Mark = tuple[Floats, float]  # signed distance in radii (negative inside), and how dark: 0 not at all, 2 nearly black

LINE, EYE = 0.8, 2.0  # how dark
TURN = np.linspace(0, 2 * math.pi, 241)[:-1]


def ball() -> list[Floats]:
    return [ellipse(0, 0, 1, 1)]


def box() -> list[Floats]:
    return [0.86 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])]


def triangle() -> list[Floats]:
    return [1.2 * np.array([(math.sin(a), 0.12 - math.cos(a)) for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)])]


def star() -> list[Floats]:
    a = np.arange(10) * math.pi / 5
    return [np.where(np.arange(10) % 2, 0.52, 1.2)[:, None] * np.stack([np.sin(a), -np.cos(a)], 1)]


def heart() -> list[Floats]:
    t = TURN
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [np.stack([16 * np.sin(t) ** 3, -y - 2], 1) / 15.5]


def moon() -> list[Floats]:
    """A disc less a smaller disc: outer arc, then inner arc back."""
    a, b = np.linspace(0.9, 2 * math.pi - 0.9, 120), np.linspace(2 * math.pi - 1.28, 1.28, 120)
    outer, inner = np.stack([np.cos(a), np.sin(a)], 1), np.stack([0.39 + 0.817 * np.cos(b), 0.817 * np.sin(b)], 1)
    return [1.08 * (np.concatenate([outer, inner]) + np.array([0.2, 0]))]


def flower() -> list[Floats]:
    """Five round petals around a middle."""
    angles = [2 * math.pi * k / 5 for k in range(5)]
    return [ellipse(0, 0, 0.6, 0.6), *(ellipse(0.74 * math.sin(a), -0.74 * math.cos(a), 0.46, 0.46) for a in angles)]


def fish() -> list[Floats]:
    """It looks to the right; a forked tail, a fin above and one below."""
    tail = np.array([(-0.1, -0.3), (-1.06, -0.64), (-0.86, 0), (-1.06, 0.64), (-0.1, 0.3)])
    fins = np.array([(-0.3, -0.4), (-0.05, -0.88), (0.5, -0.5)]), np.array([(0, 0.5), (-0.1, 0.8), (0.35, 0.55)])
    return [ellipse(0.33, 0, 0.9, 0.63), tail, *fins]


def bird() -> list[Floats]:
    """It flies to the right, one wing raised."""
    beak = np.array([(0.8, -0.3), (1.24, -0.02), (0.8, 0.16)])
    tail = np.array([(-0.3, 0), (-1.2, 0), (-1.04, 0.24), (-1.15, 0.47), (-0.3, 0.6)])
    wing = np.array([(0.42, 0.1), (0.3, -0.5), (-0.02, -0.9), (-0.55, -1.11), (-0.62, -0.55), (-0.46, 0.2)])
    return [ellipse(0.05, 0.32, 0.74, 0.45), ellipse(0.66, -0.06, 0.33, 0.33), beak, tail, wing]


def boat() -> list[Floats]:
    """A hull under two sails; it sails to the right."""
    a = np.linspace(0, math.pi, 60)
    hull = np.stack([1.1 * np.cos(a), 0.42 + 0.6 * np.sin(a) ** 0.85], 1)
    sails = np.array([(-0.16, -1.22), (0.1, -1.22), (0.5, -0.6), (0.8, 0.1), (0.84, 0.45), (-0.75, 0.45), (-0.5, -0.3)])
    return [hull, sails]


def leaf() -> list[Floats]:
    """A pointed oval on a stem."""
    s = np.linspace(0, 1, 80)
    half = 1.85 * s**0.62 * (1 - s) ** 0.85
    blade = np.concatenate([np.stack([half, 0.82 - 2.02 * s], 1), np.stack([-half, 0.82 - 2.02 * s], 1)[::-1]])
    return [blade, np.array([(-0.1, 0.6), (0.1, 0.6), (0.13, 1.25), (-0.13, 1.25)])]


def ring() -> list[Floats]:
    """A band with a cut stone on top; its hole is in HOLES."""
    stone = np.array([(-0.3, -1.22), (0.3, -1.22), (0.56, -0.92), (0, -0.3), (-0.56, -0.92)])
    return [ellipse(0, 0.28, 0.95, 0.95), stone]


def ellipse(u: float, v: float, a: float, b: float) -> Floats:
    """Middle (u, v), half axes a and b."""
    return np.stack([u + a * np.cos(TURN), v + b * np.sin(TURN)], 1)


OUTLINES: dict[str, Callable[[], list[Floats]]] = {  # polygons (N, 2) of (u, v); a thing is all that any of them covers
    "ball": ball,
    "box": box,
    "triangle": triangle,
    "star": star,
    "heart": heart,
    "moon": moon,
    "flower": flower,
    "fish": fish,
    "bird": bird,
    "boat": boat,
    "leaf": leaf,
    "ring": ring,
}
HOLES: dict[str, Floats] = {"ring": ellipse(0, 0.28, 0.48, 0.48)}  # the scene shows through
FACING = ("fish", "bird", "boat")  # they look to the right; drawn as in a mirror where they move left


def marks(thing: str, u: Floats, v: Floats) -> list[Mark]:
    """What is darker inside, at thing coordinates."""
    return MARKS[thing](u, v) if thing in MARKS else []


def _dot(u: Floats, v: Floats, at: tuple[float, float], radius: float) -> Floats:
    return np.asarray(np.hypot(u - at[0], v - at[1]) - radius)


def _stroke(u: Floats, v: Floats, start: tuple[float, float], end: tuple[float, float], half: float) -> Floats:
    """A straight line `half` radii to either side, with round ends."""
    du, dv = end[0] - start[0], end[1] - start[1]
    share = np.clip(((u - start[0]) * du + (v - start[1]) * dv) / (du**2 + dv**2), 0, 1)
    return np.asarray(np.hypot(u - start[0] - share * du, v - start[1] - share * dv) - half)


MARKS: dict[str, Callable[[Floats, Floats], list[Mark]]] = {
    "ball": lambda u, v: [(np.abs(v) - 0.24, LINE)],  # a band, so that one can see it spin
    "flower": lambda u, v: [(_dot(u, v, (0, 0), 0.36), 1.4)],
    "fish": lambda u, v: [
        (_dot(u, v, (0.78, -0.12), 0.13), EYE),
        (np.abs(_dot(u, v, (0.95, 0), 0.62)) - 0.07 + 9 * (u > 0.6), LINE),  # gills
    ],
    "bird": lambda u, v: [
        (_dot(u, v, (0.7, -0.12), 0.12), EYE),
        (_stroke(u, v, (0.36, 0.22), (-0.4, 0.3), 0.08), LINE),  # where the wing begins
    ],
    "boat": lambda u, v: [
        (np.abs(v - 0.42) - 0.09, EYE / 2),  # between hull and sails
        (np.maximum(np.abs(u + 0.04) - 0.08, v - 0.42), EYE / 2),  # the mast
    ],
    "leaf": lambda u, v: [(_stroke(u, v, (0, 1.25), (0, -0.75), 0.085), 1.2)],
    "ring": lambda u, v: [(v + 0.6, LINE)],
}


def silhouette_distance(thing: str, u: Floats, v: Floats, filled: bool = False) -> Floats:
    """Signed distance in radii (negative inside) at thing coordinates, for |u|, |v| <= 1.5. filled: no hole."""
    field = _distance_field(thing, filled)
    scale = field.shape[0] / 3.0
    x, y = (np.ascontiguousarray((c + 1.5) * scale - 0.5, np.float32) for c in (u, v))
    return np.asarray(cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


@lru_cache
def _distance_field(thing: str, filled: bool) -> Floats:
    """Signed distances on a (384, 384) grid over [-1.5, 1.5] radii."""
    if thing not in OUTLINES:
        raise ValueError(f"no thing called {thing!r}; there are: {', '.join(OUTLINES)}")
    size, fine = 384, 4
    mask = np.zeros((size * fine, size * fine), np.uint8)

    def paint(polygon: Floats, value: int) -> None:
        points = polygon.astype(np.float32)
        cv2.fillPoly(mask, [np.round((points + 1.5) / 3 * size * fine).astype(np.int32)], value)

    for polygon in OUTLINES[thing]():
        paint(polygon, 1)
    if thing in HOLES and not filled:
        paint(HOLES[thing], 0)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    field = cv2.resize((outside - inside) * 3 / (size * fine), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(field, np.float32)
