"""Clips that look natural to an encoder, drawn from noise; and which of the pocket world's are shown."""

from fractions import Fraction

import cv2
import numpy as np

from distill.world import HELD_OUT, THINGS
from wan_demo.clip import Clip
from wan_demo.provenance.watermark import Embedder

# The world's first six things, so that figures compare with those measured when it had no more.
SHOWN = [combination for combination in HELD_OUT if combination.thing in THINGS[:6]]


def natural(seed: int, count: int = 8, height: int = 360, width: int = 640) -> Clip:
    """A texture whose amplitudes fall as those of photographs do, drifting slowly."""
    rng = np.random.default_rng(seed)
    size = height + 64, width + 64
    y, x = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    slope = 1 / np.maximum(np.hypot(y, x), 1 / max(size)) ** 1.4
    noise = np.fft.rfft2(rng.standard_normal((3, *size))) + 2 * np.fft.rfft2(rng.standard_normal(size))
    picture = np.fft.irfft2(noise * slope, size)
    picture = np.clip(128 + 30 * picture / picture.std(), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    speed = rng.uniform(-1, 1, 2)
    moves = [np.array([[1, 0, -32 + speed[0] * i], [0, 1, -32 + speed[1] * i]]) for i in range(count)]
    frames = [cv2.warpAffine(picture, move, (width, height)) for move in moves]
    return Clip(np.asarray(np.stack(frames), np.uint8), Fraction(30))


def embed(clip: Clip, payload: bytes, key: bytes) -> Clip:
    """The whole clip with a watermark in it."""
    embedder = Embedder(payload, key, *clip.frames.shape[1:3])
    return Clip(np.stack([embedder.mark(frame) for frame in clip.frames]), clip.fps)
