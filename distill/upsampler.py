"""Trains the latent upsampler: what trilinear interpolation lacks, from a layout to a finish, in space and in time.

LTX-Video's shape (arXiv 2501.00103): 3-D convolutions, with a pixel shuffle in space and time between them. A layout's
latent t > 0 covers the frames of the finish's latents 2t - 1 and 2t, latent 0 the first frame alone, in both; so the
shuffle drops the first of its doubled latents, and every other one is where it belongs.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from torch import Tensor

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import UpsamplerRecipe
from distill.data import FULL, gaussian, generator, generator_on, uniform
from distill.latents import LatentSet, pick, sample_set
from distill.muon import MuonAdamW
from wan_demo.upsample import upsample
from wan_demo.values import Latents


def build(channels: int) -> LTXLatentUpsamplerModel:
    """A new upsampler of the pocket size, which adds nothing yet to trilinear interpolation."""
    model = LTXLatentUpsamplerModel(channels, mid_channels=32, num_blocks_per_stage=2, temporal_upsample=True)
    torch.nn.init.zeros_(model.final_conv.weight)
    torch.nn.init.zeros_(model.final_conv.bias)
    return model


def enlarge(x: Tensor, like: Tensor, model: LTXLatentUpsamplerModel | None) -> Tensor:
    """Upsample layouts x (B, C, T, H, W) to the size of the finishes `like`, as the chain does."""
    size = (like.shape[2], like.shape[3], like.shape[4])
    return upsample(Latents(x, 0.0, FULL.layout.fps), size, FULL.finish.fps, model).x


def train(
    recipe: UpsamplerRecipe,
    pairs: Sequence[tuple[LatentSet, LatentSet]],
    share: float,
    runs: Path,
    start: LTXLatentUpsamplerModel | None = None,
) -> LTXLatentUpsamplerModel:
    """Train on sets of the same shots, at layout size and at finish size; returns the average weights.

    pairs: a pair of sets for each shape; share: see `latents.sample_set`. A little noise on what is upsampled stands
    for the errors of a layout that an expert drew. start: train this one on.
    """
    torch.manual_seed(recipe.seed)
    model = (start or build(pairs[0][0].x.shape[1])).to(recipe.device).train()

    def loss(step: int) -> Tensor:
        rng = generator_on(model.device, recipe.seed, parallel.shard(step))
        small, finishes = sample_set(pairs, share, generator(recipe.seed, parallel.shard(step)))
        rows = pick(small, recipe.batch, rng)
        x, wanted = small.x[rows].float(), finishes.x[rows].float()
        x = x + recipe.noise * uniform(len(rows), rng).view(-1, 1, 1, 1, 1) * gaussian(x, rng)
        weight = 1 + 4 * finishes.near[rows][:, None]
        error: Tensor = (weight * (enlarge(x, wanted, model) - wanted).square()).sum() / (weight.sum() * x.shape[1])
        return error

    ema = Ema(model, 0.99)
    Run(runs / "upsampler", model, MuonAdamW(model, recipe.lr), ema, bf16=True).fit(recipe.steps, loss)
    return ema.module
