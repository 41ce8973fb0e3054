"""What makes a tier faster: what it changes of the frames, and that it can be asked for by name."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._inductor.runtime.cache_dir_utils import cache_dir

from wan_demo import models, setup, tricks
from wan_demo.clock import Clock
from wan_demo.models import Models
from wan_demo.pipeline import draw, facts, result_of
from wan_demo.presets import Preset
from wan_demo.request import Request, RequestError
from wan_demo.setup import Setup
from wan_demo.sound.track import Given
from wan_demo.store import home
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


def test_what_is_compiled_is_kept(tiny_full: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # so that it is as before in the end
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    loaded(tiny_full, "compile")
    assert Path(cache_dir()) == home() / "inductor"


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
        facts(Request(PROMPT, "full"), replace(tiny_full, tricks=names), Given()) for names in ((), ("cache",))
    )
    assert plain != fast
    assert fast["settings"]["tricks"] == ["cache"]


def test_an_unknown_trick_is_refused() -> None:
    with pytest.raises(RequestError, match="no trick called 'magic': choose fp8, sage, compile, cache, together"):
        Setup(tricks=("magic",))


def test_a_trick_whose_package_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="sage needs the package sageattention: install it"):
        Setup(tricks=("sage",))
    assert "sage" not in setup.usable_tricks()


def test_two_students_are_one_too_many() -> None:
    with pytest.raises(RequestError, match="leave one out"):
        Setup("wan22", student=Path("a"), loras=(Path("b"), Path("c")))


@pytest.mark.parametrize(("scale", "chosen"), [(1.0, "native"), (1.05, "sage"), (1.3, "native")])
def test_an_8_bit_kernel_competes_only_when_asked_and_near(
    tiny_models: Models, monkeypatch: pytest.MonkeyPatch, scale: float, chosen: str
) -> None:
    """`scale` stands for the error of a kernel that is always the quickest; 1.0: it was not asked for."""
    exact = tricks._attend
    monkeypatch.setattr(tricks, "EXACT", ("native",))
    monkeypatch.setattr(
        tricks, "_attend", lambda name, *qkv: exact("native", *qkv) * (scale if name == "sage" else 1.0)
    )
    monkeypatch.setattr(tricks, "timed", lambda call, device: 0.1 if call.args[0] == "sage" else 1.0)
    assert fastest_attention(tiny_models.high, "cpu", eight_bit=scale > 1) == chosen
