"""Frames carried along their motion, to a moment between two neighbours.

Legend: H height, W width. A way (H, W, 2) float32 says how many pixels (x, y) each pixel has moved.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Floats = npt.NDArray[np.float32]

ROWS = 480  # frames with more are measured at half their size: their motion is no finer than that of small ones
_HALF = 0.5  # weight of a colour that the other frame does not confirm
_FAINT = 1e-3  # weight of a colour that is probably wrong: it counts only where there is no better one


@dataclass(frozen=True, eq=False)
class Motion:
    """How one frame moves towards its neighbour.

    flow (H, W, 2); seen (H, W): whether each pixel is seen in both; bend (H, W, 2): see `frame_rate._curve`.
    """

    flow: Floats
    seen: npt.NDArray[np.bool_]
    bend: Floats | None = None

    def after(self, part: float) -> Floats:
        """How far each pixel has gone after a part of the way, (H, W, 2)."""
        return part * self.flow if self.bend is None else part * self.flow - part * (1 - part) * self.bend


@dataclass(frozen=True, eq=False)
class Side:
    """A neighbour, and what it shows at a moment between: moved (H, W, 3), which each pixel came to by its way
    (H, W, 2), and how far to trust it (H, W), from near 0 to 1."""

    frame: Frame
    moved: Frame
    way: Floats
    trust: Floats


@dataclass(frozen=True, eq=False)
class Guess:
    """What is seen `when`, in (0, 1), between two neighbours."""

    before: Side
    after: Side
    when: float

    @property
    def share(self) -> Floats:
        """How much of each pixel is the later neighbour's, (H, W): by nearness in time and by trust."""
        weights = (1 - self.when) * self.before.trust, self.when * self.after.trust
        return np.asarray(weights[1] / (weights[0] + weights[1]), np.float32)

    @property
    def mixed(self) -> Floats:
        """The two, mixed by `share`, (H, W, 3)."""
        before, after = (side.moved.astype(np.float32) for side in (self.before, self.after))
        return before + self.share[..., None] * (after - before)


def move(frame: Frame, motion: Motion, part: float) -> Side:
    """Move a frame along `part` of its motion."""
    way, landed, seen = _throw(motion, part)
    trust = np.where(landed, np.where(seen, 1.0, _HALF), _FAINT).astype(np.float32)
    height, width = frame.shape[:2]
    if way.shape[:2] != (height, width):
        scale = np.array([width / way.shape[1], height / way.shape[0]], np.float32)
        way = np.asarray(cv2.resize(way * scale, (width, height)), np.float32)
        trust = np.asarray(cv2.resize(trust, (width, height)), np.float32)
    return Side(frame, fetch_finely(frame, -way), way, trust)


def _throw(motion: Motion, part: float) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Carry each pixel's way to where that pixel is after `part` of its motion.

    Returns the way (H, W, 2) there, whether any pixel landed there, and whether that pixel is seen in both frames.
    Where several land, one seen in both frames wins, then the faster one: what moves is mostly in front.
    """
    height, width = motion.seen.shape
    way = motion.after(part)
    moves = np.flatnonzero(((way[..., 0] != 0) | (way[..., 1] != 0)).ravel())  # what stands still is where it is
    winner = np.arange(height * width)
    speed = np.hypot(motion.flow[..., 0], motion.flow[..., 1]).ravel()[moves]
    rows, columns = np.divmod(moves, width)
    x, y = (start + way[..., axis].ravel()[moves] for axis, start in ((0, columns), (1, rows)))
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    order = np.argsort(speed + np.float32(1e6) * motion.seen.ravel()[moves], kind="stable")
    winner[moves] = -1
    for dy in (0, 1):  # each pixel covers the four it lands between, so that no cracks open
        for dx in (0, 1):
            column, row = left[order] + dx, top[order] + dy
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            winner[(row * width + column)[inside]] = moves[order[inside]]  # numpy keeps the last: the one that wins
    landed = (winner >= 0).reshape(height, width)
    carried = way.reshape(-1, 2)[winner].reshape(height, width, 2) * landed[..., None]
    return carried, landed, motion.seen.ravel()[winner].reshape(height, width)


def fetch(values: Any, offset: Floats, interpolation: int = cv2.INTER_LINEAR) -> Any:
    """Read values (H, W, C) at each pixel plus its offset (H, W, 2), between pixels too; edges repeat outwards."""
    height, width = offset.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    place = (x + offset[..., 0], y + offset[..., 1])
    return cv2.remap(values, *place, interpolation, borderMode=cv2.BORDER_REPLICATE)


def fetch_finely(frame: Frame, offset: Floats) -> Frame:
    """`fetch` for what will be seen. The finer filter shows in small frames, which are enlarged later; in large ones
    it would take half the time."""
    return np.asarray(fetch(frame, offset, cv2.INTER_LANCZOS4 if len(frame) <= ROWS else cv2.INTER_CUBIC), np.uint8)
