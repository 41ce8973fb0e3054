"""Blocks compiled ahead of time: the same numbers, at any size, with the weights that a block has at the moment."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from spaces.zero import utils
from torch import Tensor

from tests.zero_space import part_for_torch
from wan_demo import ahead, models
from wan_demo.clock import Clock
from wan_demo.events import Published
from wan_demo.models import Models, WeightsError
from wan_demo.pipeline import draw, result_of
from wan_demo.presets import Preset
from wan_demo.request import Delivery, Request
from wan_demo.tricks import speed_up
from wan_demo.zero import Zero

PROMPT = "a red ball moves right over green grass"
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU by g++")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    part_for_torch()
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def one_home(own_home: None, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first test compiles is there for the others."""
    monkeypatch.setenv("WAN_DEMO_HOME", str(kept))
    monkeypatch.setattr(utils, "CLEANUPS_BASE_DIR", kept / "cleanups")


def started(preset: Preset, *tricks: str) -> Zero:
    zero = Zero([replace(preset, tricks=("compile", *tricks))], "cpu")
    zero.start()
    return zero


def latents(preset: Preset, parts: Models) -> Tensor:
    """Of a clip, whose layout has 24 tokens and whose finish 160."""
    return result_of(draw(Request(PROMPT, preset.tier), preset, parts, Clock())).x


def test_a_clip_is_the_same_as_without(tiny_full: Preset, tiny_models: Models, tmp_path: Path) -> None:
    zero = started(tiny_full)
    events = list(zero.run(Request(PROMPT, "full", delivery=Delivery(320, 180)), tmp_path / "made.mp4"))
    assert isinstance(events[-1], Published)
    parts = zero._models["full"]
    for block in (*parts.high.blocks, *parts.low.blocks):
        assert isinstance(block.forward, ahead._Ahead)
    torch.testing.assert_close(latents(tiny_full, parts), latents(tiny_full, tiny_models), atol=1e-4, rtol=0)


def test_it_is_compiled_once(tiny_full: Preset, kept: Path) -> None:
    started(tiny_full)
    (package,) = kept.glob("compiled/*")  # nothing else is left, and both experts share it
    written = package.stat().st_mtime_ns
    started(tiny_full)
    assert package.stat().st_mtime_ns == written


def test_blocks_work_with_the_weights_that_they_have_now(tiny_full: Preset) -> None:
    parts, plain = started(tiny_full)._models["full"], models.load(tiny_full)
    ahead.use(parts.high, ahead.package(parts.high, 1, parts.device))
    before = latents(tiny_full, parts)
    for one in (parts, plain):
        layer = one.high.blocks[1].ffn.net[2]
        layer.weight.data = torch.flip(layer.weight.data, [0])
    changed = latents(tiny_full, parts)
    assert (changed - before).abs().max() > 0.01
    torch.testing.assert_close(changed, latents(tiny_full, plain), atol=1e-4, rtol=0)


def test_steps_are_cached_all_the_same(tiny_full: Preset, tmp_path: Path) -> None:
    zero, plain = started(tiny_full, "cache"), models.load(tiny_full)
    list(zero.run(Request(PROMPT, "full", delivery=Delivery(320, 180)), tmp_path / "made.mp4"))
    speed_up(plain, ("cache",))
    cached = latents(tiny_full, zero._models["full"])
    torch.testing.assert_close(cached, latents(tiny_full, plain), atol=1e-4, rtol=0)
    assert (cached - latents(tiny_full, models.load(tiny_full))).abs().max() > 1e-3


def test_what_cannot_be_compiled_is_told_when_the_space_starts(
    tiny_full: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path))
    (tmp_path / "compiled").write_text("in the way")
    with pytest.raises(WeightsError, match=r"could not be compiled .* leave compile out of --fast"):
        started(tiny_full)
