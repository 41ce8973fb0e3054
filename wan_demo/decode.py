"""Latents -> Clip."""

import torch
from diffusers import AutoencoderKLWan

from wan_demo.clip import Clip
from wan_demo.values import Latents


@torch.no_grad()
def decode(latents: Latents, vae: AutoencoderKLWan) -> Clip:
    """Decode clean latents of one clip, (1, C, T, H, W) normalised, into frames.

    Raises:
        FloatingPointError: the picture is not finite.
    """
    assert latents.sigma == 0, "only clean latents decode to a picture"
    mean, std = (
        torch.tensor(v, device=vae.device, dtype=vae.dtype).view(1, -1, 1, 1, 1)
        for v in (vae.config.latents_mean, vae.config.latents_std)
    )
    video = vae.decode(latents.x.to(vae.device, vae.dtype) * std + mean).sample[0].float()
    if not torch.isfinite(video).all():
        raise FloatingPointError("the decoded picture is not finite")
    frames = ((video / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return Clip(frames.permute(1, 2, 3, 0).contiguous().cpu().numpy(), latents.fps)
