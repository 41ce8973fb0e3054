"""Looks at a finished clip before anyone else does: flashing, black and frozen pictures are not shown.

Flashing is measured as ITU-R BT.1702 defines it for SDR, on a screen of 200 cd/m2: a flash is a pair of opposing
changes of 20 cd/m2 or more whose darker side is below 160 cd/m2, or of changes to and from a saturated red. More than
three in a second, over more than a quarter of the picture, can start a seizure.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.floating[Any]]
Frame = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

GRID = (32, 18)  # cells across and down: finer patterns that move are texture, not flashes
FLASH, DARK = 0.1, 0.8  # 20 and 160 of 200 cd/m2
RED_FLASH, SATURATED = 20 / 320, 0.8  # WCAG 2.2, "general flash and red flash thresholds"
MOST_FLASHES, MOST_AREA = 3, 0.25
BLACK, BLACK_SHARE = 24, 0.5  # the brightest 8-bit value of a black frame; the share of such frames that is refused
FROZEN = 1  # 8-bit steps that no pixel passes between the frames of a clip that stands still


class UnsafeClipError(RuntimeError):
    """The clip must not be shown. The message is one sentence that says why and what to do."""


class Watcher(Protocol):
    """Sees the frames of a clip in turn, each (H, W, 3) uint8 RGB; `found`: what it looks for is there."""

    def see(self, frame: Frame) -> None: ...

    @property
    def found(self) -> bool: ...


def check_frames(frames: Iterable[Frame], fps: Fraction) -> Iterator[Frame]:
    """Pass a clip's frames on, and at their end refuse one that flashes, is black, or does not move.

    Raises:
        UnsafeClipError: it is one of these.
    """
    watchers = {fault: watcher(fps) for fault, watcher in FAULTS.items()}
    for frame in frames:
        for watcher in watchers.values():
            watcher.see(frame)
        yield frame
    for fault, watcher in watchers.items():
        if watcher.found:
            raise UnsafeClipError(f"The clip {fault}, so it is not shown: try another seed or another prompt.")


class Black:
    """Most of the clip shows nothing. The brightest thousandth is left out: it may be noise."""

    def __init__(self, _: Fraction) -> None:
        self.dark = self.seen = 0

    def see(self, frame: Frame) -> None:
        self.seen += 1
        self.dark += bool(np.percentile(frame[::4, ::4], 99.9) <= BLACK)

    @property
    def found(self) -> bool:
        return self.dark > BLACK_SHARE * self.seen


class Frozen:
    """Every frame is the first one. A single frame is a picture and may stand still."""

    def __init__(self, _: Fraction) -> None:
        self.first: Frame | None = None
        self.seen, self.moved = 0, False

    def see(self, frame: Frame) -> None:
        self.seen += 1
        if self.first is None:
            self.first = frame
        self.moved = self.moved or int(cv2.absdiff(frame, self.first).max()) > FROZEN

    @property
    def found(self) -> bool:
        return self.seen > 1 and not self.moved


class Flashing:
    """More than a quarter of the picture flashes more than three times in some second."""

    def __init__(self, fps: Fraction) -> None:
        self.luminance, self.redness = Swings(FLASH, DARK, fps), Swings(RED_FLASH, np.inf, fps)

    def see(self, frame: Frame) -> None:
        cells = cv2.resize(frame, GRID, interpolation=cv2.INTER_AREA)
        red, green, blue = np.moveaxis((cells / 255) ** 2.4, -1, 0)  # BT.1886, the curve of a reference display
        self.luminance.see(0.2126 * red + 0.7152 * green + 0.0722 * blue)
        saturated = red >= SATURATED * (red + green + blue + 1e-6)
        self.redness.see(np.where(saturated, np.maximum(red - green - blue, 0), 0))

    @property
    def found(self) -> bool:
        return self.luminance.found or self.redness.found


FAULTS: dict[str, Callable[[Fraction], Watcher]] = {
    "flashes more than three times a second": Flashing,
    "is black": Black,
    "does not move": Frozen,
}


class Swings:
    """Counts each cell's opposing changes of `step`, from or to below `dark`, in a sliding second."""

    def __init__(self, step: float, dark: float, fps: Fraction) -> None:
        self.step, self.dark, self.found = step, dark, False
        self.extremes: tuple[Numbers, Numbers] | None = None  # lowest and highest since the last counted change
        self.heading: npt.NDArray[np.int8] = np.zeros((), np.int8)
        self.recent: deque[Flags] = deque(maxlen=max(1, round(fps)))

    def see(self, now: Numbers) -> None:
        """now: (h, w)."""
        low, high = self.extremes or (now, now)
        low, high = np.minimum(low, now), np.maximum(high, now)
        up = (now - low >= self.step) & (low < self.dark) & (self.heading <= 0)
        down = (high - now >= self.step) & (now < self.dark) & (self.heading >= 0) & ~up
        self.heading = np.where(up, 1, np.where(down, -1, self.heading)).astype(np.int8)
        changed = up | down
        self.extremes = np.where(changed, now, low), np.where(changed, now, high)
        self.recent.append(changed)
        share = float((np.sum(self.recent, axis=0) // 2 > MOST_FLASHES).mean())
        self.found = self.found or share > MOST_AREA
