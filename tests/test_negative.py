"""A negative prompt is drawn by, and held to the rules that prompts are held to."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from wan_demo.clock import Clock
from wan_demo.events import Event, Notice, Published
from wan_demo.models import Models
from wan_demo.pipeline import draw, facts, generate, result_of
from wan_demo.policy import Policy, Wanted
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.safety.inspector import Inspector
from wan_demo.sound.track import Given

PROMPT = "a red ball moves right over green grass"
OPEN = Policy()
Make = Callable[..., list[Event]]


@pytest.fixture
def make(tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path) -> Make:
    def made(negative: str, policy: Policy = OPEN) -> list[Event]:
        request = Request(PROMPT, "full", duration_s=0.5, delivery=Delivery(320, 180), negative=negative)
        return list(generate(request, tiny_full, tiny_models, identity, tmp_path / "clip.mp4", Inspector(policy)))

    return made


def test_it_changes_what_is_drawn_and_the_clips_name(
    tiny_full: Preset, tiny_models: Models, identity: Identity
) -> None:
    requests = [Request(PROMPT, "full", mode="direct", negative=negative) for negative in ("", "a blue box")]
    plain, steered = (result_of(draw(request, tiny_full, tiny_models, Clock())).x for request in requests)
    assert not torch.equal(plain, steered)
    assert len({identity.mark(facts(request, tiny_full, Given(None, None))) for request in requests}) == 2


def test_it_is_reported_and_its_unknown_words_are_told(make: Make) -> None:
    first, *_, last = make("a dragon")
    assert first == Notice("This model does not know: dragon. Balls.")
    assert isinstance(last, Published)
    assert last.report["negative"] == "a dragon"


@pytest.mark.parametrize(
    ("negative", "policy", "words"),
    [
        ("a n u d e woman", OPEN, "This prompt reads as sexual"),
        ("a box " * 80, OPEN, "The negative prompt has [0-9]+ tokens"),
        ("a box", Policy(terms=Wanted(forbidden=("box",))), 'The negative prompt has the term "box", against'),
        ("acme", Policy(terms=Wanted(required=("acme",))), 'The prompt lacks the term "acme"'),
    ],
)
def test_the_rules_for_prompts_hold_for_it(
    make: Make, tmp_path: Path, negative: str, policy: Policy, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        make(negative, policy)
    assert list(tmp_path.glob("*.mp4")) == []


def test_what_must_be_in_a_prompt_need_not_be_avoided(make: Make) -> None:
    assert isinstance(make("a box", Policy(terms=Wanted(required=("ball",))))[-1], Published)
