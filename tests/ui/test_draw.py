"""The text and HTML of the page."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from wan_demo.__main__ import parse, to_request
from wan_demo.presets import Measured, find
from wan_demo.request import FRAME_RATES, Delivery, Label, Request, Soundtrack
from wan_demo.setup import Setup
from wan_demo.ui import draw
from wan_demo.ui.job import View
from wan_demo.worker import STAGES, Progress, Published

DELIVERY = Delivery(640, 360, FRAME_RATES["29.97"], "av1", "even", False, Label("top left", "fr"))
SOUND = Soundtrack(Path("a 'b.mp3"), "loop", True, True, "-x it's", "track")
EVIL = "<script>alert(1)</script>"
REPORT = {
    "frames": 60,
    "fps": "30",
    "codec": "h264",
    "width": 1280,
    "height": 720,
    "duration_s": 2.0,
    "seed": 7,
    "peak_memory_gib": 0.7,
    "id": "0123456789abcdef",
    "seconds": {"encode": 0.1, "layout": 2.0, EVIL: 0.0, "total": 2.1},
}


@pytest.mark.parametrize(
    "request_",
    [
        Request("a red ball"),
        Request(
            'it\'s "red" $HOME `ls`; rm -rf & 红色的球\\',
            "full",
            2**32 - 1,
            "direct",
            1 / 3,
            DELIVERY,
            SOUND,
            "-a 'blue' box",
        ),
        Request("--json", seed=3),
        Request("-x"),
        Request("--"),
    ],
)
def test_the_command_makes_the_same_request(request_: Request) -> None:
    words = shlex.split(draw.command(request_, Setup("pocket", "cuda")))
    assert words[:3] == ["python", "-m", "wan_demo"]
    options = parse(words[3:])
    assert to_request(options) == request_
    assert (options.family, options.device) == ("pocket", "cuda")


def test_a_tier_says_what_it_costs() -> None:
    full, distilled = find("pocket", "full"), find("pocket", "distilled")
    assert "41 steps, 34 of them guided" in draw.tier_choice(full, None)
    assert "41 steps, guided" in draw.tier_choice(replace(full, low_guidance=2.5), None)
    assert "not timed on this machine yet" in draw.tier_choice(full, None)
    fast = draw.tier_choice(replace(distilled, measured=Measured(0.94, 50, 0.8, 60)), 8.2)
    assert "about 8.2 s on this machine" in fast
    assert "guided" not in fast
    assert "8 bits" in fast
    assert "94% of 50 test clips" in fast
    assert "of two things, 80% of 60" in fast
    assert "test clips" not in draw.tier_choice(replace(distilled, measured=None), 8.2)


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (8.25, "8.2 s"), (61.2, "61 s"), (200.0, "3 min 20 s")])
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert draw.duration(seconds) == text


def test_the_line_of_stages() -> None:
    view = View(Request("a ball"), (("encode", 0.12),), Progress("layout", 1, 2, 3.2))
    html = draw.status(view)
    assert "read the prompt <small>0.1 s" in html
    assert "layout <small>1/2" in html
    assert "about 3.2 s left" in html
    assert html.count("<span") == len(STAGES) - 3 + 1, "no sound, no longer than usual, but the time left"
    assert "slow down" not in html
    longer = draw.status(replace(view, stages=(*view.stages, ("lengthen", 1.0)), now=Progress("redraw", 0, 7, None)))
    assert "slow down <small>1.0 s" in longer
    assert "draw it anew <small>0/7" in longer
    assert "enlarge" not in draw.status(replace(view, request=Request("a ball", mode="direct")))
    assert "left" not in draw.status(replace(view, now=Progress("layout", 1, 2, None)))
    assert draw.status(replace(view, notices=("One.", "Two."))).count("notice") == 2


def test_nothing_is_taken_for_html() -> None:
    shown = [
        draw.status(View(Request(EVIL), notices=(EVIL,))),
        draw.status(View(Request(EVIL), error=EVIL)),
        draw.status(View(Request("a ball"), published=Published(Path("a.mp4"), REPORT), notices=(EVIL,))),
        draw.results(REPORT),
        draw.message(EVIL),
        draw.refusal(EVIL),
        draw.hint(EVIL),
    ]
    assert not [html for html in shown if "<script" in html]


def test_what_runs_beside_the_writing_is_named() -> None:
    assert "are written" not in draw.results(REPORT)
    told = draw.results({**REPORT, "seconds": {"frame rate": 3.0, "watermark": 1.0, "write": 4.0, "total": 4.0}})
    assert ">Smooth motion, watermark: done while the frames before are written." in told


def test_results_have_the_figures_and_a_bar_for_each_stage() -> None:
    html = draw.results(REPORT)
    assert html.count('class="bar"') == 3
    assert "width:100.0%" in html
    for figure in ("2.1 s", ">60<", "1280x720", ">7<", "0.70 GiB", "30 a second"):
        assert figure in html
