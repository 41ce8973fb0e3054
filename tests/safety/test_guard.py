"""A checker that hangs, dies, raises or is missing blocks its clip, and the next one is looked at all the same."""

import threading
from contextlib import closing

import numpy as np
import numpy.typing as npt
import pytest

from wan_demo.policy import Checker
from wan_demo.safety.frames import UnsafeClipError
from wan_demo.safety.guard import Guard

BLACK, WHITE = (np.full((2, 8, 8, 3), grey, np.uint8) for grey in (0, 255))


def test_a_content_checker_lets_a_clip_pass_and_stays() -> None:
    with closing(Guard(Checker("tests.checkers:Content"))) as guard:
        guard.check(BLACK)
        first = guard._process
        guard.check(WHITE)
        assert guard._process is first


def test_an_objection_is_told() -> None:
    with (
        closing(Guard(Checker("tests.checkers:Refusing"))) as guard,
        pytest.raises(UnsafeClipError, match=r"^The clip shows a cat, so it is not shown: try another seed"),
    ):
        guard.check(BLACK)


def test_what_libraries_print_is_no_answer() -> None:
    with closing(Guard(Checker("tests.checkers:Loud"))) as guard:
        for _ in range(2):
            guard.check(BLACK)
            with pytest.raises(UnsafeClipError, match="shows a cat"):
                guard.check(WHITE)


@pytest.mark.parametrize(("frames", "why"), [(BLACK, "an answer to something else"), (WHITE, "no answer that can be")])
def test_an_answer_that_is_not_to_this_question_blocks(frames: npt.NDArray[np.uint8], why: str) -> None:
    with closing(Guard(Checker("tests.checkers:Forger"))) as guard:
        for _ in range(2):
            with pytest.raises(UnsafeClipError, match=f"gave {why}"):
                guard.check(frames)
            assert guard._process is None


def test_an_interrupt_does_not_wait_for_the_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it thinks: nothing that was started keeps the program."""
    with closing(Guard(Checker("tests.checkers:Content", seconds=600))) as guard:
        monkeypatch.setattr("wan_demo.safety.guard.pickle.dump", interrupted)
        with pytest.raises(KeyboardInterrupt):
            guard.check(BLACK)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(5)
            assert not thread.is_alive()


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("name", "why"), [("Hanging", "took more than 4 s"), ("Dying", "ended unexpectedly")])
def test_the_clip_after_one_that_broke_the_checker_is_looked_at(name: str, why: str) -> None:
    with closing(Guard(Checker(f"tests.checkers:{name}", seconds=4))) as guard:
        with pytest.raises(UnsafeClipError, match=f"checker tests.checkers:{name} {why}, so no clip is shown: ask"):
            guard.check(WHITE)
        guard.check(BLACK)


@pytest.mark.parametrize(
    ("use", "why"),
    [
        ("tests.checkers:Raising", "failed .division by zero."),
        ("tests.checkers:Vague", "gave bool, not a sentence"),
        ("tests.checkers:Missing", "has no attribute 'Missing'"),
        ("no_such_module:Checker", "No module named 'no_such_module'"),
    ],
)
def test_a_checker_that_does_not_work_blocks(use: str, why: str) -> None:
    with closing(Guard(Checker(use))) as guard, pytest.raises(UnsafeClipError, match=why):
        guard.check(BLACK)
