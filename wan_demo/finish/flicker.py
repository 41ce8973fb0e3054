"""Takes out flicker: exposure that changes from frame to frame."""

import numpy as np

from wan_demo.clip import Clip
from wan_demo.finish.exposure import MID, Exposure, Fault, Floats, measure_exposure, shown_as, slow

FLICKERS = 0.6  # levels of 255, rms, from which there is something to mend


def mend_flicker(clip: Clip) -> tuple[Clip, Fault]:
    """The clip with its exposure smoothed over time, or itself where it does not flicker. Cuts are kept.

    What is found is in levels of 255, rms over frames, channels and what the clip shows.
    """
    exposure = measure_exposure(clip)
    quick = [_quick(exposure, scene, float(clip.fps)) for scene in exposure.scenes]
    away = np.concatenate([exposure.shown(gain - 1, level) for gain, level in quick])
    found = float(np.sqrt(np.mean(np.square(away))))
    if found < FLICKERS:
        return clip, Fault(found, mended=False)
    frames = np.empty_like(clip.frames)
    for (first, last), (gain, level) in zip(exposure.scenes, quick, strict=True):
        for k in range(first, last):
            frames[k] = shown_as(clip.frames[k], 1 / gain[k - first], -level[k - first] / gain[k - first])
    return Clip(frames, clip.fps), Fault(found, mended=True)


def _quick(exposure: Exposure, scene: tuple[int, int], fps: float) -> tuple[Floats, Floats]:
    """gain and level (F, 3) that a scene's frames have over the slow part of its path."""
    gain, level = exposure.gain[slice(*scene)], exposure.level[slice(*scene)]
    mid = gain * MID + level
    base_gain, base_mid = np.exp(slow(np.log(gain), fps)), slow(mid, fps)
    # a frame shows gain * x + level for what the slow path shows as base_gain * x + (base_mid - base_gain * MID)
    ratio = gain / base_gain
    return ratio, level - ratio * (base_mid - base_gain * MID)
