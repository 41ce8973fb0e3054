"""What a person asks for. A Request that exists is valid: every check is made when it is built."""

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

TIERS = ("full", "distilled")
MODES = ("chain", "direct")
MAX_PROMPT = 500  # characters, of a negative prompt and of narration too
MAX_SEED = 2**32 - 1
MIN_SIDE, MAX_SIDE = 180, 2160  # pixels of the shorter side
MIN_S = 0.2  # of a clip: of one or two frames, x265 writes times that no player understands
SHAPES = {"16:9": Fraction(16, 9), "9:16": Fraction(9, 16), "1:1": Fraction(1)}
FRAME_RATES = {  # a second
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "30": Fraction(30),
    "50": Fraction(50),
    "60": Fraction(60),
}
CODECS = ("h264", "h265", "av1")
TIMINGS = ("exact", "even")
LANGUAGES = ("en", "zh", "ja", "es", "fr", "ar")
PLACES = ("bottom right", "bottom left", "top right", "top left")
FITS = ("cut", "loop", "clip")
CAPTIONS = ("off", "burnt", "track")


class RequestError(ValueError):
    """The request is refused. The message is one sentence that says what to do next."""


def _one_of(name: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise RequestError(f"There is no {name} called {value!r}: choose {', '.join(options[:-1])} or {options[-1]}.")


def _tidied(name: str, text: str) -> str:
    """The text with single spaces; refused where it is too long."""
    tidy = " ".join(text.split())
    if len(tidy) > MAX_PROMPT:
        raise RequestError(f"The {name} has {len(tidy)} characters: shorten it to {MAX_PROMPT}.")
    return tidy


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
class Delivery:
    """The file's pictures.

    fps: frames per second, one of FRAME_RATES. timing: "exact", or "even": between two frames that the model drew there
    are always as many new ones, so that motion is as smooth as can be, and up to a quarter slower than it was drawn.
    mend: flicker, shake and colour that drifts are taken out where there is any. label: the visible one.

    Raises:
        RequestError: a value is not one that is made.
    """

    width: int = 1280
    height: int = 720
    fps: Fraction = FRAME_RATES["30"]
    codec: str = CODECS[0]
    timing: str = TIMINGS[0]
    mend: bool = True
    label: Label = field(default_factory=Label)

    def __post_init__(self) -> None:
        _check_size(self.width, self.height)
        if self.fps not in FRAME_RATES.values():
            raise RequestError(
                f"Clips of {float(self.fps):g} frames a second are not made: choose {' or '.join(FRAME_RATES)}."
            )
        _one_of("codec", self.codec, CODECS)
        _one_of("timing", self.timing, TIMINGS)


@dataclass(frozen=True)
class Soundtrack:
    """What is heard; nothing by default.

    file: any sound or video file. fit: where it is longer or shorter than the clip, "cut": it is cut, or silence
    follows; "loop": it is repeated; "clip": the clip lasts as long as it. beats: the motion is moved onto its beats.
    effects: noises of the scene and of its motion are synthesised. narration: is spoken, by a program that must be
    installed; captions: "burnt" into the picture, or a "track" that can be turned on.

    Raises:
        RequestError: a value is not one that can be met, or is of no use without another.
    """

    file: Path | None = None
    fit: str = FITS[0]
    beats: bool = False
    effects: bool = False
    narration: str = ""
    captions: str = CAPTIONS[0]

    def __post_init__(self) -> None:
        object.__setattr__(self, "narration", _tidied("narration", self.narration))
        _one_of("way to fit the sound", self.fit, FITS)
        _one_of("kind of captions", self.captions, CAPTIONS)
        if self.file is None and (self.beats or self.fit != FITS[0]):
            raise RequestError("There is no sound file to fit the clip to: give one, or leave out how it is fitted.")
        if self.captions != "off" and not self.narration:
            raise RequestError("Captions show what is spoken: write a narration, or turn them off.")

    @property
    def silent(self) -> bool:
        return self.file is None and not self.effects and not self.narration


@dataclass(frozen=True)
class Request:
    """One clip to make. negative: what to steer away from; tiers without guidance refuse it.

    Raises:
        RequestError: a value is out of its range.
    """

    prompt: str
    tier: str = "distilled"
    seed: int = 0
    mode: str = "chain"
    duration_s: float = 2.0
    delivery: Delivery = field(default_factory=Delivery)
    sound: Soundtrack = field(default_factory=Soundtrack)
    negative: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", _tidied("prompt", self.prompt))
        object.__setattr__(self, "negative", _tidied("negative prompt", self.negative))
        if not self.prompt:
            raise RequestError(
                "The prompt is empty: describe a scene, such as a red ball moves right over green grass."
            )
        _one_of("tier", self.tier, TIERS)
        _one_of("mode", self.mode, MODES)
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"The seed is {self.seed}: give a whole number from 0 to {MAX_SEED}.")
        if not MIN_S <= self.duration_s < math.inf:
            raise RequestError(f"The duration is {self.duration_s:g} s: give {MIN_S:g} s or more.")


def parse_size(text: str) -> tuple[int, int]:
    """Read "1280x720".

    Raises:
        RequestError: it is not two numbers with an x between.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if match is None:
        raise RequestError(f"The size {text!r} is not of the form WIDTHxHEIGHT: write it like 1280x720.")
    return int(match[1]), int(match[2])


def parse_fps(text: str) -> Fraction:
    """Read a frame rate of FRAME_RATES.

    Raises:
        RequestError: it is none.
    """
    if text.strip() not in FRAME_RATES:
        raise RequestError(f"Clips of {text!r} frames a second are not made: choose {' or '.join(FRAME_RATES)}.")
    return FRAME_RATES[text.strip()]


def _check_size(width: int, height: int) -> None:
    if width % 2 or height % 2 or not MIN_SIDE <= min(width, height) <= MAX_SIDE:
        raise RequestError(
            f"The size {width}x{height} cannot be made: both must be even, the smaller {MIN_SIDE} to {MAX_SIDE}."
        )
    if all(abs(width / height / shape - 1) > 0.01 for shape in SHAPES.values()):
        side = min(width, height)
        offers = ", ".join("{}x{}".format(*size_of(shape, side)) for shape in SHAPES)
        raise RequestError(
            f"The size {width}x{height} is none of {', '.join(SHAPES)}: the nearest that are, are {offers}."
        )


def size_of(shape: str, side: int) -> tuple[int, int]:
    """Width and height of one of SHAPES whose shorter side is about `side` pixels, both even."""
    ratio = SHAPES[shape]
    width, height = side * max(ratio, Fraction(1)), side / min(ratio, Fraction(1))
    return round(width / 2) * 2, round(height / 2) * 2
