from pathlib import Path

from wan_demo.store import RECENT, Records, Timings

KEY = ("pocket", "full", "chain", "cpu")


def test_nothing_is_expected_before_a_run() -> None:
    assert Timings().expected(KEY) == {}


def test_the_median_of_the_last_runs_is_expected() -> None:
    timings = Timings()
    for seconds in (100.0, *[float(i) for i in range(1, RECENT + 1)]):
        timings.record(KEY, {"layout": seconds, "total": 2 * seconds})
    timings.record(("pocket", "distilled", "chain", "cpu"), {"layout": 50.0})
    assert Timings().expected(KEY) == {"layout": 3.0, "total": 6.0}


def test_without_a_place_to_write_nothing_is_remembered_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    timings = Timings(tmp_path / "file" / "store.sqlite3")
    timings.record(KEY, {"total": 1.0})
    assert timings.expected(KEY) == {}


def test_what_a_clip_shows_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    Records().record("0a", tmp_path / "clip.mp4", {"prompt": "a ball"}, b"pictures")
    assert Records().fingerprint("0a") == b"pictures"
    assert Records().fingerprint("0b") is None
