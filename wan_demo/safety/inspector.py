"""The operator's own rules, on every prompt and every clip, beside those of the app."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.policy import Policy, Wanted
from wan_demo.request import Request, RequestError
from wan_demo.safety.brand import picture_faults, picture_report, term_faults, try_rules
from wan_demo.safety.frames import UnsafeClipError
from wan_demo.safety.guard import Guard
from wan_demo.safety.prompt import screen

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB

LOOKS = 8  # frames of a clip, spread over it, that the operator's rules are asked about
LARGEST, SHORT_SIDE = 1080, 360  # pixels of a shorter side, that the rules and that checkers see


class Inspector:
    """A policy at work. Close it to end its checkers' processes.

    Raises:
        PolicyError: a term or a logo of it cannot be used.
    """

    def __init__(self, policy: Policy) -> None:
        try_rules(policy)
        self.policy = policy
        self.guards = [Guard(checker) for checker in policy.checkers]

    def check_request(self, request: Request) -> None:
        """Refuse what nobody may have, and what the operator does not allow.

        Raises:
            RequestError: a text breaks a safety rule; the label is to be left out, or a term is there, or missing,
                against the operator's rules.
        """
        for text in (request.prompt, request.negative, request.sound.narration):
            refusal = screen(text)
            if refusal is not None:
                raise RequestError(refusal.sentence)
        if request.delivery.label.place == "off" and not self.policy.label_may_be_off:
            raise RequestError("The label cannot be left out here: choose a place for it.")
        shown = f"{request.prompt}\n{request.sound.narration}".strip()
        texts = "prompt or narration" if request.sound.narration else "prompt"
        avoided = replace(self.policy.terms, required=())  # what is to be avoided brings nothing in
        for name, text, terms in ((texts, shown, self.policy.terms), ("negative prompt", request.negative, avoided)):
            for fault in term_faults(text, terms):
                raise RequestError(f"The {name} {fault}, against the operator's rules: change it.")

    def check_clip(self, looks: Sequence[Frame]) -> dict[str, Any]:
        """Look at frames of a clip that is not labelled yet; returns what was measured, for the report.

        Raises:
            UnsafeClipError: it breaks a rule, or a checker could not look.
        """
        report = picture_report(looks, self.policy)
        for fault in picture_faults(report, self.policy):
            raise UnsafeClipError(
                f"The clip {fault}, against the operator's rules, so it is not shown: try another seed or another"
                " prompt."
            )
        if self.guards:
            small = np.stack([_shrunk(frame, SHORT_SIDE) for frame in looks])
            for guard in self.guards:
                guard.check(small)
        return {
            **({"terms": "as required"} if self.policy.terms != Wanted() else {}),
            **report,
            **({"checkers": [checker.use for checker in self.policy.checkers]} if self.guards else {}),
        }

    def close(self) -> None:
        """End the checkers' processes."""
        for guard in self.guards:
            guard.close()


def sampled(frames: Iterable[Frame], count: int, looks: list[Frame]) -> Iterator[Frame]:
    """Pass on the `count` frames of a clip, and keep in `looks` those that `check_clip` is to see."""
    wanted = np.linspace(0, count - 1, LOOKS).round().astype(int).tolist()
    for k, frame in enumerate(frames):
        looks += [_shrunk(frame, LARGEST)] * wanted.count(k)
        yield frame


def _shrunk(frame: Frame, short_side: int) -> Frame:
    share = min(1, short_side / min(frame.shape[:2]))
    small = frame if share == 1 else cv2.resize(frame, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
