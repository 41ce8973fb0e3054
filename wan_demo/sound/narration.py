"""Speech, by a text-to-speech program that is installed: espeak-ng."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from wan_demo.clip import Caption, Sound
from wan_demo.request import RequestError
from wan_demo.sound.reading import read_sound

PROGRAM = "espeak-ng"
VOICES = {"en": "en-us", "zh": "cmn-latn-pinyin", "ja": "ja", "es": "es", "fr": "fr-fr", "ar": "ar"}
USUAL, FASTEST = 165, 300  # words a minute; above, it is hard to follow
PATIENCE_S = 30
LEAD_S = 0.1  # before the first word
MOST_LETTERS = 60  # of a caption
# The scripts tell Chinese, Japanese and Arabic; the commonest words tell Spanish and French from English.
_SCRIPTS = (("ja", r"[\u3040-\u30ff]"), ("zh", r"[\u4e00-\u9fff]"), ("ar", r"[\u0600-\u06ff]"))
KANJI = r"[\u3005\u3400-\u4dbf\u4e00-\u9fff]"
_COMMON = {
    "es": {"el", "la", "los", "las", "un", "una", "de", "del", "que", "en", "sobre", "por", "con", "y", "se"},
    "fr": {"le", "la", "les", "un", "une", "de", "du", "des", "que", "dans", "sur", "au", "avec", "et", "vers"}
    | {"d", "l", "s", "il", "y", "en", "qui", "nuit", "herbe", "neige", "ciel"},
    "en": {"the", "a", "an", "of", "in", "on", "over", "at", "with", "and", "is", "to"},
}


def language_of(text: str) -> str:
    """Which of VOICES' languages a text is in; English when nothing tells."""
    for language, script in _SCRIPTS:
        if re.search(script, text):
            return language
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {language: sum(word in common for word in words) for language, common in _COMMON.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] > counts["en"] else "en"


def speak(text: str, longest_s: float) -> Sound:
    """The text spoken in its language, faster where it would take longer than `longest_s`.

    Raises:
        RequestError: there is no program that speaks, it fails, or even the fastest speech is too long.
    """
    if language_of(text) == "ja" and re.search(KANJI, text):
        text = in_kana(text)
    if shutil.which(PROGRAM) is None:
        raise RequestError(
            f"Narration needs the program {PROGRAM}, which is not installed here: install it, or leave it."
        )
    room = longest_s - LEAD_S
    sound = _spoken(text, USUAL, 4 * longest_s + 10)
    length = float(sound.duration_s)
    if length > room:
        sound = _spoken(text, min(FASTEST, round(USUAL * length / max(room, 0.1) * 1.03)), 4 * longest_s + 10)
    if float(sound.duration_s) > room:
        raise RequestError(
            f"The narration takes {float(sound.duration_s):.1f} s at its fastest and the clip lasts {longest_s:g} s:"
            " shorten it."
        )
    return sound


def in_kana(text: str) -> str:
    """A Japanese text as it is said, by Janome where that is installed: it brings a dictionary of 118 MB.

    Raises:
        RequestError: it is not installed, or does not know some kanji.
    """
    try:
        from janome.tokenizer import Tokenizer
    except ImportError:
        raise RequestError(
            f"{PROGRAM} cannot read kanji: write the narration in kana, or `pip install janome`."
        ) from None
    words: Iterable[Any] = Tokenizer().tokenize(text)
    said = "".join(word.surface if word.phonetic == "*" else word.phonetic for word in words)
    unknown = "".join(re.findall(KANJI, said))
    if unknown:
        raise RequestError(f"How {unknown} is read is not known: write it in kana.")
    return said


def captions(text: str, spoken_s: float) -> tuple[Caption, ...]:
    """The text in pieces of at most MOST_LETTERS, each for its share of the time that is spoken."""
    wide = language_of(text) in ("zh", "ja")  # without spaces: cut anywhere, and sooner, since letters are wide
    most = MOST_LETTERS // 3 if wide else MOST_LETTERS
    pieces: list[str] = []
    for word in text.split(" "):
        if pieces and len(pieces[-1]) + 1 + len(word) <= most:
            pieces[-1] += f" {word}"
        else:
            pieces += [word[i : i + most] for i in range(0, len(word), most)] or [""]
    made, start = [], Fraction(LEAD_S).limit_denominator(1000)
    for piece in pieces:
        end = start + Fraction(spoken_s * len(piece) / sum(map(len, pieces))).limit_denominator(1000)
        made.append(Caption(start, end, piece))
        start = end
    return tuple(made)


def _spoken(text: str, words_a_minute: int, longest_s: float) -> Sound:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        # the text by way of a pipe: as an argument it could be taken for an option
        voice = ("-v", VOICES[language_of(text)], "-s", str(words_a_minute))
        command = (PROGRAM, *voice, "-b", "1", "--stdin", "-w", str(path))
        try:
            subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=PATIENCE_S)
        except (OSError, subprocess.SubprocessError):
            raise RequestError(f"{PROGRAM} could not speak the narration: change it, or leave it out.") from None
        if not path.exists():
            raise RequestError(f"{PROGRAM} found nothing to say in the narration: change it, or leave it out.")
        return read_sound(path, longest_s)
