"""The child process that holds the models: jobs in, events out. The page stays quick, and a crash costs one job."""

import logging
import multiprocessing as mp
import threading
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_demo.events import STAGES, Event, Notice, Progress, Published
from wan_demo.integrity import WeightsError
from wan_demo.plans import Fit
from wan_demo.policy import FILE, PolicyError, load_policy
from wan_demo.presets import Preset
from wan_demo.provenance.identity import IdentityError, load_identity
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.safety.frames import UnsafeClipError
from wan_demo.safety.inspector import Inspector
from wan_demo.store import KEYS, Records, Timings, home

if TYPE_CHECKING:
    import wan_demo.models
    import wan_demo.pipeline

# The events too, for the page.
__all__ = ["STAGES", "Event", "JobError", "Notice", "Progress", "Published", "Worker"]

SAID = (WeightsError, UnsafeClipError, IdentityError, PolicyError)  # in a sentence that is meant for the user
ENDED = "The process that holds the models ended unexpectedly: press Generate to start it again."


class JobError(RuntimeError):
    """A job failed through no fault of the request. The message is one sentence that says what to do."""


class Worker:
    """Runs one job at a time in a process of its own, which is started when needed, and again if it dies.

    presets: the tiers that it makes clips with, whose weights are here. plan: a memory plan's name; "": its own choice.
    """

    def __init__(self, presets: Sequence[Preset], device: str = "cpu", plan: str = "") -> None:
        self.presets, self.device, self.plan = tuple(presets), device, plan
        self._lock = threading.Lock()  # one job at a time
        self._aside = threading.Lock()  # the page asks what fits in several threads
        self._process: mp.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._side: Connection | None = None
        self._fits: tuple[Fit, ...] = ()

    @property
    def fits(self) -> tuple[Fit, ...]:
        """Whether each tier fits at each of its sizes; () until the process has found out."""
        with self._aside, suppress(EOFError, OSError):
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
                    if kind == "failed":
                        raise value
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
            return "failed", JobError(ENDED)
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
        while not pipe.poll() and (told := _next(chores)) is not None:
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
            inspector.check_request(request)  # before weights are loaded for it
            _pass_on(pipe, make_clip(request, output, held.take(request.tier), inspector, device))
        except Exception as error:  # noqa: BLE001 - the boundary of the process: every failure becomes a sentence
            pipe.send(("failed", failure(error)))


def _next(chores: Iterator[tuple[Fit, ...]]) -> tuple[Fit, ...] | None:
    """What the next chore tells; None if there are no more, or one failed: a job that needs the same says why."""
    try:
        return next(chores, None)
    except Exception as error:  # noqa: BLE001 - it must not end the process
        traceback.print_exception(error)
        return None


def _pass_on(pipe: Connection, events: Generator[Event, None, None]) -> None:
    """Send what a job tells to the parent, until it ends or the parent cancels."""
    for event in events:
        pipe.send(("done" if isinstance(event, Published) else "progress", event))
        if pipe.poll() and not isinstance(event, Published):
            pipe.recv()
            events.close()
            pipe.send(("done", None))


def make_clip(
    request: Request,
    output: Path,
    taken: "tuple[Preset, wan_demo.models.Models]",
    inspector: Inspector,
    device: str,
    pictures: "wan_demo.pipeline.Pictures | None" = None,
) -> Generator[Event, None, None]:
    """Make the clip, and remember it and how long it took on `device`. pictures: see `pipeline.generate`."""
    from wan_demo import pipeline

    preset, models = taken
    identity, timings = load_identity(home() / KEYS), Timings()
    key = partial(timed_as, preset, request.delivery, device)
    how = (lambda workload: timings.expected(key(workload)), pictures or pipeline.pictures)
    for event in pipeline.generate(request, preset, models, identity, output, inspector, *how):
        if isinstance(event, Published):
            timings.record(key(event.report["workload"]), event.report["seconds"])
            Records().record(event.report["id"], event.path, event.report, event.fingerprint)
        yield event


def timed_as(preset: Preset, delivery: Delivery, device: str, workload: str) -> tuple[str, str, str, str]:
    """Under what the seconds of a clip are remembered (see `Timings`): the file that it becomes counts, too."""
    file = f"{delivery.width}x{delivery.height} at {delivery.fps}, {delivery.codec}"
    return preset.family, preset.tier, f"{workload}, {file}", device


def failure(error: Exception) -> RequestError | JobError:
    """The error as a sentence for the person: a refusal, or a failure of ours, whose traceback is printed."""
    if isinstance(error, RequestError | JobError):
        return error
    if isinstance(error, SAID):
        return JobError(str(error))
    traceback.print_exception(error)
    return JobError(f"The clip could not be made ({error}): try again, and if it stays, report it.")
