"""What a person asks for. A Request that exists is valid: every check is made when it is built."""

import math
import re
from dataclasses import dataclass

TIERS = ("full", "distilled")
MODES = ("chain", "direct")
MAX_PROMPT = 500  # characters
MAX_SEED = 2**32 - 1
MIN_HEIGHT, MAX_HEIGHT = 180, 1080
ASPECT = 16 / 9


LANGUAGES = ("en", "zh", "ja", "es", "fr", "ar")
PLACES = ("bottom right", "bottom left", "top right", "top left")


class RequestError(ValueError):
    """The request is refused. The message is one sentence that says what to do next."""


def _one_of(name: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise RequestError(f"There is no {name} called {value!r}: choose {', '.join(options[:-1])} or {options[-1]}.")


@dataclass(frozen=True)
class Label:
    """The visible label: where it stands, or "off", and in which language.

    Raises:
        RequestError: there is no such place or language.
    """

    place: str = PLACES[0]
    language: str = LANGUAGES[0]

    def __post_init__(self) -> None:
        _one_of("place for the label", self.place, (*PLACES, "off"))
        _one_of("language of the label", self.language, LANGUAGES)


@dataclass(frozen=True)
class Request:
    """One clip to make.

    Raises:
        RequestError: a value is out of its range.
    """

    prompt: str
    tier: str = "distilled"
    seed: int = 0
    mode: str = "chain"
    width: int = 1280
    height: int = 720
    duration_s: float = 2.0
    label: Label = Label()

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", " ".join(self.prompt.split()))
        if not self.prompt:
            raise RequestError(
                "The prompt is empty: describe a scene, such as a red ball moves right over green grass."
            )
        if len(self.prompt) > MAX_PROMPT:
            raise RequestError(f"The prompt has {len(self.prompt)} characters: shorten it to {MAX_PROMPT}.")
        _one_of("tier", self.tier, TIERS)
        _one_of("mode", self.mode, MODES)
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"The seed is {self.seed}: give a whole number from 0 to {MAX_SEED}.")
        _check_size(self.width, self.height)
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise RequestError(f"The duration is {self.duration_s:g} s: give a time above zero.")


def parse_size(text: str) -> tuple[int, int]:
    """Read "1280x720".

    Raises:
        RequestError: it is not two numbers with an x between.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if match is None:
        raise RequestError(f"The size {text!r} is not of the form WIDTHxHEIGHT: write it like 1280x720.")
    return int(match[1]), int(match[2])


def _check_size(width: int, height: int) -> None:
    if width % 2 or height % 2 or not MIN_HEIGHT <= height <= MAX_HEIGHT:
        raise RequestError(
            f"The size {width}x{height} cannot be made: both must be even, the height {MIN_HEIGHT} to {MAX_HEIGHT}."
        )
    if abs(width / height / ASPECT - 1) > 0.01:
        raise RequestError(
            f"The size {width}x{height} is not 16:9: the nearest that is, is {round(height * 8 / 9) * 2}x{height}."
        )
