"""Clips that last longer than the model draws at once."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.data import FINISH
from distill.judge import judge
from distill.world import Combination
from distill.world import draw as render
from tests.sound.test_track import written
from tests.test_pipeline import INSPECTOR, PROMPT, drawn
from wan_demo import mp4
from wan_demo.bench import pattern
from wan_demo.clip import RATE, Clip, Sound
from wan_demo.decode import decode, encode
from wan_demo.diffuse import blended, denoise, windows
from wan_demo.events import STAGES, Progress, Published
from wan_demo.finish.frame_rate import Means
from wan_demo.lengthen import lengthen
from wan_demo.models import Models, load
from wan_demo.pipeline import generate
from wan_demo.presets import Preset, find, tiers
from wan_demo.provenance.identity import Identity
from wan_demo.request import Delivery, Request, RequestError, Soundtrack
from wan_demo.store import Timings
from wan_demo.values import Latents
from wan_demo.worker import make_clip, timed_as


@pytest.mark.parametrize(("frames", "size"), [(9, 9), (10, 9), (13, 9), (41, 9), (5, 9), (7, 2), (4, 1)])
def test_windows_reach_from_end_to_end_and_overlap(frames: int, size: int) -> None:
    starts = windows(frames, size)
    assert (starts[0], starts[-1]) == (0, max(0, frames - size))
    assert all(0 < after - before <= max(1, size // 2) for before, after in pairwise(starts))


def latents(frames: int) -> Latents:
    return Latents(torch.randn(1, 4, frames, 2, 2, generator=torch.Generator().manual_seed(0)), 0.5, Fraction(8))


def test_windows_that_agree_are_blended_to_what_they_agree_on() -> None:
    long = latents(13)
    torch.testing.assert_close(blended(long, 5, lambda seen, _: 3 * seen.x), 3 * long.x)


def test_windows_that_do_not_agree_are_blended_without_a_step() -> None:
    """Each window gives its own number, 0, 1, 2: no latent may leap from one window's to the next one's."""
    seen: list[str] = []

    def number(part: Latents, name: str) -> Tensor:
        seen.append(name)
        return torch.full_like(part.x, len(seen) - 1)

    course = blended(latents(17), 9, number)[0, 0, :, 0, 0]
    assert len(seen) == len(set(seen)) == 3
    assert (float(course[0]), float(course[-1])) == (0.0, 2.0)
    assert course.diff().min() >= 0
    assert course.diff().max() < 0.35


def test_a_clip_no_longer_than_a_window_is_denoised_as_without_one(tiny_full: Preset, tiny_models: Models) -> None:
    prompt = tiny_models.encode(PROMPT, "")
    x = torch.randn(1, tiny_models.low.config.in_channels, 5, 8, 16, generator=torch.Generator().manual_seed(0))
    start = Latents(x, 0.5, Fraction(8))
    plain, windowed = (
        [state.x for state, _ in denoise(tiny_models.low, start, (0.5, 0.2, 0.0), prompt, 4.0, window=size)]
        for size in (None, 5)
    )
    assert all(torch.equal(a, b) for a, b in zip(plain, windowed, strict=True))
    ahead = [state.x for state, _ in denoise(tiny_models.low, start, (0.5, 0.2, 0.0), prompt, 4.0, window=3)]
    assert not torch.allclose(plain[-1], ahead[-1])
    together = [state.x for state, _ in denoise(tiny_models.low, start, (0.5, 0.2, 0.0), prompt, 4.0, True, window=3)]
    torch.testing.assert_close(together[-1], ahead[-1], atol=1e-4, rtol=0)


def test_encode_is_the_way_back_of_decode() -> None:
    vae = load(find("pocket", "distilled")).vae
    clip = pattern((9, 64, 64, 3), Fraction(16))
    there = encode(clip, vae)
    assert tuple(there.x.shape) == (1, 16, 3, 8, 8)
    assert (there.fps, there.sigma) == (Fraction(16), 0.0)
    back = decode(there, vae).frames
    assert np.abs(back.astype(int) - clip.frames.astype(int)).mean() < 12  # it was not taught stripes


def test_a_lengthened_clip_shows_the_same_motion_over_more_frames() -> None:
    vae = load(find("pocket", "distilled")).vae
    shot = render(Combination("ball", "red", "grass", "moves right"), 3, FINISH)
    long = lengthen(encode(Clip(shot.frames, Fraction(16)), vae), 97, vae, Means())
    assert long.x.shape[2] == 25
    assert long.fps == 16
    seen = judge(decode(long, vae).frames, 16.0)
    assert (seen.thing, seen.colour, seen.scene, seen.motion) == ("ball", "red", "grass", "moves right")
    first, last = shot.truth.centre[[0, -1], 0]
    assert np.abs(seen.centre[:, 0] - np.linspace(first, last, 97)).max() < 0.02  # of the width
    assert seen.radius.max() / seen.radius.min() < 1.1


@pytest.mark.parametrize("mode", ["chain", "direct"])
def test_a_longer_clip_is_made(
    mode: str, tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    """tiny_full draws 2 s at once."""
    preset, output = replace(tiny_full, stretches_s=6), tmp_path / "clip.mp4"
    request = Request(PROMPT, "full", 3, mode, 4.5, Delivery(320, 180))
    events = list(generate(request, preset, tiny_models, identity, output, INSPECTOR))
    published = events[-1]
    assert isinstance(published, Published)
    assert mp4.probe(output).frames == published.report["frames"] == 135
    drawn_at = {"chain": "128x64x37@8", "direct": "64x32x21@4"}
    assert published.report["settings"]["lengthened"] == drawn_at[mode]
    assert published.report["settings"]["sigmas"]["low"][0] == pytest.approx(preset.schedule.low[0], abs=1e-5)
    stages = list(dict.fromkeys(event.stage for event in events if isinstance(event, Progress)))
    without = {"sound", "upsample"} if mode == "direct" else {"sound"}
    assert stages == [stage for stage in STAGES if stage not in without]


def test_a_longer_clip_is_the_same_again(tiny_full: Preset, tiny_models: Models) -> None:
    preset, request = replace(tiny_full, stretches_s=6), Request(PROMPT, "full", 3, duration_s=4.0)
    once = drawn(request, preset, tiny_models)
    assert once.x.shape[2] == 9
    assert torch.equal(once.x, drawn(request, preset, tiny_models).x)
    other = drawn(replace(request, seed=4), preset, tiny_models)
    assert not torch.equal(once.x, other.x)


@pytest.mark.parametrize("family", ["pocket", "wan22"])
def test_what_is_longer_than_can_be_made_is_refused(family: str) -> None:
    for preset in tiers(family):
        preset.check(Request(PROMPT, preset.tier, duration_s=preset.longest_s))
        with pytest.raises(RequestError, match=f"{preset.longest_s} s at most"):
            preset.check(Request(PROMPT, preset.tier, duration_s=preset.longest_s + 0.1))


def test_the_time_of_a_lengthened_clip_is_remembered_apart(tiny_full: Preset) -> None:
    workload: Callable[[str, float], str] = replace(tiny_full, stretches_s=6).workload
    assert workload("chain", 2.0) == workload("chain", 1.0) == "chain"
    assert len({workload("chain", 2.0), workload("chain", 4.0), workload("chain", 6.0), workload("direct", 4.0)}) == 4


def test_a_clip_is_timed_by_the_length_of_its_sound(tiny_full: Preset, tiny_models: Models, tmp_path: Path) -> None:
    """The usual clips' times stay theirs."""
    music = written(tmp_path, Sound(np.full((RATE * 4, 2), 0.1, np.float32)))
    preset = replace(tiny_full, stretches_s=6)
    request = Request(PROMPT, "full", delivery=Delivery(320, 180), sound=Soundtrack(music, "clip"))
    list(make_clip(request, tmp_path / "a.mp4", (preset, tiny_models), INSPECTOR, "cpu"))
    assert mp4.probe(tmp_path / "a.mp4").frames == 120
    long, usual = (timed_as(preset, request.delivery, "cpu", workload) for workload in ("chain, 4 s", "chain"))
    assert Timings().expected(long)
    assert Timings().expected(usual) == {}
