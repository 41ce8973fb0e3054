"""Which prompts the app refuses, and what it says then. The words themselves stand in terms/."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wan_demo.safety.lexicon import Lexicon, build
from wan_demo.safety.normalise import read

# A prompt that breaks several rules is refused for the first of these.
CATEGORIES = ("minors", "sexual", "terror", "self_harm", "hate", "gore", "real_people")
LANGUAGES = ("en", "zh", "ja", "es", "fr", "ar")
_FOLDER = Path(__file__).parent / "terms"
_CHOICE = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class Refusal:
    """Why a prompt is refused. `sentence` is for the person who wrote it, and says what to do next."""

    category: str
    sentence: str


@dataclass(frozen=True)
class Rule:
    """Fires on a prompt with a term of each group of `all`, unless it has one of a group of `unless`."""

    refusal: Refusal
    all: frozenset[str]
    unless: frozenset[str]


@dataclass(frozen=True)
class Rules:
    """Everything in terms/: the rules, the terms of their groups, and phrases that are harmless whole."""

    rules: tuple[Rule, ...]
    terms: Lexicon
    allowed: Lexicon


def screen(text: str) -> Refusal | None:
    """Why `text` is refused, or None. For any text that a model is to follow: prompts, negative or rewritten ones."""
    rules = load_rules()
    groups = rules.terms.groups(rules.allowed.hide(read(text)))
    for rule in rules.rules:
        if rule.all <= groups and not rule.unless & groups:
            return rule.refusal
    return None


@cache
def load_rules() -> Rules:
    """Read terms/; done once, at the first prompt."""
    files = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(_FOLDER.glob("*.toml"))}
    terms = {
        group: list(_expanded(languages))
        for content in files.values()
        for group, languages in content.get("groups", {}).items()
    }
    allowed = {"allowed": [term for content in files.values() for term in _expanded(content.get("allowed", {}))]}
    rules = tuple(rule for category in CATEGORIES for rule in _rules_of(category, files[category]))
    return Rules(rules, build(terms), build(allowed))


def _rules_of(category: str, content: Mapping[str, Any]) -> Iterator[Rule]:
    refusal = Refusal(category, content["sentence"])
    for rule in content["rules"]:
        yield Rule(refusal, frozenset(rule["all"]), frozenset(rule.get("unless", ())))


def _expanded(languages: Mapping[str, list[str]]) -> Iterator[str]:
    """The terms of all languages, "desnud(o|a)" as two."""
    for language, terms in languages.items():
        assert language in LANGUAGES, f"terms/ names a language {language!r} that is not one of {LANGUAGES}"
        for term in terms:
            yield from dict.fromkeys(_choices(term))


def _choices(term: str) -> Iterator[str]:
    """The term with each choice of what stands in brackets."""
    found = _CHOICE.search(term)
    if found is None:
        yield term
        return
    for option in found[1].split("|"):
        yield from _choices(term[: found.start()] + option + term[found.end() :])
