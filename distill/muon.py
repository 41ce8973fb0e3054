"""Muon (Keller Jordan, 2024, kellerjordan.github.io/posts/muon) for matrices, AdamW for the rest.

torch's own `torch.optim.Muon` came with 2.9, takes only 2-D weights, and works in bfloat16, which a CPU without AMX
emulates: 19 s for one step on our experts (distill/LOG.md).
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from distill import parallel

# Coefficients of the quintic iteration, from the source above.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrix: Tensor, iterations: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrices, roughly, by Newton-Schulz iteration. matrix: (..., M, N) float32."""
    x: Tensor = matrix / (torch.linalg.matrix_norm(matrix, keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(iterations):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum, scaled to AdamW's usual step size (Moonlight, arXiv 2502.16982, eq. 4)."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault(weight.flatten(1).shape, []).append(weight)
            stacks = [torch.stack([self._momentum(w, group["momentum"]) for w in row]) for row in alike.values()]
            updates = parallel.divide(orthogonalise, stacks)
            for (shape, weights), stack in zip(alike.items(), updates, strict=True):
                for weight, update in zip(weights, stack, strict=True):
                    weight.sub_(update.view_as(weight), alpha=group["lr"] * 0.2 * max(shape) ** 0.5)

    def _momentum(self, weight: nn.Parameter, momentum: float) -> Tensor:
        """Nesterov's momentum of the gradient, as a matrix."""
        state, gradient = self.state[weight], cast(Tensor, weight.grad)
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum).flatten(1)


class MuonAdamW:
    """Both optimisers behind one: Muon for weights of two or more axes, AdamW for biases, gains and the named ones."""

    def __init__(self, module: nn.Module, lr: float, adam_names: tuple[str, ...] = ()) -> None:
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        plain = [(n, p) for n, p in named if p.ndim < 2 or any(a in n for a in adam_names)]
        skip = {n for n, _ in plain}
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            Muon([p for n, p in named if n not in skip], lr),
            torch.optim.AdamW([p for _, p in plain], lr, betas=(0.9, 0.99), weight_decay=0.0),
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of both; looked up each time, because loading a state replaces them."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, object]:
        return {str(i): part.state_dict() for i, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        for i, part in enumerate(self.parts):
            part.load_state_dict(state[str(i)])
