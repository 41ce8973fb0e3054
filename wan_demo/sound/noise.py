"""What synthesised noises are made of. Every function takes a generator of random numbers: same seed, same sound."""

import numpy as np
import numpy.typing as npt

from wan_demo.clip import RATE

Floats = npt.NDArray[np.float64]


def band(rng: np.random.Generator, count: int, low_hz: float, high_hz: float) -> Floats:
    """Noise (count,) of deviation 1 between two frequencies, equally loud in each octave."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 1)
    edges = 1 / (1 + (low_hz / hertz) ** 6) / (1 + (hertz / high_hz) ** 4)
    noise = np.fft.irfft(spectrum * edges / np.sqrt(hertz), count)
    return np.asarray(noise / max(float(noise.std()), 1e-12), np.float64)


def wander(rng: np.random.Generator, count: int, period_s: float) -> Floats:
    """A smooth curve (count,) in 0 to 1 that changes its mind every period."""
    t = np.arange(count) / RATE / period_s
    knots = rng.uniform(0, 1, int(t[-1] if count else 0) + 2)
    left = t.astype(int)
    ease = 0.5 - 0.5 * np.cos(np.pi * (t - left))
    return np.asarray(knots[left] * (1 - ease) + knots[left + 1] * ease, np.float64)


def pan(mono: Floats, place: float | Floats) -> Floats:
    """Mono (N,) as stereo (N, 2), from left to right at place in 0 to 1, equally loud everywhere."""
    angle = np.clip(place, 0, 1) * np.pi / 2
    return np.stack([mono * np.cos(angle), mono * np.sin(angle)], 1)
