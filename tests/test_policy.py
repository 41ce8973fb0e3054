"""The operator's file."""

from pathlib import Path

import pytest

from wan_demo.policy import CLASSIFIER, Checker, Policy, PolicyError, Wanted, load_policy

WHOLE = """
label_may_be_off = true

[brand.terms]
forbidden = ["acme"]

[brand.colours]
required = ["#ff0000"]

[brand.logos]
forbidden = ["rival.png"]

[[checkers]]
model = "someone/classifier"
refuse = { nsfw = 0.5 }

[[checkers]]
use = "mine:Checker"
seconds = 5
"""


def test_without_a_file_nothing_more_is_asked(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "none.toml") == Policy()


def test_a_link_to_nowhere_is_not_the_absence_of_rules(tmp_path: Path) -> None:
    (tmp_path / "operator.toml").symlink_to(tmp_path / "elsewhere.toml")
    with pytest.raises(PolicyError, match="No such file"):
        load_policy(tmp_path / "operator.toml")


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "operator.toml"
    path.write_text(WHOLE)
    (tmp_path / "rival.png").touch()
    assert load_policy(path) == Policy(
        label_may_be_off=True,
        terms=Wanted(forbidden=("acme",)),
        colours=Wanted(required=("#ff0000",)),
        logos=Wanted(forbidden=(str(tmp_path / "rival.png"),)),
        checkers=(
            Checker(CLASSIFIER, 60, {"model": "someone/classifier", "refuse": {"nsfw": 0.5}}),
            Checker("mine:Checker", 5),
        ),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("label_may_be_off =", "Invalid value"),
        ("label_may_be_off = 1", "true or false"),
        ("labels = true", "labels is not one of"),
        ("[brand]\nterms = 3", "not"),
        ('[brand.terms]\nforbidden = "acme"', "lists of strings"),
        ("[brand.shapes]", "shapes is not one of"),
        ("[brand.terms]\nallowed = []", "allowed is not one of"),
        ('[brand.logos]\nforbidden = ["none.png"]', "no picture"),
        ('[brand.colours]\nforbidden = ["red"]', "#rrggbb"),
        ('[[checkers]]\nuse = "mine"', "module:name"),
        ("[[checkers]]\nseconds = 0", "above zero"),
        ("[[checkers]]\nseconds = inf", "86400 at most"),
        ("[[checkers]]\nseconds = nan", "above zero"),
        ("[[checkers]]\nsince = 2024-01-01", "date"),
        ("checkers = 3", "not"),
        ('[checkers]\nmodel = "a/b"', r"written as \[\[checkers\]\]"),
    ],
)
def test_what_is_not_understood_is_refused_in_a_sentence(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "operator.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=rf"cannot be used .*{why}.*mend it, or take it away\.$"):
        load_policy(path)
