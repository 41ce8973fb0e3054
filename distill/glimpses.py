"""Finds the things in one picture of the pocket world, and says what each looks like there.

The background is what each row shows most, a thing is what stands out from it. Everything is measured on pictures
whose shorter side is scaled to SIDE ("px" below), so thresholds hold at any size.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from distill.scenery import LIGHTS, RGB, SCENES, gradient
from distill.stencils import GRID, SPAN
from distill.things import Floats
from distill.world import COLOURS, Frames

SIDE = 128
USUAL = SIDE * SIDE * 1.75  # the area of a frame of 16:9, in px
STANDS_OUT = 20.0  # least distance from the background in RGB; noise of sd 5 leaves about 3 after smoothing
WAVE = 4  # px that the horizon may lie above or below its usual row
EDGE, NEAR = 0.4, 5  # a silhouette ends where the distance is this share of its most within a disc NEAR px wide
LEAST_AREA, MOST_AREA = 0.004, 0.3  # of USUAL; the smallest moon has 0.007
LEAST_OF_TWO = 0.0016  # of USUAL; the smallest moon of a pair has 0.0029
DOUBLE = 0.35  # one more thing of this share of the last one's area makes a frame unreadable
BODY, BAND = (0.35, 1.0), (0.17, 0.33)  # how deep inside a silhouette its colour is seen, of the most; BAND: of a ring
NEARLY = 30.0  # distance in RGB of a background from what its scene has there
COLOUR_RANGE, SCENE_RANGE = 55.0, 26.0  # distance in RGB; mean absolute difference, of sky and of ground

Spot = tuple[RGB, float, int]  # colour of a soft light, most of it mixed in, greatest height in px
# Crests and stars, which still scenes show too (a white thing's outline is as pale as a star, but higher), and others.
SPOTS = {
    "sea": (0.5, SIDE, True),
    "night": (0.85, 14, True),
    "grass": (0.95, SIDE, False),
    "desert": (0.8, SIDE, False),
    "snow": (0.85, SIDE, False),
}

Mask = npt.NDArray[np.uint8]
DISC = {size: cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)) for size in (3, 5)}


@dataclass(frozen=True)
class Glimpse:
    """A thing in one frame: centre (x, y) and equal-area radius in px, mask and grey picture as (GRID, GRID) patches
    scaled to that radius, its colour's name, and whether it lies wholly inside the frame, and is open in its middle."""

    centre: tuple[float, float]
    radius: float
    shape: Floats
    grey: Floats
    colour: str | None
    whole: bool
    open: bool


@dataclass(frozen=True)
class Backdrop:
    """What lies behind: the rows' colours (H, 3), and the soft lights that may be seen on it."""

    rows: Floats
    spot: Spot | None


def prepare(frame: Frames) -> Floats:
    """(H, W, 3) uint8 -> (H', W', 3) float32, the shorter of which is SIDE, slightly smoothed."""
    height, width = frame.shape[:2]
    scale = SIDE / min(height, width)
    if scale != 1:
        how, size = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC, (round(width * scale), round(height * scale))
        frame = np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8)
    return np.asarray(cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 0.8), np.float32)


def scene_of(rows: Floats) -> tuple[str | None, Floats]:
    """The scenery whose gradients, at some allowed horizon, fit the rows' colours (H, 3), and those gradients."""
    y = (np.arange(len(rows), dtype=np.float32) + 0.5) / len(rows)
    fits = []
    for name, look in SCENES.items():
        for line in np.linspace(*look.horizon, 12):
            sky, ground = gradient(look.sky, y / line), gradient(look.ground, (y - line) / (1 - line))
            off = [np.abs(rows - sky)[y < line - 0.03].mean(), np.abs(rows - ground)[y > line + 0.03].mean()]
            fits.append((float(max(off)), name, np.where((y < line)[:, None], sky, ground)))
    error, name, ideal = min(fits, key=lambda fit: fit[0])
    return name if error <= SCENE_RANGE else None, ideal


def cleared(pictures: Floats, rows: Floats, ideal: Floats) -> Floats:
    """The rows' colours (H, 3) once more, from what is near to a scene's own: things and clouds may cover the most
    of a row. rows: a first guess, good for most rows; it stays where nothing is near."""
    ideal = ideal * np.median(rows / ideal, axis=0)  # a decoder's tint
    near = ((pictures - ideal[:, None]) ** 2).sum(3) < NEARLY**2
    better = rows.copy()
    for y in np.flatnonzero(near.mean((0, 2)) >= 0.1):
        better[y] = np.median(pictures[:, y][near[:, y]], axis=0)
    return better


def spot(scene: str) -> tuple[Spot, bool]:
    """What soft lights a scene shows, and whether it does so when still."""
    most, highest, always = SPOTS[scene]
    return (LIGHTS[scene].colour, most, highest), always


def look(picture: Floats, backdrop: Backdrop, things: int = 1) -> list[Glimpse]:
    """The things in a picture (H, W, 3), the largest first: as many, or fewer; none where there are more."""
    distance = from_background(picture, backdrop)
    # The silhouette ends where its edge has faded to about half, and edges differ in strength along one outline.
    stands_out = distance > np.maximum(STANDS_OUT, EDGE * cv2.dilate(distance, DISC[NEAR]))
    light = picture.mean(2)
    return [_glimpse(picture, light, distance, mask) for mask in _patches(stands_out, things)]


