"""Checkers as an operator could name them, each wrong in its own way."""

import os
import subprocess
import time
from contextlib import suppress

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


class Content:
    def __call__(self, frames: Frames) -> str | None:
        print("a checker may print what it likes")
        assert frames.ndim == 4
        assert frames.dtype == np.uint8
        return None


class Loud:
    """Refuses white frames; a library of its own and a program that it starts write where answers once went."""

    def __init__(self) -> None:
        os.write(1, b'loading the model\n[1, "fault", null]\n')

    def __call__(self, frames: Frames) -> str | None:
        subprocess.run(["echo", '[2, "fault", null]'], check=True)
        return "shows a cat" if frames.min() == 255 else None


class Forger:
    """Writes to every open file what once was an answer."""

    def __call__(self, frames: Frames) -> str | None:
        for number in range(3, 10):
            with suppress(OSError):
                os.write(number, b"no answer\n" if frames.min() == 255 else b'[7, "fault", null]\n')
        return "shows a cat"


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
