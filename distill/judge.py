"""Reads a clip of the pocket world from its pixels alone: which thing, which colour, which scene, which motion.

No model and no caption is consulted: the background is what each row shows most, the thing is what stands out from it,
and its shape is compared with the world's silhouettes. What cannot be told is None, never a guess.
Everything is measured on frames scaled to LINES rows ("px" below), so thresholds hold at any size.
"""

import math
from collections import Counter
from dataclasses import astuple, dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt

from distill.stencils import GRID, SPAN, SYMMETRY, band, overlap, turns
from distill.things import HOLES, Floats
from distill.world import COLOURS, PERIOD_S, RGB, SCENES, THINGS, Combination, Frames

LINES = 128
STANDS_OUT = 20.0  # least distance from the background in RGB; noise of sd 5 leaves about 3 after smoothing
WAVE = 4  # px that the horizon may lie above or below its usual row
EDGE, NEAR = 0.4, 5  # a silhouette ends where the distance is this share of its most within a disc NEAR px wide
LEAST_AREA, MOST_AREA = 0.004, 0.3  # of the frame; the smallest moon has 0.007
DOUBLE = 0.35  # a second thing of this share of the first one's area makes a frame unreadable
FOUND, AGREE = 0.8, 0.75  # shares of the frames that must show one thing, and agree on its shape or its colour
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
BODY, BAND = (0.35, 1.0), (0.17, 0.33)  # how deep inside a silhouette its colour is seen, of the most; BAND: of a ring
COLOUR_RANGE, SCENE_RANGE = 55.0, 26.0  # distance in RGB; mean absolute difference, of sky and of ground
# Crests and stars: colour, most of it mixed in, greatest height in px (a white thing's outline is as pale, but higher).
LIGHTS = {"sea": ((226, 240, 244), 0.5, LINES), "night": ((210, 214, 240), 0.85, 14)}

Mask = npt.NDArray[np.uint8]
DISC = {size: cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)) for size in (3, 5)}


@dataclass(frozen=True)
class Reading:
    """What a clip shows, None where it cannot be told, and the track of the thing, nan where it was not found.

    centre: (F, 2) centroid as (x, y) in fractions of the frame; radius: (F,) of the disc of equal area, in heights.
    """

    thing: str | None
    colour: str | None
    scene: str | None
    motion: str | None
    centre: Floats
    radius: Floats


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


@dataclass(frozen=True)
class _Glimpse:
    """The thing in one frame: centre (x, y) and equal-area radius in px, mask and grey picture as (GRID, GRID) patches
    scaled to that radius, its colour's name, and whether it lies wholly inside the frame, and is open in its middle."""

    centre: tuple[float, float]
    radius: float
    shape: Floats
    grey: Floats
    colour: str | None
    whole: bool
    open: bool


def judge(frames: Frames, fps: float) -> Reading:
    """Read a clip: frames (F, H, W, 3) uint8 RGB with F >= 2 and H >= 48, at fps frames a second."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or len(frames) < 2 or frames.shape[1] < 48:
        raise ValueError(f"judge() reads (F >= 2, H >= 48, W, 3) uint8 frames, not {frames.shape} {frames.dtype}")
    pictures = [_prepare(frame) for frame in frames]
    rows = np.median(np.stack(pictures[:: max(1, len(pictures) // 8)]), axis=(0, 2)).astype(np.float32)
    scene = _scene(rows)
    glimpses = [_look(picture, rows, scene) for picture in pictures]
    track = np.array([(*g.centre, g.radius) if g else (math.nan,) * 3 for g in glimpses], np.float32)
    track /= np.array((pictures[0].shape[1], LINES, LINES), np.float32)
    thing = colour = motion = None
    if np.isfinite(track[:, 2]).mean() >= FOUND:
        thing, turned = _shape(glimpses)
        colour = _vote([g.colour if g else None for g in glimpses])
        motion = _motion(track, turned, fps)
    return Reading(thing, colour, scene, motion, track[:, :2], track[:, 2])


def score(reading: Reading, combination: Combination) -> Score:
    """Compare a reading with what the clip should show."""
    return Score(*(getattr(reading, f.name) == getattr(combination, f.name) for f in fields(Score)))


def _prepare(frame: Frames) -> Floats:
    """(H, W, 3) uint8 -> (LINES, W', 3) float32, slightly smoothed."""
    height, width = frame.shape[:2]
    if height != LINES:
        how = cv2.INTER_AREA if height > LINES else cv2.INTER_CUBIC
        frame = np.asarray(cv2.resize(frame, (round(width * LINES / height), LINES), interpolation=how), np.uint8)
    return np.asarray(cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 0.8), np.float32)


def _scene(rows: Floats) -> str | None:
    """The scenery whose gradients, at some allowed horizon, fit the rows' colours (LINES, 3)."""
    y = (np.arange(LINES, dtype=np.float32) + 0.5) / LINES
    errors = []
    for name, look in SCENES.items():
        fits = []
        for line in np.linspace(*look.horizon, 12):
            parts = ((look.sky, y / line, y < line - 0.03), (look.ground, (y - line) / (1 - line), y > line + 0.03))
            fits.append(max(float(np.abs(rows - _blend(ends, t))[where].mean()) for ends, t, where in parts))
        errors.append((min(fits), name))
    error, name = min(errors)
    return name if error <= SCENE_RANGE else None


def _blend(ends: tuple[RGB, RGB], t: Floats) -> Floats:
    top, bottom = np.array(ends, np.float32)
    return np.asarray(top + np.clip(t, 0, 1)[:, None] * (bottom - top), np.float32)


