"""The label can be read, on any picture."""

import numpy as np
import numpy.typing as npt
import pytest

from wan_demo.provenance.label import WORDINGS, _font, add_label, has_label
from wan_demo.request import LANGUAGES, PLACES

SIZES = [(720, 1280), (1280, 720), (128, 224), (480, 480)]


def flat(grey: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), grey, np.uint8)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_it_is_tall_enough_and_stands_out(grey: int, height: int, width: int) -> None:
    labelled = add_label(flat(grey, height, width)).astype(float)
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


def test_the_rest_is_untouched() -> None:
    source = flat(100, 128, 224)
    changed = (add_label(source) != source).any(2)
    assert not changed[:64].any()
    assert not changed[:, :80].any()
    assert changed[96:, 150:].any()
    assert (source == 100).all()


def test_a_frame_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        add_label(flat(100, 128, 48), "ar")


def test_it_speaks_every_language_that_can_be_asked_for() -> None:
    assert set(WORDINGS) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_is_in_its_font(language: str) -> None:
    wording = WORDINGS[language]
    font = _font(wording, 36)
    missing = bytes(font.getmask("\U0010ffff"))  # no font has this one: it draws the box that stands for "missing"
    assert [c for c in wording.text if not c.isspace() and bytes(font.getmask(c)) == missing] == []
    _, top, _, bottom = font.getbbox(wording.tall)
    assert bottom - top >= 36


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("place", PLACES)
def test_it_is_found_where_it_is_and_nowhere_else(grey: int, place: str) -> None:
    bare = flat(grey, 360, 640)
    for language in LANGUAGES:
        shown = add_label(bare, language, place)[..., 1]
        assert [there for there in PLACES if has_label(shown, language, there)] == [place]
        assert has_label(shown, "en", place) == (language == "en")
    assert not has_label(bare[..., 1], "en", place)
