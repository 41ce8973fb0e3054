"""Reads the invisible watermark from the pixels of a clip alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.provenance.carrier import (
    CHIPS,
    HIGHEST,
    LOWEST,
    PILOT_GAIN,
    SHORT_SIDE,
    SYMBOLS,
    Carrier,
    Floats,
    carrier,
    encode,
    likenesses,
)
from wan_demo.provenance.pose import Pose, at, fold, search, straighten
from wan_demo.provenance.watermark import AROUND, DARKER, STEP, Plane, binding

DETAIL = 10.0  # pixels: what is smoother than this is left out
LOUDEST = 15.0  # levels: an edge counts no more than this
NEARBY = 6.0  # pixels over which loudness is evened out
POSES = 2  # that are looked into when the picture was moved
RING = 6.0  # cycles a tile: frequencies are weighed by rings of this width
UNSURE = 3  # symbols, the least clear ones, of which the second likeliest byte is tried too
FAINT = 0.02  # of a ring's noise: no signal is taken for less
CLEAR = 3.3  # mean likeness of the bytes, below which nothing was read: noise has 2.9, 3.3 once in a thousand

SURELY = 2.0  # times as dark as need be: the mark itself makes a picture darker here and lighter there
PLAIN = 8.5  # likeness of a mark that was hardly harmed
BOUND, BOUND_IF_FAINT = 0.75, 0.25  # least Reading.bound of a mark that was put in, when plain and when not


@dataclass(frozen=True)
class Picture:
    """A frame's luma and blue-difference chroma, each uint8 (H, W), its shorter side SHORT_SIDE; when it is shown."""

    luma: Plane
    blue: Plane
    second: float = 0.0

    @classmethod
    def of(cls, luma: Plane, blue: Plane, second: float = 0.0) -> "Picture":
        """From planes of any size, as 4:2:0 has them."""
        scale = SHORT_SIDE / min(luma.shape)
        size = round(luma.shape[1] * scale), round(luma.shape[0] * scale)
        small = [cv2.resize(p, size, interpolation=_kind(size[0] / p.shape[1])) for p in (luma, blue)]
        return cls(np.asarray(small[0], np.uint8), np.asarray(small[1], np.uint8), second)


@dataclass(frozen=True)
class Reading:
    """payload: 8 bytes; likeness: how clear they are, in deviations of noise; bound: how far the mark is turned over
    where this content asks for it, 1 in a clip that was marked, about 0 or less in one that a mark was laid over;
    doubt: two standard errors of that."""

    payload: bytes
    likeness: float
    bound: float
    doubt: float
    pose: Pose

    @property
    def copied(self) -> bool:
        """Whether the mark was made for another clip. Where little is left of it, only gross cases are told."""
        return self.bound + self.doubt < (BOUND if self.likeness >= PLAIN else BOUND_IF_FAINT)


def find_mark(sets: Sequence[Sequence[Picture]], key: bytes, ours: Callable[[bytes], bool]) -> Reading | None:
    """The mark in the pictures of a clip.

    sets: pictures of the clip in several selections, such as all of them and the key frames, which encoders treat best.
    ours: the keyed check of a payload.
    """
    for payload, likeness, pose in readings(sets, key):
        if likeness >= CLEAR and ours(payload):
            return Reading(payload, likeness, *bound(sets, payload, pose, key), pose)
    return None


def readings(sets: Sequence[Sequence[Picture]], key: bytes) -> Iterator[tuple[bytes, float, Pose]]:
    """All that the pictures may be read as: payload, likeness, pose; first as if they had not been moved."""
    found = carrier(key)
    plain = [plane for pictures in sets for plane in _planes(pictures, lambda _: 1)]
    for pose in _poses(plain, found):
        turned = [p for pictures in sets for p in _planes(pictures, partial(binding, scale=pose.scale))]
        soft = [_soft(t, p, pose, found) for t, p in zip(turned, plain, strict=True)]
        for some in (np.sum(soft, 0), *soft):
            fit = likenesses(some)
            for payload in _payloads(fit):
                yield payload, float(np.mean([row[byte] for row, byte in zip(fit, payload, strict=True)])), pose


def _poses(planes: Sequence[Floats], found: Carrier) -> Iterator[Pose]:
    yield Pose()
    yield from search(np.sum(planes, 0), found, POSES)


