"""Memory plans: each gives the frames that the plain one gives; what they need is what `fit` says."""

import re
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from wan_demo import cost, diffuse, fit, models, pipeline, placement, reader, wan22
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.events import Event, Notice, Progress
from wan_demo.fit import Device
from wan_demo.models import Models, WeightsError
from wan_demo.pipeline import draw, result_of, with_less_memory
from wan_demo.plans import GIB, PLANS, Plan, named, smaller
from wan_demo.presets import Preset, find
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.shelf import Shelf

PROMPT = "a red ball moves right over green grass"
TERA = 1e12


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


def test_what_a_forward_costs_is_what_was_published() -> None:
    """FACTS.md: 14.29 B parameters; 6,523 TFLOP at 720p, 72% of them attention; 1,678 at 480p."""
    large = cost.expert_cost(wan22.EXPERT, (21, 90, 160), "bf16", "", 1, 512)
    small = cost.expert_cost(wan22.EXPERT, (21, 60, 104), "bf16", "", 1, 512)
    assert large.weights / 2 == pytest.approx(14.29e9, rel=0.003)
    assert sum(large.work.values()) / TERA == pytest.approx(6523, rel=0.002)
    assert large.work[cost.ATTENTION] / sum(large.work.values()) == pytest.approx(0.72, abs=0.01)
    assert sum(small.work.values()) / TERA == pytest.approx(1678, rel=0.01)


def test_eight_bits_take_half_of_sixteen() -> None:
    costs = [cost.expert_cost(wan22.EXPERT, (5, 8, 8), "bf16", kind, 1, 512).weights for kind in ("", "int8", "fp8")]
    assert costs[1] / costs[0] == pytest.approx(0.51, abs=0.01)
    assert costs[2] / costs[0] == pytest.approx(0.51, abs=0.01)


def test_what_is_traced_is_what_a_real_run_holds(tiny_folder: Path) -> None:
    """The same count, of real tensors on the CPU, whose attention is one kernel there too."""
    expert = models.load_expert(tiny_folder / "transformer")
    config, latents = dict(expert.config), (3, 8, 16)
    live = cost.Live([*expert.parameters(), *expert.buffers()])
    with torch.no_grad(), live:
        expert(torch.randn(1, 4, *latents), torch.tensor([500.0]), torch.randn(1, 20, 16))
    traced = cost.expert_cost(config, latents, "fp32", "", 1, 20)
    assert traced.weights == sum(t.nbytes for t in (*expert.parameters(), *expert.buffers()))
    assert traced.activations == pytest.approx(live.peak, rel=0.05)


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


def card(gib: float) -> Device:
    return Device("cuda", gib * GIB, 128 * GIB)


@pytest.mark.parametrize(
    ("tier", "gib", "plan"),
    [  # 24, 48, 80 and 141 GB as the driver gives them
        ("distilled", 23.6, "streamed"),
        ("distilled", 79.1, "resident"),
        ("full", 23.6, "streamed"),
        ("full", 47.4, "one expert"),
        ("full", 79.1, "text aside"),
        ("full", 139.8, "resident"),
    ],
)
def test_a_plan_for_each_card(tier: str, gib: float, plan: str) -> None:
    found = fit.fit(find("wan22", tier), card(gib))
    assert (found.fits, found.plan) == (True, plan)
    assert found.peak_gib <= found.room_gib < gib
    assert fit.first_that_fits(find("wan22", tier), card(gib)).name == plan


def test_each_plan_needs_less_than_the_one_before() -> None:
    for tier in ("full", "distilled"):
        needs = fit.needs_of(find("wan22", tier))
        peaks = [fit.peak(needs, plan) for plan in PLANS]
        assert peaks == sorted(peaks, reverse=True)


@pytest.mark.parametrize(
    ("device", "why"),
    [(card(4), r"are needed and \d\.\d are free"), (Device("cuda", 30 * GIB, 8 * GIB), "the machine's own memory")],
)
def test_what_does_not_fit_says_why(device: Device, why: str) -> None:
    found = fit.fit(find("wan22", "full"), device)
    assert not found.fits
    assert found.model_s is None
    assert re.search(why, found.why)


def test_a_smaller_size_needs_less() -> None:
    large, small = fit.sizes(find("wan22", "full"))[:2]
    assert (large.finish.side, small.finish.side) == (720, 480)
    assert fit.fit(small, card(139.8)).peak_gib < fit.fit(large, card(139.8)).peak_gib


def test_time_follows_from_work_and_rates(tiny_full: Preset) -> None:
    needs = fit.needs_of(tiny_full)
    rates = {kind: 1e9 for kind in (cost.MATMUL, cost.ATTENTION, cost.CONV)}
    once = fit.seconds(tiny_full, needs, rates)
    assert once > 0
    unguided = fit.seconds(replace(tiny_full, guidance=1.0), needs, rates)
    assert unguided < once
    assert fit.seconds(tiny_full, needs, {kind: 2e9 for kind in rates}) == pytest.approx(once / 2)


def test_the_size_that_is_drawn_follows_the_request() -> None:
    full = find("wan22", "full")
    drawn = {
        size: (p.finish.width, p.finish.height)
        for size in ((1280, 720), (854, 480), (1920, 1080), (720, 1280), (1080, 1080), (480, 480))
        for p in [full.drawn(Delivery(*size), 5.0)]
    }
    assert drawn == {
        (1280, 720): (1280, 720),
        (854, 480): (832, 480),
        (1920, 1080): (1280, 720),
        (720, 1280): (720, 1280),
        (1080, 1080): (960, 960),
        (480, 480): (640, 640),
    }
    short = full.drawn(Delivery(), 2.0)
    assert short.finish.frames == short.layout.frames == 33
    pocket = find("pocket", "full")
    assert pocket.drawn(Delivery(720, 1280), 1.0) == pocket


def test_a_tier_of_8_bit_experts_is_traced_as_one(tiny_full: Preset, tiny_distilled: Preset) -> None:
    full, distilled = (fit.needs_of(preset) for preset in (tiny_full, tiny_distilled))
    assert distilled.finish.weights < 0.6 * full.finish.weights
    assert cost.window(tiny_full) == models.load_tokenizer(tiny_full.weights / "tokenizer").model_max_length
