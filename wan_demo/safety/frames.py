"""Looks at a finished clip before anyone else does: flashing, black and frozen pictures are not shown.

Flashing is measured as ITU-R BT.1702 defines it for SDR, on a screen of 200 cd/m2: a flash is a pair of opposing
changes of 20 cd/m2 or more whose darker side is below 160 cd/m2, or of changes to and from a saturated red. More than
three in a second, over more than a quarter of the picture, can start a seizure.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.clip import Clip

Numbers = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]

GRID = (32, 18)  # cells across and down: finer patterns that move are texture, not flashes
FLASH, DARK = 0.1, 0.8  # 20 and 160 of 200 cd/m2
RED_FLASH, SATURATED = 20 / 320, 0.8  # WCAG 2.2, "general flash and red flash thresholds"
MOST_FLASHES, MOST_AREA = 3, 0.25
BLACK, BLACK_SHARE = 24, 0.5  # the brightest 8-bit value of a black frame; the share of such frames that is refused
FROZEN = 1  # 8-bit steps that no pixel passes between the frames of a clip that stands still


class UnsafeClipError(RuntimeError):
    """The clip must not be shown. The message is one sentence that says why and what to do."""


def check_frames(clip: Clip) -> None:
    """Refuse a clip that flashes, is black, or does not move.

    Raises:
        UnsafeClipError: it is one of these.
    """
    for fault, found in FAULTS.items():
        if found(clip):
            raise UnsafeClipError(f"The clip {fault}, so it is not shown: try another seed or another prompt.")


def is_black(clip: Clip) -> bool:
    """Whether most of the clip shows nothing. The brightest thousandth is left out: it may be noise."""
    dark = [np.percentile(frame[::4, ::4], 99.9) <= BLACK for frame in clip.frames]
    return float(np.mean(dark)) > BLACK_SHARE


def is_frozen(clip: Clip) -> bool:
    """Whether every frame is the first one. A single frame is a picture and may stand still."""
    first = clip.frames[0]
    return len(clip.frames) > 1 and all(int(cv2.absdiff(frame, first).max()) <= FROZEN for frame in clip.frames[1:])


def flashes(clip: Clip) -> bool:
    """Whether more than a quarter of the picture flashes more than three times in some second."""
    cells = np.stack([cv2.resize(frame, GRID, interpolation=cv2.INTER_AREA) for frame in clip.frames])
    red, green, blue = np.moveaxis((cells / 255) ** 2.4, -1, 0)  # BT.1886, the curve of a reference display
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    saturated = red >= SATURATED * (red + green + blue + 1e-6)
    redness = np.where(saturated, np.maximum(red - green - blue, 0), 0)
    fps = float(clip.fps)
    return _flashes(luminance, FLASH, DARK, fps) or _flashes(redness, RED_FLASH, np.inf, fps)


FAULTS: dict[str, Callable[[Clip], bool]] = {
    "flashes more than three times a second": flashes,
    "is black": is_black,
    "does not move": is_frozen,
}


def _flashes(signal: Numbers, step: float, dark: float, fps: float) -> bool:
    """signal (F, h, w): count each cell's opposing changes of `step`, from or to below `dark`, in a sliding second."""
    low, high = signal[0], signal[0]  # extremes since the last counted change
    heading = np.zeros(low.shape, np.int8)
    recent: deque[Flags] = deque(maxlen=max(1, round(fps)))
    for now in signal:
        low, high = np.minimum(low, now), np.maximum(high, now)
        up = (now - low >= step) & (low < dark) & (heading <= 0)
        down = (high - now >= step) & (now < dark) & (heading >= 0) & ~up
        heading = np.where(up, 1, np.where(down, -1, heading)).astype(np.int8)
        changed = up | down
        low, high = np.where(changed, now, low), np.where(changed, now, high)
        recent.append(changed)
        if float((np.sum(recent, axis=0) // 2 > MOST_FLASHES).mean()) > MOST_AREA:
            return True
    return False
