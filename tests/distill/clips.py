"""What becomes of rendered clips."""

import cv2
import numpy as np

from distill.world import Frames


def degraded(frames: Frames, seed: int, blur_px: float = 1.2) -> Frames:
    """What a small decoder does: soft edges, noise, a slight tint."""
    rng = np.random.default_rng(seed)
    soft = np.stack([cv2.GaussianBlur(f.astype(np.float32), (0, 0), blur_px) for f in frames])
    noisy = soft * rng.uniform(0.95, 1.05, 3) + rng.normal(0, 5, soft.shape)
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
