"""Trains the two experts.

The high-noise expert sees whole clips at layout size (140 tokens), and single frames (28 tokens), from which it learns
the same shapes, colours and scenes at a fifth of the cost. The low-noise expert starts from its weights and
sees boxes of as many tokens cut from clips at finish size, and some whole clips, so that it meets every distance.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from torch import Tensor

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import TeacherRecipe
from distill.data import FULL, gaussian, generator, generator_on, uniform
from distill.latents import Examples, Finishes, LatentSet, cut, pick, sample_set
from distill.muon import MuonAdamW
from distill.text_encoder import Captions
from distill.upsampler import enlarge
from wan_demo import flow
from wan_demo.presets import Preset

# Boxes of latents (t, h, w): near cubes of at most 144 tokens, others long in each axis in turn.
BOXES = ((9, 8, 8), (5, 8, 14), (3, 8, 24), (1, 16, 28), (2, 10, 28), (9, 4, 16), (9, 16, 4), (5, 14, 8))
BOX_TOKENS = 144
DROPPED = 0.1  # share of empty prompts, for guidance
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


def velocity_loss(error: Tensor, near: Tensor, sigma: Tensor) -> Tensor:
    """Flow-matching loss of an error (B, C, T, H, W) of the velocity, heavier on the things at low noise.

    There their place is settled. near (B, T, H, W) bool; sigma (B,).
    """
    weight = 1 + 4 * (1 - sigma.view(-1, 1, 1, 1, 1)) * near[:, None]
    loss: Tensor = (weight * error.square()).sum() / (weight.sum() * error.shape[1])
    return loss


def motion_loss(error: Tensor, moves: Tensor) -> Tensor:
    """How much an error (B, C, T, H, W) changes from a latent frame to the next, weighted by the optical flow there.

    An error that stays is one of looks; one that changes is one of motion. moves (B, T, H, W), in pixels.
    """
    weight = moves[:, None, 1:].to(error.dtype)
    loss: Tensor = (weight * error.diff(dim=2).square()).sum() / (weight.sum() * error.shape[1]).clamp(min=1e-6)
    return loss


def each_frame(model: WanTransformer3DModel, x: Tensor, timestep: Tensor, embeds: Tensor) -> Tensor:
    """What `model` says of x (B, C, T, H, W) where no latent frame attends to another; timestep (B,)."""
    count = x.shape[2]
    apart = x.transpose(1, 2).flatten(0, 1)[:, :, None]
    v: Tensor = model(apart, timestep.repeat_interleave(count), embeds.repeat_interleave(count, 0)).sample
    together: Tensor = v[:, :, 0].unflatten(0, (-1, count)).transpose(1, 2)
    return together


def train_high(
    recipe: TeacherRecipe,
    model: WanTransformer3DModel,
    layouts: Sequence[LatentSet],
    stills: LatentSet,
    captions: Captions,
    runs: Path,
) -> WanTransformer3DModel:
    """Train `model` into the high-noise expert on clips and stills at layout size; returns the average weights.

    layouts: a set of each shape, see `latents.sample_set`.
    """

    def loss(step: int) -> Tensor:
        rng = generator_on(model.device, recipe.seed, parallel.shard(step))
        dice = generator(recipe.seed, parallel.shard(step))
        source, batch = sample_set(layouts, recipe.other_share, dice), recipe.batch
        if dice.random() < recipe.still_share:
            source, batch = stills, recipe.batch * source.x.shape[2]  # as many latents
        some = source.examples(pick(source, batch, rng))
        sigma = 1 - (1 - FULL.boundary + MARGIN) * uniform(batch, rng)
        return flow_loss(recipe, model, some, sigma, captions, rng)

    return _fit(model, loss, recipe, recipe.high_steps, runs / "high")


def train_low(
    recipe: TeacherRecipe,
    model: WanTransformer3DModel,
    layouts: Sequence[LatentSet],
    finishes: Sequence[Finishes],
    captions: Captions,
    runs: Path,
) -> WanTransformer3DModel:
    """Train `model` into the low-noise expert on boxes of finishes and whole layouts; returns the average weights.

    layouts, finishes: a set of each shape, see `latents.sample_set`.
    """

    def loss(step: int) -> Tensor:
        dice = generator(recipe.seed + 1, parallel.shard(step))
        rng = generator_on(model.device, recipe.seed + 1, parallel.shard(step))
        if dice.random() < recipe.low_layouts:
            source = sample_set(layouts, recipe.other_share, dice)
            some = source.examples(pick(source, recipe.batch, rng))
            sigma = (FULL.boundary + MARGIN) * uniform(recipe.batch, rng)
        else:
            some = cut_boxes(sample_set(finishes, recipe.other_share, dice), recipe.batch, dice, rng, recipe.boxes)
            sigma = FULL.schedule.low[0] * flow.shift(uniform(len(some.x), rng), 2.0)
        return flow_loss(recipe, model, some, sigma, captions, rng)

    return _fit(model, loss, recipe, recipe.low_steps, runs / "low")


def cut_boxes(
    finishes: Finishes, batch: int, dice: np.random.Generator, rng: torch.Generator, boxes: bool = True
) -> Examples:
    """Boxes of a random shape that the clips have room for, as many as make `batch` boxes of BOX_TOKENS tokens.

    boxes: False for whole clips, which are one of the shapes.
    """
    t, h, w = finishes.clips.x.shape[2:]
    shapes = [box for box in BOXES if boxes and box[1] <= h and box[2] <= w] + [(t, h, w)]
    box = shapes[dice.integers(len(shapes))]
    count = max(1, min(batch, batch * BOX_TOKENS * 4 // math.prod(box)))
    return cut(finishes, pick(finishes.clips, count, rng), box, rng)


def guided(
    expert: WanTransformer3DModel, x: Tensor, sigma: Tensor, prompt: Tensor, empty: Tensor, scale: float
) -> Tensor:
    """The guided velocity of x (B, C, T, H, W), each clip at its own sigma (B,); prompt, empty (B, L, D).

    With scale 1 nothing is steered away from, and `empty` is not asked.
    """
    if scale == 1.0:
        return expert(x, flow.TIMESTEPS * sigma, prompt).sample  # type: ignore[no-any-return]
    both = expert(torch.cat([x, x]), flow.TIMESTEPS * sigma.repeat(2), torch.cat([prompt, empty])).sample
    prompted, unprompted = both.chunk(2)
    return flow.guide(prompted, unprompted, scale)


@torch.no_grad()
def estimate(
    recipe: TeacherRecipe, preset: Preset, high: WanTransformer3DModel, small: LatentSet, captions: Captions
) -> Tensor:
    """What `high` hands on of these layouts, (N, C, T, H, W): the clean estimate of the chain's last step with it."""
    last = preset.schedule.high[-2]
    estimates = []
    for first in range(0, len(small), recipe.batch):
        rng, rows = generator_on(high.device, recipe.seed + 2, first), slice(first, first + recipe.batch)
        x0, prompts = small.x[rows].float(), captions.embed(small.texts[rows], rng)
        x = flow.add_noise(x0, gaussian(x0, rng), last)
        sigma = torch.full((len(x),), last, device=x.device)
        v = guided(high, x, sigma, prompts, captions.empty(len(x)), preset.guidance)
        estimates.append(flow.clean(x, v, last).half())
    return torch.cat(estimates)


