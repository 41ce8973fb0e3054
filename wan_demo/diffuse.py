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
    together: bool = False,
) -> Iterator[tuple[Latents, Latents]]:
    """Walk `latents` along `sigmas` (falling, the first is theirs) by Euler steps; yields after every step.

    Yields the latents at the new sigma, and the clean estimate that the step was made with.
    prompt: row 0 is the prompt; with guidance other than 1, row 1 is what to steer away from. together: both are asked
    in one forward, which takes twice the memory.

    Raises:
        FloatingPointError: the expert's output is not finite.
    """
    assert sigmas[0] == latents.sigma, "the first sigma must be that of the latents"
    embeds = prompt.embeds.to(latents.x.device, expert.dtype)
    expert._reset_stateful_cache()  # of another clip's steps, where steps are cached
    for sigma, to in pairwise(sigmas):
        if guidance == 1.0:
            v = _velocity(expert, latents, embeds[:1], "cond")
        elif together:
            prompted, empty = _velocity(expert, latents, embeds[:2], "cond").chunk(2)
            v = flow.guide(prompted, empty, guidance)
        else:
            prompted = _velocity(expert, latents, embeds[:1], "cond")
            v = flow.guide(prompted, _velocity(expert, latents, embeds[1:2], "uncond"), guidance)
        if not torch.isfinite(v).all():
            raise FloatingPointError(f"the expert's output at sigma {sigma:.3f} is not finite")
        estimate = Latents(flow.clean(latents.x, v, sigma), 0.0, latents.fps)
        latents = replace(latents, x=flow.step(latents.x, v, sigma, to), sigma=to)
        yield latents, estimate


def _velocity(expert: WanTransformer3DModel, latents: Latents, embeds: Tensor, name: str) -> Tensor:
    """What the expert predicts for one clip, once for each row of embeds. name: of the call's cache, if it has one."""
    x = latents.x.to(expert.dtype).expand(len(embeds), -1, -1, -1, -1)
    timestep = torch.full((len(embeds),), flow.TIMESTEPS * latents.sigma, device=x.device)
    with expert.cache_context(name):
        return expert(x, timestep, embeds).sample.float()  # type: ignore[no-any-return]
