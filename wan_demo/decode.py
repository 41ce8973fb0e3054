"""Latents -> Clip, and back."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
from torch import Tensor, nn

from wan_demo.clip import Clip
from wan_demo.values import Latents


@torch.no_grad()
def decode(latents: Latents, vae: AutoencoderKLWan) -> Clip:
    """Decode clean latents of one clip, (1, C, T, H, W) normalised, into frames. Raises as `decode_all` does."""
    (frames,) = decode_all(latents, vae)
    return Clip(frames, latents.fps)


@torch.no_grad()
def decode_all(latents: Latents, vae: AutoencoderKLWan) -> npt.NDArray[np.uint8]:
    """Decode clean latents of B clips, (B, C, T, H, W) normalised, into frames (B, F, H, W, 3) RGB.

    One latent frame after another, each moved off the device at once: diffusers' own decode keeps the whole picture
    there, twice while it appends. The numbers are the same. Where the decoder works on tiles, it goes tile by tile.

    Raises:
        FloatingPointError: the picture is not finite.
    """
    assert latents.sigma == 0, "only clean latents decode to a picture"
    mean, std = _statistics(vae)
    z = latents.x.to(vae.device, vae.dtype) * std + mean
    pieces = [vae.decode(z).sample] if vae.use_tiling else streamed(z, vae)
    return np.concatenate([_frames(piece) for piece in pieces], axis=1)


def streamed(z: Tensor, vae: AutoencoderKLWan) -> Iterator[Tensor]:
    """The pictures, (B, 3, F, H, W) in [-1, 1], a latent frame at a time, as `AutoencoderKLWan._decode` makes it."""
    vae.clear_cache()
    try:
        for i, frame in enumerate(vae.post_quant_conv(z).split(1, dim=2)):
            vae._conv_idx = [0]
            made = vae.decoder(frame, feat_cache=vae._feat_map, feat_idx=vae._conv_idx, first_chunk=i == 0)
            patch = vae.config.patch_size
            yield (made if patch is None else unpatchify(made, patch_size=patch)).clamp(-1, 1)
    finally:
        vae.clear_cache()


def by_onednn(vae: AutoencoderKLWan, device: torch.device) -> AutoencoderKLWan:
    """The same autoencoder; if `device`, where it is to run, is a CPU, all of its convolutions are done by oneDNN.

    torch has its own im2col do those of one clip that have few channels, frames and rows (ConvParams::use_mkldnn in
    aten/src/ATen/native/Convolution.cpp); the pocket family's decoder is three times as fast without that.
    """
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        for layer in vae.modules():
            if isinstance(layer, nn.Conv3d):
                layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
                layer._conv_forward = partial(_convolved, layer)  # type: ignore[method-assign]
    return vae


def _convolved(layer: nn.Conv3d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    how = layer.padding, layer.stride, layer.dilation, layer.groups
    return torch.ops.aten.mkldnn_convolution(x, weight, bias, *how)  # type: ignore[no-any-return]


def encode(clip: Clip, vae: AutoencoderKLWan) -> Latents:
    """Clean latents of a clip whose frames are one more than a multiple of 4, normalised; `decode` is the way back."""
    return Latents(normalised(to_pixels(clip.frames)[None], vae), 0.0, clip.fps)


def to_pixels(frames: npt.NDArray[np.uint8] | Tensor) -> Tensor:
    """uint8 (..., F, H, W, 3) -> float32 (..., 3, F, H, W) in [-1, 1], on the device that they are on."""
    return torch.as_tensor(frames).movedim(-1, -4).float() / 127.5 - 1


@torch.no_grad()
def normalised(x: Tensor, vae: AutoencoderKLWan) -> Tensor:
    """Clips (B, 3, F, H, W) in [-1, 1] -> the means of their latents, float32 (B, C, T, H, W), normalised."""
    mean, std = _statistics(vae)
    return ((vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mean - mean) / std).float()  # type: ignore[no-any-return]


def _statistics(vae: AutoencoderKLWan) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the latents, by channel, (1, C, 1, 1, 1)."""
    both = vae.config.latents_mean, vae.config.latents_std
    mean, std = (torch.tensor(v, device=vae.device, dtype=vae.dtype).view(1, -1, 1, 1, 1) for v in both)
    return mean, std


def _frames(video: Tensor) -> npt.NDArray[np.uint8]:
    """(B, 3, F, H, W) in [-1, 1] as (B, F, H, W, 3) RGB."""
    if not torch.isfinite(video).all():
        raise FloatingPointError("the decoded picture is not finite")
    frames = ((video.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return frames.permute(0, 2, 3, 4, 1).contiguous().cpu().numpy()
