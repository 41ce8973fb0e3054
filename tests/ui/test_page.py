"""The page: it is built without a network, and its handlers drive the worker and the widgets. No models are needed."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from wan_demo.plans import Fit
from wan_demo.policy import Policy
from wan_demo.presets import FAMILIES, find, tiers
from wan_demo.request import MAX_SEED, Delivery, Request
from wan_demo.setup import Setup
from wan_demo.store import Timings
from wan_demo.ui import draw
from wan_demo.ui.choices import EXAMPLES, SIZES
from wan_demo.ui.create import CreateTab
from wan_demo.ui.desk import Desk
from wan_demo.ui.form import new_seed
from wan_demo.ui.job import to_request
from wan_demo.ui.page import build, launch_settings, preferred_language
from wan_demo.worker import Event, JobError, Progress, Published, timed_as

REPORT: dict[str, Any] = {
    **{
        "frames": 60,
        "fps": "30",
        "codec": "h264",
        "width": 1280,
        "height": 720,
        "duration_s": 2.0,
        "seed": 0,
        "id": "00",
        "peak_memory_gib": 0.7,
    },
    "seconds": {"encode": 0.1, "total": 0.1},
}
FORM = {
    "prompt": "a red ball",
    "negative": "",
    "tier": "distilled",
    "seed": 0,
    "duration": 2,
    "mode": "chain",
    "size": "1280x720",
    "fps": "30",
    "codec": "h264",
    "timing": "exact",
    "mend": True,
    "label": "bottom right",
    "language": "en",
    "sound": None,
    "fit": "cut",
    "beats": False,
    "effects": False,
    "narration": "",
    "captions": "off",
}


VISITOR = gr.Request()


class Double:
    """Makes a clip in no time, unless it is told to fail."""

    closed = 0
    fails = False
    fits: tuple[Fit, ...] = ()

    def start(self) -> None: ...

    def close(self) -> None: ...

    def run(self, request: Request, output: Path) -> Generator[Event, None, None]:
        try:
            yield Progress("encode", 0, 1, None)
            if self.fails:
                raise JobError("The models are missing: restore them.")
            yield Published(output, REPORT)
        finally:
            self.closed += 1


def desk(worker: Double, policy: Policy | None = None) -> Desk:
    return Desk(worker, Setup(), tiers("pocket"), policy or Policy())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def worker() -> Double:
    return Double()


@pytest.fixture
def tab(worker: Double) -> CreateTab:
    with gr.Blocks(analytics_enabled=False):
        return CreateTab(desk(worker))


def test_building_the_page_touches_no_network(worker: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"the page looked for {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    build(desk(worker))


def test_the_models_start_to_load_before_the_page_and_the_page_needs_none_of_their_code() -> None:
    code = """import sys
