"""Widgets become a Request; a job's events become what is shown; closing cancels. No models are needed."""

import time
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from wan_demo.request import Delivery, Label, Request, RequestError, Soundtrack
from wan_demo.ui.job import make, to_request
from wan_demo.ui.templates import Templates
from wan_demo.worker import Event, JobError, Notice, Progress, Published

REQUEST = Request("a red ball falls in the snow", seed=7)
NONE = Templates((), 2, {})


class Double:
    """Plays a list of events, exceptions raised, and remembers how it ended."""

    def __init__(self, *events: Event | Exception) -> None:
        self.events, self.closed, self.output = events, False, Path()

    def run(self, request: Request, output: Path) -> Generator[Event, None, None]:
        self.output = output
        output.write_bytes(b"part of a clip")
        try:
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed = True


def until(condition: Any, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


FORM = {
    "prompt": " a red  ball ",
    "negative": " blue\n",
    "tier": "full",
    "seed": 7.0,
    "duration": 1.5,
    "mode": "direct",
    "size": "640x360",
    "fps": "29.97",
    "codec": "av1",
    "timing": "even",
    "mend": False,
    "label": "top left",
    "language": "fr",
    "sound": "/tmp/a.mp3",
    "fit": "loop",
    "beats": True,
    "effects": False,
    "narration": " hello ",
    "captions": "track",
}


def test_widgets_become_a_request() -> None:
    label = Label("top left", "fr")
    delivery = Delivery(640, 360, Fraction(30000, 1001), "av1", "even", False, label)
    sound = Soundtrack(Path("/tmp/a.mp3"), "loop", beats=True, narration="hello", captions="track")
    assert to_request(FORM) == Request("a red ball", "full", 7, "direct", 1.5, delivery, sound, "blue")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("prompt", None, "prompt"),
        ("prompt", "", "prompt"),
        ("seed", None, "seed"),
        ("seed", 1.5, "seed"),
        ("seed", -1, "seed"),
        ("seed", float("nan"), "seed"),
        ("seed", float("inf"), "seed"),
        ("duration", None, "length"),
        ("duration", 0, "duration"),
        ("size", None, "size"),
        ("size", "641x360", "size"),
        ("tier", None, "tier"),
        ("mode", None, "mode"),
        ("fps", None, "frames a second"),
        ("codec", None, "codec"),
        ("timing", "late", "timing"),
        ("fit", "stretch", "way to fit"),
        ("captions", None, "captions"),
        ("narration", "", "Captions show what is spoken"),
        ("sound", None, "no sound file"),
        ("label", "middle", "no place for the label called 'middle': choose bottom right, "),
        ("language", "tlh", "no language of the label called 'tlh'"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(name: str, value: Any, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        to_request({**FORM, name: value})


def test_events_become_views() -> None:
    published = Published(Path("clip.mp4"), {"seconds": {"encode": 0.1, "layout": 0.5, "total": 0.6}})
    said = ("It does not know: dragon.", "There was no beat.")
    events = (Notice(said[0]), Progress("encode", 0, 1, None), Progress("layout", 1, 2, 3.0), Notice(said[1]))
    first, noticed, encoding, layout, also, last = make(Double(*events, published), REQUEST, NONE)
    assert first.now is None
    assert not first.stages
    assert noticed.notices == said[:1]
    assert encoding.now == events[1]
    assert [stage for stage, _ in layout.stages] == ["encode"]
    assert layout.notices == said[:1]
    assert also.notices == last.notices == said
    assert last.stages == (("encode", 0.1), ("layout", 0.5))  # as the report has them, the total apart
    assert last.published is published


@pytest.mark.parametrize("error", [RequestError("Say it in fewer words."), JobError("Try again.")])
def test_a_failure_is_shown_and_ends_the_job(error: Exception) -> None:
    views = list(make(Double(Progress("encode", 0, 1, None), error), REQUEST, NONE))
    assert views[-1].error == str(error)
    assert views[-1].now is None


def test_closing_cancels_and_leaves_no_file() -> None:
    worker = Double(*[Progress("layout", i, 9, None) for i in range(9)])
    views = make(worker, REQUEST, NONE)
    next(views)
    next(views)
    folder = worker.output.parent
    assert folder.stat().st_mode & 0o077 == 0  # nobody else may look
    views.close()
    assert until(lambda: worker.closed)
    assert until(lambda: not folder.exists())


def test_closing_does_not_wait_for_the_step_under_way() -> None:
    class Slow(Double):
        def run(self, request: Request, output: Path) -> Generator[Event, None, None]:
            try:
                yield from super().run(request, output)
            finally:
                time.sleep(1)

    worker = Slow(Progress("layout", 0, 9, None), Progress("layout", 1, 9, None))
    views = make(worker, REQUEST, NONE)
    next(views)
    next(views)
    before = time.monotonic()
    views.close()
    assert time.monotonic() - before < 0.5
    assert until(lambda: not worker.output.parent.exists())
