"""The silhouettes of the things at every angle, to compare those with that are found in a picture."""

import math
from functools import lru_cache
from itertools import product

import numpy as np

from distill.things import FACING, OUTLINES, Floats, silhouette_distance

SYMMETRY = dict.fromkeys(OUTLINES, 360) | {
    "ball": 180,
    "box": 90,
    "triangle": 120,
    "star": 72,
    "flower": 72,
}  # degrees (ball: its band)
STEP, GRID, SPAN = 3, 48, 2.1  # templates every STEP degrees; patches GRID x GRID, over +-SPAN equal-area radii


def overlap(patches: Floats, thing: str) -> Floats:
    """Intersection over union of (N, GRID * GRID) patches with each stencil of a thing, (N, stencils)."""
    templates = stencils(thing)
    shared = patches @ templates.T
    return np.asarray(shared / (patches.sum(1)[:, None] + templates.sum(1) - shared))


def turns(overlaps: Floats, thing: str) -> Floats:
    """How far a thing is turned in each of N patches, in degrees, from its overlaps (N, stencils).

    All of a clip is told by the stencils of one side, plain or mirrored.
    """
    sides = overlaps.reshape(len(overlaps), -1, SYMMETRY[thing] // STEP)
    side = sides.max(2).mean(0).argmax()
    return np.asarray(STEP * sides[:, side].argmax(1), np.float32)


@lru_cache
def stencils(thing: str) -> Floats:
    """The silhouette's patches at every angle, STEP degrees apart, (angles, GRID * GRID), 0 or 1.

    Holes are filled. A thing that looks to one side has twice as many: the mirrored ones follow.
    """
    middle_u, middle_v, radius = _middle_and_radius(thing)
    x, y = np.meshgrid(*[((np.arange(GRID, dtype=np.float32) + 0.5) / GRID * 2 - 1) * SPAN * radius] * 2)
    turns = range(0, STEP if thing == "ball" else SYMMETRY[thing], STEP)
    patches = []
    for side, degrees in product((1, -1) if thing in FACING else (1,), turns):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        u, v = middle_u + side * (c * x + s * y), middle_v + c * y - s * x
        u, v = u.astype(np.float32), v.astype(np.float32)
        off = np.hypot(u - np.clip(u, -1.5, 1.5), v - np.clip(v, -1.5, 1.5))
        patches.append((silhouette_distance(thing, u, v, filled=True) + off).ravel() < 0)
    return np.stack(patches).astype(np.float32)


def stencil_radius(thing: str) -> float:
    """Radius of the disc that has a thing's area, holes filled, in the thing's radii."""
    return _middle_and_radius(thing)[2]


@lru_cache
def _middle_and_radius(thing: str) -> tuple[float, float, float]:
    """Centroid (u, v) and equal-area radius of a filled silhouette, in the thing's radii."""
    axis = (np.arange(384, dtype=np.float32) + 0.5) / 128 - 1.5
    u, v = np.meshgrid(axis, axis)
    inside = silhouette_distance(thing, u, v, filled=True) < 0
    return float(u[inside].mean()), float(v[inside].mean()), math.sqrt(inside.mean() * 9 / math.pi)


def band(grey: Floats) -> float:
    """The direction of a ball's dark band, in degrees clockwise, from the second moments of its darkness."""
    axis = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID * 2 - 1
    x, y = np.meshgrid(axis * SPAN, axis * SPAN)
    body = np.hypot(x, y) < 0.78
    dark = np.where(body, np.maximum(np.percentile(grey[body], 80) - grey, 0), 0)
    return math.degrees(0.5 * math.atan2(2 * (dark * x * y).sum(), (dark * (x**2 - y**2)).sum()))
