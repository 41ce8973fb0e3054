"""Things made in advance: all of them, in order, never too many, and what goes wrong is told."""

import threading
from collections.abc import Iterator

import pytest

from wan_demo.prefetch import prefetched


def test_all_come_in_order_and_few_are_made_in_advance() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            yield number

    for taken, number in enumerate(prefetched(numbers(), room=3)):
        assert number == taken
        assert len(made) <= taken + 1 + 3
    assert taken == 19


def test_they_are_made_meanwhile() -> None:
    began = threading.Event()

    def two() -> Iterator[str]:
        yield "first"
        began.set()
        yield "second"

    items = prefetched(two())
    next(items)
    assert began.wait(5)  # though nobody has asked for the second
    assert list(items) == ["second"]


def test_what_goes_wrong_is_raised_after_what_was_made() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    items = prefetched(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_one_who_leaves_ends_the_thread() -> None:
    items = prefetched(iter(range(1000)))
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
