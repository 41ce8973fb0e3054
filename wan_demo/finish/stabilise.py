"""Takes out shake: a camera that jitters around its path. A pan, a zoom or a still camera is left alone."""

import math
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.clip import Clip
from wan_demo.finish.exposure import Fault, Floats, is_cut, slow

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB

POINTS, APART = 400, 6  # corners that are followed, at most, and how far they are from each other, in pixels
CELLS = (4, 6)  # of a grid over the frame; the camera moved only if what moves alike is in MOST_CELLS of them
MOST_CELLS = 0.4
INLIER_PX = 1.0
SMOOTH_S = 0.3  # a camera may change its speed within about as long
SHAKES_PX = 0.5  # rms distance from the smooth path from which there is something to mend
MOST_ZOOM = 1.08  # frames are enlarged to hide the moved borders, by no more than this


def mend_shake(clip: Clip) -> tuple[Clip, Fault]:
    """The clip with its camera on a smooth path, or itself where it does not shake, or nothing tells how it moves.

    What is found is the rms distance of the camera from its smooth path, in pixels of the clip.
    """
    path, starts = camera_path(clip)
    quick = np.zeros_like(path)
    for first, last in pairwise([*starts, len(path)]):
        quick[first:last] = path[first:last] - slow(path[first:last], float(clip.fps), SMOOTH_S)
    found = float(np.sqrt(np.mean(np.square(quick[:, :2]).sum(1))))
    if found < SHAKES_PX:
        return clip, Fault(found, mended=False)
    height, width = clip.frames.shape[1:3]
    reach = np.abs(quick[:, :2]).max(0) + np.abs(quick[:, 2]).max() * np.array([height, width]) / 2
    zoom = min(MOST_ZOOM, 1 / (1 - 2 * float(max(reach / (width, height)))))
    frames = np.stack([_moved(frame, away, zoom) for frame, away in zip(clip.frames, quick, strict=True)])
    return Clip(frames, clip.fps), Fault(found, mended=True)


def camera_path(clip: Clip) -> tuple[Floats, list[int]]:
    """What the picture has moved since the first frame, (F, 3): pixels right and down, radians; and where scenes begin.

    It stands still where too little of the frame moves alike to say that it was the camera.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip.frames]
    path, starts = np.zeros((len(grey), 3)), [0]
    for k in range(1, len(grey)):
        if is_cut(clip.frames[k - 1], clip.frames[k]):
            starts.append(k)
        else:
            path[k] = path[k - 1] + _step(grey[k - 1], grey[k])
    return path, starts


def _step(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> Floats:
    """How the picture moved from one neighbour to the other, (3,)."""
    nothing = np.zeros(3)
    points: Any = cv2.goodFeaturesToTrack(before, POINTS, 0.01, APART)  # None in a flat picture
    if points is None or len(points) < 12:
        return nothing
    none: Any = None
    found, seen, _ = cv2.calcOpticalFlowPyrLK(before, after, points, none)
    back, seen_back, _ = cv2.calcOpticalFlowPyrLK(after, before, found, none)
    good = (seen * seen_back)[:, 0].astype(bool) & (np.linalg.norm(back - points, axis=2)[:, 0] < INLIER_PX / 2)
    start, end = points[good, 0], found[good, 0]
    if len(start) < 12:
        return nothing
    move, alike = cv2.estimateAffinePartial2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX)
    if move is None or not _everywhere(start[alike[:, 0] > 0], before.shape):
        return nothing
    height, width = before.shape
    middle = np.array([width / 2, height / 2, 1])
    across, down = move @ middle - middle[:2]
    return np.array([across, down, math.atan2(move[1, 0], move[0, 0])])


def _everywhere(points: npt.NDArray[np.float32], shape: tuple[int, ...]) -> bool:
    """Whether points (N, 2) lie in most parts of a frame, as those of a background do."""
    cells = np.floor(points[:, ::-1] / shape * CELLS).astype(int)
    return len(np.unique(cells, axis=0)) >= MOST_CELLS * math.prod(CELLS)


def _moved(frame: Frame, away: Floats, zoom: float) -> Frame:
    """A frame moved back by `away` (3,), enlarged about its middle."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(away[2]), zoom)
    matrix[:, 2] = matrix[:, 2] - matrix[:, :2] @ away[:2]
    moved = cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)
