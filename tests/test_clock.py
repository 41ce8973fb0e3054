import time

import pytest

from wan_demo.clock import Pace
from wan_demo.events import Transfer


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (None, "Downloading: 12.3 of 126.2 GB"),
        (2400.0, "Downloading: 12.3 of 126.2 GB, 40 min left"),
        (12.4, "Downloading: 12.3 of 126.2 GB, 12 s left"),
    ],
)
def test_a_transfer_tells_how_far_it_is(left: float | None, text: str) -> None:
    assert str(Transfer("Downloading", 12_300_000_000, 126_200_000_000, left)) == text


def test_what_an_earlier_run_brought_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    pace = Pace("Downloading", 1000, start=400)
    now[0] += 10
    assert pace.at(400).seconds_left is None
    assert pace.at(500) == Transfer("Downloading", 500, 1000, 50.0)
    assert pace.at(1000).seconds_left == 0
