"""Change a clip's frame rate by drawing the frames in between along the motion (optical flow).

Legend: F frames, H height, W width. Between two neighbours, frame 0 and frame 1, `when` in (0, 1) is the wanted moment.
A flow (H, W, 2) float32 says how many pixels (x, y) each pixel moves from one frame to the other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.clip import Clip
from wan_demo.finish.exposure import is_cut

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Floats = npt.NDArray[np.float32]

_ROWS = 480  # frames with more are measured at half their size: their motion is no finer than that of small ones
_ROUND_TRIP_PX = 1.0  # a pixel that goes there and back and misses its start by more is hidden in the other frame
_UNLIKE = 48.0  # colour difference, of 255, from which two pixels are not the same thing; soft edges stay below
_STILL = 8  # colour difference, of 255, up to which a pixel has not changed; a decoder's flicker stays below
_BETTER = 0.5  # colour difference, of 255, by which a faint change must be better explained by motion
_HALF = 0.5  # weight of a colour that the other frame does not confirm
_FAINT = 1e-3  # weight of a colour that is probably wrong: it counts only where there is no better one
_TURN = 0.5  # a motion that changes by more than this share of itself between three frames is not taken for a curve


@dataclass(frozen=True)
class _Motion:
    """How one frame moves towards its neighbour.

    flow (H, W, 2); seen (H, W): whether each pixel is seen in both; bend (H, W, 2): see `_curve`.
    """

    flow: Floats
    seen: npt.NDArray[np.bool_]
    bend: Floats | None = None

    def after(self, part: float) -> Floats:
        """How far each pixel has gone after a part of the way, (H, W, 2)."""
        return part * self.flow if self.bend is None else part * self.flow - part * (1 - part) * self.bend


@dataclass(frozen=True)
class _Pair:
    """The motion from frame 0 to frame 1, and back."""

    there: _Motion
    back: _Motion


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
    pairs: dict[int, _Pair | None] = {}  # by the number of the first frame: None for a cut
    for moment in moments:
        index, when = divmod(max(moment, Fraction(0)) * clip.fps, 1)  # exact, so "falls on a source frame" is too
        if when == 0 or index >= last:
            yield clip.frames[min(index, last)]
            continue
        around = [k for k in (index - 1, index, index + 1) if 0 <= k < last]
        pairs = {k: pairs[k] if k in pairs else _measure(clip.frames[k], clip.frames[k + 1]) for k in around}
        neighbours, pair = (clip.frames[index], clip.frames[index + 1]), pairs[index]
        if pair is None:
            yield neighbours[round(when)]
            continue
        before, after = pairs.get(index - 1), pairs.get(index + 1)
        curved = (
            pair.there if before is None else _curve(pair.there, before.back),
            pair.back if after is None else _curve(pair.back, after.there),
        )
        yield _between(*neighbours, curved, float(when))


def _measure(frame0: Frame, frame1: Frame) -> _Pair | None:
    """The motion between two neighbours, or None where they are two scenes."""
    if is_cut(frame0, frame1):
        return None
    # Flow is found in one channel: the one that changes most. Grey would hide a red ball over a green tree.
    channel = int(cv2.absdiff(frame0, frame1).sum((0, 1)).argmax())
    frame0, frame1 = _halved(frame0), _halved(frame1)
    grey0, grey1 = (np.ascontiguousarray(frame[..., channel]) for frame in (frame0, frame1))
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(0)  # the frames are small: look at every pixel of them
    there = np.asarray(finder.calc(grey0, grey1, None), np.float32)  # type: ignore[call-overload]
    back = np.asarray(finder.calc(grey1, grey0, None), np.float32)  # type: ignore[call-overload]
    return _Pair(_motion(frame0, frame1, there, back), _motion(frame1, frame0, back, there))


def _halved(frame: Frame) -> Frame:
    """The size at which motion is measured."""
    if len(frame) <= _ROWS:
        return frame
    size = frame.shape[1] // 2, frame.shape[0] // 2
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _curve(onwards: _Motion, backwards: _Motion) -> _Motion:
    """Motion that speeds up or turns, from the flows of one frame to both of its neighbours (arXiv 1911.00627, eq. 3).

    After a share t of the interval a pixel has gone t * (flow - bend) + t**2 * bend. A thing that bounces is no curve.
    A pixel that is hidden in the next frame, but not in the one before, goes on as it came.
    """
    bend = (onwards.flow + backwards.flow) / 2
    straight = np.hypot(bend[..., 0], bend[..., 1]) < _TURN * np.hypot(onwards.flow[..., 0], onwards.flow[..., 1])
    known = straight & onwards.seen & backwards.seen
    hidden = ~onwards.seen & backwards.seen
    flow = np.where(hidden[..., None], -backwards.flow, onwards.flow)
    return _Motion(flow, onwards.seen, np.where(known[..., None], bend, np.float32(0)))


def _motion(start: Frame, end: Frame, flow: Floats, reverse: Floats) -> _Motion:
    """The motion start -> end; a pixel is seen in both if it leads back to its place and looks alike at both ends."""
    miss = flow + _fetch(reverse, flow)
    leads_back = np.hypot(miss[..., 0], miss[..., 1]) < _ROUND_TRIP_PX
    unlike = np.asarray(cv2.absdiff(_fetch(end, flow), start), np.uint8)
    still = _still(start, end, unlike)
    seen = still | (leads_back & (unlike.max(2) < _UNLIKE))
    return _Motion(np.where(still[..., None], np.float32(0), flow), seen)


def _still(start: Frame, end: Frame, unlike: Frame) -> npt.NDArray[np.bool_]:
    """Which pixels (H, W) stand still, whatever their flow says, which leaves them `unlike` each other.

    Flow smears a moving thing's motion over the still scene around it. So what looks the same in both frames stays,
    unless it would look more so along its flow: faint textures look the same wherever they go.
    """
    change = cv2.absdiff(cv2.blur(start, (3, 3)), cv2.blur(end, (3, 3))).max(2)
    moved, stayed = (cv2.blur(d.astype(np.float32), (5, 5)).mean(2) for d in (unlike, cv2.absdiff(start, end)))
    return np.asarray((change < _STILL) & (stayed <= moved + _BETTER))


def _between(frame0: Frame, frame1: Frame, motions: tuple[_Motion, _Motion], when: float) -> Frame:
    """What is seen at `when`: each neighbour moved there, mixed by nearness in time and by which one can be trusted."""
    moved0, trust0 = _move(frame0, motions[0], when)
    moved1, trust1 = _move(frame1, motions[1], 1 - when)
    weight0, weight1 = (1 - when) * trust0, when * trust1
    share1 = (weight1 / (weight0 + weight1))[..., None]
    return np.asarray(np.rint(moved0 + share1 * (moved1.astype(np.float32) - moved0)), np.uint8)


def _move(frame: Frame, motion: _Motion, part: float) -> tuple[Frame, Floats]:
    """Move a frame along `part` of its motion: the picture (H, W, 3), and how far to trust each pixel (H, W)."""
    way, landed, seen = _throw(motion, part)
    trust = np.where(landed, np.where(seen, 1.0, _HALF), _FAINT).astype(np.float32)
    height, width = frame.shape[:2]
    if way.shape[:2] != (height, width):
        scale = np.array([width / way.shape[1], height / way.shape[0]], np.float32)
        way = np.asarray(cv2.resize(way * scale, (width, height)), np.float32)
        trust = np.asarray(cv2.resize(trust, (width, height)), np.float32)
    # The finer filter shows in small frames, which are enlarged later; in large ones it would take half the time.
    return _fetch(frame, -way, cv2.INTER_LANCZOS4 if height <= _ROWS else cv2.INTER_CUBIC), trust


def _throw(motion: _Motion, part: float) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Carry each pixel's way to where that pixel is after `part` of its motion.

    Returns the way (H, W, 2) there, whether any pixel landed there, and whether that pixel is seen in both frames.
    Where several land, one seen in both frames wins, then the faster one: what moves is mostly in front.
    """
    height, width = motion.seen.shape
    way = motion.after(part)
    moves = np.flatnonzero((way != 0).any(2).ravel())  # what stands still is where it is
    winner = np.arange(height * width)
    speed = np.hypot(motion.flow[..., 0], motion.flow[..., 1]).ravel()[moves]
    rows, columns = np.divmod(moves, width)
    x, y = (start + way[..., axis].ravel()[moves] for axis, start in ((0, columns), (1, rows)))
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    order = np.argsort(speed + np.float32(1e6) * motion.seen.ravel()[moves], kind="stable")
    winner[moves] = -1
    for dy in (0, 1):  # each pixel covers the four it lands between, so that no cracks open
        for dx in (0, 1):
            column, row = left[order] + dx, top[order] + dy
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            winner[(row * width + column)[inside]] = moves[order[inside]]  # numpy keeps the last: the one that wins
    landed = (winner >= 0).reshape(height, width)
    carried = way.reshape(-1, 2)[winner].reshape(height, width, 2) * landed[..., None]
    return carried, landed, motion.seen.ravel()[winner].reshape(height, width)


def _fetch(values: Any, offset: Floats, interpolation: int = cv2.INTER_LINEAR) -> Any:
    """Read values (H, W, C) at each pixel plus its offset (H, W, 2), between pixels too; edges repeat outwards."""
    height, width = offset.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    place = (x + offset[..., 0], y + offset[..., 1])
    return cv2.remap(values, *place, interpolation, borderMode=cv2.BORDER_REPLICATE)
