"""One press of Generate: widgets -> Request, and the worker's events -> what the page shows, moment by moment."""

import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from wan_demo.request import Delivery, Label, Request, RequestError, Soundtrack, parse_fps, parse_size
from wan_demo.ui.templates import Templates
from wan_demo.worker import Event, JobError, Notice, Progress, Published


class Maker(Protocol):
    """What this page asks of a Worker."""

    def run(self, request: Request, output: Path) -> Generator[Event, None, None]: ...


@dataclass(frozen=True)
class View:
    """What is known of a job.

    stages: (stage, seconds) of those done, in order. now: the stage under way. notices: sentences besides the clip;
    error: one in its place. published: the clip, at the end; again: when it was made, if that was not now.
    """

    request: Request
    stages: tuple[tuple[str, float], ...] = ()
    now: Progress | None = None
    notices: tuple[str, ...] = ()
    error: str = ""
    published: Published | None = None
    again: datetime | None = None


def to_request(form: Mapping[str, Any]) -> Request:
    """What the widgets hold, by name, as a Request. An emptied number is None.

    Raises:
        RequestError: a value is missing, or is not one that a clip can be made with.
    """
    seed, duration_s = form["seed"], form["duration"]
    if seed is None or not float(seed).is_integer():
        raise RequestError("The seed is not a whole number: give one, or press New seed.")
    if duration_s is None:
        raise RequestError("The length is empty: give a number of seconds, such as 2.")
    size, fps = parse_size(form["size"] or ""), parse_fps(form["fps"] or "")
    label = Label(form["label"] or "", form["language"] or "")
    return Request(
        form["prompt"] or "",
        form["tier"] or "",
        int(seed),
        form["mode"] or "",
        float(duration_s),
        Delivery(*size, fps, form["codec"] or "", form["timing"] or "", bool(form["mend"]), label),
        Soundtrack(
            Path(form["sound"]) if form["sound"] else None,
            form["fit"] or "",
            bool(form["beats"]),
            bool(form["effects"]),
            form["narration"] or "",
            form["captions"] or "",
        ),
        form["negative"] or "",
    )


def make(worker: Maker, request: Request, templates: Templates) -> Generator[View, None, None]:
    """Make a clip, or show again the one that was kept: what to show after every event. The file is gone once the
    iterator ends or is closed.

    Closing it cancels. Refusals and failures are shown, not raised.
    """
    folder = tempfile.TemporaryDirectory(prefix="wan_demo-")  # readable by this user alone
    output = Path(folder.name) / f"wan_demo-{request.tier}-{request.seed}.mp4"
    events = worker.run(request, output)
    watch = Watch(View(request))
    try:
        kept = templates.find(request, output)
        if kept is not None:
            yield View(request, published=kept[0], again=kept[1])
            return
        yield watch.view
        for event in events:
            if isinstance(event, Published):
                templates.keep(request, event.path)
            yield watch.see(event)
    except (RequestError, JobError) as error:
        yield replace(watch.view, now=None, error=str(error))
    finally:
        # A thread, since gradio closes a cancelled handler in its event loop: waiting there for the model to finish its
        # step would stop the page for everybody.
        threading.Thread(target=_end, args=(events, folder)).start()


def _end(events: Generator[Event, None, None], folder: "tempfile.TemporaryDirectory[str]") -> None:
    try:
        events.close()
    finally:
        folder.cleanup()


@dataclass
class Watch:
    """Keeps a View up to date with the events of a job."""

    view: View
    started: float = field(default_factory=time.monotonic)

    def see(self, event: Event) -> View:
        if isinstance(event, Notice):
            self.view = replace(self.view, notices=(*self.view.notices, event.text))
        elif isinstance(event, Progress):
            self._advance(event)
        else:
            seconds = event.report["seconds"]
            done = tuple((stage, seconds[stage]) for stage in seconds if stage != "total")
            self.view = replace(self.view, stages=done, now=None, published=event)
        return self.view

    def _advance(self, event: Progress) -> None:
        before, now = self.view.now, time.monotonic()
        done = self.view.stages
        if before is None:
            self.started = now
        elif before.stage != event.stage:
            done = (*done, (before.stage, now - self.started))
            self.started = now
        self.view = replace(self.view, stages=done, now=event)
