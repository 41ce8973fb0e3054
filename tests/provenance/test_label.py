"""The label can be read, on any picture."""

from fractions import Fraction

import numpy as np
import pytest

from wan_demo.clip import Clip
from wan_demo.provenance.label import add_label, has_label

SIZES = [(720, 1280), (1280, 720), (128, 224), (480, 480)]


def flat(grey: int, height: int, width: int, count: int = 2) -> Clip:
    return Clip(np.full((count, height, width, 3), grey, np.uint8), Fraction(30))


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_it_is_tall_enough_and_stands_out(grey: int, height: int, width: int) -> None:
    labelled = add_label(flat(grey, height, width), "HI").frames[0].astype(float)
    letters = labelled.min(2) > 170
    if grey == 255:  # the scene is as white as the letters: look on the plate alone
        rows, columns = np.nonzero(labelled.max(2) < 200)
        plate = np.zeros_like(letters)
        plate[rows.min() : rows.max(), columns.min() : columns.max()] = True
        letters &= plate
    rows, columns = np.nonzero(letters)
    assert rows.max() - rows.min() + 1 >= 0.05 * min(height, width)
    assert rows.min() > height / 2
    assert columns.min() > width / 2
    # Contrast as WCAG counts it; 4.5 is its mark for text that can be read.
    around = labelled[rows.min() - 1, columns.min() - 1].max() / 255
    luminance = ((around + 0.055) / 1.055) ** 2.4 if around > 0.04 else around / 12.92
    assert 1.05 / (luminance + 0.05) > 4.5


def test_every_frame_has_it_and_the_rest_is_untouched() -> None:
    source = flat(100, 128, 224, count=5)
    result = add_label(source)
    changed = (result.frames != source.frames).any((0, 3))
    assert (result.frames == result.frames[0]).all()
    assert not changed[:64].any()
    assert not changed[:, :80].any()
    assert changed[96:, 150:].any()
    assert (source.frames == 100).all()
    assert (result.fps, len(result.frames)) == (source.fps, 5)


@pytest.mark.parametrize(("text", "why"), [("", "needs a text"), ("x" * 90, "does not fit"), ("\u751f", "no letter")])
def test_a_label_nobody_could_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        add_label(flat(100, 128, 224), text)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_it_is_found_where_it_is_and_nowhere_else(grey: int) -> None:
    bare = flat(grey, 360, 640)
    assert has_label(add_label(bare).frames[0, ..., 1])
    assert not has_label(bare.frames[0, ..., 1])
    assert not has_label(add_label(bare, "HI").frames[0, ..., 1])
