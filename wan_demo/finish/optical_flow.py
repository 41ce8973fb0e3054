"""Optical flow between two frames, both ways."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]  # (H, W)
Floats = npt.NDArray[np.float32]

# Two frames of one channel -> the flow from the first to the second, and back, each (H, W, 2), pixels (x, y).
TwoWay = Callable[[Grey, Grey], tuple[Floats, Floats]]


def dis(grey0: Grey, grey1: Grey) -> tuple[Floats, Floats]:
    """Dense inverse search (arXiv 1603.03590), on the CPU."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(0)  # the frames are small: look at every pixel of them
    there = np.asarray(finder.calc(grey0, grey1, None), np.float32)  # type: ignore[call-overload]
    back = np.asarray(finder.calc(grey1, grey0, None), np.float32)  # type: ignore[call-overload]
    return there, back
