"""What passes between the stages besides Clip."""

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor


@dataclass(frozen=True)
class PromptEmbeds:
    """embeds (B, L, D), zero after each prompt's end; lengths (B,) in tokens."""

    embeds: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Latents:
    """x (B, C, T, H, W), normalised, at noise level sigma; fps of the frames they decode to."""

    x: Tensor
    sigma: float
    fps: Fraction
