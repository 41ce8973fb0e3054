"""The writer writes what it was asked for, or nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from tests.clips import natural
from wan_demo import mp4
from wan_demo.clip import RATE, Caption, Clip, Sound

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "grass": (90, 170, 60),
}


def counted(count: int, width: int = 64, height: int = 48) -> Clip:
    """Frame k is a flat grey of 4 * k."""
    values = (4 * np.arange(count)).astype(np.uint8)
    return Clip(np.broadcast_to(values[:, None, None, None], (count, height, width, 3)), Fraction(30))


@pytest.mark.parametrize(
    ("count", "fps"), [(1, Fraction(30)), (33, Fraction(16)), (62, Fraction(30)), (9, Fraction(30000, 1001))]
)
def test_the_file_says_and_holds_what_was_asked(tmp_path: Path, count: int, fps: Fraction) -> None:
    mp4.write(Clip(counted(count).frames, fps), tmp_path / "clip.mp4")
    assert mp4.probe(tmp_path / "clip.mp4") == mp4.Probe((64, 48), fps, count, "h264", "yuv420p", (1, 1, 1), 0.0)
    assert os.listdir(tmp_path) == ["clip.mp4"]


def test_every_frame_comes_back_in_its_place(tmp_path: Path) -> None:
    clip = counted(62)
    mp4.write(clip, tmp_path / "clip.mp4")
    back = mp4.read(tmp_path / "clip.mp4")
    assert (back.fps, back.duration_s) == (Fraction(30), Fraction(62, 30))
    assert np.abs(back.frames.mean((1, 2, 3)) - clip.frames.mean((1, 2, 3))).max() <= 1.5


@pytest.mark.parametrize("codec", mp4.CODECS)
@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS.keys())
def test_a_flat_colour_comes_back(tmp_path: Path, colour: tuple[int, int, int], codec: str) -> None:
    frames = np.full((4, 64, 96, 3), colour, np.uint8)
    mp4.write_frames(frames, Fraction(30), tmp_path / "clip.mp4", codec=codec)
    back = mp4.read(tmp_path / "clip.mp4").frames
    assert np.abs(back.astype(int) - frames).max() <= 2


def test_the_file_can_start_before_it_is_whole(tmp_path: Path) -> None:
    mp4.write(counted(10), tmp_path / "clip.mp4")
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(("codec", "name", "tag"), [("h265", "hevc", b"hvc1"), ("av1", "av1", b"av01")])
def test_other_codecs(tmp_path: Path, codec: str, name: str, tag: bytes) -> None:
    path = tmp_path / "clip.mp4"
    mp4.write_frames(counted(62).frames, Fraction(30), path, mp4.Extras({"AIGC": "1"}), codec)
    assert mp4.probe(path) == mp4.Probe((64, 48), Fraction(30), 62, name, "yuv420p", (1, 1, 1), 0.0)
    assert tag in path.read_bytes()
    assert mp4.read_tags(path)["AIGC"] == "1"
    assert np.abs(mp4.read(path).frames.mean((1, 2, 3)) - 4 * np.arange(62)).max() <= 2


@pytest.mark.parametrize("codec", mp4.CODECS)
def test_same_frames_same_bytes(tmp_path: Path, codec: str) -> None:
    """Several times, for what an encoder reads and did not write is often the same by chance."""
    found = set()
    for i in range(4):
        mp4.write_frames(natural(0, 15, 180, 320).frames, Fraction(30), tmp_path / "clip.mp4", codec=codec)
        found.add((tmp_path / "clip.mp4").read_bytes())
        np.full(10**6, i)  # stirs memory
    assert len(found) == 1


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="encoders may ask for more where we are root")
@pytest.mark.parametrize("codec", mp4.CODECS)
def test_encoding_does_not_go_before_all_others(tmp_path: Path, codec: str) -> None:
    with mp4.encoded(tmp_path / "clip.mp4", Fraction(30), codec) as writer:
        for frame in counted(5).frames:
            writer.add(frame)
        threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_failure_midway_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    def frames() -> Iterator[npt.NDArray[np.uint8]]:
        yield from counted(5).frames
        raise error

    (tmp_path / "clip.mp4").write_bytes(b"the old one")
    with pytest.raises(error):
        mp4.write_frames(frames(), Fraction(30), tmp_path / "clip.mp4")
    assert os.listdir(tmp_path) == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"the old one"


def test_a_file_that_reads_back_wrong_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = mp4.Probe((64, 48), Fraction(30), 4, "h264", "yuv420p", (1, 1, 1), 0.0)
    monkeypatch.setattr("wan_demo.mp4.writer.probe", lambda _: wrong)
    with pytest.raises(RuntimeError, match=r"frames=4.* 5, .* was asked"):
        mp4.write(counted(5), tmp_path / "clip.mp4")
    assert os.listdir(tmp_path) == []


def test_frames_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    with pytest.raises(ValueError, match="at least one frame"):
        mp4.write_frames([], Fraction(30), target)
    with pytest.raises(ValueError, match="even width and height, not 63x48"):
        mp4.write(counted(2, width=63), target)
    with pytest.raises(ValueError, match="Frame 1 is"):
        mp4.write_frames([counted(1).frames[0], counted(1, width=32).frames[0]], Fraction(30), target)
    assert os.listdir(tmp_path) == []


def test_what_is_no_video_is_refused_in_a_sentence(tmp_path: Path) -> None:
    mp4.write(counted(5), tmp_path / "clip.mp4")
    (tmp_path / "note.mp4").write_text("not a video")
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "clip.mp4").read_bytes()[:200])
    # ffmpeg, left to guess the format, would follow this list to the clip it names.
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path / 'clip.mp4'}\n")
    (tmp_path / "list.mkv").write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'clip.mp4'}\n")
    (tmp_path / "empty.webm").touch()
    for name in ("note.mp4", "cut.mp4", "list.mp4", "list.mkv", "empty.webm", "missing.mp4"):
        for reader in (mp4.probe, mp4.read):
            with pytest.raises(
                ValueError, match=rf"{name} (cannot be read as a video|holds no video).*: choose another file"
            ):
                reader(tmp_path / name)


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mp4.write(counted(2), Path("data:clip.mp4"))
    assert mp4.probe(Path("data:clip.mp4")).frames == 2


def test_a_clip_is_checked_when_it_is_made() -> None:
    frames = counted(2).frames
    with pytest.raises(ValueError, match="uint8"):
        Clip(frames.astype(np.float32), Fraction(30))
    for wrong in (frames[0], frames[:0], frames[..., :1]):
        with pytest.raises(ValueError, match="shape"):
            Clip(wrong, Fraction(30))
    with pytest.raises(ValueError, match="above 0"):
        Clip(frames, Fraction(0))


def test_the_bytes_do_not_depend_on_the_processors_threads(tmp_path: Path) -> None:
    code = (
        "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from pathlib import Path; from wan_demo import mp4\n"
        "source = Path(sys.argv[1]); mp4.write(mp4.read(source), source.with_name('one.mp4'))"
    )
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot bind a process to one core")
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 128, 3), dtype=np.uint8)
    mp4.write(Clip(noise, Fraction(30)), tmp_path / "source.mp4")
    mp4.write(mp4.read(tmp_path / "source.mp4"), tmp_path / "all.mp4")
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "source.mp4")], check=True, cwd=Path(__file__).parents[1]
    )
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "all.mp4").read_bytes()


def clicks(seconds: float) -> Sound:
    """A click every tenth of a second, 5 ms long."""
    samples = np.zeros((round(seconds * RATE), 2), np.float32)
    for start in range(0, len(samples), RATE // 10):
        samples[start : start + RATE // 200] = 0.5
    return Sound(samples)


def heard(path: Path) -> npt.NDArray[np.float32]:
    """The sound of a file, (N, 2), as a player hears it."""
    with av.open(str(path)) as container:
        parts = [np.asarray(frame.to_ndarray(), np.float32).T for frame in container.decode(audio=0)]
    return np.concatenate(parts)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("codec", mp4.CODECS)
def test_sound_starts_and_ends_with_the_picture(tmp_path: Path, codec: str, fps: Fraction) -> None:
    path = tmp_path / "clip.mp4"
    mp4.write_frames(counted(40).frames, fps, path, mp4.Extras(sound=clicks(10)), codec)
    made = mp4.probe(path)
    assert made.sound is not None
    assert (made.sound.codec, made.sound.rate, made.sound.channels) == ("aac", 48_000, 2)
    assert abs(made.sound.start_s - made.start_s) < 0.001
    assert abs(made.sound.end_s - 40 / fps) < 1 / fps
    sound = heard(path)
    (starts,) = np.nonzero(np.diff((np.abs(sound[:, 0]) > 0.25).astype(int)) == 1)
    nearest = np.round(starts / (RATE / 10)) * RATE / 10
    assert len(set(nearest)) >= 6
    assert np.abs(starts - nearest).max() < RATE / 1000 + RATE / 200  # the ringing of a click's end may cross again
    assert np.abs(starts - nearest)[:1] < RATE / 1000


def test_captions_are_a_track_of_their_own(tmp_path: Path) -> None:
    captions = [Caption(Fraction(1, 5), Fraction(9, 10), "h\u00e9 \u7ea2"), Caption(Fraction(1), Fraction(2), "two")]
    mp4.write_frames(counted(62).frames, Fraction(30), tmp_path / "clip.mp4", mp4.Extras(captions=captions))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", tmp_path / "clip.mp4", "-f", "srt", "-"]
    text = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert "00:00:00,200 --> 00:00:00,900\nh\u00e9 \u7ea2\n" in text
    assert "00:00:01,000 --> 00:00:02,000\ntwo\n" in text


def test_a_sound_is_checked_when_it_is_made() -> None:
    for wrong in (np.zeros((9, 2)), np.zeros((9, 1), np.float32), np.full((9, 2), np.nan, np.float32)):
        with pytest.raises(ValueError, match="sound"):
            Sound(wrong)  # type: ignore[arg-type]
    assert clicks(2).duration_s == 2
