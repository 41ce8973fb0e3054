"""Faults that were put in are taken out; what has none is left alone."""

from fractions import Fraction

import numpy as np
import pytest

from benchmarks import mend as benchmark
from wan_demo.clip import Clip
from wan_demo.finish.colour import mend_drift
from wan_demo.finish.flicker import mend_flicker
from wan_demo.finish.mend import mend
from wan_demo.finish.stabilise import mend_shake


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    return benchmark.measure(6)


def test_faults_are_taken_out(figures: dict[str, float]) -> None:
    assert figures["flicker left"] <= 0.3
    assert figures["shake left"] <= 0.3
    assert figures["drift left"] <= 0.3


def test_clean_clips_are_left_alone(figures: dict[str, float]) -> None:
    assert figures["clean clips mended"] == 0
    assert figures["clean pans moved, px at most"] <= 0.25
    assert figures["world clips stabilised"] == 0


def test_a_cut_is_no_flicker() -> None:
    """Two scenes of unlike brightness, each flickering: both stay as bright as they were."""
    dark, bright = benchmark.world(0, 2), benchmark.world(1, 2)
    both = Clip(np.concatenate([dark.frames[:16], bright.frames[:16]]), dark.fps)
    mended, found = mend_flicker(benchmark.flicker(both, 1))
    assert found.mended
    for part in (slice(0, 16), slice(16, 32)):
        assert abs(float(mended.frames[part].mean()) - float(both.frames[part].mean())) < 4
    assert mend_flicker(both)[0] is both


def test_what_drifts_is_told_from_what_changes() -> None:
    """A light that is switched on in the picture is no drift of the camera's."""
    frames = np.full((33, 64, 96, 3), 60, np.uint8)
    for k, frame in enumerate(frames):
        frame[:, : 3 * k] = 200  # a door opens
    clip = Clip(frames, Fraction(16))
    assert mend_drift(clip)[0] is clip


def test_what_is_measured_in_the_dark_says_nothing_of_the_bright() -> None:
    """A night sky whose contrast wavers by a twentieth, which nobody sees: a lamp in it stays as bright as it is."""
    rng = np.random.default_rng(0)
    sky = np.linspace(12, 36, 64)[:, None, None] + rng.normal(0, 2, (64, 96, 3))
    gain = 1 + 0.05 * rng.choice([-1, 1], (33, 1, 1, 1)) + np.linspace(0, 0.1, 33)[:, None, None, None]
    frames = np.clip(np.rint(24 + gain * (sky - 24)), 0, 255).astype(np.uint8)
    frames[:, 20:40, 30:60] = (250, 200, 40)
    clip = Clip(frames, Fraction(16))
    assert mend_flicker(clip)[0] is clip
    assert mend_drift(clip)[0] is clip


@pytest.mark.parametrize("count", [1, 2, 3])
def test_short_and_empty_clips_come_through(count: int) -> None:
    flat = Clip(np.full((count, 48, 64, 3), 128, np.uint8), Fraction(16))
    mended, found = mend(flat)
    assert mended is flat
    assert not any(part["mended"] for part in found.values())
    assert mend_shake(flat)[1].found == 0
