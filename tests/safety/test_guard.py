"""A checker that hangs, dies, raises or is missing blocks its clip, and the next one is looked at all the same."""

from contextlib import closing

import numpy as np
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
