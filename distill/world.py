"""The world that the pocket family knows: one or two coloured things that move over a simple scene, drawn from a seed.

Coordinates are fractions of the frame: x in [0, 1] to the right, y in [0, 1] downwards; sizes are fractions of its
shorter side. So the same seed shows the same shot at any size and frame rate, arranged for a frame of that shape.
"""

import math
import zlib
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from distill import scenery
from distill.scenery import RGB
from distill.things import FACING, OUTLINES, Floats, marks, silhouette_distance

Frames = npt.NDArray[np.uint8]

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
SCENES = scenery.SCENES
THINGS = tuple(OUTLINES)  # new ones at the end: a combination's place in ALL is a part of its seed
MOTIONS = ("moves left", "moves right", "rises", "falls", "bounces", "spins", "grows", "shrinks")
PAIR_BREADTH, PAIR_RADIUS = 0.46, 0.8  # of what a thing of two goes sideways, and of its size, against one alone
PERIOD_S = 2.0  # the time one motion takes
RIM = 0.14  # width of the darker rim, in radii
RIM_SHADE = 0.62
SIZES = {"small": 0.66, "big": 1.25}  # times the usual radius
SPEEDS = {"slowly": 0.5, "fast": 1.6}  # times the usual way in the same time
ATTRIBUTES = ("thing", "colour", "scene", "motion")
VALUES: dict[str, tuple[str, ...]] = {  # of each attribute that is a word; "" where none is said
    "thing": THINGS,
    "colour": tuple(COLOURS),
    "scene": tuple(SCENES),
    "motion": MOTIONS,
    "size": ("", *SIZES),
    "speed": ("", *SPEEDS),
}


@dataclass(frozen=True, order=True)
class Combination:
    """What a clip shows: one of THINGS, COLOURS, SCENES and MOTIONS.

    size: of SIZES or "", not of what grows or shrinks, nor big where it would leave the frame on its way up or down.
    speed: of SPEEDS or "", not of what bounces. lively: the scenery moves too, stars twinkle, waves roll, clouds drift,
    sand blows, snow falls.
    """

    thing: str
    colour: str
    scene: str
    motion: str
    size: str = ""
    speed: str = ""
    lively: bool = False

    @property
    def plain(self) -> "Combination":
        """The four attributes alone."""
        return replace(self, size="", speed="", lively=False)

    @property
    def held_out(self) -> bool:
        """True for the fixed tenth of the combinations that no training may see."""
        return _tenth(self.thing, self.colour, self.scene, self.motion)


@dataclass(frozen=True, order=True)
class Pair:
    """Two things in one scene, each in its half, the first on the left: different things of different colours.

    As they are named, so they stand: where either could be on the left, experts drew both as mixtures (LOG.md).
    """

    first: Combination
    second: Combination

    @property
    def lively(self) -> bool:
        return self.first.lively

    @property
    def held_out(self) -> bool:
        """True for the fixed tenth of the pairs of things that no training may see together."""
        return _tenth(*sorted((self.first.thing, self.second.thing)))


What = Combination | Pair


def _tenth(*names: str) -> bool:
    return zlib.crc32("|".join(names).encode()) % 10 == 0


def parts(what: What) -> tuple[Combination, ...]:
    """The one combination, or both of a pair."""
    return (what.first, what.second) if isinstance(what, Pair) else (what,)


ALL = tuple(Combination(*c) for c in product(THINGS, COLOURS, SCENES, MOTIONS))
TRAIN = tuple(c for c in ALL if not c.held_out)
HELD_OUT = tuple(c for c in ALL if c.held_out)
_NUMBERS = {c: i for i, c in enumerate(ALL)}


_TOGETHER = {held: [p for p in combinations(THINGS, 2) if _tenth(*sorted(p)) == held] for held in (False, True)}


def pair(rng: np.random.Generator, held_out: bool = False, lively: bool = False) -> Pair:
    """A random pair, of things that are held out as a pair or not; neither half is a held-out combination."""
    options = _TOGETHER[held_out]
    things, scene = rng.permutation(options[rng.integers(len(options))]), list(SCENES)[rng.integers(len(SCENES))]
    while True:
        colours = rng.permutation(list(COLOURS))[:2]
        motions = (MOTIONS[i] for i in rng.integers(len(MOTIONS), size=2))
        first, second = (
            Combination(str(t), str(c), scene, m, lively=lively)
            for t, c, m in zip(things, colours, motions, strict=True)
        )
        if not (first.held_out or second.held_out):
            return Pair(first, second)


def varied(what: Combination, rng: np.random.Generator) -> Combination:
    """The same with a random size, speed or liveliness, or more than one of these."""
    sizes = ["", "", *SIZES]
    if what.motion in ("rises", "falls", "bounces"):
        sizes.remove("big")
    size = rng.choice(sizes) if what.motion not in ("grows", "shrinks") else ""
    speed = rng.choice(["", "", *SPEEDS]) if what.motion != "bounces" else ""
    return replace(what, size=str(size), speed=str(speed), lively=bool(rng.random() < 0.5))


@dataclass(frozen=True)
class Truth:
    """Where the thing is in each frame: centre (F, 2) as (x, y), radius (F,) in sides, angle (F,) in radians."""

    centre: Floats
    radius: Floats
    angle: Floats


