"""What makes the experts faster, beyond where they are: each can be asked for, and `bench` tells what it gives.

On a GPU the fastest exact attention kernel that is installed is found by measurement, always; `sage` lets 8-bit ones
compete.
"""

import os
from contextlib import suppress
from functools import partial

import torch
from diffusers import FirstBlockCacheConfig
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch import Tensor

from wan_demo.models import EXPERTS, Models
from wan_demo.rates import timed
from wan_demo.store import home

EXACT = ("native", "_native_cudnn", "_native_flash", "flash", "_flash_3")  # diffusers' names
TOKENS = 8192  # that attention is timed on
EIGHT_BIT = ("sage",)  # SageAttention (arXiv 2411.10958, 2505.21136): picks the kernel for the card
CLOSE = 0.02  # of the largest value: bf16 kernels that sum in another order differ by less
NEAR = 0.1  # the same for 8-bit kernels
CACHED = 0.08  # change of the first block's output below which the others' last outputs are used again


def speed_up(models: Models, tricks: tuple[str, ...], compiler: str = "inductor", attention: str = "") -> str:
    """Prepare loaded models. tricks: of presets.TRICKS; those that are not about loaded models are passed over.

    attention: of EXACT; "": the fastest is found. Returns what was taken, "" on a CPU.

    compile: each kind of block is compiled once; the first clip waits for it, the first of a later start for less,
    since what was compiled is kept.
    cache: First Block Cache (ParaAttention), as diffusers has it; frames change.
    """
    for name in EXPERTS:
        expert = getattr(models, name)
        if models.device.type == "cuda":
            attention = attention or fastest_attention(expert, eight_bit="sage" in tricks)
            expert.set_attention_backend(attention)
        if "cache" in tricks:
            expert.enable_cache(FirstBlockCacheConfig(threshold=CACHED))
        if "compile" in tricks:
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(home() / "inductor"))
            expert.compile_repeated_blocks(backend=compiler, fullgraph="cache" not in tricks)
    return attention


def fastest_attention(expert: torch.nn.Module, device: str = "cuda", eight_bit: bool = False) -> str:
    """The kernel of EXACT, and of EIGHT_BIT if wanted, that is fastest here at the expert's width, of those that are
    here and give its numbers."""
    heads, size = expert.config.num_attention_heads, expert.config.attention_head_dim  # type: ignore[union-attr]
    q, k, v = torch.randn(3, 1, TOKENS, heads, size, device=device, dtype=expert.dtype).unbind()  # type: ignore[call-overload]
    wanted = _attend(EXACT[0], q, k, v)
    times: dict[str, float] = {}
    for name, close in {**dict.fromkeys(EXACT, CLOSE), **dict.fromkeys(EIGHT_BIT if eight_bit else (), NEAR)}.items():
        with suppress(Exception):  # a kernel that is not there raises whatever it likes
            if (_attend(name, q, k, v) - wanted).abs().max() <= close * wanted.abs().max():
                times[name] = timed(partial(_attend, name, q, k, v), torch.device(device))
    return min(times, key=lambda name: times[name])


def _attend(name: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    out: Tensor = dispatch_attention_fn(q, k, v, backend=AttentionBackendName(name))
    return out
