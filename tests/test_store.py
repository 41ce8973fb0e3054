from wan_demo.store import RECENT, Timings

KEY = ("pocket", "full", "chain", "cpu")


def test_nothing_is_expected_before_a_run() -> None:
    assert Timings().expected(KEY) == {}


def test_the_median_of_the_last_runs_is_expected() -> None:
    timings = Timings()
    for seconds in (100.0, *[float(i) for i in range(1, RECENT + 1)]):
        timings.record(KEY, {"layout": seconds, "total": 2 * seconds})
    timings.record(("pocket", "distilled", "chain", "cpu"), {"layout": 50.0})
    assert Timings().expected(KEY) == {"layout": 3.0, "total": 6.0}
