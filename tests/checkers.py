"""Checkers as an operator could name them, each wrong in its own way."""

import os
import time

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


class Content:
    def __call__(self, frames: Frames) -> str | None:
        print("a checker may print what it likes")
        assert frames.ndim == 4
        assert frames.dtype == np.uint8
        return None


class Refusing:
    def __call__(self, frames: Frames) -> str | None:
        return "shows a cat"


class Raising:
    def __call__(self, frames: Frames) -> str | None:
        raise ZeroDivisionError("division\nby zero")


class Hanging:
    """Hangs on white frames."""

    def __call__(self, frames: Frames) -> str | None:
        if frames.min() == 255:
            time.sleep(600)
        return None


class Dying:
    """Dies on white frames."""

    def __call__(self, frames: Frames) -> str | None:
        if frames.min() == 255:
            os._exit(1)
        return None


class Vague:
    def __call__(self, frames: Frames) -> bool:
        return True
