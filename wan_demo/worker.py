"""The child process that holds the models: jobs in, events out. The page stays quick, and a crash costs one job."""

import multiprocessing as mp
import threading
import traceback
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from wan_demo.pipeline import STAGES, Event, Notice, Progress, Published, generate
from wan_demo.presets import find
from wan_demo.request import Request, RequestError
from wan_demo.store import Timings

# The events too: the page may not import the pipeline.
__all__ = ["STAGES", "Event", "JobError", "Notice", "Progress", "Published", "Worker"]


class JobError(RuntimeError):
    """A job failed through no fault of the request. The message is one sentence that says what to do."""


class Worker:
    """Runs one job at a time in a process of its own, which is started when needed, and again if it dies."""

    def __init__(self, family: str, device: str = "cpu") -> None:
        self.family, self.device = family, device
        self._lock = threading.Lock()
        self._process: mp.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        """Start the process now, so that the first job finds it loaded."""
        with self._lock:
            self._ensure()

    def run(self, request: Request, output: Path) -> Generator[Event, None, None]:
        """Make one clip. Close the iterator to cancel: the child stops after the step it is in.

        Raises:
            RequestError: the request is refused.
            JobError: it failed.
        """
        with self._lock:
            pipe = self._ensure()
            pipe.send((request, output))
            ended = False
            try:
                while not ended:
                    kind, value = self._receive(pipe)
                    ended = kind != "progress"
                    if kind == "refused":
                        raise RequestError(value)
                    if kind == "failed":
                        raise JobError(value)
                    yield value
            finally:
                if not ended:
                    self._cancel(pipe)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _ensure(self) -> Connection:
        if self._process is None or not self._process.is_alive() or self._pipe is None:
            context = mp.get_context("spawn")
            self._pipe, child = context.Pipe()
            self._process = context.Process(target=_serve, args=(child, self.family, self.device), daemon=True)
            self._process.start()
            child.close()
        return self._pipe

    def _receive(self, pipe: Connection) -> tuple[str, Any]:
        try:
            kind, value = pipe.recv()
        except (EOFError, OSError):
            self.close()
            return "failed", "The process that holds the models ended unexpectedly: press Generate to start it again."
        return kind, value

    def _cancel(self, pipe: Connection) -> None:
        try:
            pipe.send(None)
            while self._receive(pipe)[0] == "progress":
                pass
        except OSError:
            self.close()


def _serve(pipe: Connection, family: str, device: str) -> None:
    """The child: load both tiers, then serve jobs until the parent is gone."""
    from wan_demo import models

    loaded: dict[str, models.Models] = {}
    timings = Timings()
    while True:
        try:
            request, output = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        except TypeError:  # a cancellation that crossed the end of its job
            continue
        try:
            preset = find(family, request.tier)
            if request.tier not in loaded:
                loaded[request.tier] = models.load(preset, device)
            key = (family, request.tier, request.mode, device)
            result = _run(pipe, generate(request, preset, loaded[request.tier], output, timings.expected(key)))
            if isinstance(result, Published):
                timings.record(key, result.report["seconds"])
            pipe.send(("done", result))
        except RequestError as error:
            pipe.send(("refused", str(error)))
        except models.WeightsError as error:
            pipe.send(("failed", str(error)))
        except Exception as error:  # noqa: BLE001 - the boundary of the process: every failure becomes a sentence
            traceback.print_exc()
            pipe.send(("failed", f"The clip could not be made ({error}): try again, and if it stays, report it."))


def _run(pipe: Connection, events: Iterator[Event]) -> Event | None:
    """Pass progress on until the clip is done, or until the parent cancels (then None)."""
    for event in events:
        if isinstance(event, Published):
            return event
        pipe.send(("progress", event))
        if pipe.poll():
            pipe.recv()
            events.close()  # type: ignore[attr-defined]
            return None
    return None