def bound(sets: Sequence[Sequence[Picture]], payload: bytes, pose: Pose, key: bytes) -> tuple[float, float]:
    """Reading.bound and doubt: minus the payload's amplitude over the pilots', where it should be turned over.

    Of all planes and rings, by weighted least squares.
    """
    found, agreed, heard = carrier(key), 0.0, 1e-12
    sent = encode(payload)[found.chip] * found.sign
    ring, near = _ring(found.places), _ring(found.pilots)
    for pictures in sets:
        for plane in _planes(pictures, partial(_dark, pose=pose)):
            folded = fold(straighten(plane, pose))
            values = (at(folded, found.places, pose) * np.conj(sent[0::2] + 1j * sent[1::2]) / 2).real
            pilots = (at(folded, found.pilots, pose) * np.conj(found.phases)).real / PILOT_GAIN
            for r in range(ring.max() + 1):
                value, pilot = values[ring == r], pilots[near == r].mean()
                error = value.var() / len(value) + 1e-9  # of the mean
                agreed, heard = agreed - value.mean() * pilot / error, heard + pilot**2 / error
    return float(agreed / heard), float(2 / np.sqrt(heard))


def _dark(luma: Plane, pose: Pose) -> Floats:
    """1 where the mark should be turned over, else 0; near the edges of a cropped picture one cannot know."""
    dark = np.float32(1) * (binding(luma, pose.scale, SURELY * DARKER) < -0.9)
    if pose != Pose():
        edge = round(AROUND * STEP * pose.scale)
        dark[:edge] = dark[-edge:] = dark[:, :edge] = dark[:, -edge:] = 0
    return np.asarray(dark, np.float32)


def _payloads(fit: Floats) -> Iterator[bytes]:
    """The likeliest payload, then those with the second likeliest byte in the least clear symbols."""
    order = np.argsort(-fit, 1)[:, :2]
    clear = fit[np.arange(SYMBOLS), order[:, 0]] - fit[np.arange(SYMBOLS), order[:, 1]]
    for second in product((0, 1), repeat=UNSURE):
        choice = np.zeros(SYMBOLS, int)
        choice[np.argsort(clear)[:UNSURE]] = second
        yield bytes(order[np.arange(SYMBOLS), choice].tolist())


def _soft(turned: Floats, plain: Floats, pose: Pose, found: Carrier) -> Floats:
    """The chips' scores (SYMBOLS * CHIPS,): but for a factor, log-likelihoods of a signal as strong as the pilots in
    noise as loud as each ring."""
    values = at(fold(straighten(turned, pose)), found.places, pose)
    pilots = at(fold(straighten(plain, pose)), found.pilots, pose) * np.conj(found.phases) / PILOT_GAIN
    ring, near = _ring(found.places), _ring(found.pilots)
    power = np.array([np.square(np.abs(values[ring == r])).mean() + 1e-9 for r in range(ring.max() + 1)])
    signal = np.array([pilots.real[near == r].mean() for r in range(ring.max() + 1)])
    signal = np.convolve(np.pad(signal, 1, mode="edge"), (0.25, 0.5, 0.25), "valid")
    weighed = values * (np.maximum(signal, FAINT * np.sqrt(power)) / power)[ring]
    parts = np.stack([weighed.real, weighed.imag], 1).ravel() * found.sign
    return np.asarray(np.bincount(found.chip, parts, minlength=SYMBOLS * CHIPS), np.float32)


def _ring(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.digitize(np.hypot(*places.T), np.arange(LOWEST + RING, HIGHEST - RING / 2, RING))


def _planes(pictures: Sequence[Picture], weight: Callable[[Plane], Floats | int]) -> tuple[Floats, Floats]:
    """Luma and, turned over, blue, (H, W) each: details, times weight(luma), averaged and evened out."""
    luma, blue = (np.zeros(pictures[0].luma.shape, np.float32) for _ in range(2))
    for picture in pictures:
        share = weight(picture.luma)
        luma += _detail(picture.luma) * share
        blue -= _detail(picture.blue) * share
    count = np.float32(len(pictures))
    return _evened(luma / count), _evened(blue / count)


def _detail(plane: Plane) -> Floats:
    return np.asarray(np.clip(plane - _smooth(plane.astype(np.float32), DETAIL), -LOUDEST, LOUDEST), np.float32)


def _evened(plane: Floats) -> Floats:
    """Divided by its deviation nearby, so that no part of the picture drowns the rest."""
    return np.asarray(np.clip(plane / np.sqrt(_smooth(plane * plane, NEARBY) + 0.3), -2.5, 2.5), np.float32)


def _smooth(plane: Floats, radius: float) -> Floats:
    """Blurred, on a quarter of the rows and columns, which is as good and quicker."""
    small = cv2.resize(plane, None, fx=1 / 4, fy=1 / 4, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), radius / 4)
    return np.asarray(cv2.resize(blurred, plane.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _kind(scale: float) -> int:
    return cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
