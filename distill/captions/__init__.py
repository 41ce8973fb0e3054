"""What people say about a clip, in six languages: a plain caption and many paraphrases of it."""

import numpy as np

from distill.captions import arabic, chinese, english, french, japanese, spanish
from distill.world import What

BY_CODE = {
    "en": english.LANGUAGE,
    "zh": chinese.LANGUAGE,
    "ja": japanese.LANGUAGE,
    "es": spanish.LANGUAGE,
    "fr": french.LANGUAGE,
    "ar": arabic.LANGUAGE,
}
CODES = tuple(BY_CODE)


def plain(what: What, code: str = "en") -> str:
    """The plain caption in a language of CODES, such as "a red ball moves right over green grass"."""
    return BY_CODE[code].plain(what)


def paraphrase(what: What, rng: np.random.Generator, code: str = "en") -> str:
    """One of the many captions of a clip; one in five is the plain one. It names the first of a pair first."""
    return plain(what, code) if rng.random() < 0.2 else BY_CODE[code].paraphrase(what, rng)


def every_text(code: str) -> list[str]:
    """All words that a language's captions are made of, between spaces also where it is written without."""
    return BY_CODE[code].every_text()
