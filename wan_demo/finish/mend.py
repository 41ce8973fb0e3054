"""Mends what a model did not keep steady: flicker, then colour that drifts, then shake."""

from dataclasses import asdict
from typing import Any

from wan_demo.clip import Clip
from wan_demo.finish.colour import mend_drift
from wan_demo.finish.flicker import mend_flicker
from wan_demo.finish.stabilise import mend_shake


def mend(clip: Clip) -> tuple[Clip, dict[str, dict[str, Any]]]:
    """The clip, mended where there is something to mend, and for the report what was found."""
    clip, flicker = mend_flicker(clip)
    clip, drift = mend_drift(clip)
    clip, shake = mend_shake(clip)
    found = {"flicker": asdict(flicker), "drift": asdict(drift), "shake": asdict(shake)}
    return clip, {
        name: {key: value if key == "mended" else round(value, 3) for key, value in part.items()}
        for name, part in found.items()
    }
