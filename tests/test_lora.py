import json
from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_pipeline import WanLoraLoaderMixin
from torch import Tensor

from tests.loras import ALPHA, LAYERS, NAMES, RANK, SHAPES, WEIGHTS, original, pairs, written
from wan_demo import lora
from wan_demo.integrity import WeightsError
from wan_demo.lora import Lora


def peft(seed: int) -> dict[str, Tensor]:
    """The same as diffusers writes it, which has no alpha in the tensors."""
    state = {}
    for layer, (up, down) in pairs(seed).items():
        state[f"transformer.{layer}.lora_A.weight"], state[f"transformer.{layer}.lora_B.weight"] = down, up
    return state


def musubi(seed: int) -> dict[str, Tensor]:
    renamed = {}
    for key, tensor in original(seed).items():
        layer = next(name for name in NAMES if key.startswith(f"diffusion_model.{name}."))
        renamed[f"lora_unet_{layer.replace('.', '_')}{key.removeprefix(f'diffusion_model.{layer}')}"] = tensor
    return renamed


@pytest.mark.parametrize(
    ("state", "metadata", "scale"),
    [
        (original(5), None, ALPHA / RANK),
        (musubi(5), None, ALPHA / RANK),
        (peft(5), None, 1.0),
        (
            peft(5),
            {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 8, "transformer.r": RANK})},
            8 / RANK,
        ),
    ],
    ids=["original", "musubi", "peft", "peft with alpha"],
)
def test_every_layer_gets_what_the_paper_says(
    tmp_path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None, scale: float
) -> None:
    made = Lora(written(tmp_path / "a.safetensors", state, metadata), SHAPES)
    expected = {f"{layer}.weight": scale * up @ down for layer, (up, down) in pairs(5).items()}
    assert expected.keys() == made.changes.keys()
    for name, tensor in WEIGHTS.items():
        torch.testing.assert_close(made.fused(name, tensor), tensor + expected.get(name, 0), atol=1e-5, rtol=0)


def test_it_is_what_diffusers_reads_in_the_same_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.safetensors", original(5))
    theirs = WanLoraLoaderMixin.lora_state_dict(str(path))
    made = Lora(path, SHAPES)
    assert len(theirs) == 2 * len(NAMES)
    for layer in NAMES.values():
        delta = theirs[f"transformer.{layer}.lora_B.weight"] @ theirs[f"transformer.{layer}.lora_A.weight"]
        weight = WEIGHTS[f"{layer}.weight"]
        torch.testing.assert_close(made.fused(f"{layer}.weight", weight), weight + delta, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("diffusion_model.blocks.1.self_attn.norm_q.diff", "blocks.1.attn1.norm_q.weight"),
        ("diffusion_model.blocks.0.norm3.diff_b", "blocks.0.norm2.bias"),
        ("diffusion_model.blocks.0.ffn.0.diff_b", "blocks.0.ffn.net.0.proj.bias"),
        ("diffusion_model.blocks.1.diff_m", "blocks.1.scale_shift_table"),
        ("diffusion_model.head.diff_m", "scale_shift_table"),
        ("diffusion_model.head.head.diff", "proj_out.weight"),
        ("diffusion_model.time_projection.1.diff_b", "condition_embedder.time_proj.bias"),
        ("diffusion_model.text_embedding.2.diff", "condition_embedder.text_embedder.linear_2.weight"),
        ("diffusion_model.patch_embedding.diff", "patch_embedding.weight"),
        ("transformer.blocks.0.attn2.to_k.lora_B.bias", "blocks.0.attn2.to_k.bias"),
    ],
)
def test_whole_differences_are_added(tmp_path: Path, key: str, name: str) -> None:
    change = torch.randn(SHAPES[name])
    made = Lora(written(tmp_path / "a.safetensors", {key: change}), SHAPES)
    torch.testing.assert_close(made.fused(name, WEIGHTS[name]), WEIGHTS[name] + change)
    assert list(made.changes) == [name]


def changed(change: dict[str, Tensor | None]) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in (original(5) | change).items() if tensor is not None}


UP, DOWN = (f"diffusion_model.blocks.0.ffn.2.lora_{way}.weight" for way in ("up", "down"))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (
            changed({"diffusion_model.blocks.9.ffn.2.alpha": torch.ones(())}),
            "nothing in it is called diffusion_model.bl",
        ),
        (changed({"diffusion_model.blocks.0.attn3.q.lora_up.weight": torch.ones(2, 2)}), "nothing in it is called"),
        (changed({"diffusion_model.blocks.0.ffn.2.dora_scale": torch.ones(2)}), "nothing in it is called"),
        ({"model.layers.0.mlp.weight": torch.ones(2, 2)}, "nothing in it is called model.layers.0.mlp.weight"),
        (
            changed({UP: torch.ones(32, RANK + 1)}),
            "does not fit this model: blocks.0.ffn.net.2.weight is [32, 64] there",
        ),
        (changed({DOWN: torch.ones(RANK, 63)}), "does not fit this model: blocks.0.ffn.net.2.weight"),
        (changed({DOWN: None}), "does not fit this model: blocks.0.ffn.net.2.weight"),
        (changed({UP: None, DOWN: None}), "does not fit this model: blocks.0.ffn.net.2.weight"),
        ({"diffusion_model.blocks.0.norm3.diff_b": torch.ones(33)}, "does not fit this model: blocks.0.norm2.bias"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused(tmp_path: Path, state: dict[str, Tensor], told: str) -> None:
    with pytest.raises(WeightsError) as caught:
        Lora(written(tmp_path / "a.safetensors", state), SHAPES)
    assert told in str(caught.value)
    assert str(caught.value).endswith("; choose another.")


def test_what_is_no_lora_file_is_refused(tmp_path: Path) -> None:
    pickle, text = tmp_path / "a.pt", tmp_path / "a.safetensors"
    torch.save({}, pickle)
    text.write_text("this is not a file of tensors")
    for path, told in ((pickle, "is a pickle file"), (text, "is cut short"), (tmp_path / "b", "There is no LoRA at")):
        with pytest.raises(WeightsError, match=told):
            Lora(path, SHAPES)
    scaled = {"lora_adapter_metadata": json.dumps({"transformer.use_rslora": True})}
    with pytest.raises(WeightsError, match="is a LoRA with use_rslora, which is not supported"):
        Lora(written(tmp_path / "c.safetensors", peft(5), scaled), SHAPES)
    for settings in ("{", "[1]", "null"):
        path = written(tmp_path / "d.safetensors", peft(5), {"lora_adapter_metadata": settings})
        with pytest.raises(WeightsError, match="describes itself in a way that cannot be read"):
            Lora(path, SHAPES)


def test_every_layer_has_one_name_in_each_style() -> None:
    layers = lora._layers(SHAPES)
    originals = {name for name in layers if name.startswith("blocks.0.") and ("self_attn" in name or "cross" in name)}
    assert {f"blocks.0.{a}" for a in LAYERS if not a.startswith("ffn")} <= originals
    assert set(layers.values()) == {name.rpartition(".")[0] for name in SHAPES}
