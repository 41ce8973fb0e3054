"""The torch flow finds known motions, and is no worse than DIS in the world."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from benchmarks.clips import natural
from distill.world import Camera, Combination, draw
from wan_demo.clip import Clip
from wan_demo.finish.flow_torch import on_device
from wan_demo.finish.frame_rate import Means, convert_frame_rate
from wan_demo.finish.optical_flow import Floats, Grey, TwoWay, dis

SHIFT = np.array([[1, 0, 5.3], [0, 1, -2.6]])
ZOOM = np.array([[1.06, 0, -6.0], [0, 1.06, -5.0]])


def seen(move: np.ndarray) -> Grey:
    """A part of a texture after an affine move of the whole (2, 3)."""
    wide = natural(77, 1, 192, 256).frames[0][..., 1]
    whole = move @ np.array([[1, 0, -32], [0, 1, -32], [0, 0, 1]], float)
    return np.asarray(cv2.warpAffine(wide, whole, (192, 128), flags=cv2.INTER_CUBIC), np.uint8)


def truth(move: np.ndarray) -> Floats:
    y, x = np.mgrid[:128, :192].astype(np.float32)
    place = np.stack([x, y], -1)
    return np.asarray(place @ move[:, :2].T + move[:, 2] - place, np.float32)


def errors(flow: Floats, wanted: Floats) -> Floats:
    """End-point error of each pixel that is seen in both frames, whatever the motion here."""
    return np.asarray(np.hypot(*np.moveaxis(flow - wanted, -1, 0))[16:-16, 16:-16], np.float32)


@pytest.mark.parametrize("move", [SHIFT, ZOOM], ids=["shift", "zoom"])
def test_known_motions_are_found_to_a_tenth_of_a_pixel(move: np.ndarray) -> None:
    start, end = seen(np.eye(2, 3)), seen(move)
    there, back = on_device("cpu")(start, end)
    assert errors(there, truth(move)).mean() < 0.1
    inverse = cv2.invertAffineTransform(move)
    assert errors(back, truth(inverse)).mean() < 0.1
    assert errors(np.zeros_like(there), truth(move)).mean() > 1  # standing still does not pass


def test_what_stands_still_has_no_flow() -> None:
    still = seen(np.eye(2, 3))
    there, back = on_device("cpu")(still, still)
    assert np.abs(there).max() < 1e-4
    assert np.abs(back).max() < 1e-4


def test_in_the_world_it_draws_frames_about_as_well_as_dis() -> None:
    what = Combination("star", "red", "grass", "moves right")
    slow, true = (draw(what, 3, Camera(n, fps, 224, 128, start_s=0.5)).frames for n, fps in ((5, 16.0), (9, 32.0)))

    def squared_error(flow: TwoWay) -> float:
        made = convert_frame_rate(Clip(slow, Fraction(16)), Fraction(32), 9, Means(flow)).frames
        return float(np.square(made[1::2].astype(float) - true[1::2]).mean())

    ours, theirs = squared_error(on_device("cpu")), squared_error(dis)
    still = float(np.square(slow[:-1].astype(float) - true[1::2]).mean())
    assert ours < 1.25 * theirs
    assert ours < 0.05 * still


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_what_a_cpu_finds() -> None:
    start, end = seen(np.eye(2, 3)), seen(SHIFT)
    for here, there in zip(on_device("cpu")(start, end), on_device("cuda")(start, end), strict=True):
        assert np.abs(here - there).mean() < 0.02
