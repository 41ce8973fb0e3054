"""The scenes, empty: sky and ground, and what moves there where a scene is lively."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from distill.things import Floats

RGB = tuple[int, int, int]


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


def background(scene: str, width: int, height: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Draw sky and ground, (H, W, 3) in [0, 255]; and tell the lowest place of the line between them."""
    look = SCENES[scene]
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
    line = rng.uniform(*look.horizon) + look.hills * np.sin(2 * math.pi * (x * rng.uniform(0.8, 1.6) + rng.uniform()))
    sky = gradient(look.sky, y / line)
    ground = gradient(look.ground, (y - line) / (1 - line))
    picture = sky + coverage((line - y) * height) * (ground - sky)
    return picture, float(line.max())


def gradient(ends: tuple[RGB, RGB], t: Floats) -> Floats:
    """The colours (..., 3) of a gradient's two ends at t (...), 0 at the first and 1 at the second."""
    top, bottom = (np.array(c, np.float32) for c in ends)
    return top + np.clip(t, 0, 1)[..., None] * (bottom - top)


def coverage(distance_px: Floats) -> Floats:
    """Share of a pixel inside a shape, (..., 1), from its signed distance in pixels (negative inside)."""
    return np.asarray(np.clip(0.5 - distance_px, 0, 1)[..., None])


@dataclass(frozen=True)
class Light:
    """A soft spot: its middle in fractions of the frame, and half its breadth and height, in shorter sides of it."""

    x: float
    y: float
    breadth: float
    height: float

    @property
    def phase(self) -> float:
        """In [0, 1), a light's own."""
        return (7.31 * self.x + 13.7 * self.y) % 1


@dataclass(frozen=True)
class Lights:
    """What a scene's lights are like. power: of the distance across, in the exponent; 2 is round, 4 is long.

    alive: where one is, and how strong, at a time in seconds.
    """

    colour: RGB
    strength: float
    power: int
    alive: Callable[[Light, float], tuple[float, float, float]]


def _twinkle(one: Light, t: float) -> tuple[float, float, float]:
    return one.x, one.y, 0.55 + 0.45 * math.sin(2 * math.pi * ((0.5 + 0.6 * one.phase) * t + one.phase))


def _roll(one: Light, t: float) -> tuple[float, float, float]:
    return _along(one.x, 0.06 * t), one.y + 0.012 * math.sin(2 * math.pi * (0.6 * t + one.phase)), 1.0


def _drift(one: Light, t: float) -> tuple[float, float, float]:
    return _along(one.x, 0.035 * t), one.y, 1.0


def _blow(one: Light, t: float) -> tuple[float, float, float]:
    return _along(one.x, (0.1 + 0.08 * one.phase) * t), one.y, 1.0


def _fall(one: Light, t: float) -> tuple[float, float, float]:
    y = -0.03 + (one.y + 0.03 + (0.13 + 0.08 * one.phase) * t) % 1.06
    return one.x + 0.015 * math.sin(2 * math.pi * (0.5 * t + one.phase)), y, 1.0


def _along(x: float, way: float) -> float:
    """Round and round, out of sight for a while: a light is up to 0.2 wide."""
    return -0.2 + (x + way + 0.2) % 1.4


LIGHTS: dict[str, Lights] = {
    "night": Lights((210, 214, 240), 0.8, 2, _twinkle),
    "sea": Lights((226, 240, 244), 0.35, 4, _roll),
    "grass": Lights((252, 253, 255), 0.55, 2, _drift),
    "desert": Lights((255, 240, 206), 0.4, 4, _blow),
    "snow": Lights((250, 252, 255), 0.75, 2, _fall),
}


def lights(scene: str, horizon: float, lively: bool, rng: np.random.Generator) -> list[Light]:
    """The lights of one shot; horizon: the lowest place of the line between sky and ground."""

    def star() -> Light:
        x, y, radius = rng.uniform(0.03, 0.97), rng.uniform(0.04, 0.78), rng.uniform(0.012, 0.02)
        return Light(x, y, radius, radius)

    def streak() -> Light:
        x, y, half = rng.uniform(0, 1), rng.uniform(horizon + 0.04, 0.97), rng.uniform(0.06, 0.14)
        return Light(x, y, half * 1.75, 0.012)

    def flake() -> Light:
        radius = rng.uniform(0.011, 0.017)
        return Light(rng.uniform(0, 1), rng.uniform(0, 1), radius, radius)

    if scene == "night":
        return [star() for _ in range(14)]
    if scene == "sea":
        return [streak() for _ in range(7)]
    if not lively:
        return []
    if scene == "grass":
        return [puff for k in range(3) for puff in _cloud(k, rng)]
    return [streak() for _ in range(9)] if scene == "desert" else [flake() for _ in range(22)]


def _cloud(k: int, rng: np.random.Generator) -> list[Light]:
    """Cloud k of three: puffs on one base."""
    x, y, size = (k + rng.uniform(0.1, 0.7)) / 2.6, rng.uniform(0.1, 0.24), rng.uniform(0.045, 0.065)
    puffs = ((-0.62, 0.0, 0.8), (0.0, -0.35, 1.0), (0.66, 0.0, 0.75), (0.1, 0.15, 1.5))
    return [Light(x + dx * size, y + dy * size, 1.5 * r * size, 0.6 * r * size) for dx, dy, r in puffs]


def shine(picture: Floats, scene: str, shown: list[Light], t: float | None) -> None:
    """Paint the lights onto a picture (H, W, 3), in place: as they are at t seconds, or None, at rest."""
    look = LIGHTS[scene]
    for one in shown:
        x, y, strength = (one.x, one.y, 1.0) if t is None else look.alive(one, t)
        _glow(picture, x, y, one, look.power, look.colour, strength * look.strength)


def _glow(picture: Floats, x: float, y: float, one: Light, power: int, colour: RGB, strength: float) -> None:
    height, width = picture.shape[:2]
    a, b = one.breadth * min(width, height), one.height * min(width, height)
    reach_x = 5.5 * a if power == 2 else 2.4 * a  # beyond, it adds nothing to a float
    x0, x1 = max(int(x * width - reach_x), 0), min(int(x * width + reach_x) + 2, width)
    y0, y1 = max(int(y * height - 5.5 * b), 0), min(int(y * height + 5.5 * b) + 2, height)
    if x0 >= x1 or y0 >= y1:
        return
    yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32) + 0.5
    glow = np.exp(-(((xx - x * width) / a) ** power) - ((yy - y * height) / b) ** 2)[..., None]
    patch = picture[y0:y1, x0:x1]
    patch += strength * glow * (np.array(colour, np.float32) - patch)
