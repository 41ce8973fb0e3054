"""-16 LUFS and -1 dBTP, in the file as it is heard."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sound import sounds
from wan_demo import mp4
from wan_demo.clip import RATE, Sound
from wan_demo.sound.length import cut
from wan_demo.sound.loudness import limit, measure, normalise, true_peaks
from wan_demo.sound.reading import read_sound


def tone(level: float, hertz: float = 997, seconds: float = 2) -> Sound:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return Sound(np.repeat(wave[:, None], 2, 1).astype(np.float32))


def test_the_meter_agrees_with_the_standard() -> None:
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS is -23 LUFS."""
    found = measure(tone(10 ** (-23 / 20)))
    assert found.integrated_lufs == pytest.approx(-23, abs=0.1)
    assert found.true_peak_dbtp == pytest.approx(-23, abs=0.1)
    assert measure(Sound(np.zeros((RATE, 2), np.float32))).integrated_lufs == -70
    short = tone(10 ** (-23 / 20), 1000, 0.25)  # than a block of the meter
    assert measure(short).integrated_lufs == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.25])
def test_short_sounds_are_as_loud_as_others(seconds: float) -> None:
    made = measure(normalise(tone(1.0, 1000, seconds)))
    assert made.integrated_lufs == pytest.approx(-16, abs=0.5)
    assert made.true_peak_dbtp <= -1


def test_peaks_between_samples_are_seen() -> None:
    """A sine of a quarter of the rate, sampled at 45 degrees: its peaks are 3 dB above every sample."""
    wave = np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4)
    sound = Sound(np.repeat(wave[:, None], 2, 1).astype(np.float32))
    assert np.abs(sound.samples).max() < 0.71
    assert true_peaks(sound)[1000:-1000].max() == pytest.approx(1, abs=0.01)
    assert measure(limit(sound)).true_peak_dbtp <= -1


@pytest.mark.parametrize(("name", "sound"), [(n, s) for n, s in sounds() if n != "clicks"], ids=lambda v: str(v)[:20])
def test_a_file_is_as_loud_as_it_should_be(name: str, sound: Sound, tmp_path: Path) -> None:
    frames = (np.full((64, 64, 3), k, np.uint8) for k in range(60))
    extras = mp4.Extras(sound=normalise(cut(sound, 2 * RATE)))
    mp4.write_frames(frames, Fraction(30), tmp_path / "clip.mp4", extras)
    found = measure(read_sound(tmp_path / "clip.mp4", 2))
    assert found.integrated_lufs == pytest.approx(-16, abs=0.5), name
    assert found.true_peak_dbtp <= -1


def test_clicks_are_as_loud_as_their_peaks_allow_and_silence_stays() -> None:
    (clicks,) = (sound for name, sound in sounds() if name == "clicks")
    assert measure(normalise(clicks)).true_peak_dbtp <= -1
    silence = Sound(np.zeros((RATE, 2), np.float32))
    assert normalise(silence) is silence
