"""ZeroGPU: the chain with the real `spaces`, as on any machine and, in a process of its own, as on such a Space."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from spaces.zero import config

from wan_demo import fit, mp4
from wan_demo.events import Published
from wan_demo.models import WeightsError
from wan_demo.plans import GIB
from wan_demo.presets import Preset
from wan_demo.quota import Price
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.setup import Setup
from wan_demo.shapes import ClipShape
from wan_demo.store import Loans
from wan_demo.ui.serve import open_workshop
from wan_demo.worker import JobError, Worker
from wan_demo.zero import COMPILE_S, DEFAULT_S, MARGIN, Zero, _work

ROOT = Path(__file__).parent.parent
PROMPT = "a red ball moves right over green grass"
SMALL = Delivery(320, 180)


@pytest.fixture(scope="module")
def space(tiny_full: Preset, tiny_distilled: Preset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What came of each job of tests/zero_space.py, by its name."""
    folder = tmp_path_factory.mktemp("space")
    (folder / "presets").write_bytes(pickle.dumps((tiny_full, tiny_distilled)))
    command = [sys.executable, "-m", "tests.zero_space", str(folder / "presets"), str(folder)]
    environment = {**os.environ, "WAN_DEMO_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name"')]
    return {one["name"]: one for one in told}


def asked(job: dict[str, Any], path: str) -> list[dict[str, str]]:
    return [parameters for at, parameters in job["asked"] if at == path]


def test_the_weights_are_on_cuda_before_any_gpu_is_there(space: Any) -> None:
    assert space["start"]["devices"] == ["cuda:0"]
    assert space["start"]["asked"] == []


def test_a_clip_is_drawn_in_a_fork_and_finished_in_the_page(space: Any) -> None:
    first = space["first"]
    assert mp4.probe(Path(first["file"])).frames == 60
    assert first["stages"][0] == "encode"
    assert first["stages"][-1] == "read back"
    assert [path for path, _ in first["asked"]] == ["/schedule", "/allow", "/release"]
    assert int(asked(first, "/allow")[0]["pid"]) != space["start"]["pid"]
    assert first["report"]["plan"] == "resident"
    assert {"layout", "decode", "watermark", "total"} <= set(first["report"]["seconds"])


def test_what_is_asked_for_is_the_price_that_was_told(space: Any) -> None:
    assert asked(space["first"], "/schedule")[0]["durationSeconds"] == str(DEFAULT_S)
    second = space["second"]
    assert second["measured"]
    assert asked(second, "/schedule")[0]["durationSeconds"] == str(second["price"])
    assert asked(second, "/allow") == []  # the same fork goes on


def test_cancelling_gives_the_gpu_back(space: Any) -> None:
    assert not space["cancelled"]["left"]
    assert asked(space["cancelled"], "/release")[0]["fail"] == "false"


def test_a_refused_prompt_costs_no_gpu(space: Any) -> None:
    assert space["refused"]["error"] == "RequestError"
    assert "fewer words" in space["refused"]["sentence"]
    assert space["refused"]["asked"] == []


@pytest.mark.parametrize(
    ("job", "words"), [("killed", "GPU task aborted"), ("poor", "GPU limit"), ("broken", "is not finite")]
)
def test_what_goes_wrong_is_told_in_a_sentence(space: Any, job: str, words: str) -> None:
    assert space[job]["error"] == "JobError"
    assert words in space[job]["sentence"]


def test_blocks_are_compiled_in_a_fork_when_the_space_starts(space: Any) -> None:
    assert "could not be compiled" in space["uncompiled"]["sentence"]
    assert asked(space["uncompiled"], "/schedule")[0]["durationSeconds"] == str(COMPILE_S)


def test_without_zerogpu_the_same_code_draws_here(tiny_full: Preset, tmp_path: Path) -> None:
    zero = Zero([tiny_full], "cpu")
    zero.start()
    drawn = tiny_full.drawn(SMALL, 2)
    assert zero.price(drawn, "chain") == Price(DEFAULT_S, False)
    assert [fit.fits for fit in zero.fits] == [True]
    events = list(zero.run(Request(PROMPT, "full", delivery=SMALL), tmp_path / "made.mp4"))
    assert isinstance(events[-1], Published)
    assert zero.price(drawn, "chain").measured
    assert not zero.price(drawn, "direct").measured
    with pytest.raises(RequestError, match="fewer words"):
        list(zero.run(Request("ball " * 60, "full"), tmp_path / "refused.mp4"))
    (tmp_path / "home" / "operator.toml").write_text("colours = 3")
    zero._inspector = None
    with pytest.raises(JobError, match=r"operator\.toml"):
        list(zero.run(Request(PROMPT, "full"), tmp_path / "failed.mp4"))


@pytest.fixture
def blackwell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of which two sizes are lent, as `spaces` describes today's, but small: 1 GiB."""
    _, card = json.loads(files("spaces.zero").joinpath("configs.json").read_text())
    assert card["xlarge_threshold"]
    monkeypatch.setattr(config, "get_config", lambda: card)
    free(monkeypatch, 2 * GIB)


def free(monkeypatch: pytest.MonkeyPatch, memory: float) -> None:
    monkeypatch.setattr(fit, "look", lambda device: fit.Device("cuda", memory, 256 * GIB))


@pytest.mark.usefixtures("blackwell")
def test_the_price_grows_with_what_is_asked_for(tiny_full: Preset) -> None:
    square = (replace(tiny_full.layout, height=64), ClipShape(128, 128, 17, Fraction(8)))
    preset = replace(tiny_full, others=(square,), shortens=True)
    zero = Zero([preset])
    assert zero.size == "large"  # half the card is enough
    assert zero._named(COMPILE_S) * 1.5 == COMPILE_S
    asked = ((Delivery(320, 180), 1), (Delivery(320, 180), 2), (Delivery(180, 180), 2))
    drawn = [preset.drawn(delivery, seconds) for delivery, seconds in asked]
    assert zero.price(drawn[0], "chain") == Price(90, False)  # `spaces` asks for half as much again on half a card
    Loans().record(("tiny", "full", "chain"), _work(drawn[0]), 40.0, 10.0)
    prices = [zero.price(one, "chain").seconds for one in drawn]
    assert prices[0] == pytest.approx(MARGIN * 50, abs=2)
    assert prices == sorted(set(prices))
    assert zero._duration(Request(PROMPT, "full", duration_s=1), drawn[0]) * 1.5 == pytest.approx(prices[0], abs=1)


def test_a_whole_card_costs_twice(tiny_full: Preset, blackwell: None, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 1 * GIB)
    zero = Zero([tiny_full])
    assert zero.size == "xlarge"
    assert zero.price(tiny_full, "chain") == Price(2 * DEFAULT_S, False)
    free(monkeypatch, 0.5 * GIB)
    with pytest.raises(WeightsError, match="do not fit ZeroGPU"):
        Zero([tiny_full])


def test_a_page_on_zerogpu_has_zerogpu_make_its_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert isinstance(open_workshop(Setup())[0], Worker)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(fit, "look", lambda device: fit.Device(device, 40 * GIB, 256 * GIB))
    workshop, setup = open_workshop(Setup())
    assert isinstance(workshop, Zero)
    assert setup.device == "cuda"


def test_a_paces_memory() -> None:
    """The slowest of the last five paces, after the longest start of all."""
    loans, key = Loans(), ("wan22", "full", "chain")
    assert loans.expected(key, 1e12) is None
    loans.record(key, 1e12, 100.0, 9.0)
    for seconds in (10.0, 20.0, 10.0, 10.0, 10.0):
        loans.record(key, 1e12, seconds, 0.0)
    assert loans.expected(key, 2e12) == 9.0 + 2 * 20.0
    assert loans.expected(("wan22", "full", "direct"), 1e12) is None


def test_a_large_family_has_one_tier_here(
    tiny_full: Preset, tiny_distilled: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wan_demo.shelf.SMALL", 1)
    assert Zero([tiny_full, tiny_distilled], "cpu").presets == (tiny_distilled,)


def test_a_plan_that_zerogpu_cannot_follow_is_refused(tiny_full: Preset) -> None:
    with pytest.raises(RequestError, match="cannot follow the memory plan 'streamed'"):
        Zero([tiny_full], "cpu", "streamed")
