"""Random LoRAs of the tiny expert, in the naming of the community's four-step ones."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.tiny import tiny_expert

RANK, ALPHA = 4, 2.0
# The layers that a LoRA of a Wan transformer has, in the names of the original code and of diffusers.
LAYERS = {
    **{f"self_attn.{a}": f"attn1.{b}" for a, b in zip("qkvo", ("to_q", "to_k", "to_v", "to_out.0"), strict=True)},
    **{f"cross_attn.{a}": f"attn2.{b}" for a, b in zip("qkvo", ("to_q", "to_k", "to_v", "to_out.0"), strict=True)},
    **{"ffn.0": "ffn.net.0.proj", "ffn.2": "ffn.net.2"},
}
NAMES = {f"blocks.{i}.{a}": f"blocks.{i}.{b}" for i in range(2) for a, b in LAYERS.items()}
WEIGHTS = {name: tensor.detach() for name, tensor in tiny_expert(2).state_dict().items()}
SHAPES = {name: tuple(tensor.shape) for name, tensor in WEIGHTS.items()}


def pairs(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """(up, down) of each layer, by its name in diffusers."""
    torch.manual_seed(seed)
    made = {}
    for layer in NAMES.values():
        out, into = SHAPES[f"{layer}.weight"]
        made[layer] = torch.randn(out, RANK) * 0.1, torch.randn(RANK, into) * 0.1
    return made


def original(seed: int) -> dict[str, Tensor]:
    """A LoRA in the naming of the community's four-step ones, with alpha."""
    state = {}
    for theirs, ours in NAMES.items():
        up, down = pairs(seed)[ours]
        state[f"diffusion_model.{theirs}.lora_up.weight"] = up
        state[f"diffusion_model.{theirs}.lora_down.weight"] = down
        state[f"diffusion_model.{theirs}.alpha"] = torch.tensor(ALPHA)
    return state


def written(path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path, metadata)
    return path
