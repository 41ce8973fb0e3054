"""What a clip costs and by which memory plan it fits, traced without a device."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import app
from wan_demo import cost, fit, models, wan22
from wan_demo.__main__ import main
from wan_demo.fit import Device
from wan_demo.plans import GIB, PLANS
from wan_demo.presets import Preset, find
from wan_demo.request import Delivery

TERA = 1e12


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
    assert pocket.drawn(Delivery(854, 480), 1.0) == pocket


def test_a_tier_of_8_bit_experts_is_traced_as_one(tiny_full: Preset, tiny_distilled: Preset) -> None:
    full, distilled = (fit.needs_of(preset) for preset in (tiny_full, tiny_distilled))
    assert distilled.finish.weights < 0.6 * full.finish.weights
    assert cost.window(tiny_full) == models.load_tokenizer(tiny_full.weights / "tokenizer").model_max_length


def test_what_is_asked_at_once_lives_at_once() -> None:
    """As many operations, and twice the memory beside the weights, where an expert is guided."""
    full = find("wan22", "full")
    plain, together = (fit.needs_of(replace(full, tricks=tricks)) for tricks in ((), ("together",)))
    assert together.finish.activations == pytest.approx(2 * plain.finish.activations, rel=0.05)
    assert together.finish.work == pytest.approx(plain.finish.work)
    assert together.finish.weights == plain.finish.weights
    distilled = replace(find("wan22", "distilled"), tricks=("together",))
    assert fit.needs_of(distilled) == fit.needs_of(replace(distilled, tricks=()))


def test_a_tier_that_was_not_trained_is_not_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pocket part has one size: Wan2.2's, as published, is not what a missing one costs."""
    shipped = find("pocket", "full").weights
    command = ["fit", "--memory", "80", "--json", "--weights", str(tmp_path)]
    assert main(command) == 1
    assert "text_encoder/config.json is missing: restore it, or choose another" in capsys.readouterr().err
    for part in ("text_encoder", "transformer", "transformer_2", "vae"):
        (tmp_path / part).mkdir()
        shutil.copy(shipped / part / "config.json", tmp_path / part)
    assert main(command) == 0
    assert {row["tier"] for row in json.loads(capsys.readouterr().out)} == {"full"}
    assert main([*command[:-1], str(tmp_path / "nowhere")]) == 2
    assert "There is no folder" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("plan", ["", "resident"])
def test_a_device_that_is_not_here_is_told_before_weights_are_looked_for(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--family", "wan22", "--device", "cuda", "--weights", str(tmp_path), f"--plan={plan}"]
    for command in (["generate", "a ball", "--output", str(tmp_path / "clip.mp4")], ["bench"]):
        assert main([*command, *flags]) == 2
        assert "no CUDA device here" in capsys.readouterr().err
    assert app.main(flags) == 1
    assert "no CUDA device here" in capsys.readouterr().err


def test_the_fit_command_follows_the_flags_for_speed(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fit", "--family", "wan22", "--memory", "79.1", "--json"]
    peaks = []
    for flags in ([], ["--fast", "fp8"]):
        assert main([*command, *flags]) == 0
        peaks.append(json.loads(capsys.readouterr().out)[0])
    assert (peaks[0]["tier"], peaks[0]["plan"], peaks[1]["plan"]) == ("full", "text aside", "resident")
