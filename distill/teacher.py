"""Trains the two experts.

The high-noise expert sees whole clips at layout size (140 tokens), and single frames (28 tokens), from which it learns
the same shapes, colours and scenes at a fifth of the cost. The low-noise expert starts from its weights and
sees boxes of as many tokens cut from clips at finish size, and some whole clips, so that it meets every distance.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from torch import Tensor

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import TeacherRecipe
from distill.data import FULL, Boxes, Captions, LatentSet, cut, gaussian, generator, generator_on, pick, uniform
from distill.muon import MuonAdamW
from distill.upsampler import enlarge
from wan_demo import flow
from wan_demo.presets import Preset

# Boxes of latents (t, h, w): near cubes of at most 144 tokens, others long in each axis in turn, and whole clips.
BOXES = ((9, 8, 8), (5, 8, 14), (3, 8, 24), (1, 16, 28), (2, 10, 28), (9, 4, 16), (9, 16, 4), (5, 14, 8), (9, 16, 28))
BOX_TOKENS = 144
MARGIN = 0.03  # of sigma, that each expert learns beyond the boundary
ADAM_NAMES = ("patch_embedding", "proj_out", "condition_embedder", "scale_shift_table")


def build() -> WanTransformer3DModel:
    """A new expert of the pocket size: 3.9 M parameters."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=3,
        attention_head_dim=64,
        in_channels=16,
        out_channels=16,
        text_dim=128,
        freq_dim=128,
        ffn_dim=768,
        num_layers=6,
        rope_max_seq_len=64,
    )


def velocity_loss(
    model: WanTransformer3DModel, x0: Tensor, near: Tensor, sigma: Tensor, embeds: Tensor, noise: Tensor
) -> Tensor:
    """Flow-matching loss, heavier on the thing at low noise, where its place is settled.

    x0, noise (B, C, T, H, W); near (B, T, H, W) bool; sigma (B,); embeds (B, L, D).
    """
    s = sigma.view(-1, 1, 1, 1, 1)
    weight = 1 + 4 * (1 - s) * near[:, None]
    v = model(flow.add_noise(x0, noise, s), flow.TIMESTEPS * sigma, embeds).sample
    loss: Tensor = (weight * (v - flow.velocity(x0, noise)).square()).sum() / (weight.sum() * x0.shape[1])
    return loss


def train_high(
    recipe: TeacherRecipe,
    model: WanTransformer3DModel,
    layouts: LatentSet,
    stills: LatentSet,
    captions: Captions,
    runs: Path,
) -> WanTransformer3DModel:
    """Train `model` into the high-noise expert on clips and stills at layout size; returns the average weights."""

    def loss(step: int) -> Tensor:
        rng = generator_on(model.device, recipe.seed, parallel.shard(step))
        source, batch = layouts, recipe.batch
        if generator(recipe.seed, parallel.shard(step)).random() < recipe.still_share:
            source, batch = stills, recipe.batch * layouts.x.shape[2]  # as many latents
        rows = pick(source, batch, rng)
        sigma = 1 - (1 - FULL.boundary + MARGIN) * uniform(batch, rng)
        return _loss_on(model, source.x[rows].float(), source.near[rows], sigma, captions, source.texts[rows], rng)

    return _fit(model, loss, recipe, recipe.high_steps, runs / "high")


def train_low(
    recipe: TeacherRecipe,
    model: WanTransformer3DModel,
    layouts: LatentSet,
    finishes: LatentSet,
    drift: Tensor,
    captions: Captions,
    runs: Path,
) -> WanTransformer3DModel:
    """Train `model` into the low-noise expert on boxes of finishes and whole layouts; returns the average weights."""

    def loss(step: int) -> Tensor:
        dice = generator(recipe.seed + 1, parallel.shard(step))
        rng = generator_on(model.device, recipe.seed + 1, parallel.shard(step))
        if dice.random() < recipe.low_layouts:
            rows = pick(layouts, recipe.batch, rng)
            sigma = (FULL.boundary + MARGIN) * uniform(len(rows), rng)
            x0, near, texts = layouts.x[rows].float(), layouts.near[rows], layouts.texts[rows]
            return _loss_on(model, x0, near, sigma, captions, texts, rng)
        boxes = sample_boxes(finishes, drift, recipe.batch, dice, rng)
        sigma = FULL.schedule.low[0] * flow.shift(uniform(len(boxes.x0), rng), 2.0)
        return _loss_on(model, boxes.x0, boxes.near, sigma, captions, boxes.texts, rng, boxes.drift)

    return _fit(model, loss, recipe, recipe.low_steps, runs / "low")


def sample_boxes(
    finishes: LatentSet, drift: Tensor, batch: int, dice: np.random.Generator, rng: torch.Generator
) -> Boxes:
    """Boxes of a random shape, as many as make `batch` boxes of BOX_TOKENS tokens."""
    box = BOXES[dice.integers(len(BOXES))]
    count = max(1, min(batch, batch * BOX_TOKENS * 4 // math.prod(box)))
    return cut(finishes, drift, pick(finishes, count, rng), box, rng)


@torch.no_grad()
def measure_drift(
    recipe: TeacherRecipe,
    preset: Preset,
    high: WanTransformer3DModel,
    small: LatentSet,
    finishes: LatentSet,
    captions: Captions,
    upsampler: LTXLatentUpsamplerModel | None,
) -> Tensor:
    """How far from a noised clip the chain's low-noise expert begins, (N, C, T, H, W), in units of its noise.

    The chain noises u, the upsampled clean estimate of the last step of `high`, where the flow would noise x0. On the
    straight path from there to x0, x_sigma = (1 - sigma) x0 + sigma (eps + drift) with drift = (1 - s) / s (u - x0), s
    the level it starts at. Trained with this in place of eps, the expert mends what upsampling broke.
    small: the layouts of the same shots as `finishes`.
    """
    last, start = preset.schedule.high[-2], preset.schedule.low[0]
    drifts = []
    for first in range(0, len(small), recipe.batch):
        rng, rows = generator_on(high.device, recipe.seed + 2, first), slice(first, first + recipe.batch)
        x0, prompts = small.x[rows].float(), captions.embed(small.texts[rows], rng)
        x = flow.add_noise(x0, gaussian(x0, rng), last)
        timestep = torch.full((len(x),), flow.TIMESTEPS * last, device=x.device)
        v = high(x, timestep, prompts).sample
        if preset.guidance != 1.0:
            v = flow.guide(v, high(x, timestep, captions.empty(len(x))).sample, preset.guidance)
        wanted = finishes.x[rows].float()
        large = enlarge(flow.clean(x, v, last), wanted, upsampler)
        drifts.append(((1 - start) / start * (large - wanted)).half())
    return torch.cat(drifts)


def _loss_on(
    model: WanTransformer3DModel,
    x0: Tensor,
    near: Tensor,
    sigma: Tensor,
    captions: Captions,
    texts: Tensor,
    rng: torch.Generator,
    drift: float | Tensor = 0.0,
) -> Tensor:
    return velocity_loss(model, x0, near, sigma, captions.embed(texts, rng), gaussian(x0, rng) + drift)


def _fit(
    model: WanTransformer3DModel, loss: Callable[[int], Tensor], recipe: TeacherRecipe, steps: int, folder: Path
) -> WanTransformer3DModel:
    ema = Ema(model, recipe.ema)
    Run(folder, model, MuonAdamW(model, recipe.lr, ADAM_NAMES), ema, bf16=True).fit(steps, loss)
    return ema.module
