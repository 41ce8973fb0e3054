"""A few small pictures of a clip, which tell it from most others; two of one prompt can be too alike (README).

Clips of one prompt differ little, and in outlines: so details are compared, flat ground is left out, and a part that
was covered, by a logo say, does not count. The watermark tells how a picture was moved, but for whole tiles; these, and
when each picture was shown, are found by trying.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.provenance.carrier import TILE, Floats
from wan_demo.provenance.detector import Picture
from wan_demo.provenance.pose import Pose

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

CELL = 8  # pixels, of a picture whose shorter side has SHORT_SIDE, a cell of a small one
PICTURES = 24  # of a clip
FINE, COARSE = 0.8, 1.5  # cells: details are what lies between
EDGE = 4.0  # levels of difference, from which on an edge is as good as any
BLOCK = 6  # cells a side, that are judged together
COVERED = 0.1  # of a picture's details: as much may be hidden
SPEEDS = np.exp(np.arange(-14, 15) * 0.05)  # of a file over its clip: half to double; or backwards
NEAR = np.array([-1, -0.5, 0, 0.5, 1], np.float32)
MOMENT = 1 / 15  # seconds, between two starts that are tried
TRIED = 8  # of all ways to lay the file's moments on the clip's, that are looked into
ALIKE = 0.9  # least likeness of a clip and its own file (README has what was measured)
LEAST_SHARE = 0.4  # of the small pictures, that must be in the file
WHOLE = 0.9  # of the small pictures or of the file's, that must be in the other: parts of two clips are soon alike
FEWEST = 6  # pictures of a file, of which something can be told
LEAST_AREA = 0.7  # of the file's picture, that must be in the clip's


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """luma (N, H, W) uint8, of small pictures; seconds (N,) into the clip, rising."""

    luma: npt.NDArray[np.uint8]
    seconds: Floats

    @classmethod
    def of(cls, pictures: Sequence[Picture]) -> "Fingerprint":
        """Of a clip's pictures, in order."""
        chosen = [pictures[i] for i in np.unique(np.linspace(0, len(pictures) - 1, PICTURES).round().astype(int))]
        luma = np.stack([_shrunk(picture.luma, CELL) for picture in chosen])
        return cls(luma.round().astype(np.uint8), np.array([picture.second for picture in chosen], np.float32))

    def to_bytes(self) -> bytes:
        """For the store."""
        file = io.BytesIO()
        np.savez_compressed(file, luma=self.luma, seconds=self.seconds)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Fingerprint":
        """What `to_bytes` gave."""
        with np.load(io.BytesIO(stored)) as values:
            return cls(values["luma"], values["seconds"])

    def likeness(self, pictures: Sequence[Picture], pose: Pose) -> float | None:
        """How alike this clip and the pictures of a file are, 1 at best. pose: how the file's were moved.

        None where too little of the clip is left in the file to tell.
        """
        seconds = np.array([picture.second for picture in pictures], np.float32)
        small = np.stack([_shrunk(picture.luma, CELL * pose.scale) for picture in pictures])
        best: float | None = None
        if len(pictures) < FEWEST:
            return best
        for moved, mask in _placed(small, self.luma.shape[1:], pose):
            ours, theirs = _details(self.luma, mask), _details(moved, mask)
            for i, j in _paired(self, seconds, (ours, theirs)):
                best = max(best or -1.0, _agreement(ours[i], theirs[j], mask))
        return best


def _shrunk(luma: npt.NDArray[np.uint8], cell: float) -> Floats:
    size = (max(1, round(side / cell)) for side in luma.shape[::-1])
    return np.asarray(cv2.resize(luma.astype(np.float32), tuple(size), interpolation=cv2.INTER_AREA), np.float32)


def _placed(small: Floats, shape: tuple[int, ...], pose: Pose) -> Iterator[tuple[Floats, Mask]]:
    """The pictures (N, h, w) laid wherever they may lie in ones of this shape, and where there is one (H, W)."""
    size = np.array(small.shape[:0:-1])  # x, y
    turn = np.deg2rad(pose.angle)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * (-1 if pose.mirrored else 1, 1)
    middles = [(size - 1) / 2]
    if pose != Pose():  # the middle of `pose.straighten`'s picture, and whole tiles from there
        sides = np.ceil(np.abs(np.linalg.inv(turned)) @ size * CELL / TILE - 1e-6) * TILE
        middle = ((sides - 1) / 2 - pose.shift[::-1] + 0.5) / CELL - 0.5
        middles = [middle + TILE / CELL * np.array(tiles) for tiles in product(range(-4, 5), repeat=2)]
    for middle in middles:
        matrix = np.column_stack([turned, (size - 1) / 2 - turned @ middle])
        mask = _warped(np.ones(small.shape[1:], np.float32), matrix, shape) > 0.99
        if mask.sum() >= LEAST_AREA * size.prod():
            yield np.stack([_warped(picture, matrix, shape) for picture in small]), mask


