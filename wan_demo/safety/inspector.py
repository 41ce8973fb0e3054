"""The operator's own rules, on every prompt and every clip, beside those of the app."""

from typing import Any

import cv2
import numpy as np

from wan_demo.clip import Clip
from wan_demo.policy import Policy, Wanted
from wan_demo.request import Request, RequestError
from wan_demo.safety.brand import picture_faults, picture_report, term_faults
from wan_demo.safety.frames import UnsafeClipError
from wan_demo.safety.guard import Guard

LOOKS = 8  # frames of a clip, spread over it, that the operator's rules are asked about
SHORT_SIDE = 360  # pixels that checkers see


class Inspector:
    """A policy at work. Close it to end its checkers' processes."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.guards = [Guard(checker) for checker in policy.checkers]

    def check_request(self, request: Request) -> None:
        """Refuse what the operator does not allow.

        Raises:
            RequestError: the label is to be left out, or a term is there, or missing, against the rules.
        """
        if request.label.place == "off" and not self.policy.label_may_be_off:
            raise RequestError("The label cannot be left out here: choose a place for it.")
        for fault in term_faults(request.prompt, self.policy.terms):
            raise RequestError(f"The prompt {fault}, against the operator's rules: change it.")

    def check_clip(self, clip: Clip) -> dict[str, Any]:
        """Look at a clip that is not labelled yet; returns what was measured, for the report.

        Raises:
            UnsafeClipError: it breaks a rule, or a checker could not look.
        """
        frames = clip.frames[np.linspace(0, len(clip.frames) - 1, LOOKS).round().astype(int)]
        report = picture_report(list(frames), self.policy)
        for fault in picture_faults(report, self.policy):
            raise UnsafeClipError(
                f"The clip {fault}, against the operator's rules, so it is not shown: try another seed or another"
                " prompt."
            )
        if self.guards:
            share = min(1, SHORT_SIDE / min(frames.shape[1:3]))
            small = np.stack([cv2.resize(f, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) for f in frames])
            for guard in self.guards:
                guard.check(np.asarray(small, np.uint8))
        return {
            **({"terms": "as required"} if self.policy.terms != Wanted() else {}),
            **report,
            **({"checkers": [checker.use for checker in self.policy.checkers]} if self.guards else {}),
        }

    def close(self) -> None:
        """End the checkers' processes."""
        for guard in self.guards:
            guard.close()
