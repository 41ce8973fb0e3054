"""The denoising loop."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from wan_demo import flow
from wan_demo.values import Latents, PromptEmbeds


def noise(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Unit Gaussian noise, drawn on the CPU so that every device gets the same."""
    return torch.randn(tuple(shape), generator=generator)


@torch.no_grad()
def denoise(
    expert: WanTransformer3DModel,
    latents: Latents,
    sigmas: Sequence[float],
    prompt: PromptEmbeds,
    guidance: float = 1.0,
) -> Iterator[tuple[Latents, Latents]]:
    """Walk `latents` along `sigmas` (falling, the first is theirs) by Euler steps; yields after every step.

    Yields the latents at the new sigma, and the clean estimate that the step was made with.
    prompt: row 0 is the prompt; with guidance other than 1, row 1 is what to steer away from.

    Raises:
        FloatingPointError: the expert's output is not finite.
    """
    assert sigmas[0] == latents.sigma, "the first sigma must be that of the latents"
    embeds = prompt.embeds.to(latents.x.device, expert.dtype)
    for sigma, to in pairwise(sigmas):
        timestep = torch.full((len(latents.x),), flow.TIMESTEPS * sigma, device=latents.x.device)
        x = latents.x.to(expert.dtype)
        v = expert(x, timestep, embeds[:1]).sample.float()
        if guidance != 1.0:
            v = flow.guide(v, expert(x, timestep, embeds[1:2]).sample.float(), guidance)
        if not torch.isfinite(v).all():
            raise FloatingPointError(f"the expert's output at sigma {sigma:.3f} is not finite")
        estimate = Latents(flow.clean(latents.x, v, sigma), 0.0, latents.fps)
        latents = replace(latents, x=flow.step(latents.x, v, sigma, to), sigma=to)
        yield latents, estimate
