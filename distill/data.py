"""Batches of drawn clips, each a function of (seed, step), so that a resumed training sees what it would have seen."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from distill.world import TRAIN, Camera, draw


@dataclass(frozen=True)
class PixelBatch:
    """x: clips (B, 3, F, H, W) in [-1, 1]; weight: (B, 1, F, H, W), larger on the moving thing."""

    x: Tensor
    weight: Tensor


def generator(seed: int, step: int) -> np.random.Generator:
    """The random numbers of one training step."""
    return np.random.default_rng([seed, step])


def to_pixels(frames: np.ndarray) -> Tensor:
    """uint8 (F, H, W, 3) -> float32 (3, F, H, W) in [-1, 1]."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2).float() / 127.5 - 1


def crops(seed: int, step: int, batch: int, frames: int, size: int, thing_weight: float) -> PixelBatch:
    """Square crops near the thing, half of them at layout size (112x64, 8 fps), half at finish size (224x128, 16 fps)."""
    rng = generator(seed, step)
    clips, weights = [], []
    for i in range(batch):
        large = i % 2 == 1
        width, height, fps = (224, 128, 16.0) if large else (112, 64, 8.0)
        start = rng.uniform(0, 2.0 - (frames - 1) / fps)
        shot = draw(
            TRAIN[rng.integers(len(TRAIN))], int(rng.integers(2**31)), Camera(frames, fps, width, height, start)
        )
        centre = shot.truth.centre.mean(0) * (width, height) + rng.normal(0, size / 3, 2)
        x0, y0 = np.clip((centre - size / 2).astype(int), 0, (width - size, height - size))
        clips.append(to_pixels(shot.frames[:, y0 : y0 + size, x0 : x0 + size]))
        yy, xx = np.mgrid[y0 : y0 + size, x0 : x0 + size].astype(np.float32) + 0.5
        cx, cy = (shot.truth.centre * (width, height)).T[:, :, None, None]
        near = np.hypot(xx - cx, yy - cy) < 1.25 * height * shot.truth.radius[:, None, None]
        weights.append(torch.from_numpy(1 + (thing_weight - 1) * near.astype(np.float32))[None])
    return PixelBatch(torch.stack(clips), torch.stack(weights))