def _look(picture: Floats, rows: Floats, scene: str | None) -> _Glimpse | None:
    """Find the one thing in a picture (LINES, W, 3); None where there is none, or more than one."""
    distance = _from_background(picture, rows, scene)
    # The silhouette ends where its edge has faded to about half, and edges differ in strength along one outline.
    mask = _largest(distance > np.maximum(STANDS_OUT, EDGE * cv2.dilate(distance, DISC[NEAR])))
    if mask is None:
        return None
    moments = cv2.moments(mask, binaryImage=True)
    cx, cy, radius = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"], math.sqrt(mask.sum() / math.pi)
    scale, middle = 2 * SPAN * radius / GRID, (GRID - 1) / 2
    window = np.array([[scale, 0, cx - scale * middle], [0, scale, cy - scale * middle]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shape = (cv2.warpAffine(mask.astype(np.float32), window, (GRID, GRID), flags=how) >= 0.5).astype(np.float32)
    grey = np.asarray(cv2.warpAffine(picture.mean(2), window, (GRID, GRID), flags=how), np.float32)
    whole = not (mask[[0, -1]].any() or mask[:, [0, -1]].any())
    is_open = _open(distance, mask, (cx, cy), radius)
    colour = _colour(picture, mask, BAND if is_open else BODY)
    return _Glimpse((cx + 0.5, cy + 0.5), radius, shape, grey, colour, whole, is_open)


def _open(distance: Floats, mask: Mask, centre: tuple[float, float], radius: float) -> bool:
    """Whether the background shows through the middle of a silhouette, as it does through a ring."""
    middle = cv2.circle(np.zeros_like(mask), (round(centre[0]), round(centre[1])), round(0.3 * radius), 1, cv2.FILLED)
    inside = distance[(middle > 0) & (mask > 0)]
    return len(inside) > 0 and float(np.median(inside)) < STANDS_OUT / 2


def _from_background(picture: Floats, rows: Floats, scene: str | None) -> Floats:
    """(LINES, W): how far each pixel is, in RGB, from what may lie behind it: a mixture of the colours a little above
    and below (the horizon waves, and is soft), or the scene's own small lights."""
    row = np.arange(LINES)
    distance = _from_segments(picture, rows[np.maximum(row - WAVE, 0)], rows[np.minimum(row + WAVE, LINES - 1)])
    if scene in LIGHTS:
        light, most, highest = LIGHTS[scene]
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


def _largest(stands_out: npt.NDArray[np.bool_]) -> Mask | None:
    """The only large patch, less its whiskers; None where there is none, or two.

    Holes are filled first, a ring's too: the body of a white thing over snow may hardly differ, its rim does."""
    mask = cv2.morphologyEx(stands_out.astype(np.uint8), cv2.MORPH_CLOSE, DISC[3])
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(mask, contours, -1, 1, cv2.FILLED)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(mask, cv2.MORPH_OPEN, DISC[5]))
    second, first = np.sort([0, 0, *stats[1:, cv2.CC_STAT_AREA]])[-2:] / mask.size
    if not LEAST_AREA <= first <= MOST_AREA or second > max(DOUBLE * first, LEAST_AREA):
        return None
    largest = (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    return np.asarray(cv2.dilate(largest, DISC[5]), np.uint8) & np.asarray(mask, np.uint8)  # gives tips back


def _colour(picture: Floats, mask: Mask, depths: tuple[float, float]) -> str | None:
    """The named colour nearest to the brighter half of the inside: neither the rim nor what is drawn darker."""
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    inside = picture[(depth >= depths[0] * depth.max()) & (depth <= depths[1] * depth.max())]
    light = inside.sum(1)
    shade = np.median(inside[light >= np.median(light)], axis=0)
    gap, name = min((float(np.linalg.norm(shade - np.array(colour))), name) for name, colour in COLOURS.items())
    return name if gap <= COLOUR_RANGE else None


def _vote(ballots: list[str | None]) -> str | None:
    """The name that at least AGREE of all ballots bear."""
    name, count = Counter(ballots).most_common(1)[0]
    return name if count >= AGREE * len(ballots) else None


def _shape(glimpses: list[_Glimpse | None]) -> tuple[str | None, Floats]:
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


def _motion(track: Floats, turned: Floats, fps: float) -> str | None:
    """The one motion that a track (F, 3) of x, y and radius shows; None where it shows none, or several.

    Each must go far enough, about half of the least that the world draws, and go there without turning back.
    """
    share = min((len(track) - 1) / fps / PERIOD_S, 1.0)  # a shorter clip shows a part of the motion
    frame, seen = np.arange(len(track)), np.isfinite(track[:, 2])
    tracks = (track[:, 0], track[:, 1], np.log2(track[:, 2]))
    rows = [np.interp(frame, frame[seen], values[seen]).astype(np.float32) for values in tracks]
    dx, dy, growth = (_progress(_smooth(row, fps)) for row in rows)
    shows = {
        "moves left": dx <= -0.24 * share,
        "moves right": dx >= 0.24 * share,
        "rises": dy <= -0.24 * share,
        "falls": dy >= 0.24 * share,
        "bounces": _bounces(rows[1], fps),
        "spins": abs(_progress(turned)) >= 110 * share,
        "grows": growth >= 0.7 * share,
        "shrinks": growth <= -0.7 * share,
    }
    motions = [name for name, shown in shows.items() if shown]
    return motions[0] if len(motions) == 1 else None


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
    return 2 <= turns <= 4 and reach >= 0.2 and way <= 5 * reach and leap <= 5 * reach  # drawn: 3 turns, 4, and 3.1 / s
