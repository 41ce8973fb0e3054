"""Runs a checker of the operator's in a process of its own: one that hangs is ended, and its clip is refused.

A checker is a class or function named "module:name". Called with the operator's options it gives a callable, which is
called with frames (N, H, W, 3) uint8 RGB and says what they show that must not be shown, or None.
"""

import importlib
import json
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import numpy.typing as npt

from wan_demo.policy import Checker
from wan_demo.safety.frames import UnsafeClipError


class Guard:
    """One checker. Its process is started when needed, and again if it ended."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0

    def check(self, frames: npt.NDArray[np.uint8]) -> None:
        """Have the checker look at frames (N, H, W, 3).

        Raises:
            UnsafeClipError: it objects, or it is missing, fails or takes too long.
        """
        answer = self._ask(frames)
        if "error" in answer:
            self.close()
            raise UnsafeClipError(
                f"The operator's checker {self.checker.use} {answer['error']}, so no clip is shown: ask the operator"
                " to mend it."
            )
        if answer["fault"]:
            raise UnsafeClipError(
                f"The clip {answer['fault']}, so it is not shown: try another seed or another prompt."
            )

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, frames: npt.NDArray[np.uint8]) -> dict[str, str | None]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(self.checker.seconds, process.kill)
        timer.daemon = True
        timer.start()
        self._asked += 1
        try:
            pickle.dump((self._asked, frames), process.stdin)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:  # it ended while it was spoken to
            line = b""
        finally:
            in_time = timer.is_alive()
            timer.cancel()
        if not line:
            return {"error": "ended unexpectedly" if in_time else f"took more than {self.checker.seconds:g} s"}
        return _answer(line, self._asked)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            command = [sys.executable, "-m", __name__, self.checker.use, json.dumps(dict(self.checker.options))]
            # wherever the app was started from, its own modules and the operator's are found
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        return self._process


def _answer(line: bytes, asked: int) -> dict[str, str | None]:
    """What a line says to question number `asked`; anything else is an error: another clip's must not pass."""
    try:
        number, kind, text = json.loads(line)
    except (ValueError, TypeError):
        return {"error": "gave no answer that can be read"}
    if number != asked or kind not in ("fault", "error") or not isinstance(text, str | None):
        return {"error": "gave an answer to something else"}
    return {kind: text}


def serve(use: str, options: str) -> None:
    """The process: for every pickled [number, array] on stdin, until that is closed, an answer in JSON on what was
    stdout: [number, "fault" or "error", text]."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the checker prints is no answer, nor what a library or a program that it starts does
    look = None
    while True:
        try:
            number, frames = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            if look is None:
                module, name = use.split(":")
                look = getattr(importlib.import_module(module), name)(**json.loads(options))
            fault = look(frames)
            if not (fault is None or isinstance(fault, str)):
                raise TypeError(f"gave {type(fault).__name__}, not a sentence or None")
            answer = number, "fault", fault
        except Exception as error:  # noqa: BLE001 - the boundary of the process: every failure becomes an answer
            answer = number, "error", f"failed ({error})".replace("\n", " ")
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
