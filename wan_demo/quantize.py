"""8-bit experts: swap linear layers for 8-bit ones, save them, load them, on CPU and CUDA.

Two kinds. "int8" saves memory: LLM.int8() (arXiv 2208.07339) with threshold 0, weights a row and activations a token,
each scaled to [-127, 127], multiplied by bitsandbytes. "fp8" saves time too, on cards that multiply it (Ada, Hopper and
later): both scaled a row to float8_e4m3fn's range, multiplied by torch.

diffusers refuses to load int8 without a GPU, so that is here. The files hold the very keys that its own bitsandbytes
quantiser reads on CUDA: weight (int8), SCB (float32, a row's largest magnitude), weight_format, bias.
"""

import json
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import init_empty_weights
from bitsandbytes.functional import int8_vectorwise_quant
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

# Small and sensitive: kept as they are.
SKIP = ("condition_embedder", "patch_embedding", "proj_out")
FILE = "diffusion_pytorch_model.safetensors"
CONFIG = {
    "quant_method": "bitsandbytes",
    "load_in_8bit": True,
    "llm_int8_threshold": 0.0,
    "llm_int8_skip_modules": list(SKIP),
}
HALF, FP8 = torch.finfo(torch.float16).max, torch.finfo(torch.float8_e4m3fn).max


class EightBit(nn.Module):
    """A linear layer with bias, without its float weight. Its state is all in buffers, which move as any others do."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.bias = nn.Parameter(layer.bias.data, requires_grad=False)


class Int8Linear(EightBit):
    """weight (out, in) int8 and SCB (out,): of a float layer, or unset, to be loaded."""

    weight: Tensor
    SCB: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer)
        weight, scale, _ = int8_vectorwise_quant(layer.weight.data.half())
        self.register_buffer("weight", weight)
        self.register_buffer("SCB", scale)
        self.register_buffer("weight_format", torch.tensor(0, dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) -> (..., out) in x's type. Magnitudes above float16's, which it goes through, are cut."""
        rows, scale, _ = int8_vectorwise_quant(x.flatten(0, -2).clamp(-HALF, HALF).half())
        multiply = torch.ops.bitsandbytes.int8_scaled_mm.default
        out: Tensor = multiply(rows, self.weight, scale, self.SCB, bias=self.bias.to(x.dtype), dtype=x.dtype)
        return out.view(*x.shape[:-1], -1)


class Fp8Linear(EightBit):
    """weight (out, in) float8_e4m3fn and scale (out, 1) of a float layer."""

    weight: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer)
        weight, scale = _to_fp8(layer.weight.data)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) -> (..., out) in x's type; the product itself is bfloat16, which row scales want on CUDA."""
        rows, scale = _to_fp8(x.flatten(0, -2))
        weight, scales = self.weight.t(), self.scale.t()
        out = torch._scaled_mm(rows, weight, scale_a=scale, scale_b=scales, out_dtype=torch.bfloat16)
        return out.to(x.dtype).view(*x.shape[:-1], -1) + self.bias.to(x.dtype)


KINDS: dict[str, type[EightBit]] = {"int8": Int8Linear, "fp8": Fp8Linear}


def quantize(model: WanTransformer3DModel, kind: str = "int8") -> WanTransformer3DModel:
    """Replace the blocks' linear layers by 8-bit ones of a kind of KINDS, in place; each old one goes at once."""
    layers = (name for name, layer in model.named_modules() if isinstance(layer, nn.Linear))
    for name in [name for name in layers if not name.startswith(SKIP)]:
        _put(model, name, KINDS[kind](cast(nn.Linear, model.get_submodule(name))))
    return model


def empty(folder: Path) -> WanTransformer3DModel:
    """The model of a folder's config.json without its weights, for `fill` and `save`; it cannot run."""
    with torch.device("meta"):
        return WanTransformer3DModel.from_config(json.loads((folder / "config.json").read_text())).eval()


def fill(model: WanTransformer3DModel, name: str, tensor: Tensor) -> None:
    """Put a float tensor where it belongs, as int8 where `quantize` would: so no float copy of all is ever made."""
    path, _, kind = name.rpartition(".")
    layer = model.get_submodule(path)
    setattr(layer, kind, nn.Parameter(tensor, requires_grad=False))
    if kind == "weight" and isinstance(layer, nn.Linear) and not path.startswith(SKIP):
        _put(model, path, Int8Linear(layer))


def save(model: WanTransformer3DModel, folder: Path) -> None:
    """Write an int8 model as config.json and one safetensors file; what is not 8-bit is stored as float16."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        k: v.half() if v.is_floating_point() and not k.endswith("SCB") else v for k, v in model.state_dict().items()
    }
    save_file({k: v.contiguous() for k, v in state.items()}, folder / FILE, metadata={"format": "pt"})
    defaults = "_use_default_values"  # diffusers' own note, in any order: the same training would write another file
    config = {k: v for k, v in model.config.items() if k != defaults} | {"quantization_config": CONFIG}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(folder: Path, dtype: torch.dtype = torch.float32) -> WanTransformer3DModel:
    """Read what `save` wrote, on the CPU, int8 all the way: no float copy of the quantised weights is made.

    dtype: of what is not 8-bit.

    Raises:
        ValueError: the file's tensors are not those of its config.json.
    """
    config = json.loads((folder / "config.json").read_text())
    with init_empty_weights():
        model = build(config, "int8")
    state = load_file(folder / FILE)
    missing = set(model.state_dict()) ^ set(state)
    if missing:
        raise ValueError(f"{folder / FILE} does not hold the model of its config.json: {min(missing)}")
    model.load_state_dict({k: v.to(_type_of(k, v, dtype)) for k, v in state.items()}, assign=True)
    return model.eval()


def is_quantized(folder: Path) -> bool:
    """Whether the model in `folder` is an 8-bit one."""
    return "quantization_config" in json.loads((folder / "config.json").read_text())


def build(config: dict[str, Any], kind: str, dtype: torch.dtype = torch.float32) -> WanTransformer3DModel:
    """The model of a config.json, its layers of the kind that is asked for, but int8 where the config says so.

    dtype: of what is not 8-bit, but for the parts that are float32 always.
    """
    model = WanTransformer3DModel.from_config({k: v for k, v in config.items() if k != "quantization_config"})
    nn.Module.to(model, dtype)  # diffusers' own warns of what comes next
    for name, module in model.named_modules():
        if kept_float(name):
            module.float()
    kind = kind_of(config, kind)
    return quantize(model, kind) if kind else model


def kind_of(config: dict[str, Any], asked: str) -> str:
    """The kind of a model's 8-bit layers, "" for none: int8 where its config.json says so, else what is asked for."""
    return "int8" if "quantization_config" in config else asked


def kept_float(name: str) -> bool:
    """Whether a module or tensor of this name is float32 in a model of any precision, as diffusers has it."""
    return bool({*WanTransformer3DModel._keep_in_fp32_modules, "SCB"} & set(name.split(".")))


def _type_of(name: str, value: Tensor, dtype: torch.dtype) -> torch.dtype:
    if not value.is_floating_point():
        return value.dtype
    return torch.float32 if kept_float(name) else dtype


def _to_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (rows, n) as float8_e4m3fn, and what each row is to be multiplied by, (rows, 1) float32."""
    scale = x.abs().amax(1, keepdim=True).float().clamp(min=1e-12) / FP8
    return (x / scale).to(torch.float8_e4m3fn), scale


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)
