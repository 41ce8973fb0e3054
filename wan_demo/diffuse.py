"""The denoising loop."""

from collections.abc import Callable, Iterator, Sequence
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
    window: int | None = None,
) -> Iterator[tuple[Latents, Latents]]:
    """Walk `latents` along `sigmas` (falling, the first is theirs) by Euler steps; yields after every step.

    Yields the latents at the new sigma, and the clean estimate that the step was made with.
    latents: of B clips. prompt: the first B rows are their prompts; with guidance other than 1, the next B are what to
    steer away from. together: both are asked in one forward, which takes twice the memory. window: latent frames that
    the expert sees at once; longer latents are seen in windows that overlap, and where they do, the velocities are
    blended (MultiDiffusion, arXiv 2302.08113).

    Raises:
        FloatingPointError: the expert's output is not finite.
    """
    assert sigmas[0] == latents.sigma, "the first sigma must be that of the latents"
    embeds = prompt.embeds.to(latents.x.device, expert.dtype)
    expert._reset_stateful_cache()  # of another clip's steps, where steps are cached
    for sigma, to in pairwise(sigmas):
        v = blended(latents, window, lambda seen, name: _guided(expert, seen, embeds, guidance, together, name))
        if not torch.isfinite(v).all():
            raise FloatingPointError(f"the expert's output at sigma {sigma:.3f} is not finite")
        estimate = Latents(flow.clean(latents.x, v, sigma), 0.0, latents.fps)
        latents = replace(latents, x=flow.step(latents.x, v, sigma, to), sigma=to)
        yield latents, estimate


def windows(frames: int, size: int) -> list[int]:
    """Where windows of `size` latent frames begin: half of one apart, and the last ends with the latents."""
    last = max(0, frames - size)
    return [*range(0, last, max(1, size // 2)), last]


def blended(latents: Latents, size: int | None, look: Callable[[Latents, str], Tensor]) -> Tensor:
    """What `look` gives for windows of `size` latent frames, and their names, blended: least at a window's ends.

    latents.x (B, C, T, H, W), as what `look` gives for a window, and what is returned. None: one window of all.
    """
    frames = latents.x.shape[2]
    if size is None or frames <= size:
        return look(latents, "")
    total, weights = torch.zeros_like(latents.x), torch.zeros(frames, 1, 1, device=latents.x.device)
    weight = torch.hann_window(size + 2, periodic=False, device=latents.x.device)[1:-1].view(-1, 1, 1)
    for start in windows(frames, size):
        part = slice(start, start + size)
        total[:, :, part] += weight * look(replace(latents, x=latents.x[:, :, part]), f" {start}")
        weights[part] += weight
    return total / weights


def _guided(
    expert: WanTransformer3DModel, latents: Latents, embeds: Tensor, guidance: float, together: bool, name: str
) -> Tensor:
    """The guided velocity of clips, or of their window of that name."""
    clips = len(latents.x)
    if guidance == 1.0:
        return _velocity(expert, latents, embeds[:clips], "cond" + name)
    if together:
        prompted, empty = _velocity(expert, latents, embeds[: 2 * clips], "cond" + name).chunk(2)
    else:
        prompted = _velocity(expert, latents, embeds[:clips], "cond" + name)
        empty = _velocity(expert, latents, embeds[clips : 2 * clips], "uncond" + name)
    return flow.guide(prompted, empty, guidance)


def _velocity(expert: WanTransformer3DModel, latents: Latents, embeds: Tensor, name: str) -> Tensor:
    """What the expert predicts for the clips, once for each row of embeds. name: of the call's cache, if it has one."""
    x = latents.x.to(expert.dtype).repeat(len(embeds) // len(latents.x), 1, 1, 1, 1)
    timestep = torch.full((len(embeds),), flow.TIMESTEPS * latents.sigma, device=x.device)
    with expert.cache_context(name):
        return expert(x, timestep, embeds).sample.float()  # type: ignore[no-any-return]
