"""A video in memory: its pictures, and its sound."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

RATE = 48_000  # samples a second of every Sound


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


@dataclass(frozen=True, eq=False)
class Sound:
    """Stereo at RATE samples a second. samples: (N, 2) float32, full scale is -1 to 1; treat them as read-only.

    Raises ValueError when they are of another kind, or not finite.
    """

    samples: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim != 2 or self.samples.shape[1] != 2:
            raise ValueError(f"A sound is float32 (N, 2), not {self.samples.dtype} {self.samples.shape}.")
        if not np.isfinite(self.samples).all():
            raise ValueError("A sound's samples are finite.")

    @property
    def duration_s(self) -> Fraction:
        return Fraction(len(self.samples), RATE)


@dataclass(frozen=True)
class Caption:
    """A line of text on the picture from start_s to end_s, in seconds."""

    start_s: Fraction
    end_s: Fraction
    text: str
