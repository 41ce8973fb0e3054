"""The picture part of a video in memory."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)  # comparing two clips would compare two arrays, which has no single answer
class Clip:
    """Frames shown one after another, each for 1 / fps seconds.

    frames: (F, H, W, 3) uint8, RGB, 0 to 255, at least one frame. Treat them as read-only: stages share them.
    fps: frames per second, above 0.

    Raises ValueError when a field is of another kind.
    """

    frames: npt.NDArray[np.uint8]
    fps: Fraction

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8:
            raise ValueError(f"A clip holds 8-bit frames (uint8), not {self.frames.dtype}.")
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or 0 in self.frames.shape:
            raise ValueError(f"A clip's frames have the shape (F, H, W, 3), none of them 0, not {self.frames.shape}.")
        if self.fps <= 0:
            raise ValueError(f"A clip's frame rate is above 0, not {self.fps}.")

    @property
    def duration_s(self) -> Fraction:
        """Seconds from the start of the first frame to the end of the last."""
        return len(self.frames) / self.fps
