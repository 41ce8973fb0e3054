"""Trains the pocket family's AutoencoderKLWan: single frames first, then clips, and last its decoder alone.

8x in space and 4x in time, 16 channels. Pixels are folded 2x2 into channels first (`patch_size=2`) and the blocks have
averaging shortcuts (`is_residual`), as in Wan2.2's 5B autoencoder: the costly full-size convolutions go away, and the
shortcuts carry a rough picture from the first step (DC-AE, arXiv 2410.10733).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, WanResample, unpatchify
from torch import Tensor

from distill import parallel
from distill.checkpoint import Run
from distill.config import AutoencoderRecipe
from distill.data import LAYOUT, Crops, Shots, generator, rendered
from distill.latents import encode_set
from distill.muon import MuonAdamW
from wan_demo.decode import by_onednn

Z_DIM = 16


def build() -> AutoencoderKLWan:
    """A new autoencoder of the pocket size."""
    return AutoencoderKLWan(
        base_dim=16,
        decoder_base_dim=24,
        z_dim=Z_DIM,
        dim_mult=[1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        latents_mean=[0.0] * Z_DIM,
        latents_std=[1.0] * Z_DIM,
        scale_factor_spatial=8,
    )


def decode_unclamped(vae: AutoencoderKLWan, z: Tensor) -> Tensor:
    """`vae.decode` without its clamp to [-1, 1], under which a clamped pixel has no gradient."""
    x = vae.post_quant_conv(z)
    cache = [None] * sum(isinstance(m, WanCausalConv3d) for m in vae.decoder.modules())
    pieces = [
        vae.decoder(x[:, :, i : i + 1], feat_cache=cache, feat_idx=[0], first_chunk=i == 0) for i in range(x.shape[2])
    ]
    whole: Tensor = unpatchify(torch.cat(pieces, 2), patch_size=vae.config.patch_size)
    return whole


@torch.no_grad()
def inflate(vae: AutoencoderKLWan) -> None:
    """Turn an autoencoder of single frames into one of clips: past taps at zero, time resampling by copy and mean."""
    for module in vae.modules():
        if isinstance(module, WanCausalConv3d) and module.kernel_size[0] == 3 and module.kernel_size[1] == 3:
            module.weight[:, :, :2] = 0
        if isinstance(module, WanResample) and hasattr(module, "time_conv"):
            conv, channels = module.time_conv, module.dim
            conv.weight.zero_()
            conv.bias.zero_()
            eye = torch.eye(channels)
            if module.mode == "upsample3d":
                conv.weight[:, :, 2, 0, 0] = torch.cat([eye, eye])
            else:
                conv.weight[:, :, 1:, 0, 0] = torch.stack([eye, eye], -1) / 2


def reconstruction_loss(
    vae: AutoencoderKLWan, recipe: AutoencoderRecipe, x: Tensor, weight: Tensor, step: int
) -> Tensor:
    """Weighted L1 plus a small KL term, of clips x (B, 3, F, H, W) and their weights (B, 1, F, H, W).

    A share of the steps shrinks the latents by two and asks for the shrunken clip (EQ-VAE, arXiv 2502.09509): the
    chain resizes latents, so a resized latent must mean a resized picture.
    """
    step = parallel.shard(step)
    posterior = vae.encode(x).latent_dist
    torch.manual_seed(step)
    z = posterior.sample()
    if generator(recipe.seed + 1, step).random() < recipe.shrink_share:
        z, x, weight = (F.interpolate(v, scale_factor=(1, 0.5, 0.5), mode="area") for v in (z, x, weight))
    loss: Tensor = _weighted_l1(vae, z, x, weight) + recipe.kl * posterior.kl().mean() / z[0].numel()
    return loss


def decoder_loss(vae: AutoencoderKLWan, x: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 of clips x (B, 3, F, H, W) and their weights (B, 1, F, H, W); the encoder gets no gradient."""
    with torch.no_grad():
        z = vae.encode(x).latent_dist.mean
    return _weighted_l1(vae, z, x, weight)


def _weighted_l1(vae: AutoencoderKLWan, z: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    loss: Tensor = ((decode_unclamped(vae, z) - x).abs() * weight).sum() / (3 * weight.sum())
    return loss


def train(recipe: AutoencoderRecipe, runs: Path, start: AutoencoderKLWan | None = None) -> AutoencoderKLWan:
    """Train, resuming whatever `runs` holds, and return the autoencoder with its latents' mean and std.

    Frames, then clips, then the decoder alone on clips in which more moves fast; or that of `start`, an autoencoder
    of clips, whose latents stay what the experts know.
    """
    torch.manual_seed(recipe.seed)
    vae = by_onednn((start or build()).to(recipe.device), torch.device(recipe.device))
    if start is None:
        whole = partial(reconstruction_loss, vae, recipe)
        _fit(vae, whole, Crops(recipe, 1, recipe.frame_steps), runs / "ae-frames")
        inflate(vae)
        _fit(vae, whole, Crops(recipe, recipe.frames, recipe.clip_steps), runs / "ae-clips")
        measure_latents(vae)
    fast = Crops(recipe, recipe.frames, recipe.decoder_steps, recipe.often)
    _fit(vae, lambda x, weight, _: decoder_loss(vae, x, weight), fast, runs / "ae-decoder")
    return vae


def _fit(vae: AutoencoderKLWan, loss: Callable[[Tensor, Tensor, int], Tensor], crops: Crops, folder: Path) -> None:
    run = Run(folder, vae, MuonAdamW(vae, crops.recipe.lr))
    drawn = iter(rendered(crops, None, crops.recipe.renderers, run.step))

    def of_step(step: int) -> Tensor:
        x, weight = (v.to(vae.device) for v in next(drawn))
        return loss(x, weight, step)

    run.fit(crops.steps, of_step)


@torch.no_grad()
def measure_latents(vae: AutoencoderKLWan, clips: int = 96) -> None:
    """Write the latents' mean and standard deviation a channel into the autoencoder's configuration."""
    vae.register_to_config(latents_mean=[0.0] * Z_DIM, latents_std=[1.0] * Z_DIM)  # else they would be taken off first
    latents = encode_set(vae, Shots(LAYOUT, seed=77, count=clips)).x.float().transpose(0, 1).flatten(1)
    vae.register_to_config(latents_mean=latents.mean(1).tolist(), latents_std=latents.std(1).tolist())
