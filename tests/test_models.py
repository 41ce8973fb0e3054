import gc
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill import upsampler
from wan_demo import models, shelf
from wan_demo.clock import Clock
from wan_demo.integrity import WeightsError, verify, write_checksums
from wan_demo.pipeline import draw, result_of
from wan_demo.plans import PLANS
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


@pytest.mark.parametrize("small", [1, 0], ids=["small", "large"])
def test_tiers_share_all_but_the_experts(
    small: int, tiny_full: Preset, tiny_distilled: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SMALL", small * shelf.SMALL)
    both = shelf.Shelf([tiny_full, tiny_distilled], "cpu")
    _, full = both.take("full")
    shared, high = full.shared, weakref.ref(full.high)
    encoder = full.text_encoder
    del full
    _, few = both.take("distilled")
    assert few.high.blocks[0].attn1.to_q.weight.dtype == torch.int8
    assert few.shared is shared
    assert few.text_encoder is encoder
    gc.collect()
    assert (high() is not None) == bool(small)  # large tiers are not held side by side


def test_other_weights_are_not_shared(copied: Preset, tiny_models: models.Models) -> None:
    other = models.load(copied, like=tiny_models.shared)
    assert other.vae is not tiny_models.vae
    rough = models.load(replace(copied, precision="bf16"), like=other.shared)
    assert rough.text_encoder.dtype == torch.bfloat16


def test_parts_that_are_shared_follow_the_tier_that_is_taken(tiny_full: Preset, tiny_distilled: Preset) -> None:
    both = shelf.Shelf([tiny_full, tiny_distilled], "cpu")
    both.take("distilled")
    _, full = both.take("full")
    full.follow(PLANS[-1])
    assert full.vae.use_tiling
    assert not both.take("distilled")[1].vae.use_tiling
    assert both.take("full")[1].vae.use_tiling


def test_chores_load_a_tier_at_a_time_and_tell_what_fits_at_the_end(tiny_full: Preset, tiny_distilled: Preset) -> None:
    both = shelf.Shelf([tiny_full, tiny_distilled], "cpu")
    chores = both.chores()
    assert next(chores) == ()
    assert list(both.loaded) == ["full"]
    assert not both.loaded["full"].shared.reader.loaded
    pieces = list(chores)
    assert list(both.loaded) == ["full", "distilled"]
    assert both.loaded["full"].shared.reader.loaded
    assert not any(pieces[:-1])
    assert [fit.tier for fit in pieces[-1]] == ["full", "distilled"]


def test_what_cannot_be_loaded_does_not_hinder_the_rest(copied: Preset) -> None:
    (copied.weights / NAMES[0]).unlink()
    assert [fit.tier for fit in list(shelf.Shelf([copied], "cpu").chores())[-1]] == ["full"]


@pytest.mark.parametrize("preset", [p for p in PRESETS if not p.source], ids=lambda p: f"{p.family}-{p.tier}")
def test_shipped_weights_are_whole_and_small(preset: Preset) -> None:
    verify(preset.weights)
    sizes = [p.stat().st_size for p in preset.weights.rglob("*") if p.is_file()]
    assert max(sizes) < 10e6
    assert sum(sizes) < 60e6
