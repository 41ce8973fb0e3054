"""How fast a device does the kinds of work that a model is made of, measured in about a second."""

import math
import time
from collections import deque
from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from torch import nn

from wan_demo import cost, quantize
from wan_demo.cost import ATTENTION, CONV, MATMUL
from wan_demo.decode import by_onednn, streamed
from wan_demo.models import DTYPES
from wan_demo.presets import Preset

TRIALS, TRIALS_S = 3, 0.15  # for a rate, at least


@torch.no_grad()
def measure(device: torch.device, preset: Preset) -> dict[str, float]:
    """Operations a second, by kind, in layers, attention and a decoder as this preset has them.

    On random tensors, with fewer tokens and pixels than a clip has: on a CPU 512 and 64x64, on a GPU 8,192 and 256x256.
    """
    parts, dtype = cost.configs(preset), DTYPES[preset.precision]
    expert, vae = parts["transformer"], parts["vae"]
    heads, size, inner = (expert[name] for name in ("num_attention_heads", "attention_head_dim", "ffn_dim"))
    tokens, side = (512, 64) if device.type == "cpu" else (8192, 256)
    linear = nn.Linear(heads * size, inner).to(dtype)
    kind = quantize.kind_of(expert, preset.layers)
    layer = (quantize.KINDS[kind](linear) if kind else linear).to(device)
    x = torch.randn(1, tokens, heads * size, dtype=dtype, device=device)
    q = torch.randn(1, heads, tokens, size, dtype=dtype, device=device)
    decoder = by_onednn(AutoencoderKLWan.from_config(vae).eval().to(device), device)
    crop = (2, side // 8, side // 8)
    z = torch.randn(1, vae["z_dim"], *crop, device=device)
    return {
        MATMUL: 2 * tokens * heads * size * inner / timed(lambda: layer(x), device),
        ATTENTION: 4 * tokens**2 * heads * size / timed(lambda: F.scaled_dot_product_attention(q, q, q), device),
        CONV: cost.decoder_cost(vae, crop, False).work[CONV]
        / timed(lambda: deque(streamed(z, decoder), maxlen=0), device),
    }


def timed(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call on `device`, the least of as many as there is time for, after one to warm up."""
    best, started, trials = math.inf, time.perf_counter(), 0
    call()
    while trials < TRIALS or time.perf_counter() - started < TRIALS_S:
        trials += 1
        before = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - before)
    return best
