"""Stage 1 of the distillation: guided discrete consistency, one student for each expert.

A student takes the few steps of its schedule, and each step must land where the guided teacher's ODE would after many:
f(x, s) = x + (T - s) * v(x, s), T the end of the step that s lies in (phased consistency, arXiv 2405.18407). Where
x_n is a noised clip and x_m one guided Euler step of the teacher from it, to the next level of a fine grid, f at x_n is
pulled to f of the student's own average at x_m. At m = T the target is exact: x_m itself.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import WanTransformer3DModel
from torch import Tensor

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import StudentRecipe
from distill.data import gaussian, generator, generator_on
from distill.latents import Examples, Finishes, LatentSet, pick, sample_set
from distill.muon import MuonAdamW
from distill.teacher import ADAM_NAMES, build, cut_boxes, guided
from distill.text_encoder import Captions
from wan_demo import flow

Sampler = Callable[[np.random.Generator, torch.Generator], Examples]


def grid(edges: Sequence[float], points: int) -> list[tuple[float, float, float]]:
    """(sigma, next sigma, T) of every small step: `points` of them from the first edge to the last.

    They are spread over the edges' steps by length, so every edge is a grid point.
    """
    steps = []
    total = edges[0] - edges[-1]
    for start, end in pairwise(edges):
        line = np.linspace(start, end, max(2, round(points * (start - end) / total) + 1))
        steps += [(float(a), float(b), end) for a, b in pairwise(line)]
    return steps


def consistency_loss(
    student: WanTransformer3DModel,
    average: WanTransformer3DModel,
    teacher: WanTransformer3DModel,
    x0: Tensor,
    noise: Tensor,
    levels: Tensor,
    embeds: tuple[Tensor, Tensor, float],
) -> Tensor:
    """x0, noise (B, C, T, H, W); levels (B, 3): sigma, next sigma, T; embeds: prompt, empty prompt, guidance scale."""
    prompt, empty, scale = embeds
    sigma, to, end = (levels[:, i].view(-1, 1, 1, 1, 1) for i in range(3))
    x = flow.add_noise(x0, noise, sigma)
    with torch.no_grad():
        x_next = flow.step(x, guided(teacher, x, levels[:, 0], prompt, empty, scale), sigma, to)
        v_next = average(x_next, flow.TIMESTEPS * levels[:, 1], prompt).sample
        target = flow.step(x_next, v_next, to, end)
    landed = flow.step(x, student(x, flow.TIMESTEPS * levels[:, 0], prompt).sample, sigma, end)
    # in units of velocity, so that long and short steps weigh alike
    return F.huber_loss(landed / (sigma - end), target / (sigma - end), delta=1.0)


def train(
    recipe: StudentRecipe,
    teacher: WanTransformer3DModel,
    edges: Sequence[float],
    sampler: Sampler,
    captions: Captions,
    steps: int,
    folder: Path,
    guidance: float,
) -> WanTransformer3DModel:
    """Distil `teacher` into a student that takes the steps of `edges`; returns its average weights.

    sampler(dice, rng) gives what a step learns from. guidance: the teacher's.
    """
    student = build().to(recipe.device)
    student.load_state_dict(teacher.state_dict())
    ema = Ema(student, recipe.ema)
    teacher.requires_grad_(False)
    small = grid(edges, recipe.points)
    starts = [i for i, (s, _, _) in enumerate(small) if s in edges]
    empty = captions.empty(recipe.batch)

    def loss(step: int) -> Tensor:
        dice = generator(recipe.seed, parallel.shard(step))
        rng = generator_on(student.device, recipe.seed, parallel.shard(step))
        some = sampler(dice, rng)
        count = len(some.x)
        chosen = np.where(
            dice.random(count) < recipe.at_starts,
            dice.choice(starts, size=count),
            dice.integers(len(small), size=count),
        )
        levels = torch.tensor([small[i] for i in chosen], dtype=torch.float32, device=student.device)
        embeds = (captions.embed(some.texts, rng), empty[:count], guidance)
        noise = gaussian(some.x, rng) + some.drift
        return consistency_loss(student, ema.module, teacher, some.x, noise, levels, embeds)

    Run(folder, student, MuonAdamW(student, recipe.lr, ADAM_NAMES), ema, bf16=True).fit(steps, loss, warmup=20)
    return ema.module


def layout_sampler(layouts: Sequence[LatentSet], share: float, batch: int) -> Sampler:
    """Whole clips at layout size, of one shape at a time, see `latents.sample_set`."""

    def sampler(dice: np.random.Generator, rng: torch.Generator) -> Examples:
        source = sample_set(layouts, share, dice)
        return source.examples(pick(source, batch, rng))

    return sampler


def box_sampler(finishes: Sequence[Finishes], share: float, batch: int) -> Sampler:
    """Boxes of clips at finish size, with the drift that the chain starts them with; of one shape at a time."""
    return lambda dice, rng: cut_boxes(sample_set(finishes, share, dice), batch, dice, rng)
