"""What the operator of a page decides: a TOML file of theirs, read once."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

FILE = "operator.toml"  # in the store's home
CLASSIFIER = "wan_demo.safety.classifier:ImageClassifier"
DAY_S = 86400


class PolicyError(ValueError):
    """The operator's file cannot be used. The message is one sentence that says what to mend."""


@dataclass(frozen=True)
class Wanted:
    """Terms, colours ("#rrggbb") or logos (picture files) that a clip must not have, and ones that it must."""

    forbidden: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checker:
    """A plug-in that looks at frames. use: "module:name" of what `options` are given to; see `safety.guard`.

    seconds: how long an answer may take, the first with the loading of a model; then the clip is refused.
    """

    use: str = CLASSIFIER
    seconds: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """label_may_be_off: whether a person may ask for a clip without the visible label."""

    label_may_be_off: bool = False
    terms: Wanted = Wanted()
    colours: Wanted = Wanted()
    logos: Wanted = Wanted()
    checkers: tuple[Checker, ...] = ()


def load_policy(path: Path) -> Policy:
    """Read the operator's file; without one, nothing is asked beyond what the app asks of every clip.

    Raises:
        PolicyError: it cannot be read, or says something that is not understood.
    """
    if not path.exists() and not path.is_symlink():  # a link to nowhere is a mistake, not the absence of rules
        return Policy()
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        brand = _known(content.pop("brand", {}), {"terms", "colours", "logos"})
        checkers = _checkers(content.pop("checkers", []))
        _known(content, {"label_may_be_off"})
        wanted = {name: _wanted(value) for name, value in brand.items()}
        if "logos" in wanted:
            wanted["logos"] = _located(wanted["logos"], path.parent)
        for colour in (c for names in astuple(wanted.get("colours", Wanted())) for c in names):
            if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
                raise ValueError(f"{colour} is not a colour of the form #rrggbb")
        may_be_off = content.get("label_may_be_off", False)
        if not isinstance(may_be_off, bool):
            raise TypeError("label_may_be_off is true or false")
        return Policy(may_be_off, checkers=checkers, **wanted)
    except (OSError, ValueError, TypeError, AttributeError) as error:  # tomllib's errors are ValueErrors
        raise PolicyError(f"The operator's file {path} cannot be used ({error}): mend it, or take it away.") from None


def _wanted(table: Mapping[str, Any]) -> Wanted:
    _known(table, {f.name for f in fields(Wanted)})
    for values in table.values():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise TypeError("forbidden and required are lists of strings")
    return Wanted(**{name: tuple(values) for name, values in table.items()})


def _located(logos: Wanted, folder: Path) -> Wanted:
    """The pictures' names, taken from the folder that the operator's file is in."""
    found = Wanted(*(tuple(str(folder / name) for name in names) for names in (logos.forbidden, logos.required)))
    for name in (*found.forbidden, *found.required):
        if not Path(name).is_file():
            raise ValueError(f"there is no picture {name}")
    return found


def _checkers(entries: object) -> tuple[Checker, ...]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TypeError("checkers are not written as [[checkers]], each with what it needs below")
    return tuple(map(_checker, entries))


def _checker(table: Mapping[str, Any]) -> Checker:
    options = dict(table)
    use, seconds = options.pop("use", CLASSIFIER), options.pop("seconds", 60)
    if not isinstance(use, str) or use.count(":") != 1:
        raise ValueError(f"use = {use!r} is not of the form module:name")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= DAY_S:
        raise ValueError(f"seconds is a number above zero, {DAY_S} at most")
    json.dumps(options)  # they go to the checker's process so; what cannot is told now
    return Checker(use, float(seconds), options)


def _known(table: Mapping[str, Any], names: set[str]) -> Mapping[str, Any]:
    for name in table:
        if name not in names:
            raise ValueError(f"{name} is not one of {', '.join(sorted(names))}")
    return table
