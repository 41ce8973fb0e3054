"""The sound of what moves, synthesised: a thump where it bounces, air where it flies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wan_demo.clip import RATE, Sound
from wan_demo.sound.length import join, silence
from wan_demo.sound.noise import Floats, band, pan

LONG_S = 0.35
AIR = 0.03  # deviation of the air at FAST
FAST = 1.0  # heights of the frame a second


@dataclass(frozen=True)
class Hit:
    """Something strikes: when, in seconds; how hard, 0 to 1; where, from left to right, 0 to 1."""

    moment: float
    strength: float
    place: float


def thumps(hits: Sequence[Hit], count: int, seed: int) -> Sound:
    """`count` samples with a thump at each hit."""
    parts = [(hit.moment, _thump(hit, seed + i)) for i, hit in enumerate(hits)]
    return join(parts, count) if parts else silence(count)


def air(speed: Floats, place: Floats, count: int, seed: int) -> Sound:
    """`count` samples of air, the louder the faster something moves.

    speed, in heights of the frame a second, and place, from left to right, 0 to 1: (K,) each, evenly spread in time.
    """
    at = np.linspace(0, len(speed) - 1, count)
    loud = AIR * np.minimum(np.interp(at, np.arange(len(speed)), speed) / FAST, 1.5) ** 2
    noise = band(np.random.default_rng([seed, 1]), count, 250, 1800)
    return Sound(pan(noise * loud, np.interp(at, np.arange(len(place)), place)).astype(np.float32))


def _thump(hit: Hit, seed: int) -> Sound:
    """A falling tone, as of a drum, and the slap of its first milliseconds. The harder, the louder and brighter."""
    t = np.arange(round(LONG_S * RATE)) / RATE
    hertz = 52 + 110 * np.exp(-t * 28)
    body = np.sin(2 * np.pi * np.cumsum(hertz) / RATE) * np.exp(-t * 13)
    slap = band(np.random.default_rng([seed, 2]), len(t), 300, 3500) * np.exp(-t * 130)
    wave = (body + 0.35 * hit.strength * slap) * (0.25 + 0.4 * hit.strength)
    return Sound(pan(wave, 0.2 + 0.6 * hit.place).astype(np.float32))
