"""Holds a clip's colour and brightness where they drift away over time."""

import numpy as np

from wan_demo.clip import Clip
from wan_demo.finish.exposure import MID, Fault, Frame, measure_exposure, reduced, shown_as, slow

# Levels of 255, between the two most different frames of a scene, from which it is mended: what moves is not a part of
# what is measured, and strays by as much when the rest is held.
DRIFTS = 6.5
ALIKE = 0.6  # the ends of a scene must differ by less than this share of what they did; else it is what they show


def mend_drift(clip: Clip) -> tuple[Clip, Fault]:
    """The clip with each scene at its own median exposure, or itself where nothing drifts. What flickers still does.

    What is found is in levels of 255, for the median of what the clip shows, the most in any scene and channel.
    """
    exposure = measure_exposure(clip)
    frames, found = clip.frames, 0.0
    for first, last in exposure.scenes:
        gain = np.exp(slow(np.log(exposure.gain[first:last]), float(clip.fps)))
        mid = slow(exposure.gain[first:last] * MID + exposure.level[first:last], float(clip.fps))
        drift = float(np.median(np.ptp(exposure.shown(gain, mid - gain * MID), axis=0), axis=0).max())
        found = max(found, drift)
        ratio = np.median(gain, 0) / gain
        level = np.median(mid, 0) - ratio * mid
        if drift < DRIFTS:
            continue
        held = [shown_as(f, r, v) for f, r, v in zip(clip.frames[first:last], ratio, level, strict=True)]
        if _apart(held[0], held[-1]) < ALIKE * _apart(clip.frames[first], clip.frames[last - 1]):
            frames = frames.copy() if frames is clip.frames else frames
            frames[first:last] = held
    return (clip if frames is clip.frames else Clip(frames, clip.fps)), Fault(found, frames is not clip.frames)


def _apart(frame0: Frame, frame1: Frame) -> float:
    """How much most of two frames differs, of 255: what moves over a still scene does not count."""
    return float(np.median(np.abs(reduced(frame0) - reduced(frame1)).max(1)))
