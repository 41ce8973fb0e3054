"""Pixels, latents, tokens, frames and rates: all arithmetic between them."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class ClipShape:
    """A clip as a model draws it: frames at fps, width x height pixels."""

    width: int
    height: int
    frames: int
    fps: Fraction

    @property
    def duration_s(self) -> float:
        return float(self.frames / self.fps)

    @property
    def side(self) -> int:
        """Pixels of the shorter side."""
        return min(self.width, self.height)

    def cut(self, duration_s: float) -> "ClipShape":
        """As many frames as show `duration_s`, one more than a multiple of 4, but never more than now."""
        return replace(self, frames=min(self.frames, max(5, self._frames(duration_s))))

    def lasting(self, duration_s: float) -> "ClipShape":
        """As many frames as show `duration_s`, one more than a multiple of 4, and never fewer than now."""
        return replace(self, frames=max(self.frames, self._frames(duration_s)))

    def _frames(self, duration_s: float) -> int:
        """The fewest that show `duration_s`, one more than a multiple of 4."""
        return 4 * math.ceil((duration_s * self.fps - 1) / 4) + 1


@dataclass(frozen=True)
class Compression:
    """space: pixels a side of a latent. time: frames of one, after the first. patch: latents a side of a token."""

    space: int
    time: int
    patch: int

    def latents(self, clip: ClipShape) -> tuple[int, int, int]:
        """(T, H, W) of the latents of `clip`.

        Raises:
            ValueError: the clip is not a whole number of tokens; sizes are never rounded in silence.
        """
        side = self.space * self.patch
        if clip.width % side or clip.height % side or (clip.frames - 1) % self.time:
            raise ValueError(
                f"{clip.width}x{clip.height} with {clip.frames} frames does not fit the model: width and height must be"
                f" multiples of {side} and frames one more than a multiple of {self.time}."
            )
        return 1 + (clip.frames - 1) // self.time, clip.height // self.space, clip.width // self.space


def frame_count(duration_s: float, fps: Fraction) -> int:
    """Frames nearest to a duration, at least one."""
    return max(1, round(duration_s * fps))
