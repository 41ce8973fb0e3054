"""Training loops that stop and go on: saved state, exact resume, a progress bar, and a log of figures."""

import copy
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from distill import parallel
from distill.muon import MuonAdamW

SAVE_EVERY_S = 120.0
LOG_EVERY = 50  # steps


class Ema:
    """Exponential moving average of a module's weights; the decay grows from 0 to `decay` over the first steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.source, self.module = module, copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(list(self.module.parameters()), list(self.source.parameters()), step)


def cosine(step: int, steps: int, warmup: int, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then a half cosine from 1 down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def save_whole(value: object, path: Path) -> None:
    """`torch.save` in one move, so that a kill leaves what was there before."""
    part = path.with_name(path.name + ".part")
    torch.save(value, part)
    os.replace(part, path)


def kept(path: Path, facts: str, make: Callable[[], Sequence[Tensor]]) -> Sequence[Tensor]:
    """What `make` gives, kept in a file. facts: all that it follows from.

    Raises:
        ValueError: the file was made from other facts.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = make()
        save_whole({"facts": facts, "tensors": list(made)}, path)
        return made
    held: dict[str, Any] = torch.load(path, weights_only=True)
    if held["facts"] != facts:
        raise ValueError(f"{path} was drawn for another recipe or other weights: delete it, or use another --runs.")
    tensors: list[Tensor] = held["tensors"]
    return tensors


class Run:
    """One training run in one folder: `state.pt` to resume from and `log.jsonl` with a line every 50 steps.

    Everything random in a step must come from (seed, rank, step) alone; then a resumed run equals an unbroken one.
    Several processes (`distill.parallel`) share a run: each takes its shard of a step, the first one writes.
    bf16: products in bfloat16, on a GPU and on a CPU that has them (AVX-512 BF16).
    """

    def __init__(
        self,
        folder: Path,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | MuonAdamW,
        ema: Ema | None = None,
        bf16: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.model, self.optimizer, self.ema = folder, model, optimizer, ema
        device = next(model.parameters()).device.type
        bf16 = bf16 and (device != "cpu" or torch.cpu._is_avx512_bf16_supported())
        self.precision = partial(torch.autocast, device, torch.bfloat16, enabled=bf16)
        # On a CPU, attention as one operation in bfloat16 takes 2.7 times as long as its products (LOG.md).
        self.attention = partial(sdpa_kernel, SDPBackend.MATH) if bf16 and device == "cpu" else nullcontext
        self.step = 0
        self.rates = [group["lr"] for group in optimizer.param_groups]
        if (folder / "state.pt").exists():
            self._restore(torch.load(folder / "state.pt", map_location="cpu", weights_only=True))

    def fit(
        self, steps: int, loss: Callable[[int], Tensor], warmup: int = 100, clip: float = 1.0, until: int | None = None
    ) -> None:
        """Train up to `steps` steps in all; `loss(step)` gives the scalar to lessen. until: stop there for now."""
        last, saved = until if until is not None else steps, time.monotonic()
        recent: list[Tensor] = []
        with tqdm(total=steps, initial=self.step, desc=self.folder.name, disable=parallel.rank() > 0) as bar:
            while self.step < last:
                for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                    group["lr"] = rate * cosine(self.step, steps, warmup)
                recent.append(self._take_step(loss, clip))
                bar.update()
                if self.step % LOG_EVERY == 0:
                    bar.set_postfix(loss=self._log(recent))
                    recent = []
                if time.monotonic() - saved > SAVE_EVERY_S or self.step == last:
                    self.save()
                    saved = time.monotonic()

    def _take_step(self, loss: Callable[[int], Tensor], clip: float) -> Tensor:
        with self.attention():
            with self.precision():
                value = loss(self.step)
            self.optimizer.zero_grad(set_to_none=True)
            value.backward()
        parallel.average_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.optimizer.step()
        self.step += 1
        if self.ema is not None:
            self.ema.update(self.step)
        return value.detach()  # not a number yet: a GPU need not be waited for

    def _log(self, losses: list[Tensor]) -> float:
        mean = round(float(torch.stack(losses).mean()), 5)
        if parallel.rank() == 0:
            with (self.folder / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": self.step, "loss": mean, "time": round(time.time())}) + "\n")
        return mean

    def save(self) -> None:
        """Write state.pt."""
        if parallel.rank() > 0:
            return
        state = {"step": self.step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.ema is not None:
            state["ema"] = self.ema.module.state_dict()
        save_whole(state, self.folder / "state.pt")

    def _restore(self, state: dict[str, object]) -> None:
        self.step = int(state["step"])  # type: ignore[call-overload]
        self.model.load_state_dict(state["model"])  # type: ignore[arg-type]
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        if self.ema is not None:
            self.ema.module.load_state_dict(state["ema"])  # type: ignore[arg-type]
