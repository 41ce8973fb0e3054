"""Memory plans: each gives the frames that the plain one gives."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from wan_demo import diffuse, models, pipeline, placement, reader
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.events import Event, Notice, Progress
from wan_demo.models import Models, WeightsError
from wan_demo.pipeline import draw, result_of, with_less_memory
from wan_demo.plans import PLANS, Plan, named, smaller
from wan_demo.presets import Preset
from wan_demo.request import Request, RequestError
from wan_demo.shelf import Shelf

PROMPT = "a red ball moves right over green grass"


def frames(preset: Preset, parts: Models) -> npt.NDArray[np.uint8]:
    latents = result_of(draw(Request(PROMPT, preset.tier, seed=3), preset, parts, Clock()))
    with parts.present("vae") as vae:
        return decode(latents, vae).frames


@pytest.fixture(scope="module")
def plain(tiny_full: Preset, tiny_distilled: Preset) -> dict[str, npt.NDArray[np.uint8]]:
    return {preset.tier: frames(preset, models.load(preset)) for preset in (tiny_full, tiny_distilled)}


@pytest.mark.parametrize("plan", PLANS[1:], ids=lambda plan: plan.name)
def test_every_plan_gives_the_frames_of_the_plain_one(
    plan: Plan,
    tiny_full: Preset,
    tiny_distilled: Preset,
    plain: dict[str, npt.NDArray[np.uint8]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pieces round otherwise, in the last bit, and so do parts at another address. A tiny clip is smaller than a tile,
    so tiles change nothing here. Another name for the CPU stands for a device that parts are lent to.
    """
    lent = list[str]()
    real = placement.lent

    def lend(part: torch.nn.Module, device: torch.device) -> AbstractContextManager[None]:
        lent.append(type(part).__name__)
        return real(part, device)

    monkeypatch.setattr(placement, "lent", lend)
    for preset in (tiny_full, tiny_distilled):
        made = frames(preset, models.load(preset, "cpu:0", plan))
        away = {"text_encoder", "high", "low", "vae"} - plan.stays
        assert ("UMT5EncoderModel" in lent) is ("text_encoder" in away)
        assert ("WanTransformer3DModel" in lent) is ("high" in away and not plan.streamed)
        assert np.abs(made.astype(int) - plain[preset.tier].astype(int)).max() <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_every_plan_gives_the_frames_of_the_plain_one_on_a_gpu(
    plan: Plan, tiny_full: Preset, tiny_distilled: Preset
) -> None:
    for preset in (tiny_full, tiny_distilled):
        plain, other = (frames(preset, models.load(preset, "cuda", one)) for one in (PLANS[0], plan))
        assert np.abs(plain.astype(int) - other.astype(int)).max() <= 1


def test_tiles_differ_little(tiny_full: Preset, tiny_models: Models) -> None:
    parts = models.load(tiny_full, plan=PLANS[-1])
    parts.vae.enable_tiling(48, 48, 32, 32)
    whole, tiled = frames(tiny_full, tiny_models), frames(tiny_full, parts)
    assert whole.shape == tiled.shape
    assert 0 < np.abs(whole.astype(int) - tiled.astype(int)).mean() < 16  # of 255, with random weights


def test_a_lent_part_comes_home_unchanged() -> None:
    layer = torch.nn.Linear(3, 2)
    at_home = [tensor.data_ptr() for tensor in layer.parameters()]
    with suppress(ZeroDivisionError), placement.lent(layer, torch.device("cpu")):
        assert not {tensor.data_ptr() for tensor in layer.parameters()} & {*at_home}
        raise ZeroDivisionError
    assert [tensor.data_ptr() for tensor in layer.parameters()] == at_home


def full_memory(times: int, make: Callable[[], Generator[Progress, None, str]]) -> Callable[[], Any]:
    """`make`, after the device's memory has overflowed so many times."""
    left = [times]

    def run() -> Generator[Progress, None, str]:
        yield Progress("layout", 0, 1, None)
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return (yield from make())

    return run


def clip() -> Generator[Progress, None, str]:
    yield Progress("layout", 1, 1, None)
    return "made"


def watched(events: Generator[Event, None, str], seen: list[Event]) -> Generator[Progress, None, str]:
    """The same events, which `seen` keeps."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return str(end.value)
        seen.append(event)
        yield Progress("layout", 0, 1, None)


def test_a_full_device_steps_down_one_plan_and_goes_on(tiny_full: Preset) -> None:
    parts = models.load(tiny_full)
    seen: list[Event] = []
    assert result_of(watched(with_less_memory(parts, full_memory(2, clip)), seen)) == "made"
    notices = [event.text for event in seen if isinstance(event, Notice)]
    assert len(notices) == 2
    assert "one expert at a time" in notices[1]
    assert parts.plan.name == "one expert"


def test_what_fits_no_plan_is_told(tiny_full: Preset) -> None:
    parts = models.load(tiny_full)
    with pytest.raises(WeightsError, match="too little memory"):
        result_of(with_less_memory(parts, full_memory(99, clip)))  # type: ignore[arg-type]


def test_a_chain_that_runs_out_of_memory_still_makes_the_clip(
    tiny_full: Preset, tiny_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, real = models.load(tiny_full), diffuse.denoise
    failed: list[bool] = []

    def denoise(*arguments: Any) -> Any:
        if not failed:
            failed.append(True)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*arguments)

    monkeypatch.setattr(pipeline, "denoise", denoise)
    request = Request(PROMPT, "full", seed=3)
    latents = result_of(with_less_memory(parts, lambda: draw(request, tiny_full, parts, Clock())))  # type: ignore[arg-type]
    monkeypatch.undo()
    assert torch.equal(latents.x, result_of(draw(request, tiny_full, tiny_models, Clock())).x)


def test_models_that_overflow_the_device_are_loaded_by_a_smaller_plan(
    tiny_full: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried = models.load, list[str]()

    def load(preset: Preset, device: str, plan: Plan, shared: models.Shared | None) -> Models:
        tried.append(plan.name)
        if len(tried) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(preset, device, plan, shared)

    monkeypatch.setattr(models, "load", load)
    _, parts = Shelf([tiny_full], "cpu").take("full")
    assert tried == [plan.name for plan in PLANS[:3]]
    assert parts.plan == PLANS[2]


def test_models_that_fit_by_no_plan_are_told(tiny_full: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*arguments: object) -> Models:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(models, "load", load)
    shelf = Shelf([tiny_full], "cpu")
    with pytest.raises(WeightsError, match="too little memory"):
        shelf.take("full")
    assert [told for told in shelf.chores() if told]  # the process that holds the models lives on, and tells what fits


def test_plans_have_names_and_an_order() -> None:
    assert [named(plan.name) for plan in PLANS] == list(PLANS)
    with pytest.raises(RequestError, match="choose resident, text aside"):
        named("magic")
    assert smaller(PLANS[0]) == PLANS[1]
    assert smaller(PLANS[-1]) is None


def test_a_prompt_is_read_once(tiny_full: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = models.load(tiny_full)
    first = parts.encode(PROMPT, "")
    monkeypatch.setattr(models, "encode_prompts", None)
    assert parts.encode(PROMPT, "") is first
    with pytest.raises(TypeError):
        parts.encode(PROMPT, "a blue box")
    monkeypatch.undo()
    for i in range(reader.REMEMBERED):
        parts.encode(f"a ball {i}", "")
    assert len(parts.shared.reader.read) == reader.REMEMBERED
    assert (PROMPT, "") not in parts.shared.reader.read
