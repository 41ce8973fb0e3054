"""The world that the pocket family knows: one coloured thing that moves over a simple scene, drawn from a seed.

Coordinates are fractions of the frame: x in [0, 1] to the right, y in [0, 1] downwards; sizes are fractions of the
height. So the same seed shows the same shot at any size and frame rate.
"""

import math
import zlib
from dataclasses import dataclass, fields
from itertools import product

import numpy as np
import numpy.typing as npt

from distill.things import FACING, OUTLINES, Floats, marks, silhouette_distance

Frames = npt.NDArray[np.uint8]
RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (214, 40, 40),
    "orange": (247, 127, 10),
    "yellow": (252, 211, 40),
    "green": (20, 160, 70),
    "blue": (40, 80, 220),
    "purple": (125, 50, 170),
    "pink": (245, 130, 185),
    "white": (250, 250, 250),
}
THINGS = tuple(OUTLINES)  # new ones at the end: a combination's place in ALL is a part of its seed
MOTIONS = ("moves left", "moves right", "rises", "falls", "bounces", "spins", "grows", "shrinks")
PERIOD_S = 2.0  # the time one motion takes
RIM = 0.14  # width of the darker rim, in radii
RIM_SHADE = 0.62


@dataclass(frozen=True)
class Scenery:
    """Sky and ground as vertical gradients (top, bottom), and how much the horizon waves (fraction of the height)."""

    sky: tuple[RGB, RGB]
    ground: tuple[RGB, RGB]
    horizon: tuple[float, float]
    hills: float


SCENES: dict[str, Scenery] = {
    "night": Scenery(((10, 12, 40), (38, 40, 92)), ((16, 20, 34), (8, 10, 20)), (0.84, 0.9), 0.012),
    "sea": Scenery(((170, 212, 236), (222, 238, 244)), ((34, 128, 148), (12, 74, 102)), (0.55, 0.68), 0.0),
    "grass": Scenery(((120, 190, 240), (205, 230, 245)), ((132, 184, 82), (88, 142, 56)), (0.58, 0.72), 0.012),
    "desert": Scenery(((240, 196, 150), (252, 232, 196)), ((222, 172, 104), (190, 136, 76)), (0.58, 0.72), 0.014),
    "snow": Scenery(((140, 160, 190), (186, 202, 222)), ((212, 224, 240), (182, 200, 226)), (0.58, 0.72), 0.012),
}


@dataclass(frozen=True, order=True)
class Combination:
    """What a clip shows: one of THINGS, COLOURS, SCENES and MOTIONS."""

    thing: str
    colour: str
    scene: str
    motion: str

    @property
    def held_out(self) -> bool:
        """True for the fixed tenth of the combinations that no training may see."""
        return zlib.crc32("|".join((self.thing, self.colour, self.scene, self.motion)).encode()) % 10 == 0


ATTRIBUTES = tuple(field.name for field in fields(Combination))
ALL = tuple(Combination(*c) for c in product(THINGS, COLOURS, SCENES, MOTIONS))
TRAIN = tuple(c for c in ALL if not c.held_out)
HELD_OUT = tuple(c for c in ALL if c.held_out)


@dataclass(frozen=True)
class Truth:
    """Where the thing is in each frame: centre (F, 2) as (x, y), radius (F,) in heights, angle (F,) in radians."""

    centre: Floats
    radius: Floats
    angle: Floats


@dataclass(frozen=True)
class Shot:
    """A drawn clip: frames (F, H, W, 3) uint8 RGB, and its truth."""

    frames: Frames
    combination: Combination
    truth: Truth


@dataclass(frozen=True)
class Camera:
    """How a shot is sampled: frames at fps from start_s seconds on, width x height pixels."""

    frames: int
    fps: float
    width: int
    height: int
    start_s: float = 0.0


def draw(combination: Combination, seed: int, camera: Camera) -> Shot:
    """Draw a clip. The same arguments give the same pixels; the same seed shows the same shot through any camera."""
    rng = np.random.default_rng([seed, ALL.index(combination)])
    frames, width, height = camera.frames, camera.width, camera.height
    truth = _trajectory(combination.motion, camera.start_s + np.arange(frames, dtype=np.float32) / camera.fps, rng)
    background = _background(combination.scene, width, height, rng)
    pictures = np.empty((frames, height, width, 3), np.uint8)
    for i in range(frames):
        picture = background.copy()
        _stamp(picture, combination, truth.centre[i], float(truth.radius[i]), float(truth.angle[i]))
        pictures[i] = np.clip(picture + 0.5, 0, 255)
    return Shot(pictures, combination, truth)


