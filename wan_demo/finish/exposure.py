"""How bright each frame is shown, channel by channel, apart from what is in it.

Between two neighbours most pixels show the same thing. Where these are brighter, or farther apart, in one of the two,
it is the exposure that changed. The changes, added up, are a path over the clip: what is quick in it is flicker, what
is slow is drift.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.clip import Clip

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Floats = npt.NDArray[np.float64]

ROWS = 48  # frames are measured at this height: averaging hides small motion
CUT = 40.0  # mean difference of neighbours, of 255, from which they are two scenes
SAME = 2.5  # a pixel shows the same thing while it changes like the others, within so many mean deviations
MID = 128.0  # the grey about which the slow part of a path is drawn
SHADES = np.arange(0.05, 1, 0.1)  # shares of a clip's pixels that are darker than those at which a change is told
LEAST_SPREAD = 4.0  # deviation of a channel, of 255, below which its contrast cannot be compared


@dataclass(frozen=True)
class Fault:
    """How much of a fault a clip has, in the unit of the function that looked for it; mended: if it was taken out."""

    found: float
    mended: bool


@dataclass(frozen=True, eq=False)
class Exposure:
    """gain and level (F, 3): a frame shows (gain * x + level) for what the first frame of its scene shows as x.

    scenes: (first, last + 1) of each run of frames without a cut. shades (len(SHADES), 3): what the clip shows, from
    dark to bright. A change is told of these: measured in a night sky, it says nothing of a grey that is not there.
    """

    gain: Floats
    level: Floats
    scenes: tuple[tuple[int, int], ...]
    shades: Floats

    def shown(self, gain: Floats, level: Floats) -> Floats:
        """gain (F, 3) times each of the shades plus level (F, 3): (F, len(SHADES), 3)."""
        return np.asarray(gain[:, None] * self.shades + level[:, None])


def is_cut(frame0: Frame, frame1: Frame) -> bool:
    """Whether two neighbours are of two scenes."""
    return float(cv2.absdiff(frame0, frame1).mean()) > CUT


def measure_exposure(clip: Clip) -> Exposure:
    """Measure a clip's exposure, scene by scene."""
    small = [reduced(frame) for frame in clip.frames]
    gain, level = np.ones((len(small), 3)), np.zeros((len(small), 3))
    starts = [0]
    for k, (before, after) in enumerate(pairwise(clip.frames), 1):
        if is_cut(before, after):
            starts.append(k)
            continue
        for channel in range(3):
            step_gain, step_level = _change(small[k - 1][:, channel], small[k][:, channel])
            gain[k, channel] = gain[k - 1, channel] * step_gain
            level[k, channel] = level[k - 1, channel] * step_gain + step_level
    shades = np.quantile(np.concatenate(small), SHADES, axis=0)
    return Exposure(gain, level, tuple(pairwise([*starts, len(small)])), shades)


def slow(path: Floats, fps: float, smooth_s: float = 0.6) -> Floats:
    """The slow part of a path (F, 3): a parabola through the neighbourhood of each frame, smooth_s to either side."""
    count = len(path)
    times = np.arange(count) / fps
    smooth = np.empty_like(path)
    for k in range(count):
        away = times - times[k]
        weight = np.exp(-0.5 * (away / smooth_s) ** 2)
        curve = np.stack([np.ones(count), away, away**2], 1) * weight[:, None]
        smooth[k] = np.linalg.lstsq(curve, path * weight[:, None], rcond=None)[0][0]
    return smooth


def shown_as(frame: Frame, gain: Floats, level: Floats) -> Frame:
    """The frame with each channel at gain (3,) times its values plus level (3,)."""
    table = np.clip(np.rint(np.arange(256)[:, None] * gain + level), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(frame, table[:, None]), np.uint8)


def reduced(frame: Frame) -> Floats:
    """A frame as (N, 3) values at ROWS rows."""
    height, width = frame.shape[:2]
    rows = min(ROWS, height)
    small = cv2.resize(frame.astype(np.float32), (max(1, width * rows // height), rows), interpolation=cv2.INTER_AREA)
    return small.reshape(-1, 3).astype(np.float64)


def _change(before: Floats, after: Floats) -> tuple[float, float]:
    """(gain, level) from one neighbour (N,) to the other, by the pixels that show the same thing in both."""
    gain, level = 1.0, float(np.median(after - before))
    for _ in range(4):
        miss = after - (gain * before + level)
        miss -= np.median(miss)
        same = np.abs(miss) <= SAME * max(float(np.mean(np.abs(miss))), 0.25)
        x, y = before[same], after[same]
        # the ratio of deviations, not a regression: that one flattens whatever moves, in both directions
        gain = float(y.std() / x.std()) if min(x.std(), y.std()) > LEAST_SPREAD else 1.0
        level = float(y.mean() - gain * x.mean())
    return gain, level
