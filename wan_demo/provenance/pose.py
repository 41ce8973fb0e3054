"""How a marked picture was moved: found by its pilots.

Where the pilots lie in the spectrum tells scale and angle, whatever part of the picture is left (Pereira and Pun, IEEE
Transactions on Image Processing 9(6), 2000); their phases tell where the tile begins.
"""

from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.provenance.carrier import TILE, Carrier, Floats, Places

Spectrum = npt.NDArray[np.complex128]  # (TILE, TILE)

PAD = 1024  # pixels a side of the spectrum that is searched
SCALES = np.exp(np.arange(np.log(0.62), np.log(2.2), 0.006))
ANGLES = np.arange(-12, 12.01, 0.3)  # degrees, and each of them a quarter turn on
APART = 0.012  # least difference in log scale between two poses that are both looked into


@dataclass(frozen=True)
class Pose:
    """The picture was perhaps mirrored, turned by angle (degrees), made larger by scale, and cropped.

    shift (y, x): pixels from where a tile begins to where the straightened picture does; match: how well the pilots'
    phases agree, 1 at best.
    """

    scale: float = 1.0
    angle: float = 0.0
    mirrored: bool = False
    shift: tuple[float, float] = (0.0, 0.0)
    match: float = 0.0


def search(picture: Floats, found: Carrier, count: int) -> list[Pose]:
    """The `count` likeliest poses, best first, of a whitened picture (H, W)."""
    likely = sorted(_scored(_power(picture), found), key=lambda scored: -scored[0])
    chosen: list[Pose] = []
    for _, pose in likely:
        if all(abs(np.log(pose.scale / c.scale)) > APART or pose.mirrored != c.mirrored for c in chosen):
            chosen.append(pose)
        if len(chosen) == count:
            break
    return [_refine(picture, pose, found) for pose in chosen]


def _power(picture: Floats) -> Floats:
    """The power spectrum (PAD, PAD) over its mean nearby, so that it is 1 where there is no pilot."""
    height, width = picture.shape
    padded = np.zeros((PAD, PAD), np.float32)
    padded[:height, :width] = picture * np.sqrt(cv2.createHanningWindow((width, height), cv2.CV_32F))
    spectrum = cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT, nonzeroRows=height)
    power = np.square(spectrum).sum(-1)
    return np.asarray(np.minimum(power / (cv2.blur(power, (41, 41)) + 1e-9), 8.0), np.float32)


def _scored(power: Floats, found: Carrier) -> list[tuple[float, Pose]]:
    """For each scale, quarter turn and mirroring: the mean power where the pilots would lie at the best angle."""
    scored = []
    for mirrored, quarter in product((False, True), (0, 90)):
        y, x = found.pilots.T * PAD / TILE * np.array([[1], [-1 if mirrored else 1]])
        turn = np.deg2rad(ANGLES + quarter)[:, None]
        turned_y, turned_x = np.sin(turn) * x + np.cos(turn) * y, np.cos(turn) * x - np.sin(turn) * y
        for scale in SCALES:
            score = power[np.rint(turned_y / scale).astype(int), np.rint(turned_x / scale).astype(int)].mean(1)
            best = int(score.argmax())
            scored.append((float(score[best]), Pose(float(scale), float(ANGLES[best] + quarter), mirrored)))
    return scored


def _refine(picture: Floats, pose: Pose, found: Carrier) -> Pose:
    """The pose nearby, or nearby after half a turn, at which the pilots' phases agree best; with its shift."""
    halves = (_placed(picture, replace(pose, angle=pose.angle + half), found) for half in (0, 180))
    pose = max(halves, key=lambda p: p.match)
    for step in (1.0, 0.5, 0.25, 0.12):
        for scale, angle in ((1.003, 0.0), (1 / 1.003, 0.0), (1.0, 0.15), (1.0, -0.15)):
            near = replace(pose, scale=pose.scale * scale**step, angle=pose.angle + angle * step)
            pose = max(pose, _placed(picture, near, found), key=lambda p: p.match)
    return pose


def _placed(picture: Floats, pose: Pose, found: Carrier) -> Pose:
    """The pose with the shift at which the pilots' phases agree best."""
    heard = fold(straighten(picture, pose))[tuple(found.pilots.T)]
    spectrum = np.zeros((TILE, TILE), np.complex128)
    spectrum[tuple(found.pilots.T)] = heard / (np.abs(heard) + 1e-9) * np.conj(found.phases)
    match = np.fft.ifft2(spectrum).real * TILE**2 / len(heard)
    y, x = np.unravel_index(int(match.argmax()), match.shape)
    return replace(pose, shift=(float(y), float(x)), match=float(match.max()))


def straighten(picture: Floats, pose: Pose) -> Floats:
    """The picture before it was moved, its sides whole tiles, 0 where there is nothing."""
    turn, size = np.deg2rad(pose.angle), np.array(picture.shape[::-1])
    moved = pose.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = moved * (-1 if pose.mirrored else 1, 1)
    sides = np.ceil(np.abs(np.linalg.inv(moved)) @ size / TILE - 1e-6).astype(int) * TILE
    # Middle to middle; but a picture that was not moved keeps its corner, where its tiles begin.
    corner = np.zeros(2) if np.allclose(moved, np.eye(2)) else (size - 1) / 2 - moved @ (sides - 1) / 2
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(picture, np.column_stack([moved, corner]), sides.tolist(), flags=flags), np.float32
    )


def fold(picture: Floats) -> Spectrum:
    """The spectrum of all tiles of a picture laid over each other; its sides are whole tiles."""
    height, width = picture.shape
    tiles = picture.reshape(height // TILE, TILE, width // TILE, TILE)
    return np.asarray(np.fft.fft2(tiles.sum((0, 2))), np.complex128)


def at(spectrum: Spectrum, places: Places, pose: Pose) -> npt.NDArray[np.complex128]:
    """A folded spectrum at some frequencies, as if the tile began in the corner."""
    return np.asarray(spectrum[tuple(places.T)] * np.exp(2j * np.pi * (places @ np.array(pose.shift)) / TILE))