@dataclass(frozen=True)
class Shot:
    """A drawn clip: frames (F, H, W, 3) uint8 RGB, and the truth of each thing in it."""

    frames: Frames
    what: What
    truths: tuple[Truth, ...]

    @property
    def truth(self) -> Truth:
        """Of the first thing."""
        return self.truths[0]


@dataclass(frozen=True)
class Camera:
    """How a shot is sampled: frames at fps from start_s seconds on, width x height pixels."""

    frames: int
    fps: float
    width: int
    height: int
    start_s: float = 0.0

    @property
    def side(self) -> int:
        """The shorter one, in pixels."""
        return min(self.width, self.height)


def draw(what: What, seed: int, camera: Camera) -> Shot:
    """Draw a clip. The same arguments give the same pixels; the same seed shows the same shot through any camera.

    Raises:
        ValueError: the world has no such thing, colour, scene or motion.
    """
    shown = parts(what)
    if strange := [one for one in shown if one.plain not in _NUMBERS]:
        raise ValueError(f"{strange[0]} is not in the world")
    rng = np.random.default_rng([seed, *(_NUMBERS[one.plain] for one in shown)])
    seconds = camera.start_s + np.arange(camera.frames, dtype=np.float32) / camera.fps
    places = _places(shown)
    bounce = hop(camera.width, camera.height)
    truths = tuple(_trajectory(one, place, seconds, bounce, rng) for one, place in zip(shown, places, strict=True))
    scene, lively = shown[0].scene, shown[0].lively
    background, horizon = scenery.background(scene, camera.width, camera.height, rng)
    lights = scenery.lights(scene, horizon, lively, rng)
    if not lively:
        scenery.shine(background, scene, lights, None)
    pictures = np.empty((camera.frames, camera.height, camera.width, 3), np.uint8)
    for i, second in enumerate(seconds.tolist()):
        picture = background.copy()
        if lively:
            scenery.shine(picture, scene, lights, second)
        for one, truth in zip(shown, truths, strict=True):
            _stamp(picture, one, truth.centre[i], float(truth.radius[i]), float(truth.angle[i]))
        pictures[i] = np.clip(picture + 0.5, 0, 255)
    return Shot(pictures, what, truths)


def hop(width: int, height: int) -> float:
    """How high bounces are, against the frame's height: in an upright one less, or they would be too fast."""
    return math.sqrt(min(width, height) / height)


@dataclass(frozen=True)
class _Place:
    """Where a thing has its room: the middle of its range, how wide that is, and radii, against a thing alone."""

    x: float | None = None  # None: anywhere about the middle
    breadth: float = 1.0
    radius: float = 1.0


def _places(shown: tuple[Combination, ...]) -> list[_Place]:
    return [_Place()] if len(shown) == 1 else [_Place(x, PAIR_BREADTH, PAIR_RADIUS) for x in (0.25, 0.75)]


def _trajectory(what: Combination, place: _Place, seconds: Floats, hop: float, rng: np.random.Generator) -> Truth:
    """Positions, sizes and angles over time; a motion takes PERIOD_S and then stays at its end. hop: times a bounce."""
    motion, speed = what.motion, SPEEDS.get(what.speed, 1.0)
    u = np.clip(seconds / PERIOD_S, 0, 1) * speed
    if motion != "spins":
        u = np.clip(u, 0, 1)
    x = np.full_like(u, rng.uniform(0.36, 0.64))
    y = np.full_like(u, rng.uniform(0.46, 0.54))
    radius = np.full_like(u, rng.uniform(0.27, 0.31) * SIZES.get(what.size, 1.0))
    angle = np.zeros_like(u)
    reach, middle = rng.uniform(0.15, 0.18), rng.uniform(0.48, 0.52)
    if motion in ("moves left", "moves right"):
        x = middle + (1 if motion == "moves right" else -1) * 1.15 * reach * (2 * u - 1)
    elif motion == "rises":
        y = middle - reach * (2 * u - 1)
    elif motion == "falls":
        y = middle + reach * (2 * (0.4 * u + 0.6 * u**2 / min(speed, 1)) - 1)
    elif motion == "bounces":
        y = 0.66 - rng.uniform(0.3, 0.35) * hop * np.abs(np.sin(2 * math.pi * u))
    elif motion == "spins":
        angle = rng.uniform(0.85, 1.15) * math.pi * u
    elif motion == "grows":
        radius = 0.17 + rng.uniform(0.15, 0.18) * u
    else:  # shrinks
        radius = 0.17 + rng.uniform(0.15, 0.18) * (1 - u)
    if place.x is not None:
        x = place.x + place.breadth * (x - 0.5)
    centre = np.stack([x, y], 1).astype(np.float32)
    return Truth(centre, (place.radius * radius).astype(np.float32), angle.astype(np.float32))


def _stamp(picture: Floats, what: Combination, centre: Floats, radius: float, angle: float) -> None:
    """Paint the thing onto `picture` in place."""
    height, width = picture.shape[:2]
    r = radius * min(width, height)
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
    body = scenery.coverage(distance + RIM * r)
    for mark, dark in marks(what.thing, u, v):
        body = body * (1 - dark * scenery.coverage(mark * r))
    paint = colour * (RIM_SHADE + (1 - RIM_SHADE) * body)
    patch = picture[y0:y1, x0:x1]
    patch += scenery.coverage(distance) * (paint - patch)
