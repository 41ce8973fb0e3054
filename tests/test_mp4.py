"""The writer writes what it was asked for, or nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.clips import natural
from wan_demo import mp4
from wan_demo.clip import Clip

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
    assert mp4.probe(tmp_path / "clip.mp4") == mp4.Probe(64, 48, fps, count, "yuv420p", 1, 1, 1)
    assert os.listdir(tmp_path) == ["clip.mp4"]


def test_every_frame_comes_back_in_its_place(tmp_path: Path) -> None:
    clip = counted(62)
    mp4.write(clip, tmp_path / "clip.mp4")
    back = mp4.read(tmp_path / "clip.mp4")
    assert (back.fps, back.duration_s) == (Fraction(30), Fraction(62, 30))
    assert np.abs(back.frames.mean((1, 2, 3)) - clip.frames.mean((1, 2, 3))).max() <= 1.5


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS.keys())
def test_a_flat_colour_comes_back(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    frames = np.full((4, 64, 96, 3), colour, np.uint8)
    mp4.write(Clip(frames, Fraction(30)), tmp_path / "clip.mp4")
    back = mp4.read(tmp_path / "clip.mp4").frames
    assert np.abs(back.astype(int) - frames).max() <= 2


def test_the_file_can_start_before_it_is_whole(tmp_path: Path) -> None:
    mp4.write(counted(10), tmp_path / "clip.mp4")
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_same_frames_same_bytes(tmp_path: Path) -> None:
    """Several times, for what an encoder reads and did not write is often the same by chance."""
    found = set()
    for i in range(5):
        mp4.write(natural(0, 15, 180, 320), tmp_path / "clip.mp4")
        found.add((tmp_path / "clip.mp4").read_bytes())
        np.full(10**6, i)  # stirs memory
    assert len(found) == 1


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
    monkeypatch.setattr(mp4, "probe", lambda _: mp4.Probe(64, 48, Fraction(30), 4, "yuv420p", 1, 1, 1))
    with pytest.raises(RuntimeError, match=r"frames=4.*frames=5"):
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
            with pytest.raises(ValueError, match=f"{name} (cannot be read as a video|holds no video)"):
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
