"""A clip fills its delivery size, undistorted, with clean edges."""

import cv2
import numpy as np
import pytest

from wan_demo.finish.resize import fit


def test_a_circle_stays_round_and_in_the_middle() -> None:
    frame = np.zeros((128, 224, 3), np.uint8)
    cv2.circle(frame, (112, 64), 30, (255, 255, 255), -1, cv2.LINE_AA)
    large = fit(frame, 1280, 720)
    rows, columns = np.nonzero(large[..., 0] > 127)
    width, height = np.ptp(columns), np.ptp(rows)
    assert abs(width - height) <= 2
    assert abs(width - 61 * 1280 / 224) < 4
    assert abs(columns.mean() - 642) < 3  # OpenCV's pixel 112 of 224 is half a source pixel right of the middle
    assert abs(rows.mean() - 362) < 3


def test_edges_have_no_halo() -> None:
    left, right = (90, 170, 60), (200, 60, 120)
    frame = np.full((128, 224, 3), left, np.uint8)
    frame[:, 112:] = right
    large = fit(frame, 1280, 720)
    assert (large >= np.minimum(left, right)).all()
    assert (large <= np.maximum(left, right)).all()
    soft = ~((large == left).all(2) | (large == right).all(2))
    assert soft[360].sum() <= 12  # about two source pixels: as steep as an edge can be here


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (96, 64), (720, 720), (224, 128), (200, 128)])
def test_every_size_is_exact(width: int, height: int) -> None:
    source = np.random.default_rng(0).integers(0, 256, (128, 224, 3), np.uint8)
    result = fit(source, width, height)
    assert result.shape == (height, width, 3)
    assert np.array_equal(result, source) == ((width, height) == (224, 128))


def test_a_size_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1x1"):
        fit(np.zeros((8, 8, 3), np.uint8), 0, 720)
