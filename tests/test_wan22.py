"""The wan22 family on small random weights in the hub's layout: our loader and chain against WanPipeline."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanPipeline

from tests.tiny import tiny_expert
from wan_demo import models, mp4, quantize
from wan_demo.__main__ import main
from wan_demo.clock import Clock
from wan_demo.integrity import WeightsError, write_checksums
from wan_demo.locate import locate
from wan_demo.models import Models
from wan_demo.pipeline import draw, result_of
from wan_demo.presets import Preset, find, tiers
from wan_demo.request import Request
from wan_demo.setup import Setup
from wan_demo.shapes import ClipShape
from wan_demo.shelf import Shelf

PROMPT = "a red ball moves right over green grass"
SMALL = ClipShape(48, 32, 81, Fraction(16))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    for name, seed in (("transformer", 2), ("transformer_2", 3)):
        quantize.save(quantize.quantize(tiny_expert(seed)), folder / name)
    return folder


def small(tier: str, folder: Path, experts: Path | None = None) -> Preset:
    """A tier of wan22 with tiny parts: a small size, and numbers that can be compared exactly."""
    preset = replace(find("wan22", tier), layout=SMALL, finish=SMALL, others=(), precision="fp32")
    return preset.at(folder, experts)


class Given(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """diffusers' Euler scheduler with a schedule of ours, which WanPipeline takes no argument for."""

    levels: Sequence[float] = ()

    def set_timesteps(self, *_: Any, **given: Any) -> None:
        super().set_timesteps(sigmas=list(self.levels[:-1]), device=given.get("device"))


def theirs(preset: Preset, parts: Models, seed: int) -> torch.Tensor:
    """WanPipeline's latents for the same request; it reads the full experts by itself, and takes our 8-bit ones."""
    pipe = WanPipeline.from_pretrained(preset.weights, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    pipe.register_to_config(boundary_ratio=preset.boundary)
    if preset.tier == "distilled":
        pipe.register_modules(transformer=parts.high, transformer_2=parts.low)
    pipe.scheduler = Given(shift=1.0)
    pipe.scheduler.levels = preset.schedule.direct
    high, low = preset.guidances
    made = pipe(
        prompt=PROMPT,
        height=SMALL.height,
        width=SMALL.width,
        num_frames=SMALL.frames,
        num_inference_steps=len(preset.schedule.direct) - 1,
        guidance_scale=high,
        guidance_scale_2=low,
        max_sequence_length=parts.tokenizer.model_max_length,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
    )
    return made.frames  # type: ignore[no-any-return]


@pytest.mark.parametrize("tier", ["full", "distilled"])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_direct_mode_equals_wan_pipeline_at_81_frames(
    tier: str, guidance: float, hub_folder: Path, student: Path
) -> None:
    preset = small(tier, hub_folder, student if tier == "distilled" else None)
    low = 3.0 if guidance != 1 else 1.0  # the two experts' own
    preset = replace(preset, guidance=guidance, low_guidance=low)
    if tier == "full":  # as many steps as are needed to see both experts at work
        preset = replace(preset, schedule=replace(preset.schedule, direct=(1.0, 0.95, 0.9, 0.6, 0.0)))
    parts = models.load(preset)
    ours = result_of(draw(Request(PROMPT, tier, seed=7, mode="direct"), preset, parts, Clock()))
    assert ours.x.shape[2] == 21
    torch.testing.assert_close(ours.x, theirs(preset, parts, 7), atol=1e-5, rtol=0)


def test_the_chain_draws_the_finish(hub_folder: Path) -> None:
    finish = ClipShape(96, 64, 81, Fraction(16))
    preset = replace(small("full", hub_folder), finish=finish)
    preset = replace(preset, schedule=replace(preset.schedule, high=(1.0, 0.9), low=(0.92, 0.0)))
    latents = result_of(draw(Request(PROMPT, "full", seed=1), preset, models.load(preset), Clock()))
    assert latents.x.shape == (1, 4, 21, 8, 12)
    assert latents.x.isfinite().all()


def test_bf16_is_near_fp32(hub_folder: Path) -> None:
    request = Request(PROMPT, "full", seed=7)
    preset = small("full", hub_folder)
    preset = replace(preset, schedule=replace(preset.schedule, high=(1.0, 0.9), low=(0.92, 0.5, 0.0)))
    exact, rough = (
        result_of(draw(request, p, models.load(p), Clock())).x for p in (preset, replace(preset, precision="bf16"))
    )
    assert 0 < (exact - rough).norm() < 0.1 * exact.norm()


def test_a_folder_is_located(hub_folder: Path, student: Path) -> None:
    (full,) = result_of(locate(Setup("wan22", weights=hub_folder)))  # type: ignore[arg-type]
    assert (full.tier, full.weights) == ("full", hub_folder)
    shelf = Shelf([full], "cpu")
    with pytest.raises(WeightsError, match=r"no student for the distilled tier.*--student FOLDER or --lora HIGH LOW"):
        shelf.take("distilled")


def test_a_student_of_its_own_needs_no_full_experts(hub_folder: Path, student: Path, tmp_path: Path) -> None:
    for part in ("tokenizer", "text_encoder", "vae", "scheduler"):
        shutil.copytree(hub_folder / part, tmp_path / part)
    shutil.copy(hub_folder / "model_index.json", tmp_path)
    write_checksums(student)
    (distilled,) = result_of(locate(Setup("wan22", weights=tmp_path, student=student)))  # type: ignore[arg-type]
    assert (distilled.tier, distilled.weights, distilled.experts) == ("distilled", tmp_path, student)
    parts = models.load(replace(distilled, precision="fp32"))
    assert parts.high.blocks[0].attn1.to_q.weight.dtype == torch.int8
    both = result_of(locate(Setup("wan22", weights=hub_folder, student=student)))  # type: ignore[arg-type]
    assert [preset.tier for preset in both] == ["full", "distilled"]


def test_a_student_keeps_its_own_8_bit_layers() -> None:
    full, distilled = (replace(preset, tricks=("fp8",)) for preset in tiers("wan22"))
    assert (full.layers, distilled.layers) == ("fp8", "int8")


def test_the_pocket_family_takes_no_other_student(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", PROMPT, "--student", str(student)]) == 2
    assert "has a student of its own: leave out --student and --lora" in capsys.readouterr().err


def test_a_clip_from_a_folder_of_the_hubs_layout(
    hub_folder: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole command, at the smallest size that the family draws, with weights that are small and random."""
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path))
    write_checksums(student)
    output = tmp_path / "clip.mp4"
    models_ = ["--family", "wan22", "--weights", str(hub_folder), "--student", str(student)]
    clip = [PROMPT, "--tier", "distilled", "--size", "640x360", "--duration", "0.5", "--output", str(output)]
    assert main(["generate", *clip, *models_, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["family"], report["plan"]) == ("wan22", "resident")
    assert (report["settings"]["layout"], report["settings"]["finish"]) == ("496x288x9@16", "832x480x9@16")
    made = mp4.probe(output)
    assert (made.size, made.frames, made.fps) == ((640, 360), 15, Fraction(30))


def test_a_tokenizer_without_bounds_gets_the_window(hub_folder: Path, tmp_path: Path) -> None:
    tokenizer = models.load_tokenizer(hub_folder / "tokenizer")
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(tmp_path)
    assert models.load_tokenizer(tmp_path).model_max_length == 512
