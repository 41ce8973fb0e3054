"""In-between frames show things where they are at that moment."""

from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from wan_demo.clip import Clip
from wan_demo.finish.frame_rate import convert_frame_rate

GRASS, RED = (90, 170, 60), (220, 30, 30)
START, SPEED = np.array([30.0, 40.0]), np.array([128.0, 40.0])  # pixels, pixels a second: 8.4 pixels a frame at 16 fps


def disc(when: float) -> npt.NDArray[np.uint8]:
    frame = np.full((96, 224, 3), GRASS, np.uint8)
    x, y = np.rint(16 * (START + SPEED * when)).astype(int)  # OpenCV takes sixteenths of a pixel
    cv2.circle(frame, (int(x), int(y)), 14 * 16, RED, -1, cv2.LINE_AA, 4)
    return frame


def moving(count: int = 17, fps: int = 16) -> Clip:
    return Clip(np.stack([disc(k / fps) for k in range(count)]), Fraction(fps))


def centre(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(x, y) of the middle of what is not grass."""
    weight = np.abs(frame.astype(float) - GRASS).sum(2)
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    return np.array([np.average(x, weights=weight), np.average(y, weights=weight)])


def test_a_moving_disc_is_where_it_should_be_and_whole() -> None:
    source = moving()
    result = convert_frame_rate(source, Fraction(30))
    for k, frame in enumerate(result.frames):
        if k / 30 <= 16 / 16:  # after the last source frame the picture is held
            assert np.abs(centre(frame) - START - SPEED * k / 30).max() < 0.4, k
            # Neither doubled nor faded: nearly every pixel is what a renderer would have drawn.
            wrong = np.abs(frame.astype(int) - disc(k / 30)).max(2) > 60
            assert wrong.mean() < 0.003, k
    nearest = np.abs(source.frames[3].astype(int) - disc(6 / 30)).max(2) > 60
    assert nearest.mean() > 0.003  # the test can fail: repeating a frame does not pass it


@pytest.mark.parametrize(
    "fps", [Fraction(8), Fraction(24), Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(60)]
)
def test_the_count_is_exact_and_time_runs_forwards(fps: Fraction) -> None:
    source = moving()
    result = convert_frame_rate(source, fps)
    assert len(result.frames) == round(Fraction(17, 16) * fps)
    assert result.fps == fps
    x = [centre(frame)[0] for frame in result.frames]
    assert (np.diff(x) >= -0.01).all()


def test_frames_on_a_source_frame_are_copies_and_the_last_is_held() -> None:
    source = moving(5)
    result = convert_frame_rate(source, Fraction(32), frames=12)
    assert np.array_equal(result.frames[:9:2], source.frames)
    assert all(np.array_equal(frame, source.frames[-1]) for frame in result.frames[8:])


def test_the_same_rate_changes_nothing() -> None:
    source = moving(3)
    assert convert_frame_rate(source, Fraction(16)) is source
    assert np.array_equal(convert_frame_rate(source, Fraction(16), frames=2).frames, source.frames[:2])


def test_a_cut_is_kept() -> None:
    day, night = disc(0.0), 255 - disc(0.5)
    result = convert_frame_rate(Clip(np.stack([day, day, night, night]), Fraction(16)), Fraction(60))
    for frame in result.frames:
        assert np.array_equal(frame, day) or np.array_equal(frame, night)


def test_a_still_picture_stays_still_under_flicker() -> None:
    noise = np.random.default_rng(0).integers(-2, 3, (4, 96, 224, 3))
    source = Clip(np.clip(disc(0.2) + noise, 0, 255).astype(np.uint8), Fraction(16))
    result = convert_frame_rate(source, Fraction(30))
    assert np.abs(result.frames.astype(int) - disc(0.2)).max() <= 3


def test_one_frame_can_be_held() -> None:
    source = Clip(disc(0.0)[None], Fraction(16))
    assert len(convert_frame_rate(source, Fraction(30)).frames) == 2
    assert len(convert_frame_rate(source, Fraction(1)).frames) == 1


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        convert_frame_rate(moving(2), Fraction(0))
    with pytest.raises(ValueError, match="at least one frame"):
        convert_frame_rate(moving(2), Fraction(30), frames=0)