def _trajectory(motion: str, seconds: Floats, rng: np.random.Generator) -> Truth:
    """Positions, sizes and angles over time; a motion takes PERIOD_S and then stays at its end."""
    u = np.clip(seconds / PERIOD_S, 0, 1)
    x = np.full_like(u, rng.uniform(0.36, 0.64))
    y = np.full_like(u, rng.uniform(0.46, 0.54))
    radius = np.full_like(u, rng.uniform(0.27, 0.31))
    angle = np.zeros_like(u)
    reach, middle = rng.uniform(0.15, 0.18), rng.uniform(0.48, 0.52)
    if motion in ("moves left", "moves right"):
        x = middle + (1 if motion == "moves right" else -1) * 1.15 * reach * (2 * u - 1)
    elif motion == "rises":
        y = middle - reach * (2 * u - 1)
    elif motion == "falls":
        y = middle + reach * (2 * (0.4 * u + 0.6 * u**2) - 1)
    elif motion == "bounces":
        y = 0.66 - rng.uniform(0.3, 0.35) * np.abs(np.sin(2 * math.pi * u))
    elif motion == "spins":
        angle = rng.uniform(0.85, 1.15) * math.pi * u
    elif motion == "grows":
        radius = 0.17 + rng.uniform(0.15, 0.18) * u
    elif motion == "shrinks":
        radius = 0.17 + rng.uniform(0.15, 0.18) * (1 - u)
    else:
        raise ValueError(f"no motion called {motion!r}; there are: {', '.join(MOTIONS)}")
    return Truth(np.stack([x, y], 1).astype(np.float32), radius.astype(np.float32), angle.astype(np.float32))


def _background(scene: str, width: int, height: int, rng: np.random.Generator) -> Floats:
    """Draw the empty scene: (H, W, 3) in [0, 255]."""
    look = SCENES[scene]
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
    line = rng.uniform(*look.horizon) + look.hills * np.sin(2 * math.pi * (x * rng.uniform(0.8, 1.6) + rng.uniform()))
    sky = _gradient(look.sky, y / line)
    ground = _gradient(look.ground, (y - line) / (1 - line))
    picture = sky + _coverage((line - y) * height) * (ground - sky)
    if scene == "night":
        for _ in range(14):
            _dot(picture, rng.uniform(0.03, 0.97), rng.uniform(0.04, 0.78), rng.uniform(0.012, 0.02), (210, 214, 240))
    if scene == "sea":
        for _ in range(7):
            _crest(picture, rng.uniform(0, 1), rng.uniform(float(line.max()) + 0.04, 0.97), rng.uniform(0.06, 0.14))
    return picture


def _gradient(ends: tuple[RGB, RGB], t: Floats) -> Floats:
    top, bottom = (np.array(c, np.float32) for c in ends)
    return top + np.clip(t, 0, 1)[..., None] * (bottom - top)


def _coverage(distance_px: Floats) -> Floats:
    """Share of a pixel inside a shape, (..., 1), from its signed distance in pixels (negative inside)."""
    return np.asarray(np.clip(0.5 - distance_px, 0, 1)[..., None])


def _dot(picture: Floats, x: float, y: float, radius: float, colour: RGB) -> None:
    height, width = picture.shape[:2]
    yy, xx = np.mgrid[:height, :width].astype(np.float32) + 0.5
    glow = np.exp(-(((xx - x * width) ** 2 + (yy - y * height) ** 2) / (radius * height) ** 2))[..., None]
    picture += 0.8 * glow * (np.array(colour, np.float32) - picture)


def _crest(picture: Floats, x: float, y: float, half: float) -> None:
    height, width = picture.shape[:2]
    yy, xx = np.mgrid[:height, :width].astype(np.float32) + 0.5
    glow = np.exp(-(((xx - x * width) / (half * width)) ** 4) - ((yy - y * height) / (0.012 * height)) ** 2)[..., None]
    picture += 0.35 * glow * (np.array((226, 240, 244), np.float32) - picture)


def _stamp(picture: Floats, what: Combination, centre: Floats, radius: float, angle: float) -> None:
    """Paint the thing onto `picture` in place."""
    height, width = picture.shape[:2]
    r = radius * height
    cx, cy = float(centre[0]) * width, float(centre[1]) * height
    x0, x1 = max(int(cx - 1.4 * r), 0), min(int(cx + 1.4 * r) + 2, width)
    y0, y1 = max(int(cy - 1.4 * r), 0), min(int(cy + 1.4 * r) + 2, height)
    if x0 >= x1 or y0 >= y1:
        return
    yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    dx, dy = (xx + 0.5 - cx) / r, (yy + 0.5 - cy) / r
    u = math.cos(angle) * dx + math.sin(angle) * dy
    v = math.cos(angle) * dy - math.sin(angle) * dx
    if what.thing in FACING and what.motion == "moves left":
        u = -u
    distance = r * silhouette_distance(what.thing, u, v)
    colour = np.array(COLOURS[what.colour], np.float32)
    body = _coverage(distance + RIM * r)
    for mark, dark in marks(what.thing, u, v):
        body = body * (1 - dark * _coverage(mark * r))
    paint = colour * (RIM_SHADE + (1 - RIM_SHADE) * body)
    patch = picture[y0:y1, x0:x1]
    patch += _coverage(distance) * (paint - patch)
