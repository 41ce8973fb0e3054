"""A preset's parts at their full size with random weights: for time and memory, where the real ones are not at hand."""

import math

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, UMT5Config, UMT5EncoderModel

from wan_demo import cost, quantize
from wan_demo.decode import by_onednn
from wan_demo.models import DTYPES, Models, Shared
from wan_demo.plans import Plan
from wan_demo.presets import Preset
from wan_demo.reader import Reader

SCALES = {"SCB": 0.04, "scale": 0.014 / 42}  # of 8-bit rows: a layer of 5,120 inputs keeps the size of what it is given
NOISE = 2**20 + 7  # random numbers that are repeated to fill a tensor; of no row's length


def build(preset: Preset, tokenizer: PreTrainedTokenizerBase, device: str, plan: Plan) -> Models:
    """All parts in the preset's precision, each made where `plan` has it.

    tokenizer: any with fewer words than the text encoder; only how many tokens it gives counts here.
    """
    parts, dtype = cost.configs(preset), DTYPES[preset.precision]
    tokenizer.model_max_length = cost.window(preset)
    with init_empty_weights():
        text = UMT5EncoderModel(UMT5Config.from_dict(parts["text_encoder"]))
        vae = AutoencoderKLWan.from_config(parts["vae"])
        high, low = (quantize.build(parts["transformer"], preset.layers) for _ in range(2))
    for name, part in {"text_encoder": text, "vae": vae, "high": high, "low": low}.items():
        fill(part.eval(), device if name in plan.stays else "cpu", torch.float32 if name == "vae" else dtype)
    where = torch.device(device)
    shared = Shared((preset.weights, preset.precision, device), Reader(tokenizer, lambda: text), by_onednn(vae, where))
    models = Models(shared, high, low, device=where)
    models.follow(plan)
    return models


def fill(model: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Give every tensor that has only a shape random values; what flows through neither grows nor dies."""
    noise = torch.randn(NOISE, generator=torch.Generator().manual_seed(0)).to(device)
    made: dict[int, Tensor] = {}  # tensors that two layers share stay one
    for path, module in model.named_modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is None or not tensor.is_meta:
                    continue
                if id(tensor) not in made:
                    made[id(tensor)] = _value(f"{path}.{name}", tensor, noise, dtype)
                value = made[id(tensor)]
                table[name] = nn.Parameter(value, requires_grad=False) if isinstance(tensor, nn.Parameter) else value


def _value(name: str, like: Tensor, noise: Tensor, dtype: torch.dtype) -> Tensor:
    """Linear layers keep the size of what they are given; norms leave it as it is; biases are zero."""
    kind = name.rpartition(".")[2]
    wide = noise.repeat(math.ceil(like.numel() / NOISE))[: like.numel()].view(like.shape)
    if not like.dtype.is_floating_point or like.dtype == torch.float8_e4m3fn:
        return (wide * 42).clamp(-127, 127).to(like.dtype)
    if kind in SCALES:
        return torch.full_like(wide, SCALES[kind], dtype=torch.float32)
    if kind in ("gamma", "bias") or (kind == "weight" and like.dim() == 1):
        wide = torch.full_like(wide, float(kind != "bias"))
    else:
        wide = wide / math.sqrt(like.numel() / like.shape[0])
    return wide.to(torch.float32 if quantize.kept_float(name) else dtype)
