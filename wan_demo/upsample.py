"""Latents -> larger Latents. Clean latents only: noise does not survive interpolation."""

from collections.abc import Callable
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from wan_demo.values import Latents


def upsample(
    latents: Latents,
    size: tuple[int, int, int],
    fps: Fraction,
    mend: Callable[[Tensor], Tensor] | None = None,
) -> Latents:
    """Trilinear interpolation to `size` (T, H, W) and `fps`, and what a trained `mend` adds to it.

    mend: latents (B, C, T, H, W) -> (B, C, *size), what interpolation leaves out.

    In time, latent 0 stands for frame 0 alone and latent t for frames 4t-3 .. 4t, so it is looked up where the
    middles of these spans meet, not by stretching the axis.
    """
    assert latents.sigma == 0, "upsample the clean estimate, never noisy latents"
    frames, height, width = size
    old = latents.x.shape[2]
    ratio = float(latents.fps / fps)
    middle = 3 / 8  # of a latent's span, back from its end, in latents
    places = (torch.arange(frames) - middle) * ratio + middle
    places[0] = 0
    x = _at(latents.x, places.clamp(0, old - 1))
    b, c = x.shape[:2]
    flat = F.interpolate(x.transpose(1, 2).flatten(0, 1), (height, width), mode="bilinear", align_corners=False)
    large = flat.view(b, frames, c, height, width).transpose(1, 2).contiguous()
    return Latents(large if mend is None else large + mend(latents.x), 0.0, fps)


def _at(x: Tensor, places: Tensor) -> Tensor:
    """x (B, C, T, H, W) at fractional times `places`."""
    low = places.floor().long().clamp(max=x.shape[2] - 2) if x.shape[2] > 1 else torch.zeros_like(places).long()
    share = (places - low).view(1, 1, -1, 1, 1).to(x.device, x.dtype)
    return torch.lerp(x[:, :, low], x[:, :, (low + 1).clamp(max=x.shape[2] - 1)], share)
