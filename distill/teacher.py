"""Trains the two experts.

The high-noise expert sees whole clips at layout size (140 tokens). The low-noise expert starts from its weights and sees
boxes of as many tokens cut from clips at finish size, long in each axis in turn, so that it meets every distance.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import TeacherRecipe
from distill.data import Captions, LatentSet, cut, generator
from distill.muon import MuonAdamW
from wan_demo import flow

# Boxes of latents (t, h, w) of at most 144 tokens: near cubes, and long in each axis in turn.
BOXES = ((9, 8, 8), (5, 8, 14), (3, 8, 24), (1, 16, 28), (2, 10, 28), (2, 16, 18), (9, 4, 16), (9, 16, 4), (5, 14, 8))
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
    return (weight * (v - flow.velocity(x0, noise)).square()).sum() / (weight.sum() * x0.shape[1])


def train_high(recipe: TeacherRecipe, layouts: LatentSet, captions: Captions, runs: Path) -> WanTransformer3DModel:
    """Train the high-noise expert on whole clips at layout size; returns the average weights."""
    torch.manual_seed(recipe.seed)
    model = build().to(recipe.device)

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, parallel.shard(step))
        rows = rng.integers(len(layouts), size=recipe.batch)
        sigma = _tensor(1 - (1 - recipe.boundary + 0.03) * rng.random(recipe.batch))
        return _loss_on(model, layouts.x[rows].float(), layouts.near[rows], sigma, captions, layouts.which[rows], rng)

    return _fit(model, loss, recipe, recipe.high_steps, runs / "high")


def train_low(
    recipe: TeacherRecipe,
    high: WanTransformer3DModel,
    layouts: LatentSet,
    finishes: LatentSet,
    captions: Captions,
    runs: Path,
) -> WanTransformer3DModel:
    """Train the low-noise expert, from the high-noise expert's weights, on boxes of finishes and whole layouts."""
    model = build().to(recipe.device)
    model.load_state_dict(high.state_dict())

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed + 1, parallel.shard(step))
        sigma = _tensor(recipe.low_top * flow.shift(1 - rng.random(recipe.batch), 1.5))
        if rng.random() < recipe.low_layouts:
            rows = rng.integers(len(layouts), size=recipe.batch)
            x0, near, which = layouts.x[rows].float(), layouts.near[rows], layouts.which[rows]
        else:
            rows = rng.integers(len(finishes), size=recipe.batch)
            x0, near = cut(finishes, rows, BOXES[rng.integers(len(BOXES))], rng)
            which = finishes.which[rows]
        return _loss_on(model, x0, near, sigma, captions, which, rng)

    return _fit(model, loss, recipe, recipe.low_steps, runs / "low")


def _loss_on(
    model: WanTransformer3DModel,
    x0: Tensor,
    near: Tensor,
    sigma: Tensor,
    captions: Captions,
    which: Tensor,
    rng: np.random.Generator,
) -> Tensor:
    embeds, noise = captions.embed(which.tolist(), rng), _tensor(rng.standard_normal(x0.shape, np.float32))
    return velocity_loss(model, *(v.to(model.device) for v in (x0, near, sigma, embeds, noise)))


def _fit(
    model: WanTransformer3DModel, loss: Callable[[int], Tensor], recipe: TeacherRecipe, steps: int, folder: Path
) -> WanTransformer3DModel:
    ema = Ema(model, recipe.ema)
    Run(folder, model, MuonAdamW(model, recipe.lr, ADAM_NAMES), ema).fit(steps, loss)
    return ema.module


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
