"""Any sound file becomes stereo at 48 kHz, or a sentence."""

import subprocess
import wave
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from wan_demo.clip import RATE
from wan_demo.request import RequestError
from wan_demo.sound.loudness import normalise
from wan_demo.sound.reading import read_sound


def tone(folder: Path, name: str, seconds: float = 1, *options: str, source: str = "") -> Path:
    """A file with a tone of 1 kHz, made by ffmpeg."""
    made = source or f"sine=frequency=1000:sample_rate=44100:duration={seconds}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", made, *options, folder / name]
    subprocess.run(command, check=True)
    return folder / name


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "a.ogg", "a.m4a", "a.aac", "a.aiff", "a.wma", "a.mka"])
def test_usual_files_are_read(tmp_path: Path, name: str) -> None:
    sound = read_sound(tone(tmp_path, name), 10)
    assert abs(float(sound.duration_s) - 1) < 0.07  # what a coder adds at either end
    spectrum = np.abs(np.fft.rfft(sound.samples[4800:43200, 0]))
    assert abs(spectrum.argmax() / 0.8 - 1000) < 3
    assert np.allclose(sound.samples[:, 0], sound.samples[:, 1])


def test_the_sound_of_a_video_is_read(tmp_path: Path) -> None:
    path = tone(tmp_path, "a.mp4", 1, "-f", "lavfi", "-i", "color=red:size=64x64:duration=1", "-pix_fmt", "yuv420p")
    assert abs(float(read_sound(path, 10).duration_s) - 1) < 0.07


@pytest.mark.parametrize(
    "options", [("-ac", "8"), ("-ar", "8000"), ("-ar", "96000"), ("-ac", "1"), ("-c:a", "pcm_f32le")]
)
def test_other_channels_and_rates(tmp_path: Path, options: tuple[str, ...]) -> None:
    sound = read_sound(tone(tmp_path, "a.wav", 1, *options), 10)
    assert abs(len(sound.samples) - RATE) < 50
    assert 0.01 < np.abs(sound.samples).max() < 1


@pytest.mark.parametrize("rate", ["8000", "11025", "16000", "48000"])
def test_an_mp3_without_a_tag_is_known(tmp_path: Path, rate: str) -> None:
    path = tone(tmp_path, "a.mp3", 1, "-ar", rate, "-id3v2_version", "0", "-write_xing", "0")
    assert path.read_bytes()[:1] == b"\xff"
    assert abs(float(read_sound(path, 10).duration_s) - 1) < 0.2


def test_a_rate_that_changes_midway(tmp_path: Path) -> None:
    first = tone(tmp_path, "one.mp3", 1, "-ar", "44100", "-ac", "1", "-id3v2_version", "0", "-write_xing", "0")
    second = tone(tmp_path, "two.mp3", 1, "-ar", "48000", "-ac", "2", "-id3v2_version", "0", "-write_xing", "0")
    (tmp_path / "both.mp3").write_bytes(first.read_bytes() + second.read_bytes())
    assert 1.8 < read_sound(tmp_path / "both.mp3", 10).duration_s < 2.3


def test_of_three_hours_no_more_is_read_than_is_heard(tmp_path: Path) -> None:
    path = tone(tmp_path, "a.mp3", 10800, "-b:a", "8k", "-ar", "8000")
    assert len(read_sound(path, 2).samples) == 2 * RATE


def test_what_is_no_sound_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("no sound at all")
    (tmp_path / "empty.mp3").touch()
    with wave.open(str(tmp_path / "nothing.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
    # left to guess the format, ffmpeg would follow this list to a file of its own choice
    (tmp_path / "list.mp3").write_text(f"ffconcat version 1.0\nfile {tone(tmp_path, 'good.mp3')}\n")
    whole = tone(tmp_path, "whole.m4a", 3).read_bytes()
    (tmp_path / "cut.m4a").write_bytes(whole[: len(whole) // 2])  # its index, at the end, is gone
    noise = np.random.default_rng(0).bytes(len(whole) - 400)
    (tmp_path / "corrupt.m4a").write_bytes(whole[:60] + noise[: len(whole) - 1500] + whole[-1440:])
    tone(tmp_path, "mute.mp4", source="color=red:size=64x64:duration=1")
    names = ("text.mp3", "empty.mp3", "nothing.wav", "list.mp3", "cut.m4a", "corrupt.m4a", "mute.mp4", "missing.mp3")
    for name in names:
        with pytest.raises(RequestError, match=rf"^{name} (.*): choose another( file)?\.$"):
            read_sound(tmp_path / name, 2)


def test_a_float_file_may_hold_anything(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1e38, 1e38, RATE).astype("<f4")
    samples[:3] = np.nan, np.inf, -np.inf
    (tmp_path / "raw").write_bytes(samples.tobytes())
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "f32le", "-ar", str(RATE), "-ac", "1"]
    subprocess.run([*command, "-i", tmp_path / "raw", "-c:a", "pcm_f32le", tmp_path / "wild.wav"], check=True)
    sound = read_sound(tmp_path / "wild.wav", 1)
    assert np.isfinite(normalise(sound).samples).all()


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = tone(tmp_path, "whole.mp3", 2).read_bytes()
    (tmp_path / "part.mp3").write_bytes(whole[: len(whole) // 2])
    assert 0.8 < read_sound(tmp_path / "part.mp3", 9).duration_s < 1.2
