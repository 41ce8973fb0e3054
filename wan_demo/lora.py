"""A LoRA of a Wan transformer, read from a safetensors file under any of the names in use, and added to its weights.

W' = W + alpha / rank * up @ down (arXiv 2106.09685), and where the file has whole differences (`diff`, `diff_b`,
`diff_m`), those. The names are diffusers' and peft's (`transformer.blocks.0.attn1.to_q.lora_A.weight`), those of the
original code (`diffusion_model.blocks.0.self_attn.q.lora_down.weight`), or musubi's (`lora_unet_blocks_0_self_attn_q`).
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from wan_demo.integrity import PICKLES, WeightsError, header

# diffusers' name of a layer, and the original code's
RENAMED = (
    (".attn1.", ".self_attn."),
    (".attn2.", ".cross_attn."),
    (".to_out.0", ".o"),
    (".to_q", ".q"),
    (".to_k", ".k"),
    (".to_v", ".v"),
    (".net.0.proj", ".0"),
    (".net.2", ".2"),
    (".norm2", ".norm3"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("proj_out", "head.head"),
)
PREFIXES = re.compile(r"^(model\.|diffusion_model\.|transformer\.|transformer_2\.|base_model\.model\.|lora_unet_)+")
KEY = re.compile(r"(.+?)\.(lora_A|lora_B|lora_down|lora_up|alpha|diff|diff_b|diff_m)(?:\.default)?(?:\.(weight|bias))?")
ROLE: dict[tuple[str, str | None], str] = {
    **{("lora_A", "weight"): "down", ("lora_down", "weight"): "down"},
    **{("lora_B", "weight"): "up", ("lora_up", "weight"): "up"},
    **{("lora_B", "bias"): "bias", ("lora_up", "bias"): "bias"},
    **{(name, None): name for name in ("alpha", "diff", "diff_b", "diff_m")},
}
TARGET = {"bias": "bias", "diff_b": "bias", "diff_m": "scale_shift_table"}  # all else changes a layer's weight


class Lora:
    """A LoRA file that fits a model, whose tensors have these shapes.

    Raises:
        WeightsError: it is no whole safetensors file, or does not fit.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.path = path
        if path.suffix in PICKLES:
            raise WeightsError(f"{path} is a pickle file, which can run any program: choose a .safetensors file.")
        if not path.is_file():
            raise WeightsError(f"There is no LoRA at {path}: check the name.")
        self._sizes = {key: tuple(tensor["shape"]) for key, tensor in header(path).items()}
        self._file = safe_open(path, "pt")
        self._alpha = _common_alpha(path, self._file.metadata() or {})
        self.changes: dict[str, dict[str, str]] = {}  # tensor -> role -> key
        layers = _layers(shapes)
        for key in self._sizes:
            self._assign(key, layers, shapes)
        for name, roles in self.changes.items():
            self._fit(name, roles, shapes[name])

    def fused(self, name: str, tensor: Tensor) -> Tensor:
        """A tensor of the model as float32, with what this LoRA adds to it."""
        roles, result = self.changes.get(name, {}), tensor.float()
        if "up" in roles:
            up, down = (self._read(roles[role]).flatten(1) for role in ("up", "down"))
            result = result + (self._scale(name) * up @ down).reshape(result.shape)
        if "bias" in roles:
            result = result + self._scale(f"{name.removesuffix('bias')}weight") * self._read(roles["bias"])
        for role in ("diff", "diff_b", "diff_m"):
            if role in roles:
                result = result + self._read(roles[role]).reshape(result.shape)
        return result

    def _read(self, key: str) -> Tensor:
        tensor: Tensor = self._file.get_tensor(key)
        return tensor.float()

    def _scale(self, weight: str) -> float:
        roles = self.changes.get(weight, {})
        alpha = float(self._read(roles["alpha"])) if "alpha" in roles else self._alpha
        return 1.0 if alpha is None or "down" not in roles else alpha / self._sizes[roles["down"]][0]

    def _assign(self, key: str, layers: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> None:
        match = KEY.fullmatch(PREFIXES.sub("", key))
        role = ROLE.get((match[2], match[3])) if match else None
        layer = layers.get(match[1]) if match else None
        name = f"{layer}.{TARGET.get(role or '', 'weight')}".removeprefix(".")
        if role is None or layer is None or name not in shapes:
            raise WeightsError(f"{self.path} is no LoRA of this model: nothing in it is called {key}; choose another.")
        self.changes.setdefault(name, {})[role] = key

    def _fit(self, name: str, roles: Mapping[str, str], shape: tuple[int, ...]) -> None:
        """Whether the shapes are those of the model."""
        whole = [self._sizes[roles[role]] for role in ("diff", "diff_b", "diff_m", "bias") if role in roles]
        fits = all(_numel(size) == _numel(shape) for size in whole)
        if {"up", "down", "alpha"} & roles.keys():
            up, down = (self._sizes.get(roles.get(role, ""), (0, 0)) for role in ("up", "down"))
            fits = fits and min(len(up), len(down)) > 1
            fits = fits and (up[0], _numel(down[1:])) == (shape[0], _numel(shape[1:])) and up[1] == down[0] > 0
        if not fits:
            raise WeightsError(f"{self.path} does not fit this model: {name} is {list(shape)} there; choose another.")


def _common_alpha(path: Path, metadata: Mapping[str, str]) -> float | None:
    """The alpha of all layers, as diffusers writes it beside peft's tensors.

    Raises:
        WeightsError: it is scaled in a way that is not known here.
    """
    try:
        settings: dict[str, Any] = dict(json.loads(metadata.get("lora_adapter_metadata", "{}")))
    except (ValueError, TypeError):
        raise WeightsError(f"{path} describes itself in a way that cannot be read: choose another LoRA.") from None
    settings = {key.split(".")[-1]: value for key, value in settings.items()}
    odd = [key for key in ("use_rslora", "use_dora", "alpha_pattern", "rank_pattern") if settings.get(key)]
    if odd:
        raise WeightsError(f"{path} is a LoRA with {odd[0]}, which is not supported: choose a plain one.")
    return settings.get("lora_alpha")


def _layers(names: Mapping[str, object]) -> dict[str, str]:
    """Every name that a layer goes by -> diffusers' name of it."""
    found = {"head": ""}  # the original code keeps the last table there
    for name in names:
        layer = original = name.rpartition(".")[0]
        for ours, theirs in RENAMED:
            original = original.replace(ours, theirs)
        for known in (layer, original, layer.replace(".", "_"), original.replace(".", "_")):
            found[known] = layer
    return found


def _numel(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
