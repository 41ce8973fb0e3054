"""A few small pictures of a clip, which tell it from others of its prompt, unless they are nearly the same (README).

Clips of one prompt differ little, and where things move: so details there are compared. The watermark tells how a
picture was moved, but for whole tiles; these, and when each picture was shown, are found by trying.
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
Matrix = npt.NDArray[np.float64]  # (2, 3)
Indices = npt.NDArray[np.int64]

CELL = 4  # pixels, of a picture whose shorter side has SHORT_SIDE, a cell of a small one
PICTURES = 24  # of a clip
QUALITY = 95  # of what is stored, as WebP
FINE, COARSE = 0.5, 1.2  # cells: details are what lies between
WHITE = 228  # of a file: what is brighter was perhaps clipped
WIDTH = 1.5  # cells, of the surroundings of what moves
LATE = 0.25  # of the small pictures, that may be shown at moments of which the file has no frame
SPEEDS = np.exp(np.arange(-14, 15) * 0.05)  # of a file over its clip: half to double; or backwards
NEAR = np.array([-1, -0.5, 0, 0.5, 1], np.float32)
MOMENT = 1 / 15  # seconds, between two starts that are tried
TRIED = 8  # of all ways to lay the file on the clip, that are looked into
ALIKE = 0.88  # least likeness of a clip and its own file (README has what was measured)
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
        file, sheet = io.BytesIO(), cv2.cvtColor(np.concatenate(list(self.luma)), cv2.COLOR_GRAY2BGR)
        webp = cv2.imencode(".webp", sheet, (cv2.IMWRITE_WEBP_QUALITY, QUALITY))[1]
        np.savez(file, webp=webp, seconds=self.seconds)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Fingerprint":
        """What `to_bytes` gave, but for what the encoding changed."""
        with np.load(io.BytesIO(stored)) as values:
            sheet, seconds = np.asarray(cv2.imdecode(values["webp"], cv2.IMREAD_GRAYSCALE), np.uint8), values["seconds"]
        return cls(sheet.reshape(len(seconds), -1, sheet.shape[1]), seconds)

    def likeness(self, pictures: Sequence[Picture], pose: Pose) -> float | None:
        """How alike this clip and the pictures of a file are, 1 at best. pose: how the file's were moved.

        None where too little of the clip is left in the file to tell.
        """
        if len(pictures) < FEWEST:
            return None
        small = np.stack([_shrunk(picture.luma, CELL * pose.scale) for picture in pictures])
        seconds = np.array([picture.second for picture in pictures], np.float32)
        likely = sorted(self._laid(small, seconds, pose), key=lambda way: -way[0])[:TRIED]
        return max((self._closeness(small[j], i, matrix) for _, matrix, i, j in likely), default=None)

    def _laid(self, small: Floats, seconds: Floats, pose: Pose) -> Iterator[tuple[float, Matrix, Indices, Indices]]:
        """The likeliest ways to lay the pictures of a file on ours, told from pictures of half their sides.

        How well they agree; see `_places`; which of ours is which of theirs.
        """
        ours, theirs = _halved(self.luma), _halved(small)
        for matrix in _places(small.shape[1:], self.luma.shape[1:], pose):
            half = np.column_stack([matrix[:, :2], (matrix[:, 2] - 0.5 + matrix[:, :2].sum(1) / 2) / 2])
            moved, mask = _moved(theirs, half, ours.shape[1:])
            for fit, i, j in _paired(self.seconds, seconds, (_details(ours, mask), _details(moved, mask))):
                yield fit, matrix, i, j

    def _closeness(self, theirs: Floats, i: Indices, matrix: Matrix) -> float:
        """The correlation of details that move, of our i-th pictures and theirs, mostly where ours do.

        What is the same in every clip of a prompt stands still, and so does a logo.
        """
        moved, mask = _moved(theirs, matrix, self.luma.shape[1:])
        seen = np.stack([cv2.dilate(picture, np.ones((3, 3))) <= WHITE for picture in moved])
        a, f = (_details(pictures, mask) * seen for pictures in (self.luma[i], moved))
        a, f = a - a.mean(0), f - f.mean(0)
        weight = cv2.GaussianBlur(np.square(a).mean(0), (0, 0), WIDTH)
        both, ours, others = ((weight * product).sum((1, 2)) for product in (a * f, a * a, f * f))
        kept = np.argsort(both / np.sqrt(ours * others + 1e-9))[round(LATE * len(i)) :]
        return float(both[kept].sum() / np.sqrt(ours[kept].sum() * others[kept].sum() + 1e-9))


def _shrunk(luma: npt.NDArray[np.uint8], cell: float) -> Floats:
    size = (max(1, round(side / cell)) for side in luma.shape[::-1])
    return np.asarray(cv2.resize(luma.astype(np.float32), tuple(size), interpolation=cv2.INTER_AREA), np.float32)


def _halved(pictures: npt.NDArray[np.generic]) -> Floats:
    height, width = (side // 2 * 2 for side in pictures.shape[1:])
    return np.stack([_shrunk(picture, 2) for picture in pictures[:, :height, :width]])


def _places(size: tuple[int, ...], shape: tuple[int, ...], pose: Pose) -> Iterator[Matrix]:
    """Wherever pictures of this size (h, w) may lie in ones of this shape: what leads from there to here."""
    sides = np.array(size[::-1])  # x, y
    turn = np.deg2rad(pose.angle)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * (-1 if pose.mirrored else 1, 1)
    middles = [(sides - 1) / 2]
    if pose != Pose():  # the middle of `pose.straighten`'s picture, and whole tiles from there
        straight = np.ceil(np.abs(np.linalg.inv(turned)) @ sides * CELL / TILE - 1e-6) * TILE
        middle = ((straight - 1) / 2 - pose.shift[::-1] + 0.5) / CELL - 0.5
        middles = [middle + TILE / CELL * np.array(tiles) for tiles in product(range(-4, 5), repeat=2)]
    for middle in middles:
        matrix = np.column_stack([turned, (sides - 1) / 2 - turned @ middle])
        if _moved(np.ones((0, *size), np.float32), matrix, shape)[1].sum() >= LEAST_AREA * sides.prod():
            yield matrix


def _moved(pictures: Floats, matrix: Matrix, shape: tuple[int, ...]) -> tuple[Floats, Mask]:
    """Pictures (N, h, w) as ones of this shape (N, H, W), and where there is anything (H, W)."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def warped(picture: Floats) -> Floats:
        return np.asarray(cv2.warpAffine(picture, matrix, shape[::-1], flags=flags), np.float32)

    mask = warped(np.ones(pictures.shape[1:], np.float32)) > 0.99
    return np.array([warped(picture) for picture in pictures], np.float32), mask


