"""Onsets are found when they are, and motion is put onto them."""

from fractions import Fraction

import numpy as np
import pytest

from benchmarks.sound import beats, drums
from distill.world import ALL, Camera, draw
from wan_demo.clip import RATE, Clip, Sound
from wan_demo.finish.motion import find_impacts, measure_motion
from wan_demo.sound.align import SPEED, Retiming, align, misses
from wan_demo.sound.onsets import Event, find_onsets, tempo

STRIKES = np.array([0.31, 0.8, 1.32, 1.79, 2.4, 3.05])


def test_onsets_are_found_within_ten_milliseconds() -> None:
    found = np.array([onset.moment for onset in find_onsets(drums(STRIKES, np.random.default_rng(0)))])
    assert np.abs(found[:, None] - STRIKES).min(0).max() < 0.01
    assert len(found) <= len(STRIKES) + 2
    assert find_onsets(Sound(np.zeros((RATE, 2), np.float32))) == ()


@pytest.mark.parametrize("bpm", [90, 120, 150])
def test_tempo(bpm: int) -> None:
    strikes = np.arange(0.1, 5.8, 60 / bpm)
    assert tempo(drums(strikes, np.random.default_rng(0))) == pytest.approx(bpm, rel=0.02)
    assert tempo(Sound(np.zeros((RATE, 2), np.float32))) is None


@pytest.mark.parametrize("which", range(0, 160, 16))
def test_a_bounce_is_found_within_20_ms(which: int) -> None:
    """The world's things bounce off the ground after one second."""
    bounce = [combination for combination in ALL if combination.motion == "bounces"][which]
    clip = Clip(draw(bounce, which, Camera(33, 16.0, 224, 128)).frames, Fraction(16))
    found = [impact.moment for impact in find_impacts(measure_motion(clip)) if impact.bounce]
    assert len(found) == 1
    assert abs(found[0] - 1) < 0.02


def test_what_moves_steadily_has_no_impacts() -> None:
    steady = next(combination for combination in ALL if combination.motion == "moves right")
    clip = Clip(draw(steady, 0, Camera(33, 16.0, 224, 128)).frames, Fraction(16))
    assert find_impacts(measure_motion(clip)) == ()
    assert find_impacts(measure_motion(Clip(clip.frames[:2], clip.fps))) == ()


def test_motion_is_put_on_the_beat() -> None:
    found = beats(8)
    assert found["after"]["median_ms"] <= 20
    assert found["after"]["p95_ms"] <= 40
    assert found["before"]["median_ms"] > found["after"]["median_ms"]
    assert found["shuffled"]["median_ms"] >= 2 * found["after"]["median_ms"]


def test_a_retiming_is_monotone_and_gentle() -> None:
    motions = [Event(t, 1.0) for t in (0.5, 1.0, 1.5)]
    onsets = [Event(t, 1.0) for t in (0.54, 1.05, 1.9)]
    made = align(motions, onsets, 2.0, 2.06)
    speeds = np.diff(made.drawn) / 0.01
    assert speeds.min() >= 1 - SPEED - 1e-6
    assert speeds.max() <= 1 + SPEED + 1e-6
    assert made.drawn[0] == 0
    assert made.drawn[-1] <= 2.06 + 1e-9
    assert made.at(made.when(1.0)) == pytest.approx(1.0)
    assert max(misses(motions[:2], onsets, made)) < 0.02
    assert min(misses(motions[:2], onsets)) > 0.03


def test_without_onsets_or_motion_nothing_changes() -> None:
    plain = Retiming(tuple(k * 0.01 for k in range(101)))
    for made in (align([], [Event(0.5, 1)], 1, 1), align([Event(0.5, 1)], [], 1, 1)):
        assert made.drawn == pytest.approx(plain.drawn)
    assert misses([Event(0.5, 1)], []) == []
