import json
import shutil
from collections import namedtuple
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.lora_pipeline import WanLoraLoaderMixin
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.tiny import tiny_expert
from wan_demo import lora, quantize, student
from wan_demo.events import Transfer
from wan_demo.integrity import WeightsError, write_checksums
from wan_demo.lora import Lora

RANK, ALPHA = 4, 2.0
# The layers that a LoRA of a Wan transformer has, in the names of the original code and of diffusers.
LAYERS = {
    **{f"self_attn.{a}": f"attn1.{b}" for a, b in zip("qkvo", ("to_q", "to_k", "to_v", "to_out.0"), strict=True)},
    **{f"cross_attn.{a}": f"attn2.{b}" for a, b in zip("qkvo", ("to_q", "to_k", "to_v", "to_out.0"), strict=True)},
    **{"ffn.0": "ffn.net.0.proj", "ffn.2": "ffn.net.2"},
}
NAMES = {f"blocks.{i}.{a}": f"blocks.{i}.{b}" for i in range(2) for a, b in LAYERS.items()}
Usage = namedtuple("Usage", "total used free")
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


def written(path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path, metadata)
    return path


def run(events: Generator[Transfer, None, Path]) -> tuple[Path, list[Transfer]]:
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as end:
            return end.value, seen


@pytest.fixture
def loras(tmp_path: Path) -> tuple[Path, Path]:
    return written(tmp_path / "high.safetensors", original(5)), written(tmp_path / "low.safetensors", original(6))


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


def test_the_student_is_the_fused_model_as_8_bit(hub_folder: Path, loras: tuple[Path, Path]) -> None:
    kept, seen = run(student.prepare(hub_folder, *loras))
    assert [event.done for event in seen] == sorted(event.done for event in seen)
    assert 0.9 * seen[-1].total < seen[-1].done <= seen[-1].total  # the rest are the files' headers
    for part, seed, delta in (("transformer", 2, 5), ("transformer_2", 3, 6)):
        reference = tiny_expert(seed)
        for layer, (up, down) in pairs(delta).items():
            reference.get_submodule(layer).weight.data += ALPHA / RANK * up @ down
        inputs = torch.randn(1, 4, 3, 4, 6), torch.tensor([500.0]), torch.randn(1, 7, 16)
        with torch.no_grad():
            full = reference(*inputs).sample
            ours = quantize.load(kept / part)(*inputs).sample
            assert (ours - full).norm() < 0.05 * full.norm()
        quantize.save(quantize.quantize(reference), kept.parent / "reference")
        ours, theirs = (load_file(folder / quantize.FILE) for folder in (kept / part, kept.parent / "reference"))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_is_made_once(hub_folder: Path, loras: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    kept, seen = run(student.prepare(hub_folder, *loras))
    assert seen
    monkeypatch.setattr(student, "_make", None)
    assert run(student.prepare(hub_folder, *loras)) == (kept, [])


def test_another_lora_or_base_is_another_student(hub_folder: Path, loras: tuple[Path, Path], tmp_path: Path) -> None:
    kept, _ = run(student.prepare(hub_folder, *loras))
    swapped, seen = run(student.prepare(hub_folder, *reversed(loras)))
    assert seen
    base = shutil.copytree(hub_folder, tmp_path / "base")
    assert run(student.prepare(base, *loras)) == (kept, [])  # a copy of the same
    (base / "transformer" / "diffusion_pytorch_model-00001-of-00008.safetensors").touch()
    touched, seen = run(student.prepare(base, *loras))
    assert seen
    assert len({kept, swapped, touched}) == 3


class Interrupt(BaseException):
    """As a person or the system ends the program."""


@pytest.mark.parametrize("error", [Interrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_one_is_made_anew(
    hub_folder: Path, loras: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    real = quantize.save

    def failing(model: Any, folder: Path) -> None:
        real(model, folder)
        if folder.name == "transformer_2":
            (folder / quantize.FILE).write_bytes(b"half")
            raise error

    with monkeypatch.context() as short:
        short.setattr(quantize, "save", failing)
        with pytest.raises(Interrupt if isinstance(error, Interrupt) else WeightsError):
            run(student.prepare(hub_folder, *loras))
    kept, seen = run(student.prepare(hub_folder, *loras))
    assert seen
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert quantize.load(kept / "transformer_2").config.num_layers == 2


def test_closed_halfway_leaves_nothing(hub_folder: Path, loras: tuple[Path, Path]) -> None:
    events = student.prepare(hub_folder, *loras)
    next(events)
    events.close()
    kept, seen = run(student.prepare(hub_folder, *loras))
    assert seen
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_damaged_one_is_made_anew(hub_folder: Path, loras: tuple[Path, Path]) -> None:
    kept, _ = run(student.prepare(hub_folder, *loras))
    path = kept / "transformer" / quantize.FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    _, seen = run(student.prepare(hub_folder, *loras))
    assert seen
    assert path.read_bytes() == whole


def test_too_small_a_disk_is_told_before(
    hub_folder: Path, loras: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 1000))
    monkeypatch.setattr(student, "_make", None)
    with pytest.raises(WeightsError, match=r"The student needs 0\.0 GB, and 0\.0 GB are free in"):
        run(student.prepare(hub_folder, *loras))


def test_a_base_of_8_bit_experts_is_refused(tiny_folder: Path, loras: tuple[Path, Path]) -> None:
    with pytest.raises(WeightsError, match="are 8-bit, and a LoRA is for full ones"):
        run(student.prepare(tiny_folder / "distilled", *loras))


def test_no_float_copy_of_an_expert_is_made(hub_folder: Path, loras: tuple[Path, Path]) -> None:
    model = quantize.empty(hub_folder / "transformer")
    made = Lora(loras[0], SHAPES)
    for name, tensor in WEIGHTS.items():
        quantize.fill(model, name, made.fused(name, tensor))
    layers = list(model.blocks.modules())
    assert not [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    assert {layer.weight.dtype for layer in layers if isinstance(layer, quantize.Int8Linear)} == {torch.int8}


def test_an_exported_folder_is_opened(tiny_folder: Path, tmp_path: Path) -> None:
    assert student.exported(tiny_folder) == tiny_folder / "distilled"
    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    (copy / "distilled" / "transformer" / quantize.FILE).write_bytes(b"x")
    with pytest.raises(WeightsError, match="is damaged: export it again"):
        student.exported(copy)


def test_a_folder_of_full_experts_is_no_student(hub_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(hub_folder, tmp_path / "copy")
    with pytest.raises(WeightsError, match=r"checksums\.json is missing: export it again"):
        student.exported(copy)
    write_checksums(copy)
    with pytest.raises(WeightsError, match="is no 8-bit expert: choose a folder that `distill` exported"):
        student.exported(copy)


def test_every_layer_has_one_name_in_each_style() -> None:
    layers = lora._layers(SHAPES)
    originals = {name for name in layers if name.startswith("blocks.0.") and ("self_attn" in name or "cross" in name)}
    assert {f"blocks.0.{a}" for a in LAYERS if not a.startswith("ffn")} <= originals
    assert set(layers.values()) == {name.rpartition(".")[0] for name in SHAPES}
