"""Change a clip's frame rate by drawing the frames in between along the motion (optical flow).

Legend: F frames, H height, W width. Between two neighbours, frame 0 and frame 1, `when` in (0, 1) is the wanted moment.
A flow (H, W, 2) float32 says how many pixels (x, y) each pixel moves from one frame to the other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.clip import Clip

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Floats = npt.NDArray[np.float32]

_CUT = 40.0  # mean difference of neighbours, of 255, from which they are two scenes; motion in one scene stays below 20
_ROUND_TRIP_PX = 1.0  # a pixel that goes there and back and misses its start by more is hidden in the other frame
_UNLIKE = 48.0  # colour difference, of 255, from which two pixels are not the same thing; soft edges stay below
_STILL = 8  # colour difference, of 255, up to which a pixel has not changed; a decoder's flicker stays below
_FAINT = 1e-3  # weight of a colour that is probably wrong: it counts only where there is no better one


@dataclass(frozen=True)
class _Motion:
    """How one frame moves towards its neighbour: flow (H, W, 2), and whether each pixel is seen in both (H, W)."""

    flow: Floats
    seen: npt.NDArray[np.bool_]


def convert_frame_rate(clip: Clip, fps: Fraction, frames: int | None = None) -> Clip:
    """Show the same motion at another frame rate: frame k of the result is what the clip shows at k / fps seconds.

    fps: frames per second, above 0. frames: how many to make; by default as many as last as long as the clip does.
    The clip itself comes back when it has this rate and length already. Raises ValueError when fps or frames is not
    above 0.
    """
    if fps <= 0:
        raise ValueError(f"A frame rate must be above 0, not {fps}.")
    count = max(1, round(clip.duration_s * fps)) if frames is None else frames
    if count < 1:
        raise ValueError(f"A clip needs at least one frame; {count} were asked for.")
    if fps == clip.fps and count == len(clip.frames):
        return clip
    return Clip(np.stack(list(frames_at(clip, (k / fps for k in range(count))))), fps)


def frames_at(clip: Clip, moments: Iterable[Fraction]) -> Iterator[Frame]:
    """What the clip shows at each of these moments, in seconds from its start; quickest when they go forwards.

    Frames that fall on a source frame are that frame; before the first and past the last, it is held. A scene cut is
    kept: no frame mixes two scenes.
    """
    last = len(clip.frames) - 1
    motions: tuple[_Motion, _Motion] | None = None
    measured = -1  # the source frame that `motions` starts from
    for moment in moments:
        index, when = divmod(max(moment, Fraction(0)) * clip.fps, 1)  # exact, so "falls on a source frame" is too
        if when == 0 or index >= last:
            yield clip.frames[min(index, last)]
            continue
        pair = clip.frames[index], clip.frames[index + 1]
        if measured != index:
            motions, measured = (None if _is_cut(*pair) else _measure(*pair)), index
        yield pair[round(when)] if motions is None else _between(*pair, motions, float(when))


def _is_cut(frame0: Frame, frame1: Frame) -> bool:
    return float(cv2.absdiff(frame0, frame1).mean()) > _CUT


def _measure(frame0: Frame, frame1: Frame) -> tuple[_Motion, _Motion]:
    """The motion from frame 0 to frame 1, and back."""
    # Flow is found in one channel: the one that changes most. Grey would hide a red ball over a green tree.
    channel = int(cv2.absdiff(frame0, frame1).sum((0, 1)).argmax())
    grey0, grey1 = (np.ascontiguousarray(frame[..., channel]) for frame in (frame0, frame1))
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(0)  # the frames are small: look at every pixel of them
    there = np.asarray(finder.calc(grey0, grey1, None), np.float32)  # type: ignore[call-overload]
    back = np.asarray(finder.calc(grey1, grey0, None), np.float32)  # type: ignore[call-overload]
    # Flow smears a moving thing's motion over the still scene around it, so what looks the same in both frames stays.
    change = cv2.absdiff(cv2.blur(frame0, (3, 3)), cv2.blur(frame1, (3, 3))).max(2)
    still = np.asarray(change < _STILL)
    return _motion(frame0, frame1, there, back, still), _motion(frame1, frame0, back, there, still)


def _motion(start: Frame, end: Frame, flow: Floats, reverse: Floats, still: npt.NDArray[np.bool_]) -> _Motion:
    """The motion start -> end; a pixel is seen in both if it leads back to its place and looks alike at both ends."""
    miss = flow + _fetch(reverse, flow)
    leads_back = np.hypot(miss[..., 0], miss[..., 1]) < _ROUND_TRIP_PX
    unlike = np.abs(_fetch(end.astype(np.float32), flow) - start).max(2)
    return _Motion(np.where(still[..., None], np.float32(0), flow), still | (leads_back & (unlike < _UNLIKE)))


def _between(frame0: Frame, frame1: Frame, motions: tuple[_Motion, _Motion], when: float) -> Frame:
    """What is seen at `when`: each neighbour moved there, mixed by nearness in time and by which one can be trusted."""
    moved0, trust0 = _move(frame0, motions[0], when)
    moved1, trust1 = _move(frame1, motions[1], 1 - when)
    weight0, weight1 = (1 - when) * trust0, when * trust1
    share1 = (weight1 / (weight0 + weight1))[..., None]
    return np.rint(moved0 + share1 * (moved1 - moved0)).astype(np.uint8)


def _move(frame: Frame, motion: _Motion, part: float) -> tuple[Floats, Floats]:
    """Move a frame along `part` of its motion: the picture (H, W, 3), and how far to trust each pixel (H, W)."""
    flow, landed, seen = _throw(motion, part)
    picture = _fetch(frame.astype(np.float32), -part * flow)
    return picture, np.where(landed, np.where(seen, 1.0, 0.1), _FAINT).astype(np.float32)


def _throw(motion: _Motion, part: float) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Carry each pixel's flow to where that pixel is after `part` of it.

    Returns the flow (H, W, 2) there, whether any pixel landed there, and whether that pixel is seen in both frames.
    Where several land, one seen in both frames wins, then the faster one: what moves is mostly in front.
    """
    height, width = motion.seen.shape
    y, x = np.mgrid[:height, :width]
    to_x, to_y = x + part * motion.flow[..., 0], y + part * motion.flow[..., 1]
    speed = np.hypot(motion.flow[..., 0], motion.flow[..., 1])
    order = np.argsort((speed + 1e6 * motion.seen).ravel(), kind="stable")
    winner = np.full(height * width, -1)
    for dy in (0, 1):  # each pixel covers the four it lands between, so that no cracks open
        for dx in (0, 1):
            column, row = (np.floor(to_x).astype(int) + dx).ravel(), (np.floor(to_y).astype(int) + dy).ravel()
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            source = order[inside[order]]
            place = (row * width + column)[source]
            winner[place] = source  # numpy keeps the last of several: the one that wins
    landed = (winner >= 0).reshape(height, width)
    flow = motion.flow.reshape(-1, 2)[winner].reshape(height, width, 2) * landed[..., None]
    return flow, landed, motion.seen.ravel()[winner].reshape(height, width)


def _fetch(values: Floats, offset: Floats) -> Floats:
    """Read values (H, W, C) at each pixel plus its offset (H, W, 2), between pixels too; edges repeat outwards."""
    height, width = offset.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    read = cv2.remap(values, x + offset[..., 0], y + offset[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32)
