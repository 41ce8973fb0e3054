import copy
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanPipeline

from wan_demo import mp4
from wan_demo.check import INTACT, check
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.edit import times
from wan_demo.events import BESIDE_WRITE, STAGES, Notice, Progress, Published
from wan_demo.models import Models, load
from wan_demo.pipeline import draw, generate, result_of
from wan_demo.policy import Policy
from wan_demo.presets import Preset, find
from wan_demo.provenance.identity import Identity
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.safety.frames import UnsafeClipError
from wan_demo.safety.inspector import Inspector
from wan_demo.values import Latents

INSPECTOR = Inspector(Policy())
PROMPT = "a red ball moves right over green grass"
GOLDEN = Path(__file__).parent / "golden" / "tiny_chain.json"


def drawn(request: Request, preset: Preset, models: Models) -> Latents:
    return result_of(draw(request, preset, models, Clock()))


@pytest.mark.parametrize(("guidance", "negative"), [(1.0, ""), (4.0, ""), (4.0, "a blue box")])
def test_direct_mode_equals_wan_pipeline(
    tiny_full: Preset, tiny_models: Models, guidance: float, negative: str
) -> None:
    preset = replace(tiny_full, guidance=guidance)
    levels = preset.schedule.direct
    assert sum(s >= preset.boundary for s in levels[:-1]) in range(1, len(levels) - 1), "both experts must be used"
    request = Request(PROMPT, "full", seed=7, mode="direct", negative=negative)
    ours = drawn(request, preset, tiny_models)
    pipe = WanPipeline.from_pretrained(preset.weights, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    shape = preset.layout
    arguments = {
        "prompt": PROMPT,
        "negative_prompt": negative,
        "height": shape.height,
        "width": shape.width,
        "num_frames": shape.frames,
        "num_inference_steps": len(levels) - 1,
        "guidance_scale": guidance,
        "max_sequence_length": tiny_models.tokenizer.model_max_length,
    }
    latents = pipe(**arguments, generator=torch.Generator().manual_seed(7), output_type="latent").frames
    torch.testing.assert_close(ours.x, latents, atol=1e-5, rtol=0)
    frames = pipe(**arguments, generator=torch.Generator().manual_seed(7), output_type="np").frames[0]
    made = decode(ours, tiny_models.vae).frames
    assert np.abs(made.astype(int) - np.round(frames * 255).astype(int)).max() <= 1


def test_the_shipped_student_draws_in_direct_mode(tmp_path: Path, identity: Identity) -> None:
    """Its last step begins at the boundary, so the high-noise expert takes them all, as in WanPipeline."""
    preset = find("pocket", "distilled")
    request = Request(PROMPT, "distilled", mode="direct", delivery=Delivery(320, 180))
    *events, published = generate(request, preset, load(preset), identity, tmp_path / "clip.mp4", INSPECTOR)
    assert all(event.steps > 0 for event in events if isinstance(event, Progress))
    assert isinstance(published, Published)
    assert mp4.probe(published.path).frames == 60


def test_a_clip_that_fails_its_check_is_not_published(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    vae = copy.deepcopy(tiny_models.vae)
    for parameter in vae.decoder.conv_out.parameters():
        parameter.data.zero_()  # every picture is the same grey
    grey = replace(tiny_models, shared=replace(tiny_models.shared, vae=vae))
    events = generate(Request(PROMPT, "full"), tiny_full, grey, identity, tmp_path / "clip.mp4", INSPECTOR)
    with pytest.raises(UnsafeClipError, match="does not move"):
        list(events)
    assert list(tmp_path.glob("*.mp4")) == []


def test_chain_publishes_what_was_asked(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    output = tmp_path / "clip.mp4"
    request = Request(PROMPT, "full", seed=3, delivery=Delivery(640, 360), duration_s=1.0)
    events = list(generate(request, tiny_full, tiny_models, identity, output, INSPECTOR))
    published = events[-1]
    assert isinstance(published, Published)
    made = mp4.probe(output)
    assert (*made.size, made.frames, made.fps) == (640, 360, 30, Fraction(30))
    assert (made.codec, made.pix_fmt, made.colour) == ("h264", "yuv420p", (mp4.BT709,) * 3)
    assert check(output, identity, {published.report["id"]: published.fingerprint}.get).verdict == INTACT
    report = published.report
    assert json.loads(json.dumps(report)) == report
    assert (report["width"], report["height"], report["frames"], report["duration_s"]) == (640, 360, 30, 1.0)
    assert set(report["seconds"]) == {*STAGES, *BESIDE_WRITE, "total"} - {"sound", "captions", "lengthen", "redraw"}
    assert report["peak_memory_gib"] > 0
    stages = [e.stage for e in events if isinstance(e, Progress)]
    assert list(dict.fromkeys(stages)) == [stage for stage in STAGES if stage not in ("sound", "lengthen", "redraw")]
    layout = [e.step for e in events if isinstance(e, Progress) and e.stage == "layout"]
    assert layout == list(range(len(tiny_full.schedule.high)))


def test_same_seed_same_frames_other_seed_other_frames(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    names = {"a": 1, "b": 1, "c": 2}
    for name, seed in names.items():
        request = Request(PROMPT, "full", seed=seed, delivery=Delivery(320, 180), duration_s=0.5)
        list(generate(request, tiny_full, tiny_models, identity, tmp_path / f"{name}.mp4", INSPECTOR))
    frames = {name: mp4.read(tmp_path / f"{name}.mp4").frames for name in names}
    assert np.array_equal(frames["a"], frames["b"])
    assert not np.array_equal(frames["a"], frames["c"])


def test_golden_numbers(tiny_full: Preset, tiny_models: Models) -> None:
    x = drawn(Request(PROMPT, "full", seed=0), tiny_full, tiny_models).x
    expected = json.loads(GOLDEN.read_text())
    assert list(x.shape) == expected["shape"]
    torch.testing.assert_close(x.flatten()[:: x.numel() // 8][:8], torch.tensor(expected["values"]), atol=1e-3, rtol=0)


def test_closing_the_chain_leaves_nothing(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    events = generate(Request(PROMPT, "full"), tiny_full, tiny_models, identity, tmp_path / "clip.mp4", INSPECTOR)
    for event in events:
        if isinstance(event, Progress) and event.stage == "detail":
            break
    events.close()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mp4, "probe", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        list(
            generate(
                Request(PROMPT, "full", delivery=Delivery(320, 180)),
                tiny_full,
                tiny_models,
                identity,
                tmp_path / "clip.mp4",
                INSPECTOR,
            )
        )
    assert list(tmp_path.iterdir()) == []


def test_unknown_words_are_told_first(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    event = next(
        iter(
            generate(
                Request("a red dragon", "full"), tiny_full, tiny_models, identity, tmp_path / "clip.mp4", INSPECTOR
            )
        )
    )
    assert event == Notice("This model does not know: dragon. Balls.")


def test_a_prompt_against_the_rules_is_refused(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=r"This prompt reads as sexual .*: .*\.$"):
        next(
            iter(
                generate(Request("a n u d e woman"), tiny_full, tiny_models, identity, tmp_path / "clip.mp4", INSPECTOR)
            )
        )
    assert list(tmp_path.iterdir()) == []


def test_too_long_a_clip_is_refused(tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="2 s at most"):
        next(
            iter(
                generate(
                    Request(PROMPT, duration_s=2.5), tiny_full, tiny_models, identity, tmp_path / "clip.mp4", INSPECTOR
                )
            )
        )


def test_numbers_that_are_not_finite_fail(tiny_full: Preset, tiny_models: Models) -> None:
    class Broken(torch.nn.Module):
        config = tiny_models.high.config
        dtype = torch.float32
        _reset_stateful_cache = tiny_models.high._reset_stateful_cache
        cache_context = tiny_models.high.cache_context

        def forward(self, x: torch.Tensor, *_: torch.Tensor) -> object:
            return type("Output", (), {"sample": x * float("nan")})

    with pytest.raises(FloatingPointError, match="not finite"):
        drawn(Request(PROMPT, "full"), tiny_full, replace(tiny_models, high=Broken()))


def test_time_left_comes_from_an_earlier_run() -> None:
    clock = Clock({"layout": 4.0, "detail": 2.0, "total": 6.0})
    with clock.stage("layout"):
        assert clock.progress(0, 4).seconds_left == pytest.approx(6.0)
    with clock.stage("detail"):
        assert clock.progress(0, 1).seconds_left == pytest.approx(2.0)
    at_the_end = Clock({"frame rate": 9.0, "write": 3.0, "sign": 1.0})
    with at_the_end.stage("write"):
        assert at_the_end.progress(0, 60).seconds_left == pytest.approx(4.0)  # frames are made beside
    nothing = Clock()
    with nothing.stage("layout"):
        assert nothing.progress(1, 4).seconds_left is None


SMALL = Request(PROMPT, "full", delivery=Delivery(320, 180), duration_s=0.5)


def test_even_timing_shows_every_frame_that_was_drawn() -> None:
    clip = Clip(np.zeros((33, 2, 2, 3), np.uint8), Fraction(16))
    even = times(clip, Request(PROMPT, delivery=Delivery(timing="even")))
    assert even[:3] == [0, Fraction(1, 32), Fraction(1, 16)]
    assert len(even) == 60
    exact = times(clip, Request(PROMPT, delivery=Delivery(fps=Fraction(30000, 1001))))
    assert exact[:2] == [0, Fraction(1001, 30000)]


@pytest.mark.parametrize("codec", ["h265", "av1"])
def test_other_codecs_are_signed_and_marked_too(
    codec: str, tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    request = replace(SMALL, delivery=Delivery(360, 640, Fraction(60), codec))
    list(generate(request, tiny_full, tiny_models, identity, tmp_path / "clip.mp4", INSPECTOR))
    made = mp4.probe(tmp_path / "clip.mp4")
    assert (made.size, made.fps, made.frames) == ((360, 640), Fraction(60), 30)
    assert check(tmp_path / "clip.mp4", identity).verdict == INTACT
