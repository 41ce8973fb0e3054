import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wan_demo import mp4
from wan_demo.events import Progress, Published
from wan_demo.locate import locate
from wan_demo.pipeline import result_of
from wan_demo.plans import Fit
from wan_demo.presets import WEIGHTS, tiers
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.setup import Setup
from wan_demo.worker import JobError, Worker, _next

PROMPT = "a red ball moves right over green grass"


def test_one_worker_through_its_life(tmp_path: Path) -> None:
    """Cancelled, refused, killed: each time the next job works."""
    worker = Worker(tiers("pocket"))
    try:
        events = worker.run(Request(PROMPT), tmp_path / "cancelled.mp4")
        assert any(isinstance(e, Progress) and e.stage == "layout" for e in events)
        events.close()
        with pytest.raises(RequestError, match="fewer words"):
            list(worker.run(Request("ball " * 60), tmp_path / "refused.mp4"))
        assert list(tmp_path.glob("*.mp4")) == []

        assert worker._process is not None
        worker._process.kill()
        worker._process.join()
        published = list(worker.run(Request(PROMPT, delivery=Delivery(320, 180)), tmp_path / "made.mp4"))[-1]
        assert isinstance(published, Published)
        assert mp4.probe(published.path).frames == 60
        until = time.monotonic() + 60  # it looks once nobody waits
        while not worker.fits and time.monotonic() < until:
            time.sleep(0.1)
        assert {(fit.tier, fit.fits) for fit in worker.fits} == {("full", True), ("distilled", True)}

        events = worker.run(Request(PROMPT), tmp_path / "killed.mp4")
        next(iter(events))
        worker._process.kill()
        with pytest.raises(JobError, match="press Generate"):
            list(events)
        assert {p.name for p in tmp_path.glob("*")} <= {"made.mp4", "home"}
    finally:
        worker.close()


def test_what_a_killed_worker_leaves_lies_beside_its_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the page throws it away."""
    elsewhere, job = tmp_path / "elsewhere", tmp_path / "job"
    elsewhere.mkdir()
    job.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    worker = Worker(tiers("pocket"))
    try:
        events = worker.run(Request(PROMPT, delivery=Delivery(320, 180)), job / "killed.mp4")
        assert any(isinstance(e, Progress) and e.stage == "sign" for e in events)
    finally:
        worker.close()
    assert list(job.rglob("*.mp4"))
    assert not list(elsewhere.rglob("*.mp4"))


def test_weights_without_a_student_have_one_tier(tmp_path: Path) -> None:
    folder = shutil.copytree(WEIGHTS / "pocket", tmp_path / "pocket", ignore=shutil.ignore_patterns("distilled"))
    (full,) = result_of(locate(Setup(weights=folder)))  # type: ignore[arg-type]
    assert (full.tier, full.weights) == ("full", folder)
    assert [preset.tier for preset in result_of(locate(Setup()))] == ["full", "distilled"]  # type: ignore[arg-type]


def test_a_chore_that_fails_ends_the_chores_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def chores() -> Iterator[tuple[Fit, ...]]:
        yield ()
        raise FileNotFoundError("config.json")

    some = chores()
    assert [_next(some) for _ in range(3)] == [(), None, None]
    assert "config.json" in capsys.readouterr().err


def test_several_visitors_ask_at_once_what_fits() -> None:
    """What fits is told once; who comes second must not wait for it to be told again."""

    class Side:
        left = 1

        def poll(self) -> bool:
            time.sleep(0.05)
            return self.left > 0

        def recv(self) -> tuple[Fit, ...]:
            assert self.left > 0, "waits for ever"
            self.left -= 1
            return (told,)

    told = Fit("full", 128, 64, 17, "resident", True, 1.0, 2.0, 1.0, None, "")
    worker = Worker(())
    worker._side = Side()  # type: ignore[assignment]
    with ThreadPoolExecutor(4) as visitors:
        assert list(visitors.map(lambda _: worker.fits, range(4))) == [(told,)] * 4
