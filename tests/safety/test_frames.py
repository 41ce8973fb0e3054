from fractions import Fraction

import numpy as np
import pytest

from distill.world import HELD_OUT, Camera, draw
from wan_demo.clip import Clip
from wan_demo.safety.frames import Flashing, UnsafeClipError, check_frames


def blinking(hertz: float, bright: object = 255, dark: object = 0, area: float = 1.0, fps: int = 30) -> Clip:
    """Two seconds over `area` of a grey picture; a dot moves, so that it is never frozen."""
    frames = np.full((2 * fps, 90, 160, 3), 60, np.uint8)
    for i, frame in enumerate(frames):
        frame[: round(90 * area)] = np.array(bright if int(2 * hertz * i / fps) % 2 else dark, np.uint8)
        frame[88, i : i + 3] = 255
    return Clip(frames, Fraction(fps))


def flashes(clip: Clip) -> bool:
    watcher = Flashing(clip.fps)
    for frame in clip.frames:
        watcher.see(frame)
    return watcher.found


def passed(clip: Clip) -> int:
    """How many frames come through the check."""
    return len(list(check_frames(clip.frames, clip.fps)))


@pytest.mark.parametrize("fps", [24, 30, 60])
def test_more_than_three_flashes_a_second_are_found(fps: int) -> None:
    assert flashes(blinking(5, fps=fps))
    assert not flashes(blinking(2.5, fps=fps))


def test_a_small_faint_or_bright_flicker_is_allowed() -> None:
    assert not flashes(blinking(5, area=0.2))
    assert flashes(blinking(5, area=0.3))
    assert not flashes(blinking(5, bright=120, dark=100)), "a change below 20 cd/m2"
    assert not flashes(blinking(5, bright=255, dark=235)), "both sides above 160 cd/m2"


def test_red_flashes_count_at_equal_luminance() -> None:
    red, grey = (160, 0, 0), (82, 82, 82)
    assert flashes(blinking(5, red, grey))
    assert not flashes(blinking(2.5, red, grey))
    assert not flashes(blinking(5, (0, 160, 0), (139, 139, 139))), "green is no red"


def test_fine_stripes_that_pan_are_no_flashes() -> None:
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), 2), 200)
    frames = np.stack([np.tile(stripes[i : i + 640, None], (360, 1, 3)) for i in range(60)])
    assert not flashes(Clip(frames, Fraction(30)))


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (blinking(5), "flashes"),
        (Clip(np.full((30, 90, 160, 3), 9, np.uint8), Fraction(30)), "black"),
        (Clip(np.full((30, 90, 160, 3), 90, np.uint8), Fraction(30)), "does not move"),
    ],
)
def test_what_must_not_be_shown_is_refused_in_a_sentence(clip: Clip, reason: str) -> None:
    with pytest.raises(UnsafeClipError, match=rf"The clip [^.]*{reason}.*: try another seed or another prompt\.$"):
        passed(clip)


def test_half_a_clip_of_black_is_a_cut_and_a_single_frame_may_stand_still() -> None:
    frames = blinking(1).frames.copy()
    frames[:25] = 0
    assert passed(Clip(frames, Fraction(30))) == 60
    assert passed(Clip(frames[40:41], Fraction(30))) == 1


@pytest.mark.parametrize("combination", HELD_OUT[::12], ids=str)
def test_every_kind_of_rendered_clip_passes(combination: object) -> None:
    passed(Clip(draw(combination, 3, Camera(60, 30, 320, 180)).frames, Fraction(30)))  # type: ignore[arg-type]
