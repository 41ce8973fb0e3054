"""The noise convention, shared by inference and training.

sigma is in [0, 1], 1 is pure noise: x_sigma = (1 - sigma) * x0 + sigma * eps, velocity = eps - x0 (rectified flow,
arXiv 2209.03003). The timestep of a diffusers model is 1000 * sigma. All tensors here have one shape; a sigma is a
float, or a tensor that broadcasts against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:  # the page reads the presets, and has no use for torch
    from torch import Tensor

TIMESTEPS = 1000.0
Sigma: TypeAlias = "float | Tensor"
Number = TypeVar("Number", float, "Tensor")


def add_noise(x0: Tensor, noise: Tensor, sigma: Sigma) -> Tensor:
    """x at `sigma` from clean x0 and unit Gaussian noise."""
    return (1 - sigma) * x0 + sigma * noise


def velocity(x0: Tensor, noise: Tensor) -> Tensor:
    """What the models predict."""
    return noise - x0


def clean(x: Tensor, v: Tensor, sigma: Sigma) -> Tensor:
    """The estimate of x0 that velocity v at x implies."""
    return x - sigma * v


def step(x: Tensor, v: Tensor, sigma: Sigma, to: Sigma) -> Tensor:
    """One Euler step along v from `sigma` to `to`."""
    return x + (to - sigma) * v


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (arXiv 2207.12598, eq. 6, with scale = 1 + w)."""
    return unconditional + scale * (conditional - unconditional)


def shift(sigma: Number, factor: float) -> Number:
    """Move sigma to where a signal with factor**2 times the pixels is as noisy (SD3, arXiv 2403.03206, eq. 23)."""
    return factor * sigma / (1 + (factor - 1) * sigma)


def schedule(steps: int, factor: float) -> list[float]:
    """steps + 1 sigmas from 1 down to 0: those of diffusers' FlowMatchEulerDiscreteScheduler(shift=factor).

    That class shifts its ends as well as the line between them, so the last step but one is very short.
    """
    if steps < 1:
        raise ValueError(f"a schedule needs at least one step, not {steps}.")
    first, last = shift(1.0, factor), shift(1 / TIMESTEPS, factor)
    line = (first + (last - first) * i / max(1, steps - 1) for i in range(steps))
    return [*(shift(sigma, factor) for sigma in line), 0.0]
