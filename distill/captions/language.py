"""How the captions of one language are made from its words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from distill.world import Combination, What, parts

Words = Mapping[str, tuple[str, ...]]  # for each value of an attribute: the plain word first, then other words for it
Pick = Callable[[tuple[str, ...]], str]


class Clause(NamedTuple):
    """A noun, and the two forms of its verb; all agree already."""

    noun: str
    verb: str
    second: str
    feminine: bool


@dataclass(frozen=True)
class Language:
    """Words and sentences. "<a/b>" is "a", and "b" beside a thing that is marked "f:" (feminine).

    Another mark is the word that a thing is counted with: "朵:花". mark: where a thing has none.
    nouns: with {thing}, {colour} and maybe {mark}; forms: with {n} noun, {s} scene, {v} verb, {p} the verb's second
    form; pairs: also with {n2}, {v2}, {p2} of the second thing. The first of each makes the plain caption.
    sized: nouns with {size}, and {size2} for its second form. small: words for a small thing, beside the word "small".
    lively: with {t} the sentence, {l} of life, {l2} its second form. motions, sizes, life: "first form|second form", or
    one form that is both. speeds: with "@" for the verb, or for what stands before its "~".
    spaced: False where spaces only part words in these tables, and are not written. tidy: mends a whole sentence.
    """

    things: Words
    colours: Words
    scenes: Words
    motions: Words
    nouns: tuple[str, ...]
    forms: tuple[str, ...]
    pairs: tuple[str, ...] = ()
    sizes: Words = field(default_factory=dict)
    small: Words = field(default_factory=dict)
    sized: tuple[str, ...] = ()
    speeds: Words = field(default_factory=dict)
    life: Words = field(default_factory=dict)  # what moves in each scene
    lively: tuple[str, ...] = ()
    stop: str = "."
    spaced: bool = True
    tidy: Callable[[str], str] = str
    variants: tuple[Callable[[str], str], ...] = ()
    mark: str = ""

    def plain(self, what: What) -> str:
        return self._sentence(what, lambda options: options[0])

    def paraphrase(self, what: What, rng: np.random.Generator) -> str:
        """Any words in any sentence; at times with a capital letter, a full stop, or as one of the `variants`."""
        text = self._sentence(what, lambda options: options[rng.integers(len(options))])
        if rng.random() < 0.3:
            text = text[0].upper() + text[1:]
        if self.variants and rng.random() < 0.3:
            text = self.variants[rng.integers(len(self.variants))](text)
        return text + self.stop if rng.random() < 0.3 else text

    def every_text(self) -> list[str]:
        """All words in all their forms, parted by spaces."""
        things, colours, scenes, motions, sizes, life = (
            [word for row in table.values() for word in row]
            for table in (self.things, self.colours, self.scenes, self.motions, self.sizes, self.life)
        )
        things += [word for row in self.small.values() for word in row]
        named = [(thing, colours[0]) for thing in things] + [(things[0], colour) for colour in colours]
        nouns = [self._noun(noun, t, c) for noun in dict.fromkeys(self.nouns) for t, c in named]
        nouns += [self._noun(noun, things[0], colours[0], size) for noun in dict.fromkeys(self.sized) for size in sizes]
        verbs = [_paced(verb, "@") for motion in motions for verb in _forms(motion)]
        rows = scenes + verbs + [form for words in life for form in _forms(words)]
        rows += [speed.replace("@", " ") for row in self.speeds.values() for speed in row]
        # The forms are filled: a word of theirs and its neighbour may be written as one.
        for form in dict.fromkeys(self.forms + self.pairs):
            rows += [_fill(form, noun, verbs[0]) for noun in nouns] + [_fill(form, nouns[0], verb) for verb in verbs]
        rows += [form.format(t="", l="", l2="") for form in self.lively] + [self.stop] + nouns
        texts = dict.fromkeys(self.tidy(_agree(row, feminine)) for row in rows for feminine in (False, True))
        return [*texts, *(variant(text) for text in texts for variant in self.variants)]

    def words(self, attribute: str, value: str) -> list[str]:
        """All that may be said for a thing's "thing", "colour", "motion", "size" or "speed"; nothing for ""."""
        tables = {
            "thing": self.things,
            "colour": self.colours,
            "motion": self.motions,
            "size": self.sizes,
            "speed": self.speeds,
        }
        words = (*tables[attribute].get(value, ()), *self.small.get(value, ()))
        forms = [form for word in words for form in _forms(word.rpartition(":")[2])]
        return [_agree(_paced(form, "@").replace("@", " "), second) for form in forms for second in (False, True)]

    def _sentence(self, what: What, pick: Pick) -> str:
        """With the words and templates that `pick` chooses."""
        shown = parts(what)
        clauses = [self._clause(part, pick) for part in shown]
        first, last = clauses[0], clauses[-1]
        form = pick(self.pairs if len(shown) > 1 else self.forms)
        words = {"n": first.noun, "v": first.verb, "p": first.second, "s": pick(self.scenes[shown[0].scene])}
        text = form.format(**words, n2=last.noun, v2=last.verb, p2=last.second)
        if what.lively:
            life, second = _forms(pick(self.life[shown[0].scene]))
            text = pick(self.lively).format(t=text, l=life, l2=second)
        text = _agree(text, first.feminine)
        return self.tidy(text if self.spaced else text.replace(" ", ""))

    def _clause(self, what: Combination, pick: Pick) -> Clause:
        small = self.small.get(what.thing, ()) if what.size == "small" else ()
        thing, colour = pick((*self.things[what.thing], *small)), pick(self.colours[what.colour])
        size = pick(self.sizes[what.size]) if what.size and thing not in small else ""
        noun = self._noun(pick(self.sized if size else self.nouns), thing, colour, size)
        pace = pick(self.speeds[what.speed]) if what.speed else "@"
        verbs = [_paced(verb, pace) for verb in _forms(pick(self.motions[what.motion]))]
        feminine = thing.startswith("f:")
        noun, verb, second = (_agree(text, feminine) for text in (noun, *verbs))
        return Clause(noun, verb, second, feminine)

    def _noun(self, noun: str, thing: str, colour: str, size: str = "") -> str:
        mark, _, word = thing.rpartition(":")
        before, after = _forms(size)
        return noun.format(thing=word, colour=colour, mark=mark or self.mark, size=before, size2=after)


def _fill(form: str, noun: str, verb: str) -> str:
    """The form with one noun and one verb, without a scene."""
    return form.format(n=noun, v=verb, p=verb, n2=noun, v2=verb, p2=verb, s="")


def _forms(words: str) -> tuple[str, str]:
    """Both forms of "first|second"."""
    first, _, second = words.partition("|")
    return first, second or first


def _paced(verb: str, pace: str) -> str:
    """The verb with a word of speed; "@" adds none."""
    head, _, tail = verb.partition("~")
    return pace.replace("@", head) + tail


def _agree(text: str, second: bool) -> str:
    """Choose one side of every "<a/b>"."""
    return re.sub(r"<([^/>]*)/([^>]*)>", r"\2" if second else r"\1", text)


def aimed(templates: tuple[str, ...], way: str) -> tuple[str, ...]:
    """Motions to one side: "@" stands for left or right in the templates."""
    return tuple(template.replace("@", way) for template in templates)
