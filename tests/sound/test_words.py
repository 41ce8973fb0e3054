"""Which place and which language a sentence is of, and what the place sounds like."""

import numpy as np
import pytest

from distill.captions import CODES, paraphrase, plain
from distill.world import ALL
from wan_demo.clip import RATE
from wan_demo.sound.ambience import WORDS, ambience, place_of
from wan_demo.sound.narration import VOICES, language_of


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("a red ball over the sea", "sea"),
        ("The OCEAN at noon", "sea"),
        ("a seal in a field", "meadow"),
        ("红色的球在雪地里", "snow"),
        ("una pelota en el desierto", "desert"),
        ("كرة في الصحراء", "desert"),
        ("a red ball", None),
        ("a blue beach ball", None),
        ("a snow-white star in a meadow", "meadow"),
    ],
)
def test_places(prompt: str, place: str | None) -> None:
    assert place_of(prompt) == place


@pytest.mark.parametrize("code", CODES)
def test_places_and_languages_of_the_world(code: str) -> None:
    rng, wrong = np.random.default_rng(0), 0
    for what in ALL[::7]:
        said = "meadow" if what.scene == "grass" else what.scene
        assert place_of(plain(what, code)) == said
        caption = paraphrase(what, rng, code)
        assert place_of(caption) == said
        wrong += language_of(caption) != code
    assert wrong <= 0.02 * len(ALL[::7])


@pytest.mark.parametrize("place", WORDS)
def test_an_ambience_is_the_same_every_time_and_no_other(place: str) -> None:
    first = ambience(place, RATE, 1).samples
    assert np.array_equal(first, ambience(place, RATE, 1).samples)
    assert not np.array_equal(first, ambience(place, RATE, 2).samples)
    assert first.std() == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a ball over the sea", "en"),
        ("一个红色的球", "zh"),
        ("赤いボール", "ja"),
        ("una pelota en el mar", "es"),
        ("un ballon sur la mer", "fr"),
        ("كرة حمراء", "ar"),
        ("xyzzy", "en"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of(text) == language
    assert language in VOICES
