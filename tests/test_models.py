import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill import upsampler
from wan_demo import models
from wan_demo.clock import Clock
from wan_demo.integrity import WeightsError, verify, write_checksums
from wan_demo.pipeline import draw, result_of
from wan_demo.presets import PRESETS, Preset
from wan_demo.request import Request


@pytest.fixture
def copied(tiny_full: Preset, tmp_path: Path) -> Preset:
    folder = tmp_path / "weights"
    shutil.copytree(tiny_full.weights, folder)
    return replace(tiny_full, weights=folder, experts=folder)


NAMES = ("transformer/diffusion_pytorch_model.safetensors", "vae/config.json", "tokenizer/tokenizer.json")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(copied: Preset, name: str) -> None:
    (copied.weights / name).unlink()
    with pytest.raises(WeightsError, match=f"{name} is missing: restore it"):
        models.load(copied)


def test_a_flipped_bit_is_found(copied: Preset) -> None:
    path = copied.weights / NAMES[0]
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WeightsError, match=f"{NAMES[0]} is damaged: restore it"):
        models.load(copied)


def test_no_weights_at_all(copied: Preset) -> None:
    shutil.rmtree(copied.weights)
    with pytest.raises(WeightsError, match=r"checksums\.json is missing"):
        models.load(copied)


def test_an_upsampler_is_used_where_there_is_one(copied: Preset, tiny_models: models.Models) -> None:
    made = upsampler.build(4)
    torch.nn.init.normal_(made.final_conv.weight)
    made.save_pretrained(copied.weights / "upsampler")
    write_checksums(copied.weights)
    parts = models.load(copied)
    assert parts.upsampler is not None
    assert tiny_models.upsampler is None
    request = Request("a red ball bounces over green grass", "full")
    learned, trilinear = (result_of(draw(request, copied, some, Clock())).x for some in (parts, tiny_models))
    assert learned.shape == trilinear.shape
    assert not torch.allclose(learned, trilinear)
    tripled = replace(copied, finish=replace(copied.finish, width=3 * copied.layout.width))
    assert models.load(tripled).upsampler is None


def test_tiers_share_all_but_the_experts(tiny_distilled: Preset, tiny_models: models.Models) -> None:
    few = models.load(tiny_distilled)
    weight = few.high.blocks[0].attn1.to_q.weight
    assert weight.dtype == torch.int8
    assert torch.equal(few.vae.decoder.conv_in.weight, tiny_models.vae.decoder.conv_in.weight)


@pytest.mark.parametrize("preset", [p for p in PRESETS if not p.source], ids=lambda p: f"{p.family}-{p.tier}")
def test_shipped_weights_are_whole_and_small(preset: Preset) -> None:
    verify(preset.weights)
    sizes = [p.stat().st_size for p in preset.weights.rglob("*") if p.is_file()]
    assert max(sizes) < 10e6
    assert sum(sizes) < 60e6
