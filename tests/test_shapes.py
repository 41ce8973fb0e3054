from fractions import Fraction

import pytest

from wan_demo.shapes import ClipShape, Compression, frame_count

WAN = Compression(space=8, time=4, patch=2)


def test_latents_of_the_published_sizes() -> None:
    assert WAN.latents(ClipShape(832, 480, 81, Fraction(16))) == (21, 60, 104)
    assert WAN.latents(ClipShape(1280, 720, 81, Fraction(16))) == (21, 90, 160)


@pytest.mark.parametrize("shape", [(833, 480, 81), (832, 488, 81), (832, 480, 80)])
def test_nothing_is_rounded(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        WAN.latents(ClipShape(*shape, Fraction(16)))


def test_frame_count() -> None:
    assert frame_count(2.0, Fraction(30)) == 60
    assert frame_count(0.001, Fraction(30)) == 1
    assert ClipShape(16, 16, 33, Fraction(16)).duration_s == 2.0625
