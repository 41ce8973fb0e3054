"""Stage 2 of the distillation: distribution matching without a GAN (arXiv 2311.18828, 2405.14867), a student at a time.

A consistency student (stage 1) averages over what it cannot tell apart, and shapes blur. Here the student takes its
steps from noise to its last clean estimate, which is what the chain goes on with, and that is moved to where clips of
its kind are likelier for the guided teacher than for the student itself. The teacher knows the first; a third model,
the fake, learns the second as it goes. Both are asked at the noise levels of the student's own expert alone. Captions
are needed, no clips; only the low-noise student starts from noised ones.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import MatchingRecipe
from distill.consistency import Sampler
from distill.data import gaussian, generator, generator_on, uniform
from distill.teacher import guided
from distill.text_encoder import Captions
from wan_demo import flow

MARGIN = 0.05  # of sigma, above the least that the student's expert is asked at


def roll_out(student: WanTransformer3DModel, x: Tensor, edges: Sequence[float], prompt: Tensor) -> Tensor:
    """Take the student's steps from x (B, C, T, H, W) at edges[0] to edges[-1]: its last clean estimate.

    `diffuse.denoise` with gradients. prompt (B, L, D).
    """
    clean = x
    for sigma, to in pairwise(edges):
        v = student(x, torch.full((len(x),), flow.TIMESTEPS * sigma, device=x.device), prompt).sample
        x, clean = flow.step(x, v, sigma, to), flow.clean(x, v, sigma)
    return clean


@torch.no_grad()
def direction(x_t: Tensor, sigma: Tensor, fake: Tensor, real: Tensor, clean: Tensor) -> Tensor:
    """From what the student draws, to what it should draw less of: the two models' clean estimates, apart.

    fake, real: their velocities at x_t. Scaled so that a clip counts as much as another: by how far `clean`, the
    student's own estimate, is from the teacher's.
    """
    s = sigma.view(-1, 1, 1, 1, 1)
    theirs = flow.clean(x_t, real, s)
    return (flow.clean(x_t, fake, s) - theirs) / (clean - theirs).abs().mean((1, 2, 3, 4), keepdim=True)


@dataclass(frozen=True)
class Roles:
    """Who takes part: the student, which takes the steps of `edges`, the fake and the teacher, with its guidance."""

    student: WanTransformer3DModel
    fake: WanTransformer3DModel
    teacher: WanTransformer3DModel
    edges: Sequence[float]
    guidance: float

    def student_loss(self, x: Tensor, noise: Tensor, sigma: Tensor, prompt: Tensor, empty: Tensor) -> Tensor:
        """Its gradient is the direction, through all steps from x: they are few. empty: the empty prompt's rows."""
        clean = roll_out(self.student, x, self.edges, prompt)
        with torch.no_grad():
            x_t = flow.add_noise(clean, noise, sigma.view(-1, 1, 1, 1, 1))
            real = guided(self.teacher, x_t, sigma, prompt, empty, self.guidance)
            fake = self.fake(x_t, flow.TIMESTEPS * sigma, prompt).sample
            away = direction(x_t, sigma, fake, real, clean)
        return 0.5 * (clean - (clean - away).detach()).square().mean()

    def fake_loss(self, x: Tensor, noise: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
        """Flow-matching loss on what the student draws from x, as it is now; sigma^2 makes it one of estimates."""
        with torch.no_grad():
            clean = roll_out(self.student, x, self.edges, prompt)
        x_t = flow.add_noise(clean, noise, sigma.view(-1, 1, 1, 1, 1))
        error = self.fake(x_t, flow.TIMESTEPS * sigma, prompt).sample - flow.velocity(clean, noise)
        loss: Tensor = (sigma.square() * error.square().flatten(1).mean(1)).mean()
        return loss


def train(
    recipe: MatchingRecipe,
    teacher: WanTransformer3DModel,
    student: WanTransformer3DModel,
    edges: Sequence[float],
    sampler: Sampler,
    captions: Captions,
    folder: Path,
    guidance: float,
) -> WanTransformer3DModel:
    """Train `student`, which takes the steps of `edges`, on; returns its average weights.

    `recipe.fakes` steps of the fake to one of the student's. sampler, guidance: see `consistency.train`.
    """
    roles = Roles(student, copy.deepcopy(teacher), teacher.eval().requires_grad_(False), edges, guidance)
    learn = nn.ModuleDict({"student": roles.student, "fake": roles.fake}).train().requires_grad_(True)
    first, last, empty = edges[0], edges[-1] + MARGIN, captions.empty(recipe.batch)

    def loss(step: int) -> Tensor:
        rng = generator_on(teacher.device, recipe.seed, parallel.shard(step))
        some = sampler(generator(recipe.seed, parallel.shard(step)), rng)
        prompt = captions.embed(some.texts, rng)
        x = flow.add_noise(some.x, gaussian(some.x, rng) + some.drift, first)
        sigma = last + (first - last) * uniform(len(x), rng)
        noise = gaussian(x, rng)
        if step < recipe.fakes_first or step % (recipe.fakes + 1):
            return roles.fake_loss(x, noise, sigma, prompt)
        return roles.student_loss(x, noise, sigma, prompt, empty[: len(x)])

    rates = ((roles.student, recipe.lr), (roles.fake, recipe.fake_lr))
    groups = [{"params": list(model.parameters()), "lr": lr} for model, lr in rates]
    optimizer, ema = torch.optim.Adam(groups, betas=(0.0, 0.999)), Ema(student, recipe.ema)
    Run(folder, learn, optimizer, ema, bf16=True).fit(recipe.steps, loss, warmup=20)
    return ema.module
