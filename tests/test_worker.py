import time
from pathlib import Path

import pytest

from wan_demo import mp4
from wan_demo.events import Progress, Published
from wan_demo.presets import tiers
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.worker import JobError, Worker

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
