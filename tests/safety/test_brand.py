"""Brand rules read the prompt and the pixels."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.clips import natural
from wan_demo.policy import Policy, PolicyError, Wanted
from wan_demo.safety.brand import LIKE, colour_share, logo_likeness, picture_faults, picture_report, term_faults
from wan_demo.safety.inspector import Inspector


def logo(size: int = 120) -> npt.NDArray[np.uint8]:
    """A ring around a bar, see-through outside: (size, size, 4) BGRA."""
    picture = np.zeros((size, size, 4), np.uint8)
    cv2.circle(picture, (size // 2, size // 2), size // 2 - 2, (200, 60, 20, 255), -1)
    cv2.circle(picture, (size // 2, size // 2), size // 3, (240, 240, 240, 255), -1)
    cv2.rectangle(picture, (size // 3, size * 4 // 9), (size * 2 // 3, size * 5 // 9), (20, 20, 220, 255), -1)
    return picture


@pytest.fixture
def path(tmp_path: Path) -> str:
    cv2.imwrite(str(tmp_path / "ring.png"), logo())
    return str(tmp_path / "ring.png")


def with_logo(frame: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    small = cv2.resize(logo(), (width, width), interpolation=cv2.INTER_AREA)
    out, alpha = frame.copy(), small[..., 3:] / 255
    spot = out[40 : 40 + width, 300 : 300 + width]
    spot[:] = spot * (1 - alpha) + small[..., 2::-1] * alpha
    return out


@pytest.mark.parametrize("prompt", ["an ACME ball", "an a c m e ball", "the acm3 ball"])
def test_terms_are_found_in_disguise(prompt: str) -> None:
    assert list(term_faults(prompt, Wanted(forbidden=("acme",)))) == ['has the term "acme"']
    assert not list(term_faults(prompt, Wanted(required=("acme",))))


def test_a_term_that_must_be_there() -> None:
    assert list(term_faults("a red ball", Wanted(("acme",), ("blue",)))) == ['lacks the term "blue"']


def test_a_colour_is_found_by_its_share() -> None:
    frame = np.full((180, 320, 3), (30, 120, 40), np.uint8)
    assert colour_share([frame], "#ff0000") == 0
    frame[:90, :64] = (250, 5, 3)
    assert colour_share([np.zeros_like(frame), frame], "#ff0000") == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("width", [48, 120, 250])
def test_a_logo_is_found_at_any_size(width: int, path: str) -> None:
    for seed in range(2):
        assert logo_likeness([with_logo(natural(seed, 1).frames[0], width)], path) > LIKE


def test_a_logo_is_not_seen_where_there_is_none(path: str) -> None:
    plain = np.full((360, 640, 3), (90, 160, 220), np.uint8)
    disc = cv2.circle(plain.copy(), (320, 180), 80, (220, 40, 40), -1)
    frames = [natural(seed, 1).frames[0] for seed in range(6)]
    assert max(logo_likeness([frame], path) for frame in (plain, np.asarray(disc, np.uint8), *frames)) < LIKE - 0.1


def test_faults_and_report_agree(path: str) -> None:
    bare = natural(3, 1).frames[0]
    marked = with_logo(bare, 100)
    forbidden, required = Policy(logos=Wanted((path,))), Policy(logos=Wanted((), (path,)))
    for frame, policy, expected in (
        (bare, forbidden, []),
        (marked, forbidden, ["has the logo ring.png"]),
        (bare, required, ["lacks the logo ring.png"]),
        (marked, required, []),
    ):
        assert list(picture_faults(picture_report([frame], policy), policy)) == expected
    assert picture_report([bare], Policy()) == {}


def test_a_grey_logo_is_looked_for_as_one_in_colour(tmp_path: Path) -> None:
    grey = cv2.cvtColor(logo(), cv2.COLOR_BGR2GRAY)
    frame = natural(0, 1).frames[0].copy()
    frame[40:160, 300:420] = grey[..., None]
    for name, picture in (("8.png", grey), ("16.png", grey.astype(np.uint16) * 257)):
        cv2.imwrite(str(tmp_path / name), picture)
        assert logo_likeness([frame], str(tmp_path / name)) > LIKE
        assert logo_likeness([natural(0, 1).frames[0]], str(tmp_path / name)) < LIKE


@pytest.mark.parametrize("term", ["", "  ", "!!"])
def test_a_term_without_letters_is_told_before_any_work(term: str) -> None:
    with pytest.raises(PolicyError, match=r"rules cannot be used .The term .* has no letters.: mend them"):
        Inspector(Policy(terms=Wanted((term,))))


def test_a_broken_logo_is_told_before_any_work(tmp_path: Path, path: str) -> None:
    (tmp_path / "junk.png").write_text("no picture")
    Inspector(Policy(logos=Wanted((path,))))
    with pytest.raises(PolicyError, match=r"junk.png is not a picture that can be read\): mend them"):
        Inspector(Policy(logos=Wanted((), (path, str(tmp_path / "junk.png")))))
