"""The child process that holds the models: jobs in, events out. The page stays quick, and a crash costs one job."""

import logging
import multiprocessing as mp
import threading
import traceback
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_demo.events import STAGES, Event, Notice, Progress, Published
from wan_demo.integrity import WeightsError
from wan_demo.plans import Fit
from wan_demo.policy import FILE, PolicyError, load_policy
from wan_demo.presets import Preset
from wan_demo.provenance.identity import IdentityError, load_identity
from wan_demo.request import Request, RequestError
from wan_demo.safety.frames import UnsafeClipError
from wan_demo.safety.inspector import Inspector
from wan_demo.store import KEYS, Records, Timings, home

if TYPE_CHECKING:
    import wan_demo.models

# The events too, for the page.
__all__ = ["STAGES", "Event", "JobError", "Notice", "Progress", "Published", "Worker"]

ENDED = "The process that holds the models ended unexpectedly: press Generate to start it again."


class JobError(RuntimeError):
    """A job failed through no fault of the request. The message is one sentence that says what to do."""


class Worker:
    """Runs one job at a time in a process of its own, which is started when needed, and again if it dies.

    presets: the tiers that it makes clips with, whose weights are here. plan: a memory plan's name; "": its own choice.
    """

    def __init__(self, presets: Sequence[Preset], device: str = "cpu", plan: str = "") -> None:
        self.presets, self.device, self.plan = tuple(presets), device, plan
        self._lock = threading.Lock()
        self._process: mp.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._side: Connection | None = None
        self._fits: tuple[Fit, ...] = ()

    @property
    def fits(self) -> tuple[Fit, ...]:
        """Whether each tier fits at each of its sizes; () until the process has found out."""
        with suppress(EOFError, OSError):
            if self._side is not None and self._side.poll():
                self._fits = self._side.recv()
        return self._fits

    def start(self) -> None:
        """Start the process now, so that the first job finds the models loaded."""
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
            ended = False
            try:
                pipe.send((request, output))
                while not ended:
                    kind, value = self._receive(pipe)
                    ended = kind != "progress"
                    if kind == "refused":
                        raise RequestError(value)
                    if kind == "failed":
                        raise JobError(value)
                    yield value
            except BrokenPipeError:  # it died between two jobs, a moment ago
                self.close()
                ended = True
                raise JobError(ENDED) from None
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
            self._side, aside = context.Pipe(duplex=False)
            told = (child, aside, self.presets, self.device, self.plan)
            self._process = context.Process(target=_serve, args=told, daemon=True)
            self._process.start()
            child.close()
            aside.close()
        return self._pipe

    def _receive(self, pipe: Connection) -> tuple[str, Any]:
        try:
            kind, value = pipe.recv()
        except (EOFError, OSError):
            self.close()
            return "failed", ENDED
        return kind, value

    def _cancel(self, pipe: Connection) -> None:
        try:
            pipe.send(None)
            while self._receive(pipe)[0] == "progress":
                pass
        except OSError:
            self.close()


def _serve(pipe: Connection, aside: Connection, presets: Sequence[Preset], device: str, plan: str) -> None:
    """The child: serve jobs until the parent is gone; while nobody waits, load the tiers and tell whether they fit."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of an optional kernel that nobody needs
    from wan_demo import pipeline, shelf  # noqa: F401 - heavy: in the child alone, and before the first job

    held = shelf.Shelf(presets, device, plan)
    chores, inspector = held.chores(), None
    while True:
        while not pipe.poll() and (told := next(chores, None)) is not None:
            if told:
                with suppress(OSError):
                    aside.send(told)
        try:
            job = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        if job is None:  # a cancellation that crossed the end of its job
            continue
        request, output = job
        try:
            inspector = inspector or Inspector(load_policy(home() / FILE))
            pipe.send(("done", _make(pipe, request, output, held.take(request.tier), inspector)))
        except RequestError as error:
            pipe.send(("refused", str(error)))
        except (WeightsError, UnsafeClipError, IdentityError, PolicyError) as error:
            pipe.send(("failed", str(error)))
        except Exception as error:  # noqa: BLE001 - the boundary of the process: every failure becomes a sentence
            traceback.print_exc()
            pipe.send(("failed", f"The clip could not be made ({error}): try again, and if it stays, report it."))


def _make(
    pipe: Connection,
    request: Request,
    output: Path,
    taken: "tuple[Preset, wan_demo.models.Models]",
    inspector: Inspector,
) -> Published | None:
    """Make the clip and pass its progress on; None when the parent cancels."""
    from wan_demo.pipeline import generate

    preset, models = taken
    identity = load_identity(home() / KEYS)
    timings, key = Timings(), (preset.family, preset.tier, request.mode, models.device.type)
    events = generate(request, preset, models, identity, output, inspector, timings.expected(key))
    for event in events:
        if isinstance(event, Published):
            timings.record(key, event.report["seconds"])
            Records().record(event.report["id"], event.path, event.report, event.fingerprint)
            return event
        pipe.send(("progress", event))
        if pipe.poll():
            pipe.recv()
            events.close()
            return None
    raise AssertionError("a chain ends with Published")
