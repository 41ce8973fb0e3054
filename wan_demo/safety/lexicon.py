"""Finding terms in a reading: by looking words up, so no prompt can make it slow."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wan_demo.safety.normalise import Reading, fold, has_cjk

_HEAD = 4  # letters of the shortest term that is looked for inside other Latin or Arabic letters
_LEAST_HALF = 3  # letters of a term that is looked for in two words written as one
_WORD = re.compile(r"[^\W_]+\*?")
_NUMERALS = frozenset("0123456789一二三四五六七八九十百")


@dataclass
class Node:
    """What may follow the words read so far: whole words, and stems, which stand for any ending.

    groups: those of the term that ends here.
    """

    words: dict[str, "Node"] = field(default_factory=dict)
    stems: dict[str, dict[str, "Node"]] = field(default_factory=dict)  # first letter -> stem -> node
    groups: list[str] = field(default_factory=list)

    def add(self, term: list[str], group: str) -> None:
        node = self
        for word in term:
            stem = word.rstrip("*")
            table = node.words if stem == word else node.stems.setdefault(stem[0], {})
            node = table.setdefault(stem, Node())
        node.groups.append(group)

    def after(self, form: str) -> Iterator["Node"]:
        """The nodes that one spelling of the next word leads to."""
        if form in self.words:
            yield self.words[form]
        if form[0] in self.stems:
            yield from (node for stem, node in self.stems[form[0]].items() if form.startswith(stem))


@dataclass(frozen=True)
class Hit:
    """A term of `group` found in words [start, stop), or, where they are equal, in text without words."""

    group: str
    start: int
    stop: int


@dataclass(frozen=True)
class Lexicon:
    """The terms of some groups: by their words, and by their first letters for text without words."""

    root: Node
    unspaced: Mapping[str, list[tuple[str, str]]]  # first letter -> (term, group)
    spelt: Mapping[str, list[tuple[str, str]]]  # first _HEAD letters -> (term, group)

    def hits(self, reading: Reading) -> Iterator[Hit]:
        """Every term that a spelling of the reading has."""
        yield from self._phrases(reading)
        for i, forms in enumerate(reading.words):
            for form in forms:
                if form.isascii() and len(form) >= 2 * _LEAST_HALF:
                    yield from (Hit(group, i, i + 1) for group in self._halves(form))
        for i, pair in enumerate(reading.pairs):
            if pair:
                yield from (Hit(group, i, i + 2) for node in self.root.after(pair) for group in node.groups)
        for string in reading.unspaced:
            yield from (Hit(group, 0, 0) for _, group in _inside(self.unspaced, 1, string))
        for string in reading.spelt:
            yield from (Hit(group, 0, 0) for _, group in _inside(self.spelt, _HEAD, string))

    def groups(self, reading: Reading) -> frozenset[str]:
        """The groups that have a term in the reading."""
        return frozenset(hit.group for hit in self.hits(reading))

    def hide(self, reading: Reading) -> Reading:
        """The reading without these terms."""
        words, pairs = list(reading.words), list(reading.pairs)
        for hit in self._phrases(reading):
            words[hit.start : hit.stop] = [()] * (hit.stop - hit.start)
            for i in range(max(0, hit.start - 1), min(hit.stop, len(pairs))):
                pairs[i] = ""
        unspaced = tuple(_without(self.unspaced, 1, string) for string in reading.unspaced)
        spelt = tuple(_without(self.spelt, _HEAD, string) for string in reading.spelt)
        return Reading(tuple(words), tuple(pairs), unspaced, spelt)

    def _phrases(self, reading: Reading) -> Iterator[Hit]:
        for start in range(len(reading.words)):
            yield from _walk(self.root, reading.words, start, start)

    def _halves(self, form: str) -> Iterator[str]:
        """The groups of two terms written as one: "nakedgirl"."""
        words = self.root.words
        for cut in range(_LEAST_HALF, len(form) - _LEAST_HALF + 1):
            if form[:cut] in words and form[cut:] in words:
                first, second = words[form[:cut]].groups, words[form[cut:]].groups
                if first and second:
                    yield from first + second


def build(terms: Mapping[str, Iterable[str]]) -> Lexicon:
    """A lexicon of groups of terms.

    A term is one or more words; a * at the end of a word stands for any ending. Latin and Arabic terms match whole
    words; Chinese and Japanese ones match anywhere.

    Raises:
        ValueError: a term has no letters.
    """
    root = Node()
    unspaced, spelt = defaultdict[str, list[tuple[str, str]]](list), defaultdict[str, list[tuple[str, str]]](list)
    for group, texts in terms.items():
        for text in texts:
            words = _WORD.findall(fold(text))
            if not words:
                raise ValueError(f"The term {text!r} has no letters.")
            if has_cjk(text):
                unspaced[words[0][0]].append((" ".join(words).replace("*", ""), group))
                continue
            root.add(words, group)
            joined = "".join(words).replace("*", "")
            if len(joined) >= _HEAD:
                spelt[joined[:_HEAD]].append((joined, group))
    return Lexicon(root, unspaced, spelt)


def _walk(node: Node, words: tuple[tuple[str, ...], ...], start: int, at: int) -> Iterator[Hit]:
    """The terms that begin at word `start`, of which `node` has read those before `at`."""
    for form in words[at]:
        for following in node.after(form):
            yield from (Hit(group, start, at + 1) for group in following.groups)
            if at + 1 < len(words) and (following.words or following.stems):
                yield from _walk(following, words, start, at + 1)


def _inside(terms: Mapping[str, list[tuple[str, str]]], head: int, string: str) -> Iterator[tuple[str, str]]:
    """Each (term, group) that the string has; an age, such as 7岁, is not in 27岁."""
    for i in range(len(string) - head + 1):
        for term, group in terms.get(string[i : i + head], ()):
            if string.startswith(term, i) and not (i and {string[i - 1], term[0]} <= _NUMERALS):
                yield term, group


def _without(terms: Mapping[str, list[tuple[str, str]]], head: int, string: str) -> str:
    for term, _ in list(_inside(terms, head, string)):
        string = string.replace(term, " ")
    return string
