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
import torch

from wan_demo.clip import Clip
from wan_demo.finish.exposure import is_cut
from wan_demo.finish.flow_torch import on_device
from wan_demo.finish.optical_flow import TwoWay, dis
from wan_demo.finish.refine import Refiner, refined
from wan_demo.finish.warp import ROWS, Floats, Frame, Guess, Motion, fetch, move

_ROUND_TRIP_PX = 1.0  # a pixel that goes there and back and misses its start by more is hidden in the other frame
_UNLIKE = 48.0  # colour difference, of 255, from which two pixels are not the same thing; soft edges stay below
_STILL = 8  # colour difference, of 255, up to which a pixel has not changed; a decoder's flicker stays below
_BETTER = 0.5  # colour difference, of 255, by which a faint change must be better explained by motion
_TURN = 0.5  # a motion that changes by more than this share of itself between three frames is not taken for a curve


@dataclass(frozen=True)
class _Pair:
    """The motion from frame 0 to frame 1, and back."""

    there: Motion
    back: Motion


@dataclass(frozen=True)
class Means:
    """With what frames in between are made. refiner: None leaves them as the flow gives them."""

    flow: TwoWay = dis
    refiner: Refiner | None = None

    @classmethod
    def on(cls, device: torch.device, refiner: Refiner | None) -> "Means":
        """What suits a device."""
        return cls(dis if device.type == "cpu" else on_device(device), refiner)


PLAIN = Means()


def convert_frame_rate(clip: Clip, fps: Fraction, frames: int | None = None, means: Means = PLAIN) -> Clip:
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
    return Clip(np.stack(list(frames_at(clip, (k / fps for k in range(count)), means))), fps)


def frames_at(clip: Clip, moments: Iterable[Fraction], means: Means = PLAIN) -> Iterator[Frame]:
    """What the clip shows at each of these moments, in seconds from its start; quickest when they go forwards.

    Frames that fall on a source frame are that frame; before the first and past the last, it is held. A scene cut is
    kept: no frame mixes two scenes.
    """
    for found in guesses_at(clip, moments, means.flow):
        frame = _drawn(found, means.refiner)
        del found  # it is larger than a frame, and a 4K clip is written while this generator waits
        yield frame


def _drawn(found: Frame | Guess, refiner: Refiner | None) -> Frame:
    """What is shown; large frames are not refined, which would take too long."""
    if not isinstance(found, Guess):
        return found
    if refiner is None or len(found.before.frame) > ROWS:
        return np.asarray(np.rint(found.mixed), np.uint8)
    return refined(found, refiner)


def guesses_at(clip: Clip, moments: Iterable[Fraction], flow: TwoWay = dis) -> Iterator[Frame | Guess]:
    """See `frames_at`; what falls between two frames of a scene comes as what is known of it."""
    last = len(clip.frames) - 1
    pairs: dict[int, _Pair | None] = {}  # by the number of the first frame: None for a cut
    for moment in moments:
        index, when = divmod(max(moment, Fraction(0)) * clip.fps, 1)  # exact, so "falls on a source frame" is too
        if when == 0 or index >= last:
            yield clip.frames[min(index, last)]
            continue
        around = [k for k in (index - 1, index, index + 1) if 0 <= k < last]
        pairs = {k: pairs[k] if k in pairs else _measure(clip.frames[k], clip.frames[k + 1], flow) for k in around}
        neighbours, pair = (clip.frames[index], clip.frames[index + 1]), pairs[index]
        if pair is None:
            yield neighbours[round(when)]
            continue
        before, after = pairs.get(index - 1), pairs.get(index + 1)
        there = pair.there if before is None else _curve(pair.there, before.back)
        back = pair.back if after is None else _curve(pair.back, after.there)
        part = float(when)
        yield Guess(move(neighbours[0], there, part), move(neighbours[1], back, 1 - part), part)


def _measure(frame0: Frame, frame1: Frame, flow: TwoWay) -> _Pair | None:
    """The motion between two neighbours, or None where they are two scenes."""
    if is_cut(frame0, frame1):
        return None
    # Flow is found in one channel: the one that changes most. Grey would hide a red ball over a green tree.
    channel = int(np.argmax(cv2.sumElems(cv2.absdiff(frame0, frame1))[:3]))
    frame0, frame1 = _halved(frame0), _halved(frame1)
    grey0, grey1 = (np.ascontiguousarray(frame[..., channel]) for frame in (frame0, frame1))
    there, back = flow(grey0, grey1)
    return _Pair(_motion(frame0, frame1, there, back), _motion(frame1, frame0, back, there))


def _halved(frame: Frame) -> Frame:
    """The size at which motion is measured."""
    if len(frame) <= ROWS:
        return frame
    size = frame.shape[1] // 2, frame.shape[0] // 2
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _curve(onwards: Motion, backwards: Motion) -> Motion:
    """Motion that speeds up or turns, from the flows of one frame to both of its neighbours (arXiv 1911.00627, eq. 3).

    After a share t of the interval a pixel has gone t * (flow - bend) + t**2 * bend. A thing that bounces is no curve.
    A pixel that is hidden in the next frame, but not in the one before, goes on as it came.
    """
    bend = (onwards.flow + backwards.flow) / 2
    straight = np.hypot(bend[..., 0], bend[..., 1]) < _TURN * np.hypot(onwards.flow[..., 0], onwards.flow[..., 1])
    known = straight & onwards.seen & backwards.seen
    hidden = ~onwards.seen & backwards.seen
    flow = np.where(hidden[..., None], -backwards.flow, onwards.flow)
    return Motion(flow, onwards.seen, np.where(known[..., None], bend, np.float32(0)))


def _motion(start: Frame, end: Frame, flow: Floats, reverse: Floats) -> Motion:
    """The motion start -> end; a pixel is seen in both if it leads back to its place and looks alike at both ends."""
    miss = flow + fetch(reverse, flow)
    leads_back = np.hypot(miss[..., 0], miss[..., 1]) < _ROUND_TRIP_PX
    unlike = np.asarray(cv2.absdiff(fetch(end, flow), start), np.uint8)
    still = _still(start, end, unlike)
    seen = still | (leads_back & (_most(unlike) < _UNLIKE))
    return Motion(np.where(still[..., None], np.float32(0), flow), seen)


def _still(start: Frame, end: Frame, unlike: Frame) -> npt.NDArray[np.bool_]:
    """Which pixels (H, W) stand still, whatever their flow says, which leaves them `unlike` each other.

    Flow smears a moving thing's motion over the still scene around it. So what looks the same in both frames stays,
    unless it would look more so along its flow: faint textures look the same wherever they go.
    """
    change = _most(cv2.absdiff(cv2.blur(start, (3, 3)), cv2.blur(end, (3, 3))))
    gain = cv2.transform(cv2.subtract(cv2.absdiff(start, end), unlike, dtype=cv2.CV_16S), np.ones((1, 3)))
    return np.asarray((change < _STILL) & (cv2.boxFilter(gain, cv2.CV_32F, (5, 5)) <= 3 * _BETTER))


def _most(frame: Any) -> npt.NDArray[np.uint8]:
    """The largest of three channels, (H, W); numpy's own is much slower along a short axis."""
    one, two, three = cv2.split(frame)
    return np.asarray(cv2.max(cv2.max(one, two), three), np.uint8)