def _glimpse(picture: Floats, light: Floats, distance: Floats, mask: Mask) -> Glimpse:
    moments = cv2.moments(mask, binaryImage=True)
    cx, cy, radius = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"], math.sqrt(mask.sum() / math.pi)
    scale, middle = 2 * SPAN * radius / GRID, (GRID - 1) / 2
    window = np.array([[scale, 0, cx - scale * middle], [0, scale, cy - scale * middle]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shape = (cv2.warpAffine(mask.astype(np.float32), window, (GRID, GRID), flags=how) >= 0.5).astype(np.float32)
    grey = np.asarray(cv2.warpAffine(light, window, (GRID, GRID), flags=how), np.float32)
    whole = not (mask[[0, -1]].any() or mask[:, [0, -1]].any())
    is_open = _open(picture, distance, mask, (cx, cy), radius)
    colour = _colour(picture, mask, BAND if is_open else BODY)
    return Glimpse((cx + 0.5, cy + 0.5), radius, shape, grey, colour, whole, is_open)


def _open(picture: Floats, distance: Floats, mask: Mask, centre: tuple[float, float], radius: float) -> bool:
    """Whether the background shows through the middle of a silhouette, as it does through a ring."""
    middle = cv2.circle(np.zeros_like(mask), (round(centre[0]), round(centre[1])), round(0.3 * radius), 1, cv2.FILLED)
    inside = (middle > 0) & (mask > 0)
    if not inside.any() or float(np.median(distance[inside])) >= STANDS_OUT / 2:
        return False
    white = np.linalg.norm(np.median(picture[inside], axis=0) - COLOURS["white"])
    return bool(white > COLOUR_RANGE / 2)  # or else a white thing's body, which is as pale as a cloud or a flake


def from_background(picture: Floats, backdrop: Backdrop) -> Floats:
    """(H, W): how far each pixel is, in RGB, from what may lie behind it: a mixture of the colours a little above
    and below (the horizon waves, and is soft), or the scene's own soft lights."""
    rows = backdrop.rows
    row = np.arange(len(rows))
    distance = _from_segments(picture, rows[np.maximum(row - WAVE, 0)], rows[np.minimum(row + WAVE, len(rows) - 1)])
    if backdrop.spot:
        light, most, highest = backdrop.spot
        from_light = _from_segments(picture, rows, (rows + most * (np.array(light) - rows)).astype(np.float32))
        lit = (distance > STANDS_OUT) & (from_light < STANDS_OUT)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(lit.astype(np.uint8))
        low = stats[:, cv2.CC_STAT_HEIGHT] <= highest
        distance = np.where(low[labels], np.minimum(distance, from_light), distance)
    return distance


def _from_segments(picture: Floats, starts: Floats, ends: Floats) -> Floats:
    """(H, W): distance of each pixel from its row's segment in colour space, starts and ends (H, 3)."""
    way = ends - starts
    offset = picture - starts[:, None]
    share = np.clip((offset @ way[..., None])[..., 0] / ((way**2).sum(1) + 1)[:, None], 0, 1)
    offset -= share[..., None] * way[:, None]
    return np.asarray(np.sqrt(np.einsum("hwc,hwc->hw", offset, offset)), np.float32)


def covered(stands_out: npt.NDArray[np.bool_]) -> Mask:
    """What stands out, with its holes, a ring's too: the body of a white thing over snow may hardly differ, its rim
    does."""
    mask = cv2.morphologyEx(stands_out.astype(np.uint8), cv2.MORPH_CLOSE, DISC[3])
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(mask, contours, -1, 1, cv2.FILLED), np.uint8)


def _patches(stands_out: npt.NDArray[np.bool_], things: int) -> list[Mask]:
    """The large patches, the largest first, less their whiskers: as many as things, or fewer; none where more."""
    mask = covered(stands_out)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(mask, cv2.MORPH_OPEN, DISC[5]))
    areas = np.append(stats[1:, cv2.CC_STAT_AREA], [0, 0, 0]) / USUAL
    order, least = np.argsort(-areas, kind="stable"), LEAST_AREA if things == 1 else LEAST_OF_TWO
    last, more = areas[order[things - 1]], areas[order[things]]
    if more > max(DOUBLE * last, least):
        return []
    large = [int(k) + 1 for k in order[:things] if least <= areas[k] <= MOST_AREA]
    # The whiskers are cut off with the tips; this gives tips back.
    return [np.asarray(cv2.dilate((labels == k).astype(np.uint8), DISC[5]), np.uint8) & mask for k in large]


def _colour(picture: Floats, mask: Mask, depths: tuple[float, float]) -> str | None:
    """The named colour nearest to the brighter half of the inside: neither the rim nor what is drawn darker."""
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    inside = picture[(depth >= depths[0] * depth.max()) & (depth <= depths[1] * depth.max())]
    light = inside.sum(1)
    shade = np.median(inside[light >= np.median(light)], axis=0)
    gap, name = min((float(np.linalg.norm(shade - np.array(colour))), name) for name, colour in COLOURS.items())
    return name if gap <= COLOUR_RANGE else None
