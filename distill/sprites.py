"""Textured things that move over textured ground, drawn from a seed at any moment: what the frame-rate converter's
refiner learns from besides the world."""

import cv2
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

_FINE = 2  # drawn so many times larger and averaged: soft outlines
_MARGIN = 24  # pixels of ground beyond the frame, so that it may drift
_MOST = 3  # things


class Scene:
    """A ground that drifts, and one to three things that fly, turn and grow over it; the same seed, the same scene."""

    def __init__(self, seed: int, height: int, width: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.size = height, width
        large = ((height + 2 * _MARGIN) * _FINE, (width + 2 * _MARGIN) * _FINE)
        still = rng.random() < 0.3
        self.ground = _texture(rng, *large)
        self.drift = np.zeros(2) if still else rng.normal(0, 1.5, 2)
        self.zoom = 0.0 if still or rng.random() < 0.6 else rng.normal(0, 0.01)
        self.things = [_Thing(rng, height, width) for _ in range(rng.integers(1, _MOST + 1))]

    def at(self, moment: float) -> Frame:
        """The scene at a moment, in source frames, best within two of 0: (H, W, 3)."""
        height, width = self.size
        shift = (self.drift * moment - _MARGIN) * _FINE
        middle = np.array([width, height]) * _FINE / 2
        scale = 1 + self.zoom * moment
        move = np.column_stack([scale * np.eye(2), scale * shift + (1 - scale) * middle])
        fine = (width * _FINE, height * _FINE)
        ground = cv2.warpAffine(self.ground, move, fine, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        picture = np.asarray(ground, np.float32)
        for thing in self.things:
            thing.paint(picture, moment)
        return np.asarray(np.rint(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)), np.uint8)


class _Thing:
    """A random outline with a texture of its own, on a curved way."""

    def __init__(self, rng: Rng, height: int, width: int) -> None:
        self.radius = rng.uniform(0.08, 0.3) * height * _FINE
        side = int(2.4 * self.radius) + 2
        self.texture, self.mask = _texture(rng, side, side), _outline(rng, side)
        self.place = rng.uniform(0.15, 0.85, 2) * (width, height) * _FINE
        self.speed, self.bend = rng.normal(0, 5, 2) * _FINE, rng.normal(0, 0.3, 2) * _FINE
        self.turn = 0.0 if rng.random() < 0.5 else rng.normal(0, 0.1)
        self.growth = 0.0 if rng.random() < 0.5 else rng.normal(0, 0.04)

    def paint(self, picture: Floats, moment: float) -> None:
        """Lay it over `picture`, in place."""
        height, width = picture.shape[:2]
        x, y = self.place + self.speed * moment + self.bend * moment**2
        middle = len(self.mask) / 2
        move = cv2.getRotationMatrix2D((middle, middle), np.degrees(self.turn * moment), 1 + self.growth * moment)
        move[:, 2] += (x - middle, y - middle)
        texture = cv2.warpAffine(self.texture, move, (width, height), flags=cv2.INTER_CUBIC)
        mask = cv2.warpAffine(self.mask, move, (width, height), flags=cv2.INTER_LINEAR)[..., None]
        picture += mask * (texture.astype(np.float32) - picture)


def _outline(rng: Rng, side: int) -> Floats:
    """A blob or a polygon, 1 inside and 0 outside, (side, side)."""
    angle = np.linspace(0, 2 * np.pi, rng.integers(3, 8) if rng.random() < 0.5 else 90, endpoint=False)
    bumps = rng.normal(0, 0.12, 3) @ np.cos(np.outer([2, 3, 5], angle) + rng.uniform(0, 6.28, (3, 1)))
    reach = np.clip(1 + bumps, 0.4, 1.15) * side / 2.4
    points = side / 2 + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(mask, np.float32) / np.float32(255)


def _texture(rng: Rng, height: int, width: int) -> Frame:
    """A plain colour, a slope, stripes, or cloudy noise from coarse to fine, (height, width, 3)."""
    picture = np.full((height, width, 3), rng.uniform(20, 235, 3), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    kind = rng.integers(4)
    if kind == 1:
        slope = rng.normal(0, 1, (2, 3)).astype(np.float32) * 120 / height
        picture += x[..., None] * slope[0] + y[..., None] * slope[1]
    elif kind == 2:
        angle, length = rng.uniform(0, np.pi), rng.uniform(8, 60)
        wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / length)
        picture += wave[..., None] * rng.normal(0, 40, 3).astype(np.float32)
    if kind == 3 or rng.random() < 0.5:
        roughness = rng.uniform(0.45, 0.75)
        for octave in range(6):
            rows, columns = (max(2, (size << octave) // 160) for size in (height, width))
            grain = rng.standard_normal((rows, columns, 3)) + 1.5 * rng.standard_normal((rows, columns, 1))
            large = cv2.resize(grain.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
            picture += np.float32(25 * roughness**octave) * np.asarray(large, np.float32)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
