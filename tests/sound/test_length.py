"""Lengths are exact, and ends and seams do not click."""

import numpy as np
import pytest

from wan_demo.clip import RATE, Sound
from wan_demo.sound.length import cut, join, loop


def ramp(count: int) -> Sound:
    """Every sample is another, so that one that is left out or doubled shows."""
    return Sound(np.repeat(np.linspace(0.1, 0.9, count, dtype=np.float32)[:, None], 2, 1))


def tone(seconds: float, hertz: float = 440) -> Sound:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return Sound(np.repeat(wave[:, None], 2, 1).astype(np.float32))


@pytest.mark.parametrize("count", [1, 1601, 48_000, 96_001, 480_000])
@pytest.mark.parametrize("length", [1, 4_410, 96_000])
def test_every_length_is_exact(count: int, length: int) -> None:
    for made in (cut(ramp(length), count), loop(ramp(length), count), join([(0.01, ramp(length))], count)):
        assert made.samples.shape == (count, 2)


def test_no_sample_is_lost_doubled_or_moved() -> None:
    sound = ramp(100_000)
    kept = cut(sound, 60_000).samples
    assert np.array_equal(kept[:58_000], sound.samples[:58_000])
    assert abs(kept[-1]).max() < 0.01  # faded out
    padded = cut(sound, 130_000).samples
    assert np.array_equal(padded[:100_000], sound.samples)
    assert not padded[100_000:].any()
    joined = join([(0.5, sound), (0.0, sound)], 130_000).samples
    assert np.allclose(joined[24_000:100_000], sound.samples[:76_000] + sound.samples[24_000:], atol=1e-6)


def test_a_loop_goes_on_without_a_gap_or_a_click() -> None:
    made = loop(tone(1.0), 5 * RATE).samples[:, 0]
    level = np.sqrt(np.convolve(made**2, np.ones(2400) / 2400, "valid"))
    assert level.min() > 0.15
    assert np.abs(np.diff(made)).max() < 0.06  # a sine of 440 Hz changes by 0.03 a sample
