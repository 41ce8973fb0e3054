"""Stage 2 of the distillation: phased distribution matching without a GAN (arXiv 2510.27684), one student at a time.

A consistency student (stage 1) averages over what it cannot tell apart, and shapes blur. Here the student draws, from
noise to the end of its expert's range, b, and what it drew, x_b, is moved to where clips of its kind are likelier for
the guided teacher than for the student itself. The teacher knows the first; a third model, the fake, learns the second
as it goes. Both are asked at higher noise, x_t = alpha x_b + beta n, with alpha = (1 - t) / (1 - b) and
beta^2 = t^2 - (alpha b)^2. Captions alone are needed, no clips; only the low-noise student starts from noised ones.
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

MARGIN = 0.05  # of sigma above b: below it x_t hardly differs from x_b, and the fake's target is mostly noise


def roll_out(
    student: WanTransformer3DModel, x: Tensor, edges: Sequence[float], prompt: Tensor
) -> tuple[Tensor, Tensor]:
    """Take the student's steps from x (B, C, T, H, W) at edges[0]: what it draws at edges[-1], its last clean estimate.

    `diffuse.denoise` with gradients. prompt (B, L, D).
    """
    clean = x
    for sigma, to in pairwise(edges):
        v = student(x, torch.full((len(x),), flow.TIMESTEPS * sigma, device=x.device), prompt).sample
        x, clean = flow.step(x, v, sigma, to), flow.clean(x, v, sigma)
    return x, clean


def noised(x: Tensor, noise: Tensor, sigma: Tensor, b: float) -> tuple[Tensor, Tensor, Tensor]:
    """x (B, C, T, H, W) at level b, noised on to sigma (B,) > b: x_t, the flow's velocity there, and beta^2 (B,).

    The velocity's mean, given x_t, is that of the flow from clean clips, though what x was noised with is not known
    (checked in tests/distill/test_matching.py).
    """
    s = sigma.view(-1, 1, 1, 1, 1)
    alpha = (1 - s) / (1 - b)
    beta = (s * s - (alpha * b).square()).sqrt()
    velocity = -x / (1 - b) + (s + (1 - s) * (b / (1 - b)) ** 2) / beta * noise
    return alpha * x + beta * noise, velocity, beta.flatten().square()


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
        drawn, clean = roll_out(self.student, x, self.edges, prompt)
        with torch.no_grad():
            x_t, _, _ = noised(drawn, noise, sigma, self.edges[-1])
            real = guided(self.teacher, x_t, sigma, prompt, empty, self.guidance)
            fake = self.fake(x_t, flow.TIMESTEPS * sigma, prompt).sample
            away = direction(x_t, sigma, fake, real, clean)
        return 0.5 * (drawn - (drawn - away).detach()).square().mean()

    def fake_loss(self, x: Tensor, noise: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
        """Flow-matching loss on what the student draws from x, as it is now."""
        with torch.no_grad():
            drawn, _ = roll_out(self.student, x, self.edges, prompt)
        x_t, velocity, weight = noised(drawn, noise, sigma, self.edges[-1])
        error = self.fake(x_t, flow.TIMESTEPS * sigma, prompt).sample - velocity
        loss: Tensor = (weight * error.square().flatten(1).mean(1)).mean()
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
