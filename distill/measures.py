"""Figures of a clip that need no caption, and the intervals that go with means."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from distill.things import Floats
from distill.world import Frames

SIDE = 64  # frames are measured with a shorter side of this many pixels
CHANGED = 16  # levels of 255 between neighbours


@dataclass(frozen=True)
class Figures:
    """Of one clip.

    motion: mean length of the optical flow where the picture changes, in shorter sides of the frame a second. flicker:
    what the typical pixel changes back and forth from frame to frame, in levels of 255. seam: change from frame to
    frame at the borders of latents, over the change elsewhere (1: no seam).
    """

    motion: float
    flicker: float
    seam: float


def measure(frames: Frames, fps: float, chunk: int = 4) -> Figures:
    """frames (F, H, W, 3) uint8 RGB, F > chunk + 2; chunk: frames that a latent holds, the first holds one."""
    height, width = (round(side * SIDE / min(frames.shape[1:3])) for side in frames.shape[1:3])
    grey = [
        cv2.cvtColor(cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for f in frames
    ]
    light = np.stack(grey).astype(np.float32)
    change = np.abs(np.diff(light, axis=0))
    back_and_forth = np.abs(np.diff(light, 2, axis=0)) / 2
    steps = change.mean((1, 2))
    border = np.arange(len(steps)) % chunk == 0
    return Figures(
        _flow(grey) * fps / SIDE,
        float(np.median(back_and_forth, axis=(1, 2)).mean()),
        float(steps[border].mean() / max(steps[~border].mean(), 1e-6)),
    )


def _flow(grey: Sequence[np.ndarray]) -> float:
    """Mean length of the flow between neighbours, in pixels, where they differ."""
    lengths = flow_lengths(grey)
    found = lengths[~np.isnan(lengths)]
    return float(found.mean()) if len(found) else 0.0


def flow_lengths(grey: Sequence[np.ndarray]) -> Floats:
    """Lengths of the optical flow between neighbours of F grey frames (H, W) uint8: (F - 1, H, W), in pixels.

    nan where the two hardly differ: there flow follows the noise.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    lengths = []
    for a, b in pairwise(grey):
        flow = np.asarray(dis.calc(a, b, None), np.float32)  # type: ignore[call-overload]
        changed = cv2.dilate((cv2.absdiff(a, b) > CHANGED).astype(np.uint8), np.ones((5, 5), np.uint8))
        lengths.append(np.where(changed > 0, np.linalg.norm(flow, axis=-1), np.nan))
    return np.stack(lengths) if lengths else np.zeros((0, *grey[0].shape))


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """95% confidence interval of a share (Wilson, 1927)."""
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return round(centre - half, 3), round(centre + half, 3)


def bootstrap(values: Floats, draws: int = 1000) -> tuple[float, float]:
    """95% confidence interval of the mean of values (N,): percentiles over samples with replacement (Efron, 1979)."""
    rows = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
    low, high = np.percentile(values[rows].mean(1), (2.5, 97.5))
    return float(low), float(high)


def diversity(groups: Sequence[Floats]) -> float:
    """Mean distance between two members of a group, over groups (N, D) of features, N >= 2."""
    gaps = [np.linalg.norm(g[:, None] - g[None], axis=-1).sum() / (len(g) * (len(g) - 1)) for g in groups]
    return float(np.mean(gaps))
