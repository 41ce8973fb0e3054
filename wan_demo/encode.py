"""Clip -> Latents."""

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from wan_demo.clip import Clip
from wan_demo.values import Latents


def encode(clip: Clip, vae: AutoencoderKLWan) -> Latents:
    """Clean latents of a clip whose frames are one more than a multiple of 4; `decode` is the way back."""
    x = torch.from_numpy(clip.frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    return Latents(normalised(x.to(vae.device, vae.dtype), vae).float(), 0.0, clip.fps)


@torch.no_grad()
def normalised(x: Tensor, vae: AutoencoderKLWan) -> Tensor:
    """Means of the latents (B, C, T, H, W) of clips (B, 3, F, H, W) in [-1, 1], by the autoencoder's mean and std."""
    mean, std = (
        torch.tensor(v, device=x.device, dtype=x.dtype).view(1, -1, 1, 1, 1)
        for v in (vae.config.latents_mean, vae.config.latents_std)
    )
    return (vae.encode(x).latent_dist.mean - mean) / std  # type: ignore[no-any-return]
