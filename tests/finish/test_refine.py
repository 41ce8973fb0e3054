"""The refiner mends frames in between, and adds nothing that neither neighbour shows."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from distill.world import HELD_OUT, Camera, draw
from wan_demo.clip import Clip
from wan_demo.finish.frame_rate import Means, convert_frame_rate, guesses_at
from wan_demo.finish.refine import CHOICES, HINTS, Refiner, choices, load_refiner, refined
from wan_demo.finish.warp import ROWS, Guess
from wan_demo.presets import find

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3)
SHOT, SLOW, FAST = HELD_OUT[3], Fraction(16), Fraction(32)


@pytest.fixture(scope="module")
def refiner() -> Refiner:
    made = load_refiner(find("pocket", "full").weights / "refiner")
    assert made is not None
    return made


def drawn(count: int, fps: Fraction) -> Frames:
    return draw(SHOT, 11, Camera(count, float(fps), 224, 128, start_s=0.6)).frames


def guess(frames: Frames) -> Guess:
    """What is known half-way between the first two frames."""
    (found,) = guesses_at(Clip(frames, SLOW), [Fraction(1, 32)])
    assert isinstance(found, Guess)
    return found


def test_a_held_out_shot_is_drawn_truer_than_by_flow_alone(refiner: Refiner) -> None:
    slow, true = Clip(drawn(6, SLOW), SLOW), drawn(11, FAST)
    plain, ours = (
        convert_frame_rate(slow, FAST, 11, means).frames.astype(float) for means in (Means(), Means(refiner=refiner))
    )
    error = [np.square(made[1::2] - true[1::2]).mean() for made in (plain, ours)]
    assert error[1] < 0.7 * error[0]
    assert np.array_equal(ours[::2], slow.frames)


def test_no_pixel_is_outside_what_the_neighbours_show(refiner: Refiner) -> None:
    found = guess(drawn(3, SLOW))
    shown = np.stack(choices(found))
    picture = refined(found, refiner)
    assert (picture >= shown.min(0)).all()
    assert (picture <= shown.max(0)).all()


def test_what_all_choices_agree_on_stays_even_untrained() -> None:
    torch.manual_seed(0)
    wild = Refiner()
    torch.nn.init.normal_(wild.leave.weight)
    still = np.repeat(drawn(1, SLOW), 3, 0)
    assert np.array_equal(refined(guess(still), wild), still[0])


def test_any_size_will_do_and_large_frames_are_left_to_the_flow(refiner: Refiner) -> None:
    odd = np.ascontiguousarray(drawn(3, SLOW)[:, :97, :151])
    assert refined(guess(odd), refiner).shape == (97, 151, 3)
    large = np.stack([cv2.resize(frame, (320, ROWS + 2)) for frame in drawn(2, SLOW)])
    plain, ours = (
        convert_frame_rate(Clip(np.asarray(large, np.uint8), SLOW), FAST, 3, means).frames
        for means in (Means(), Means(refiner=refiner))
    )
    assert np.array_equal(plain, ours)


def test_without_weights_there_is_none(tmp_path: Path) -> None:
    assert load_refiner(tmp_path / "refiner") is None


def test_it_is_small(refiner: Refiner) -> None:
    assert sum(p.numel() for p in refiner.parameters()) < 60_000
    assert refiner.enter.in_channels == 3 * CHOICES + 3 + HINTS
