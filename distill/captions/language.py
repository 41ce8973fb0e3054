"""How the captions of one language are made from its words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from distill.world import Combination

Words = Mapping[str, tuple[str, ...]]  # for each value of an attribute: the plain word first, then other words for it


@dataclass(frozen=True)
class Language:
    """Words and sentences. "<a/b>" is "a", and "b" beside a thing that is marked "f:" (feminine).

    Another mark is the word that a thing is counted with: "朵:花". mark: where a thing has none.
    nouns: with {thing}, {colour} and maybe {mark}; forms: with {n} noun, {s} scene, {v} verb, {p} the verb's second
    form. The first of each makes the plain caption. motions: "first form|second form", or one form that is both.
    spaced: False where spaces only part words in these tables, and are not written. tidy: mends a whole sentence.
    """

    things: Words
    colours: Words
    scenes: Words
    motions: Words
    nouns: tuple[str, ...]
    forms: tuple[str, ...]
    stop: str = "."
    spaced: bool = True
    tidy: Callable[[str], str] = str
    variants: tuple[Callable[[str], str], ...] = ()
    mark: str = ""

    def plain(self, what: Combination) -> str:
        words = [table[value][0] for table, value in self._tables(what)]
        return self._sentence(self.forms[0], self.nouns[0], words)

    def paraphrase(self, what: Combination, rng: np.random.Generator) -> str:
        """Any words in any sentence; at times with a capital letter, a full stop, or as one of the `variants`."""

        def pick(options: tuple[str, ...]) -> str:
            return options[rng.integers(len(options))]

        words = [pick(table[value]) for table, value in self._tables(what)]
        text = self._sentence(pick(self.forms), pick(self.nouns), words)
        if rng.random() < 0.3:
            text = text[0].upper() + text[1:]
        if self.variants and rng.random() < 0.3:
            text = self.variants[rng.integers(len(self.variants))](text)
        return text + self.stop if rng.random() < 0.3 else text

    def every_text(self) -> list[str]:
        """All words in all their forms, parted by spaces."""
        things, colours, scenes, motions = (
            [word for row in table.values() for word in row]
            for table in (self.things, self.colours, self.scenes, self.motions)
        )
        pairs = [(thing, colours[0]) for thing in things] + [(things[0], colour) for colour in colours]
        rows = [self._noun(noun, t, c) for noun in dict.fromkeys(self.nouns) for t, c in pairs]
        rows += scenes + [motion.replace("|", " ") for motion in motions]
        rows += [form.format(n="", s="", v="", p="") for form in self.forms] + [self.stop]
        texts = [self.tidy(_agree(row, second)) for row in rows for second in (False, True)]
        return texts + [variant(text) for text in texts for variant in self.variants]

    def _tables(self, what: Combination) -> tuple[tuple[Words, str], ...]:
        return (
            (self.things, what.thing),
            (self.colours, what.colour),
            (self.scenes, what.scene),
            (self.motions, what.motion),
        )

    def _noun(self, noun: str, thing: str, colour: str) -> str:
        mark, _, word = thing.rpartition(":")
        return noun.format(thing=word, colour=colour, mark=mark or self.mark)

    def _sentence(self, form: str, noun: str, words: list[str]) -> str:
        thing, colour, scene, motion = words
        verb, _, second = motion.partition("|")
        noun = self._noun(noun, thing, colour)
        text = _agree(form.format(n=noun, s=scene, v=verb, p=second or verb), thing.startswith("f:"))
        return self.tidy(text if self.spaced else text.replace(" ", ""))


def _agree(text: str, second: bool) -> str:
    """Choose one side of every "<a/b>"."""
    return re.sub(r"<([^/>]*)/([^>]*)>", r"\2" if second else r"\1", text)


def aimed(templates: tuple[str, ...], way: str) -> tuple[str, ...]:
    """Motions to one side: "@" stands for left or right in the templates."""
    return tuple(template.replace("@", way) for template in templates)
