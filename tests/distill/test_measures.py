"""What is measured of clips without a caption: motion, flicker, distances between sets; against what is known."""

from dataclasses import replace

import numpy as np
import pytest

from distill import features
from distill.measures import bootstrap, diversity, measure, wilson
from distill.world import HELD_OUT, Camera, Combination, draw

CAMERA = Camera(33, 16, 224, 128)
WHAT = Combination("star", "red", "sea", "moves left")


def test_motion_is_the_worlds_speed() -> None:
    """The star goes 1.15 x 2 x reach of the width in two seconds, and covers about a sixth of the frame."""
    slow = measure(draw(WHAT, 1, CAMERA).frames, 16)
    fast = measure(draw(WHAT, 1, replace(CAMERA, fps=8.0)).frames[:17], 16)
    still = measure(np.repeat(draw(WHAT, 1, CAMERA).frames[:1], 33, 0), 16)
    assert still.motion == 0
    assert still.flicker == 0
    assert fast.motion == pytest.approx(2 * slow.motion, rel=0.25)


def test_flicker_and_seams_are_seen() -> None:
    frames = draw(WHAT, 1, CAMERA).frames
    flickers = np.clip(frames.astype(int) + 6 * (np.arange(33) % 2)[:, None, None, None], 0, 255).astype(np.uint8)
    assert measure(frames, 16).flicker < 0.2
    assert measure(flickers, 16).flicker == pytest.approx(6, abs=1)
    chunk = (np.arange(33) + 3) // 4
    seamed = np.clip(frames.astype(int) + 8 * (chunk % 2)[:, None, None, None], 0, 255).astype(np.uint8)
    assert measure(frames, 16).seam == pytest.approx(1, abs=0.15)
    assert measure(seamed, 16).seam > 2


def test_intervals() -> None:
    assert wilson(0.745, 200) == (0.68, 0.8)
    low, high = bootstrap(np.array([0.0, 1.0] * 50))
    assert 0.38 < low < 0.45
    assert 0.55 < high < 0.62


def test_frechet_is_that_of_gaussians() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (20000, 3)), rng.normal((1, 0, 0), (2, 1, 1), (20000, 3))
    assert features.frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert features.frechet(a, b) == pytest.approx(2, abs=0.1)  # 1 for the means, (2 - 1)^2 for the deviations
    assert diversity([np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((3, 2))]) == pytest.approx(2.5)


def test_the_shipped_eye_tells_held_out_clips_and_degraded_ones_are_far() -> None:
    eye = features.load()
    thing, *others = features.accuracy(eye)
    assert thing > 0.93
    assert min(others) > 0.95
    rows = list(enumerate(HELD_OUT[::5]))
    clips, again = ([draw(what, first + i, features.CAMERA).frames for i, what in rows] for first in (0, 1000))
    grey = [np.repeat(c.mean(-1, keepdims=True), 3, -1).astype(np.uint8) for c in clips]
    real, other, dull = (np.stack([features.look(eye, c, 4) for c in some]) for some in (clips, again, grey))
    assert features.frechet(real, dull) > 3 * features.frechet(real, other)
