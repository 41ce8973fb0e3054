"""An expert's blocks, compiled ahead of time: on ZeroGPU, where a process lives for a few clips, people would wait for
torch.compile again and again.

Compiled once, on a lent GPU, and kept in a file (AOTInductor), by what `spaces` brings along for it. The blocks of both
experts are alike, so all share one; each lends it its own weights at every call, wherever they are then.
"""

import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import spaces
import torch
from torch import Tensor, nn

from wan_demo.store import home

BLOCKS = "blocks"  # the name that diffusers has for them


def package(expert: nn.Module, rows: int, device: torch.device) -> Path:
    """Where the compiled block of such an expert lies, or would. rows: prompts that are asked in one forward.

    It is for this torch, this device, and blocks of these shapes and precisions.
    """
    on_gpu = device.type == "cuda"
    card = torch.cuda.get_device_name(device) if on_gpu else torch.backends.cpu.get_cpu_capability()
    block = {name: (str(t.dtype), tuple(t.shape)) for name, t in _first(expert).state_dict().items()}
    told = repr((torch.__version__, card, rows, block))
    return home() / "compiled" / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.pt2"


@torch.no_grad()
def compile_block(expert: nn.Module, latents: Tensor, embeds: Tensor, path: Path) -> None:
    """Compile the first block for any number of tokens, and keep it in `path`. The expert is on its device.

    latents (B, C, T, H, W), embeds (B, L, D): of the sizes that the expert is asked with.
    """
    timestep = torch.zeros(len(latents), device=latents.device)
    given = _given(_first(expert), expert, latents, timestep, embeds)
    tokens = {1: torch.export.Dim("tokens", min=2)}
    program = torch.export.export(_first(expert), given, dynamic_shapes=(tokens, None, None, (tokens, tokens)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        spaces.aoti_compile_and_save(folder, program, submodule=BLOCKS)
        (made,) = Path(folder).rglob("*.pt2")
        os.replace(made, path)


def use(expert: nn.Module, path: Path) -> None:
    """From now on the expert's blocks run compiled. To be called before anything hooks itself into them."""
    from spaces.zero.torch.aoti import LazyAOTIModel  # wants a torch for CUDA

    compiled = LazyAOTIModel(path)
    for block in expert.get_submodule(BLOCKS).children():
        block.forward = _Ahead(block, compiled)


class _Ahead:
    """A block's forward by a compiled block that all share."""

    def __init__(self, block: nn.Module, compiled: Any) -> None:
        self.compiled = compiled
        # Not the tensors, which come and go, nor their names, which change where a layer is wrapped in another.
        self.weights = {
            f"{path}.{key}".removeprefix("."): (module, key)
            for path, module in block.named_modules()
            for key, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        }

    def __call__(self, hidden_states: Tensor, encoder_hidden_states: Tensor, temb: Tensor, rotary_emb: Any) -> Any:
        lent = {name: getattr(module, key) for name, (module, key) in self.weights.items()}
        return self.compiled(lent, True, hidden_states, encoder_hidden_states, temb, rotary_emb)


class _Asked(Exception):
    """Carries what a block was asked."""


def _given(block: nn.Module, expert: nn.Module, *inputs: Tensor) -> tuple[Any, ...]:
    """What the block is called with when the expert is; the expert gets no further."""

    def stop(_: nn.Module, given: tuple[Any, ...]) -> None:
        raise _Asked(given)

    with block.register_forward_pre_hook(stop):
        try:
            expert(*inputs)
        except _Asked as asked:
            return tuple(asked.args[0])
    raise AssertionError("an expert asks its first block")


def _first(expert: nn.Module) -> nn.Module:
    return next(expert.get_submodule(BLOCKS).children())
