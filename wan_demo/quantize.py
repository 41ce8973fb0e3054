"""8-bit experts: swap linear layers for bitsandbytes' Linear8bitLt, save them, load them, on CPU and CUDA.

diffusers refuses to do this without a GPU, so the three are here. The files hold the very keys that diffusers' own
bitsandbytes quantiser reads on CUDA: weight (int8), SCB (float32, a row's largest magnitude), weight_format, bias.
LLM.int8() (arXiv 2208.07339) with threshold 0: weights a row and activations a token, each scaled to [-127, 127].
"""

import json
import logging
from pathlib import Path

import torch
from bitsandbytes.nn import Int8Params, Linear8bitLt
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


def quantize(model: WanTransformer3DModel) -> WanTransformer3DModel:
    """Replace the blocks' linear layers by 8-bit ones, in place; float activations go through float16."""
    _hush()
    for name, layer in _linears(model):
        _put(model, name, _eight_bit(layer, layer.weight.data))
    return model


def empty(folder: Path) -> WanTransformer3DModel:
    """The model of a folder's config.json without its weights, for `fill` and `save`; it cannot run."""
    _hush()
    with torch.device("meta"):
        return WanTransformer3DModel.from_config(json.loads((folder / "config.json").read_text())).eval()


def fill(model: WanTransformer3DModel, name: str, tensor: Tensor) -> None:
    """Put a float tensor where it belongs, as 8-bit where `quantize` would: so no float copy of all is ever made."""
    path, _, kind = name.rpartition(".")
    layer = model.get_submodule(path)
    if kind == "weight" and isinstance(layer, nn.Linear) and not path.startswith(SKIP):
        _put(model, path, _eight_bit(layer, tensor))
    else:
        setattr(layer, kind, nn.Parameter(tensor, requires_grad=False))


def save(model: WanTransformer3DModel, folder: Path) -> None:
    """Write an 8-bit model as config.json and one safetensors file; what is not 8-bit is stored as float16."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        k: v.half() if v.is_floating_point() and not k.endswith("SCB") else v for k, v in model.state_dict().items()
    }
    save_file({k: v.contiguous() for k, v in state.items()}, folder / FILE, metadata={"format": "pt"})
    config = {k: v for k, v in model.config.items() if k != "quantization_config"} | {"quantization_config": CONFIG}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(folder: Path) -> WanTransformer3DModel:
    """Read what `save` wrote, on the CPU, int8 all the way: no float copy of the quantised weights is made.

    Raises:
        ValueError: the file's tensors are not those of its config.json.
    """
    _hush()
    config = json.loads((folder / "config.json").read_text())
    state = load_file(folder / FILE)
    model = WanTransformer3DModel.from_config({k: v for k, v in config.items() if k != "quantization_config"})
    for name, layer in _linears(model):
        _put(model, name, _eight_bit(layer, state.pop(f"{name}.weight"), state.pop(f"{name}.SCB")))
        state.pop(f"{name}.weight_format")
    missing, unexpected = model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    missing = [k for k in missing if k.removesuffix(".weight") not in dict(_linears(model))]
    if missing or unexpected:
        raise ValueError(f"{folder / FILE} does not hold the model of its config.json: {(missing + unexpected)[0]}")
    return model


def is_quantized(folder: Path) -> bool:
    """Whether the model in `folder` is an 8-bit one."""
    return "quantization_config" in json.loads((folder / "config.json").read_text())


def _hush() -> None:
    """bitsandbytes warns at every layer of every step that float32 goes through float16; we know."""
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


def _linears(model: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and not name.startswith(SKIP)
    ]


def _eight_bit(layer: nn.Linear, weight: Tensor, scale: Tensor | None = None) -> Linear8bitLt:
    """An 8-bit layer from float weights (quantised here), or from int8 weights and their scale."""
    new = Linear8bitLt(
        layer.in_features, layer.out_features, bias=layer.bias is not None, has_fp16_weights=False, device="meta"
    )
    if scale is None:
        new.weight = Int8Params(weight, requires_grad=False, has_fp16_weights=False).cpu()
    else:
        new.weight = Int8Params(weight, requires_grad=False, has_fp16_weights=False, CB=weight, SCB=scale)
    if layer.bias is not None:
        new.bias = nn.Parameter(layer.bias.data, requires_grad=False)
    return new.eval()


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)
