"""A clip is told from another that is nearly the same, whatever was done to its file."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.clips import embed, natural
from wan_demo import mp4
from wan_demo.check import NO_TRACE, check, pictures_of
from wan_demo.clip import Clip
from wan_demo.provenance.detector import Picture
from wan_demo.provenance.fingerprint import ALIKE, PICTURES, Fingerprint
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.pose import Pose
from wan_demo.ui.check import describe

GROUND = np.full((360, 640, 3), (150, 190, 230), np.uint8)  # a sky over grass
GROUND[220:] = (110, 160, 70)


def moving(radius: int, start: int, count: int = 30) -> Clip:
    """A disc that moves right over a ground that is always the same."""
    frames = np.stack([GROUND] * count)
    for k, frame in enumerate(frames):
        cv2.circle(frame, (start + 8 * k, 180), radius, (200, 40, 40), -1, cv2.LINE_AA)
    return Clip(frames, Fraction(30))


def pictures(clip: Clip) -> list[Picture]:
    planes = [cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)) for frame in clip.frames]
    return [
        Picture.of(np.asarray(y, np.uint8), np.asarray(blue, np.uint8), float(k / clip.fps))
        for k, (y, _, blue) in enumerate(planes)
    ]


Frames = npt.NDArray[np.uint8]
OURS = moving(50, 150)
FINGERPRINT = Fingerprint.of(pictures(OURS))


def changed(frames: Frames, fps: int = 30) -> list[Picture]:
    return pictures(Clip(frames, Fraction(fps)))


def test_it_survives_the_store() -> None:
    again = Fingerprint.from_bytes(FINGERPRINT.to_bytes())
    assert again.luma.shape == FINGERPRINT.luma.shape
    assert np.square(again.luma - FINGERPRINT.luma.astype(float)).mean() < 1
    assert np.array_equal(again.seconds, FINGERPRINT.seconds)
    assert len(again.luma) == PICTURES


@pytest.mark.parametrize(
    "frames",
    [
        OURS.frames,
        OURS.frames // 2,
        np.minimum(OURS.frames * 1.5, 255).astype(np.uint8),
        OURS.frames[10:],
        OURS.frames[::-1],
        np.concatenate([moving(20, 300).frames, OURS.frames]),
        OURS.frames[:, ::2, ::2],
    ],
)
def test_what_is_done_to_a_clip_leaves_it_alike(frames: Frames) -> None:
    likeness = FINGERPRINT.likeness(changed(frames), Pose())
    assert likeness is not None
    assert likeness > 0.95


@pytest.mark.parametrize("fps", [24, 36])
def test_its_speed_may_change(fps: int) -> None:
    likeness = FINGERPRINT.likeness(changed(OURS.frames, fps), Pose())
    assert likeness is not None
    assert likeness > 0.95


def test_a_logo_hides_little() -> None:
    """What stands still does not count, and a small part of the way of what moves may be hidden."""
    frames = OURS.frames.copy()
    frames[:, 36:160, 32:224] = (255, 0, 0)
    assert (FINGERPRINT.likeness(changed(frames), Pose()) or 0) > ALIKE


@pytest.mark.parametrize(
    "other", [moving(40, 150), moving(47, 150), moving(50, 154), moving(50, 250), moving(50, 50), natural(4, 30)]
)
def test_another_clip_is_not_alike(other: Clip) -> None:
    likeness = FINGERPRINT.likeness(pictures(other), Pose())
    assert likeness is not None
    assert likeness < ALIKE


def test_of_a_still_nothing_is_said() -> None:
    assert FINGERPRINT.likeness(pictures(OURS)[:1], Pose()) is None


def filtered(source: Path, target: Path, *crop: int) -> Path:
    """Crop a video (left, top, right, bottom) and mirror it."""
    with av.open(source) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    left, top, right, bottom = crop
    mp4.write(Clip(np.ascontiguousarray(np.stack(frames)[:, top:bottom, left:right][:, :, ::-1]), Fraction(30)), target)
    return target


def test_a_mark_copied_between_clips_that_are_nearly_the_same_is_told(identity: Identity, tmp_path: Path) -> None:
    """The forger even knows the clip without its mark, so takes exactly what was added."""
    mark = identity.mark({"prompt": "a disc"})
    ours = embed(OURS, bytes.fromhex(mark), identity.carrier_key)
    mp4.write(ours, tmp_path / "ours.mp4")
    known = {mark: Fingerprint.of(pictures_of(tmp_path / "ours.mp4")[0]).to_bytes()}
    forged = np.clip(moving(44, 160).frames + (ours.frames.astype(int) - OURS.frames), 0, 255).astype(np.uint8)
    mp4.write(Clip(forged, Fraction(30)), tmp_path / "forged.mp4")
    unknown = check(tmp_path / "forged.mp4", identity)
    assert (unknown.watermark, unknown.mark) == ("ours", mark), "what was added tells too little"
    finding = check(tmp_path / "forged.mp4", identity, known.get)
    assert (finding.watermark, finding.mark, finding.source) == ("copied", None, mark)
    assert f"of our clip {mark} was copied onto this other picture" in finding.sentence(None)
    for path in (tmp_path / "ours.mp4", filtered(tmp_path / "ours.mp4", tmp_path / "part.mp4", 40, 20, 600, 340)):
        assert check(path, identity, known.get).mark == mark


@pytest.mark.parametrize("count", [1, 5])
def test_of_too_few_pictures_it_is_not_said_that_they_are_ours(identity: Identity, tmp_path: Path, count: int) -> None:
    """A forgery of five pictures must not pass because five cannot be compared."""
    mark = identity.mark({"prompt": "a disc"})
    ours = embed(OURS, bytes.fromhex(mark), identity.carrier_key)
    known = {mark: FINGERPRINT.to_bytes()}
    forged = np.clip(moving(44, 160).frames + (ours.frames.astype(int) - OURS.frames), 0, 255).astype(np.uint8)
    for frames in (forged, ours.frames):
        mp4.write(Clip(frames[::6][:count], Fraction(1)), tmp_path / "few.mp4")
        finding = check(tmp_path / "few.mp4", identity, known.get)
        assert (finding.verdict, finding.mark, finding.source) == (NO_TRACE, None, mark)
        assert finding.watermark == "doubtful"
        assert "too few pictures to tell" in finding.sentence(None)
        assert "too few pictures to tell" in describe(finding, None)