import wan_demo.ui.serve
assert "gradio" not in sys.modules  # imported once the worker has been started
import wan_demo.ui.page
assert not {"torch", "diffusers", "transformers", "moviepy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_only_the_page_itself_can_call_it(worker: Double) -> None:
    page = build(desk(worker))
    functions = list(page.fns.values())
    assert functions
    assert {f.api_visibility for f in functions} == {"private"}
    assert not page.get_api_info()["named_endpoints"]
    assert page._queue.max_size is not None
    assert not page.api_open
    jobs = [f for f in functions if f.concurrency_id == "worker"]
    assert [f.concurrency_limit for f in jobs] == [1]
    settings = launch_settings()
    assert settings["max_file_size"]
    assert not settings["run_history"]
    assert not settings["enable_monitoring"]
    assert not settings["allowed_paths"]


def test_what_is_drawn_has_a_look() -> None:
    """An SVG without a style is a black shape."""
    drawn = draw.beats(
        {
            "duration_s": 2.0,
            "beats": {
                **{"tempo": 120.0, "onsets": [0.5], "motions": [0.4], "shown": [0.49]},
                **{"miss_before_ms": [100.0, 20.0], "miss_after_ms": [10.0, 20.0]},
                **{"speed_before": [0.0, 1.0], "speed_after": [0.0, 1.0]},
            },
        }
    )
    assert "60 ms apart on average" in drawn
    assert "15 ms apart on average" in drawn
    for part in set(re.findall(r"<(polyline|line|circle) ", drawn)):
        assert f".beats {part} {{" in launch_settings()["css"]


def test_the_page_asks_for_nothing_from_elsewhere(worker: Double) -> None:
    style = launch_settings()
    assert "http" not in style["css"]
    assert not style["theme"]._stylesheets


def test_a_job_goes_through(tab: CreateTab) -> None:
    updates = list(tab.run(VISITOR, *FORM.values()))
    last = updates[-1]
    assert str(last[tab.video]).endswith("wan_demo-distilled-0.mp4")
    assert "wan_demo generate" in last[tab.command]
    assert tab.status in last


def test_the_worker_is_left_when_the_handler_is_closed(tab: CreateTab, worker: Double) -> None:
    updates = tab.run(VISITOR, *FORM.values())
    shown: dict[Any, Any] = {}
    while "read the prompt" not in str(shown.get(tab.status)):
        shown = next(updates)
    updates.close()  # type: ignore[attr-defined]
    for _ in range(1000):
        if worker.closed:
            break
        time.sleep(0.01)
    assert worker.closed == 1


def test_a_refusal_is_a_sentence_and_the_next_job_goes_through(tab: CreateTab, worker: Double) -> None:
    (refused,) = tab.run(VISITOR, *{**FORM, "prompt": ""}.values())
    assert set(refused) == {tab.status}  # the prompt and the settings stay
    assert "The prompt is empty" in refused[tab.status]
    (long,) = tab.run(VISITOR, *{**FORM, "duration": 60}.values())
    assert "10 s at most, not 60 s" in long[tab.status]
    worker.fails = True
    assert "The models are missing" in list(tab.run(VISITOR, *FORM.values()))[-1][tab.status]
    worker.fails = False
    assert tab.video in list(tab.run(VISITOR, *FORM.values()))[-1]


def test_buttons_follow_the_job(tab: CreateTab) -> None:
    assert tab.begin()[tab.cancel].interactive
    assert tab.generate not in tab.begin()  # nothing would give it back if the queue were full
    first = next(tab.run(VISITOR, *FORM.values()))
    assert not first[tab.generate].interactive
    cancelled = tab.cancelled(VISITOR, "distilled", "1280x720", 2, "chain")
    assert (cancelled[tab.generate].interactive, cancelled[tab.cancel].interactive) == (True, False)
    assert "Cancelled; nothing was kept." in cancelled[tab.status]


def test_a_tier_shows_its_time_once_it_has_one(tab: CreateTab) -> None:
    assert all("not timed" in text for text, _ in tab.desk.tier_choices("anonymous"))
    distilled = find("pocket", "distilled")
    Timings().record(timed_as(distilled, Delivery(3840, 2160), "cpu", "chain"), {"total": 90.0})
    assert all("not timed" in text for text, _ in tab.desk.tier_choices("anonymous"))
    Timings().record(timed_as(distilled, Delivery(), "cpu", "chain"), {"total": 8.0})
    texts = {tier: text for text, tier in tab.desk.tier_choices("anonymous")}
    assert "about 8.0 s" in texts["distilled"]
    assert "not timed" in texts["full"]


def fit(fits: bool, tier: str = "distilled") -> Fit:
    return Fit(tier, 224, 128, 33, "resident", fits, 40.0, 20.0 + 30 * fits, 0.0, 12.0, "all is <here>")


def test_what_does_not_fit_cannot_be_asked_for(tab: CreateTab, worker: Double) -> None:
    assert tab.look(VISITOR, "distilled", "1280x720", 2, "chain")[tab.generate].interactive
    worker.fits = (fit(False), fit(True, "full"))
    for tier, fits in (("distilled", False), ("full", True)):
        shown = tab.look(VISITOR, tier, "640x360", 2, "chain")
        assert shown[tab.generate].interactive is fits
        assert "all is &lt;here&gt;" in shown[tab.fits]
        assert ("does not fit here" in shown[tab.fits]) is not fits
        assert not shown[tab.clock].active
    texts = {tier: text for text, tier in tab.desk.tier_choices("anonymous")}
    assert "does not fit this machine" in texts["distilled"]
    assert "its models alone: 12 s, estimated" in texts["full"]


def test_what_does_not_fit_is_not_made_by_any_way(tab: CreateTab, worker: Double) -> None:
    worker.fits = (fit(False),)
    shown = list(tab.run(VISITOR, *FORM.values()))
    assert len(shown) == 1
    assert "This does not fit here (all is &lt;here&gt;): choose another tier" in shown[0][tab.status]
    chosen = ("distilled", "640x360", 2, "chain")
    assert not tab.end(VISITOR, *chosen)[tab.generate].interactive
    assert not tab.cancelled(VISITOR, *chosen)[tab.generate].interactive


def test_what_the_page_offers_can_be_made() -> None:
    for family in FAMILIES:
        for text in EXAMPLES.get(family, ("a ball",)):
            for _, size in SIZES:
                form = {**FORM, "prompt": text, "seed": new_seed(), "size": size}
                find(family, "distilled").check(to_request(form))
    assert 0 <= new_seed() <= MAX_SEED


def test_the_label_can_be_turned_off_only_where_the_operator_allows_it(worker: Double) -> None:
    for allowed in (False, True):
        with gr.Blocks(analytics_enabled=False):
            tab = CreateTab(desk(worker, Policy(label_may_be_off=allowed)))
        assert ("off" in [value for _, value in tab.form.label.choices]) == allowed


@pytest.mark.parametrize(
    ("header", "language"),
    [("fr-CH, fr;q=0.9, en;q=0.8", "fr"), ("zh-TW", "zh"), ("de,ja;q=0.5", "ja"), ("de", "en"), ("", "en")],
)
def test_the_label_starts_in_the_browsers_language(header: str, language: str) -> None:
    visitor = gr.Request(headers={"accept-language": header})
    assert preferred_language(visitor) == language