def drift_of(large: Tensor, wanted: Tensor, start: float) -> Tensor:
    """How far from a noised clip the chain's low-noise expert begins, in units of its noise.

    The chain noises `large`, the upsampled estimate of the layout, where the flow would noise the clip x0. On the
    straight path from there to x0, x_sigma = (1 - sigma) x0 + sigma (eps + drift) with drift = (1 - s) / s (large -
    x0), s the level it starts at. Trained with this in place of eps, the expert mends what upsampling broke.
    wanted: x0; all (B, C, T, H, W).
    """
    return (1 - start) / start * (large - wanted)


@torch.no_grad()
def measure_drift(
    estimates: Tensor, finishes: LatentSet, start: float, upsampler: LTXLatentUpsamplerModel | None, batch: int
) -> Tensor:
    """`drift_of` for all finishes, (N, C, T, H, W). estimates: of their layouts, see `estimate`."""
    drifts = []
    for small, clips in zip(estimates.split(batch), finishes.x.split(batch), strict=True):
        wanted = clips.float()
        drifts.append(drift_of(enlarge(small.float(), wanted, upsampler), wanted, start).half())
    return torch.cat(drifts)


def flow_loss(
    recipe: TeacherRecipe,
    model: WanTransformer3DModel,
    some: Examples,
    sigma: Tensor,
    captions: Captions,
    rng: torch.Generator,
) -> Tensor:
    """What the experts learn from: the velocity of these clips or boxes, noised to sigma (B,)."""
    embeds, noise = captions.embed(some.texts, rng, DROPPED), gaussian(some.x, rng) + some.drift
    x, timestep = flow.add_noise(some.x, noise, sigma.view(-1, 1, 1, 1, 1)), flow.TIMESTEPS * sigma
    v = model(x, timestep, embeds).sample if recipe.temporal else each_frame(model, x, timestep, embeds)
    error = v - flow.velocity(some.x, noise)
    loss = velocity_loss(error, some.near, sigma)
    return loss + recipe.motion * motion_loss(error, some.moves) if recipe.motion else loss


def _fit(
    model: WanTransformer3DModel, loss: Callable[[int], Tensor], recipe: TeacherRecipe, steps: int, folder: Path
) -> WanTransformer3DModel:
    ema = Ema(model, recipe.ema)
    if recipe.checkpointing:
        model.enable_gradient_checkpointing()
    Run(folder, model, MuonAdamW(model, recipe.lr, ADAM_NAMES), ema, bf16=True).fit(steps, loss)
    return ema.module
