"""Times the stages of a chain and the way of its weights, and tells how far they are."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from wan_demo.events import BESIDE_WRITE, Progress, Transfer

Item = TypeVar("Item")


class Clock:
    """Seconds a stage, and from those of an earlier run (`expected`) what is left."""

    def __init__(self, expected: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.expected = expected or {}
        self.within = 0.0  # seconds of what ran inside the stage that is being counted

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs in the block as this stage's, but for the stages inside it."""
        self.name, self.started = name, time.perf_counter()
        with self._counted(name):
            yield

    def each(self, name: str, frames: Iterable[Item]) -> Iterator[Item]:
        """Pass frames on, and count the time it takes to make them as this stage's."""
        source = iter(frames)
        while True:
            with self._counted(name):
                frame = next(source, None)
            if frame is None:
                return
            yield frame

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        started, outer = time.perf_counter(), self.within
        self.within = 0.0
        yield
        spent = time.perf_counter() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + spent - self.within
        self.within = outer + spent

    def progress(self, step: int = 0, steps: int = 1) -> Progress:
        now = self.expected.get(self.name)
        if now is None:
            return Progress(self.name, step, steps, None)
        if step:  # this run's own pace is better
            now = (time.perf_counter() - self.started) / step * steps
        known = (*self.seconds, self.name, *BESIDE_WRITE, "total")
        later = (s for name, s in self.expected.items() if name not in known)
        return Progress(self.name, step, steps, now * (1 - step / steps) + sum(later))


class Pace:
    """What is left, told from how fast this run has been so far."""

    def __init__(self, what: str, total: int, start: int = 0) -> None:
        self.what, self.total, self.start = what, total, start
        self.began = time.perf_counter()

    def at(self, done: int) -> Transfer:
        """The state of things when `done` bytes are there, `start` of them from an earlier run."""
        new = done - self.start
        left = (time.perf_counter() - self.began) * (self.total - done) / new if new > 0 else None
        return Transfer(self.what, done, self.total, left)
