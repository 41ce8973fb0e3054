"""What makes a tier faster: what it changes of the frames, and that it can be asked for by name."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from wan_demo import models
from wan_demo.clock import Clock
from wan_demo.models import Models
from wan_demo.pipeline import draw, facts, result_of
from wan_demo.presets import Preset
from wan_demo.request import Request, RequestError
from wan_demo.setup import Setup
from wan_demo.sound.track import Given
from wan_demo.tricks import EXACT, fastest_attention, speed_up

PROMPT = "a red ball moves right over green grass"


def latents(preset: Preset, parts: Models, seed: int = 3) -> Tensor:
    return result_of(draw(Request(PROMPT, preset.tier, seed=seed), preset, parts, Clock())).x


def loaded(preset: Preset, *tricks: str) -> tuple[Preset, Models]:
    preset = replace(preset, tricks=tricks)
    parts = models.load(preset)
    speed_up(parts, tricks, compiler="eager")
    return preset, parts


def test_together_gives_the_same_numbers(tiny_full: Preset, tiny_models: Models) -> None:
    torch.testing.assert_close(
        latents(*loaded(tiny_full, "together")), latents(tiny_full, tiny_models), atol=1e-4, rtol=0
    )


def test_compiled_blocks_give_the_same_numbers(tiny_full: Preset, tiny_models: Models) -> None:
    torch.testing.assert_close(
        latents(*loaded(tiny_full, "compile")), latents(tiny_full, tiny_models), atol=1e-4, rtol=0
    )


def test_cached_steps_change_little_and_are_forgotten_between_clips(tiny_full: Preset, tiny_models: Models) -> None:
    preset, parts = loaded(tiny_full, "cache")
    first = latents(preset, parts)
    exact = latents(tiny_full, tiny_models)
    assert (first - exact).norm() < 0.2 * exact.norm()
    latents(preset, parts, seed=4)
    assert torch.equal(latents(preset, parts), first)


def test_fp8_is_near(tiny_full: Preset, tiny_models: Models) -> None:
    exact = latents(tiny_full, tiny_models)
    assert 0 < (latents(*loaded(tiny_full, "fp8")) - exact).norm() < 0.2 * exact.norm()


def test_the_attention_kernel_is_one_that_works(tiny_models: Models) -> None:
    assert fastest_attention(tiny_models.high, "cpu") in EXACT


def test_a_clip_is_another_where_a_trick_was_used(tiny_full: Preset) -> None:
    plain, fast = (
        facts(Request(PROMPT, "full"), replace(tiny_full, tricks=tricks), Given()) for tricks in ((), ("cache",))
    )
    assert plain != fast
    assert fast["settings"]["tricks"] == ["cache"]


def test_an_unknown_trick_is_refused() -> None:
    with pytest.raises(RequestError, match="no trick called 'magic': choose fp8, compile, cache, together"):
        Setup(tricks=("magic",))