def _warped(picture: Floats, matrix: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Floats:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, shape[::-1], flags=flags), np.float32)


def _details(pictures: npt.NDArray[np.generic], mask: Mask) -> Floats:
    """-1 to 1, (N, H, W): what is neither finer nor coarser than the outlines that are looked at; 0 off the mask."""
    there = mask.astype(np.float32)

    def smooth(picture: Floats, radius: float) -> Floats:
        weight = cv2.GaussianBlur(there, (0, 0), radius) + 1e-6
        return np.asarray(cv2.GaussianBlur(picture * there, (0, 0), radius) / weight, np.float32)

    rises = (smooth(p, FINE) - smooth(p, COARSE) for p in pictures.astype(np.float32))
    return np.stack([np.tanh(rise / EDGE) * there for rise in rises])


def _paired(ours: Fingerprint, theirs: Floats, details: tuple[Floats, Floats]) -> Iterator[tuple[Indices, Indices]]:
    """The likeliest ways to say which small picture is which of the file: indices of both.

    theirs: seconds of the file's; details: of ours and of theirs.
    """
    clock = _Clock.of(ours.seconds, theirs, *details)
    length = float(ours.seconds[-1])
    starts = np.arange(-round(length / MOMENT), round(2 * length / MOMENT) + 1) * MOMENT
    ways = [(clock.fit(speed, start), speed, start) for speed in (*SPEEDS, *-SPEEDS) for start in starts]
    for fit, speed, start in sorted(ways, reverse=True)[:TRIED]:
        if fit > -1:
            near = product(speed * np.exp(NEAR * 0.025), start + NEAR * MOMENT / 2)
            yield clock.pairs(*max(near, key=lambda way: clock.fit(*way)))


@dataclass(frozen=True, eq=False)
class _Clock:
    """What is needed to lay the moments of a file on those of a clip."""

    ours: Floats
    theirs: Floats
    products: Floats  # of details: ours times theirs (N, M), and the squares of each
    squares: tuple[Floats, Floats]

    @classmethod
    def of(cls, ours: Floats, theirs: Floats, our_details: Floats, their_details: Floats) -> "_Clock":
        a, b = (details.reshape(len(details), -1) for details in (our_details, their_details))
        return cls(ours, theirs, a @ b.T, ((a * a).sum(1), (b * b).sum(1)))

    def pairs(self, speed: float, start: float) -> tuple[Indices, Indices]:
        """Of each of ours the nearest of theirs, where there is one. start: second of the clip at the file's start."""
        wanted = (self.ours - start) / speed
        apart = np.abs(self.theirs[None] - wanted[:, None])
        nearest = apart.argmin(1)
        there = np.flatnonzero(apart[np.arange(len(wanted)), nearest] <= 0.75 * np.median(np.diff(self.theirs)))
        return there, nearest[there]

    def fit(self, speed: float, start: float) -> float:
        """How well the details agree then; -1 where too little is in both."""
        i, j = self.pairs(speed, start)
        shown = self.theirs * speed + start
        inside = np.mean((shown > self.ours[0] - MOMENT / 2) & (shown < self.ours[-1] + MOMENT / 2))
        share = len(i) / len(self.ours)
        if share < LEAST_SHARE or max(share, inside) < WHOLE:
            return -1.0
        size = self.squares[0][i].sum() * self.squares[1][j].sum()
        return float(self.products[i, j].sum() / np.sqrt(size + 1e-9))


def _agreement(ours: Floats, theirs: Floats, mask: Mask) -> float:
    """The mean correlation of blocks, the more details the weightier, without those that agree least."""
    height, width = (side // BLOCK for side in mask.shape)

    def blocks(values: Floats) -> Floats:
        cut = values[..., : height * BLOCK, : width * BLOCK]
        return np.asarray(cut.reshape(-1, height, BLOCK, width, BLOCK).sum((0, 2, 4)).ravel(), np.float32)

    a, f = blocks(ours * ours), blocks(theirs * theirs)
    correlation = blocks(ours * theirs) / np.sqrt(a * f + 1e-6)
    weight = np.sqrt(a) * (blocks(mask[None].astype(np.float32)) > BLOCK**2 / 2)
    order = np.argsort(correlation)
    kept = order[np.cumsum(weight[order]) > COVERED * weight.sum()]
    return float((correlation[kept] * weight[kept]).sum() / (weight[kept].sum() + 1e-9))
