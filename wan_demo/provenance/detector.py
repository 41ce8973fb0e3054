"""Reads the invisible watermark from the pixels of a clip alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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
TRIED = 4096  # payloads, the likeliest, that are put to the keyed check: what it refuses was misread
CHOICE = 16  # of a byte's values, the likeliest, that are tried
FAINT = 0.02  # of a ring's noise: no signal is taken for less
CLEAR = 3.25  # mean likeness of the bytes, below which nothing was read; README has how often noise reaches it

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
    for candidates, pose in readings(sets, key):
        for payload, likeness in candidates:
            if likeness >= CLEAR and ours(payload):
                return Reading(payload, likeness, *bound(sets, payload, pose, key), pose)
    return None


def readings(sets: Sequence[Sequence[Picture]], key: bytes) -> Iterator[tuple[list[tuple[bytes, float]], Pose]]:
    """All that the pictures may be read as: payloads with their likeness, the likeliest first, and the pose; first as
    if they had not been moved."""
    found = carrier(key)
    plain = [plane for pictures in sets for plane in _planes(pictures, lambda _: 1)]
    for pose in _poses(plain, found):
        turned = [p for pictures in sets for p in _planes(pictures, partial(binding, scale=pose.scale))]
        soft = [_soft(t, p, pose, found) for t, p in zip(turned, plain, strict=True)]
        for some in (np.sum(soft, 0), *soft):
            yield _payloads(likenesses(some)), pose


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


def _payloads(fit: Floats) -> list[tuple[bytes, float]]:
    """The likeliest payload, and of the next all that are clear, TRIED at most: with their mean likeness, best first.

    A list decoder: the keyed check serves as the outer code (Seshadri and Sundberg, IEEE Transactions on Communications
    42(2/3/4), 1994).
    """
    lead = np.zeros(1)  # of each payload so far, what it lacks of the likeliest
    payloads = np.zeros((1, 0), np.int64)
    best = fit.max(1)
    spare = max(0.0, float(best.mean()) - CLEAR) * SYMBOLS
    for row, top in zip(fit, best, strict=True):
        likely = np.argsort(-row)[:CHOICE]
        lacking = (lead[:, None] + top - row[likely]).ravel()
        kept = np.argsort(lacking, kind="stable")[:TRIED]
        kept = kept[lacking[kept] <= spare]
        lead, payloads = lacking[kept], np.column_stack([payloads[kept // CHOICE], likely[kept % CHOICE]])
    return [
        (bytes(p), float(best.mean() - lack / SYMBOLS)) for p, lack in zip(payloads.astype(np.uint8), lead, strict=True)
    ]


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