def _details(pictures: npt.NDArray[np.generic], mask: Mask) -> Floats:
    """(N, H, W), in levels: what is neither finer nor coarser than the outlines that are looked at; 0 off the mask."""
    there = mask.astype(np.float32)

    def smooth(picture: Floats, radius: float) -> Floats:
        weight = cv2.GaussianBlur(there, (0, 0), radius) + 1e-6
        return np.asarray(cv2.GaussianBlur(picture * there, (0, 0), radius) / weight, np.float32)

    rises = (smooth(p, FINE) - smooth(p, COARSE) for p in pictures.astype(np.float32))
    return np.stack([rise * there for rise in rises])


def _paired(ours: Floats, theirs: Floats, details: tuple[Floats, Floats]) -> Iterator[tuple[float, Indices, Indices]]:
    """The likeliest ways to say which small picture is which of the file: how well they agree, and indices of both.

    ours, theirs: when each is shown; details: of ours and of theirs.
    """
    clock = _Clock.of(ours, theirs, *details)
    length = float(ours[-1])
    starts = np.arange(-round(length / MOMENT), round(2 * length / MOMENT) + 1) * MOMENT
    ways = [(clock.fit(speed, start), speed, start) for speed in (*SPEEDS, *-SPEEDS) for start in starts]
    for fit, speed, start in sorted(ways, reverse=True)[:TRIED]:
        if fit > -1:
            near = product(speed * np.exp(NEAR * 0.025), start + NEAR * MOMENT / 2)
            best = max(near, key=lambda way: clock.fit(*way))
            yield clock.fit(*best), *clock.pairs(*best)


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
