import shutil
from collections import namedtuple
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.loras import ALPHA, RANK, SHAPES, WEIGHTS, original, pairs, written
from tests.tiny import tiny_expert
from wan_demo import quantize, student
from wan_demo.events import Transfer
from wan_demo.integrity import WeightsError, write_checksums
from wan_demo.lora import Lora

Usage = namedtuple("Usage", "total used free")


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
