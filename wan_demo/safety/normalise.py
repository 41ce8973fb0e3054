"""A prompt in the spellings that a reader may see in it, so that a rule need only know a word's plain spelling."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from wan_demo.safety.letters import ARABIC, HAN, LEET, LEET_L, PLAIN

_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SIGNS = "@$€£¢!|+*"  # may stand for a letter inside a word
_NO_LETTER = re.compile(r"[\W_]+")
_PARTS = re.compile(rf"(?:[^\W_]|[{_SIGNS}])+")
_CONTRACTION = re.compile(r"(?<=[^\W\d_])['’ʼ＇](?:s|t|re|ve|ll|d|m)(?![^\W_])")
_CJK_EDGE = re.compile(rf"(?<=[{_CJK}])(?=(?![{_CJK}])[^\W\d_])|(?<=[^\W\d_])(?<![{_CJK}])(?=[{_CJK}])")
_CJK_GAP = re.compile(rf"(?<=[{_CJK}])\s+(?=\d)|(?<=\d)\s+(?=[{_CJK}])")
_CJK_SIGN = re.compile(
    rf"(?<=[{_CJK}])[^\w\s，。、；：！？「」『』（）《》,.;:!?()]+(?=[{_CJK}])|(?<=[{_CJK}])_+(?=[{_CJK}])"
)
_CJK_LONE = re.compile(rf"(?<![{_CJK}])([{_CJK}])[\W_]+(?=[{_CJK}])|(?<=[{_CJK}])[\W_]+(?=[{_CJK}](?![{_CJK}]))")
_HAS_CJK = re.compile(f"[{_CJK}]")
_LEET_SIGN = re.compile(f"[{re.escape(''.join(map(chr, LEET)))}]")
_RUN_OF_3 = re.compile(r"(.)\1{2,}")
_RUN_OF_2 = re.compile(r"(.)\1+")
_LETTERS_APART = re.compile(r"(?<!\S)\S(?: \S){2,}(?!\S)")  # a wider gap ends the word: "n u d e   b o d y"
_ALL_APART = re.compile(r"(?<!\S)\S(?:\s+\S){2,}(?!\S)")
_VOWEL = re.compile("[aeiouy]")
_LONGEST_RUN = 60  # letters joined from "n u d e": more is a list, not a word
_PREFIXES = ("وال", "فال", "بال", "كال", "لل", "ال", "و", "ف", "ب", "ل", "ك", "س")
_SUFFIXES = ("ها", "هم", "هن", "كم", "نا", "ات", "ون", "ين", "ان", "يه", "وا", "ه", "ي", "ك")


@dataclass(frozen=True)
class Reading:
    """A prompt, ready for the rules.

    words: the words in order, each as all the spellings that it may stand for, the plain one first. Chinese and
    Japanese do not part words: what stands between two spaces counts as one.
    unspaced: Chinese and Japanese, to look into letter by letter.
    pairs: each word and the next in one, where one of them is a scrap without a vowel: "po rn", "n ude"; else "".
    spelt: what was written "l i k e t h i s", joined; where its words begin is lost.
    """

    words: tuple[tuple[str, ...], ...]
    pairs: tuple[str, ...]
    unspaced: tuple[str, ...]
    spelt: tuple[str, ...]


def fold(text: str) -> str:
    """Write every letter in its plain way: no styles, capitals, lookalikes, marks or invisible characters."""
    if text.isascii() and text.isprintable():
        return _CONTRACTION.sub("", text.lower())
    text = text.replace("\u309b", "\u3099").replace("\u309c", "\u309a")  # a dakuten that stands by itself
    text = text.replace("\ufdfa", " ")  # one sign that NFKC makes 18 letters of blessing
    letters = map(_letter, unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text)))
    text = unicodedata.normalize("NFC", "".join(letters))  # NFC joins か and its dakuten again
    text = text.replace("\u3099", "").replace("\u309a", "")
    return _CJK_GAP.sub("", _CJK_EDGE.sub(" ", _CONTRACTION.sub("", text)))


def read(text: str) -> Reading:
    """All the spellings that `text` may stand for."""
    folded = fold(text)
    words: list[list[str]] = []  # the spellings of each
    for chunk in _LETTERS_APART.sub(lambda found: found[0].replace(" ", ""), folded).split():
        _add_chunk(words, chunk)
    apart = [form for found in _ALL_APART.findall(folded) for form in _spellings("".join(found.split()))]
    pairs = tuple(_pair(forms[0], following[0]) for forms, following in pairwise(words))
    spelt = tuple(dict.fromkeys([*apart, *_spaced_out(words)]))
    unspaced = tuple(dict.fromkeys((folded, _unparted(folded)))) if has_cjk(folded) else ()
    return Reading(tuple(tuple(dict.fromkeys(forms)) for forms in words), pairs, unspaced, spelt)


def has_cjk(text: str) -> bool:
    """True where the text has Chinese or Japanese letters: their words are not parted by spaces."""
    return _HAS_CJK.search(text) is not None


@lru_cache(maxsize=4096)
def _letter(letter: str) -> str:
    """The plain letter in place of this one; "" for what nobody sees."""
    code = ord(letter)
    for table in (PLAIN, ARABIC, HAN):
        if code in table:
            return table[code]
    if letter.isspace():
        return " "
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    return (
        "" if _is_unseen(code) or unicodedata.category(letter) in ("Cc", "Cf", "Cn", "Co", "Cs") else letter.casefold()
    )


def _is_unseen(code: int) -> bool:
    """Marks that disguise a letter, and Unicode's Default_Ignorable_Code_Point; not the marks that Indic vowels are."""
    return (
        any(first <= code <= last for first, last in _MARKS)
        or code in (0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
        or 0x180B <= code <= 0x180F
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0000 <= code <= 0xE0FFF
    )


_MARKS = (
    (0x0300, 0x036F),  # accents of Latin, Greek and Cyrillic, and the marks of "zalgo" text
    (0x0483, 0x0489),
    (0x0591, 0x05C7),
    (0x0610, 0x061A),
    (0x0640, 0x0640),  # tatweel: makes an Arabic word longer, not another word
    (0x064B, 0x065F),  # harakat: short vowels, left out in most Arabic text
    (0x0670, 0x0670),
    (0x06D6, 0x06ED),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)


def _add_chunk(words: list[list[str]], chunk: str) -> None:
    """Add what stands between two spaces: "nu-de" is two words, and the first may stand for the whole."""
    parts = _PARTS.findall(chunk)
    start = len(words)
    words.extend(list(_spellings(part)) for part in parts)
    if len(parts) > 1:
        words[start] += _spellings("".join(parts))


@lru_cache(maxsize=4096)
def _spellings(part: str) -> tuple[str, ...]:
    """What letters, digits and signs without a gap may spell, the plain word first: "n4k3d!" is n4k3d, naked."""
    if part.isascii() and part.isalpha() and _RUN_OF_2.search(part) is None:
        return (part,)
    whole = part.strip("!|+*") or part
    plain = [word for word in _NO_LETTER.split(whole) if word] or [whole]  # "a+b" is two words
    forms = list(dict.fromkeys(["".join(plain), *plain, *_unmasked(whole), *_unleet(whole)]))
    forms += [squeezed for form in forms for squeezed in _squeezed(form)]
    stems = [stem for form in forms if "\u0600" <= form[:1] <= "\u06ff" for stem in _stems(form)]
    return tuple(dict.fromkeys(form for form in forms + stems if form))


def _unleet(part: str) -> list[str]:
    """Letters in place of digits and signs, where the part has letters or signs too, or is as short as "4" for "a"."""
    if part.isalpha() or not _LEET_SIGN.search(part) or (part.isdecimal() and len(part) > 3):
        return []
    return [_NO_LETTER.sub("", part.translate(table)) for table in (LEET, LEET_L)]


def _unmasked(part: str) -> list[str]:
    """Vowels in place of one or two asterisks inside: "n*de"."""
    if part.count("*") not in (1, 2):
        return []
    forms = [part]
    while "*" in forms[0]:
        forms = [form.replace("*", vowel, 1) for form in forms for vowel in "aeiou"]
    return [_NO_LETTER.sub("", form) for form in forms]


def _squeezed(word: str) -> list[str]:
    """Without repeated letters: "nuuude". Two of a letter are one in Latin words only: they change an Arabic word."""
    if _RUN_OF_2.search(word) is None or word.isdecimal():
        return []
    forms = [_RUN_OF_3.sub(r"\1", word), _RUN_OF_3.sub(r"\1\1", word)]
    return [*forms, _RUN_OF_2.sub(r"\1", word)] if word.isascii() else forms


def _stems(word: str) -> Iterator[str]:
    """An Arabic word without the small words written onto it: "and the", "with", "her"."""
    prefixes = [prefix for prefix in _PREFIXES if word.startswith(prefix)] if word.startswith(_PREFIXES) else []
    for rest in [word] + [word[len(prefix) :] for prefix in prefixes if len(word) - len(prefix) >= 3]:
        yield rest
        if rest.endswith(_SUFFIXES):
            yield from (rest[: -len(end)] for end in _SUFFIXES if rest.endswith(end) and len(rest) - len(end) >= 3)


def _spaced_out(words: list[list[str]]) -> Iterator[str]:
    """Words from runs of three or more scraps of at most two letters, as "nu d e"; also added to `words`."""
    start = 0
    while start < len(words):
        stop = start
        while stop < len(words) and 1 <= len(words[stop][0]) <= 2 and stop - start < _LONGEST_RUN:
            stop += 1
        scraps = [forms[0] for forms in words[start:stop]]
        if len(scraps) >= 3 and sum(len(scrap) == 1 for scrap in scraps) >= 2:
            spellings = _spellings("".join(scraps))
            words[start] += spellings
            yield from spellings
        start = max(stop, start + 1)


def _pair(first: str, second: str) -> str:
    joined = first + second
    is_scrap = any(len(piece) <= 3 and not _VOWEL.search(piece) for piece in (first, second))
    return joined if is_scrap and len(joined) >= 4 and joined.isascii() and joined.isalpha() else ""


def _unparted(text: str) -> str:
    """Chinese and Japanese text without the signs and gaps that part its letters: "裸 体", "裸*体"."""
    return _CJK_LONE.sub(r"\1", _CJK_SIGN.sub("", text))
