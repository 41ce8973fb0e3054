"""`fit`, `bench` and random weights, on the pocket family's shapes and tiny ones."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from wan_demo import bench, presets, quantize
from wan_demo.__main__ import main
from wan_demo.clip import Clip
from wan_demo.events import BESIDE_WRITE
from wan_demo.models import Models, load_tokenizer
from wan_demo.plans import PLANS
from wan_demo.presets import Preset
from wan_demo.random_weights import build
from wan_demo.safety.frames import check_frames


@pytest.fixture(autouse=True)
def table(tiny_full: Preset, tiny_distilled: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path))
    monkeypatch.setattr(presets, "PRESETS", (tiny_full, tiny_distilled))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert main([*arguments, "--family", "tiny", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("tier", ["full", "distilled"])
def test_bench_times_every_stage(tier: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "bench", "--tier", tier, "--size", "320x180", "--runs", "2", "--random-weights", "--compare")
    assert isinstance(found, dict)
    stages = found["stages"]
    assert {"encode", "layout", "upsample", "detail", "decode", "write", "sign", "read back", "total"} <= stages.keys()
    for figures in stages.values():
        assert figures["cold_s"] >= 0
        assert figures["warm_s"] >= 0
    beside = {*BESIDE_WRITE, "total"}
    parts = sum(figures["warm_s"] for stage, figures in stages.items() if stage not in beside)
    assert parts == pytest.approx(stages["total"]["warm_s"], rel=0.2)
    assert stages["detail"]["peak_gib"] > 0
    assert found["compare"].keys() == {"ours_s", "wan_pipeline_s", "times_faster"}
    assert min(found["compare"].values()) > 0
    assert found["load_s"] > 0
    assert (found["random_weights"], found["plan"], found["device"]) == (True, "resident", "cpu")


def test_bench_compares_with_a_pipeline_that_has_no_tricks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def note(request: object, preset: Preset, models: Models, *rest: object) -> float:
        seen.append((preset.tricks, models.high.is_cache_enabled, models.low.is_cache_enabled))
        return 1.0

    monkeypatch.setattr(bench, "chain_s", note)
    monkeypatch.setattr(bench, "wan_pipeline_s", note)
    told(capsys, "bench", "--tier", "full", "--size", "320x180", "--random-weights", "--compare", "--fast", "cache")
    assert seen == [(("cache",), True, True), ((), False, False)]


def test_bench_says_in_a_sentence_that_the_keys_cannot_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path / "file" / "home"))
    assert main(["bench", "--family", "tiny", "--random-weights"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_bench_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--family", "tiny", "--size", "320x180", "--runs", "1", "--random-weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["stage", "cold", "s", "warm", "s", "peak", "GiB"]
    assert any(line.startswith("decode ") for line in lines)


def test_fit_prints_json_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "fit")
    assert isinstance(found, list)
    assert [(one["tier"], one["fits"], one["plan"]) for one in found] == [
        ("full", True, "resident"),
        ("distilled", True, "resident"),
    ]
    assert all(one["model_s"] > 0 for one in found)
    assert main(["fit", "--family", "tiny"]) == 0
    assert "all parts stay on the device" in capsys.readouterr().out


def test_fit_says_no_where_nothing_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--family", "tiny", "--memory", "0.5"]) == 1
    assert " no " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["bench", "--runs", "0"], "at least one run"),
        (["bench", "--steps", "0"], "one step"),
        (["fit", "--memory", "nan"], "number above 0"),
        (["fit", "--memory", "-5"], "number above 0"),
        (["fit", "--memory", "0"], "number above 0"),
        (["bench", "--tier", "golden"], "no golden tier"),
        (["fit", "--plan", "magic"], "no memory plan called"),
        (["fit", "--device", "cuda"], "no CUDA device"),
        (["bench", "--size", "large"], "WIDTHxHEIGHT"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main([*arguments, "--family", "tiny"]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["", "int8", "fp8"])
@torch.no_grad()
def test_random_weights_have_the_shapes_of_the_real_ones(kind: str, tiny_full: Preset, tiny_models: Models) -> None:
    preset = replace(tiny_full, eight_bit=kind)
    made = build(preset, load_tokenizer(tiny_full.weights / "tokenizer"), "cpu", PLANS[0])
    real = quantize.quantize(tiny_models.high.__class__.from_pretrained(preset.experts / "transformer"), kind or "int8")
    wanted = real if kind else tiny_models.high
    assert {k: (v.shape, v.dtype) for k, v in made.high.state_dict().items()} == {
        k: (v.shape, v.dtype) for k, v in wanted.state_dict().items()
    }
    x = made.high(torch.randn(1, 4, 2, 4, 4), torch.tensor([500.0]), torch.randn(1, 3, 16)).sample
    assert x.isfinite().all()
    assert 0.01 < x.std() < 100


def test_the_pattern_passes_the_checks_that_clips_must_pass() -> None:
    clip = bench.pattern((17, 64, 128, 3), Fraction(16))
    assert isinstance(clip, Clip)
    assert len(list(check_frames(iter(clip.frames), clip.fps))) == 17


def test_a_schedule_that_is_cut_keeps_its_ends(tiny_full: Preset) -> None:
    whole = tiny_full.schedule
    few = whole.cut(2)
    assert (len(few.high), len(few.low)) == (2, 2)
    assert (few.high[0], few.high[-1], few.low[0], few.low[-1]) == (whole.high[0], whole.high[-1], whole.low[0], 0.0)
    assert whole.cut(1000) == whole
