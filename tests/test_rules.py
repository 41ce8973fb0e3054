"""What the chain does not let out: clips against the operator's rules or ours, and the label where it was asked for."""

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from wan_demo import mp4
from wan_demo.events import Published
from wan_demo.models import Models
from wan_demo.pipeline import generate
from wan_demo.policy import Checker, Policy, Wanted
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.label import has_label
from wan_demo.request import Delivery, Label, Request, RequestError
from wan_demo.safety.frames import FAULTS, UnsafeClipError, Watcher
from wan_demo.safety.inspector import Inspector

INSPECTOR = Inspector(Policy())
PROMPT = "a red ball moves right over green grass"
SMALL = Request(PROMPT, "full", delivery=Delivery(320, 180), duration_s=0.5)


@pytest.mark.parametrize(
    ("policy", "error", "why"),
    [
        (Policy(terms=Wanted(forbidden=("ball",))), RequestError, 'has the term "ball", against the operator'),
        (Policy(terms=Wanted(required=("acme",))), RequestError, 'lacks the term "acme"'),
        (Policy(colours=Wanted(required=("#01ff02",))), UnsafeClipError, "lacks the colour #01ff02"),
        (Policy(checkers=(Checker("tests.checkers:Refusing"),)), UnsafeClipError, "clip shows a cat, so it is not"),
        (Policy(checkers=(Checker("tests.checkers:Raising"),)), UnsafeClipError, "failed.*ask the operator"),
    ],
)
def test_the_operators_rules_hold(
    policy: Policy,
    error: type[Exception],
    why: str,
    tiny_full: Preset,
    tiny_models: Models,
    identity: Identity,
    tmp_path: Path,
) -> None:
    with closing(Inspector(policy)) as inspector, pytest.raises(error, match=why):
        list(generate(SMALL, tiny_full, tiny_models, identity, tmp_path / "clip.mp4", inspector))
    assert list(tmp_path.iterdir()) == []


def test_what_the_operators_rules_saw_is_reported(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    policy = Policy(
        terms=Wanted(("acme",), ("ball",)),
        colours=Wanted(("#01ff02",)),
        checkers=(Checker("tests.checkers:Content"),),
    )
    with closing(Inspector(policy)) as inspector:
        *_, last = generate(SMALL, tiny_full, tiny_models, identity, tmp_path / "clip.mp4", inspector)
    assert isinstance(last, Published)
    assert last.report["operator"] == {
        "terms": "as required",
        "colours": {"#01ff02": 0.0},
        "checkers": ["tests.checkers:Content"],
    }


def test_a_check_of_ours_that_fails_lets_nothing_out(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fps: Fraction) -> Watcher:
        raise ZeroDivisionError("broken")

    monkeypatch.setitem(FAULTS, "is broken", broken)
    with pytest.raises(ZeroDivisionError):
        list(generate(SMALL, tiny_full, tiny_models, identity, tmp_path / "clip.mp4", INSPECTOR))
    assert list(tmp_path.iterdir()) == []


def test_the_label_is_where_and_in_which_language_it_was_asked(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    request = replace(SMALL, delivery=Delivery(320, 180, label=Label("top left", "zh")))
    list(generate(request, tiny_full, tiny_models, identity, tmp_path / "clip.mp4", INSPECTOR))
    shown = [frame.luma for frame in mp4.read_planes(tmp_path / "clip.mp4")]
    assert all(has_label(luma, "zh", "top left") for luma in shown)
    assert not any(has_label(luma) for luma in shown)


def test_the_label_is_left_out_only_where_the_operator_allows_it(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    request, output = replace(SMALL, delivery=Delivery(320, 180, label=Label("off"))), tmp_path / "clip.mp4"
    with pytest.raises(RequestError, match="cannot be left out here: choose a place"):
        list(generate(request, tiny_full, tiny_models, identity, output, INSPECTOR))
    assert not output.exists()
    *_, last = generate(request, tiny_full, tiny_models, identity, output, Inspector(Policy(label_may_be_off=True)))
    assert isinstance(last, Published)
    assert "label" not in last.report["seconds"]
    assert not any(has_label(frame.luma) for frame in mp4.read_planes(output))
