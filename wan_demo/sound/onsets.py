"""When notes and beats begin, and how fast they follow: spectral flux (Bello et al. 2005, section III-A)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wan_demo.clip import RATE, Sound

Floats = npt.NDArray[np.float64]

HOP, WINDOW = RATE // 200, 1024  # samples: 5 and 21 ms
BANDS = 40
AROUND = 20  # hops on either side, from whose median an onset stands out
LEAST = 0.1  # of the strongest onset
APART = 12  # hops: two onsets are 60 ms apart at least
NEAR = RATE // 40  # samples around the flux's peak in which the energy rises most steeply
SLOWEST, FASTEST, USUAL = 50, 210, 120  # beats a minute


@dataclass(frozen=True)
class Event:
    """Something begins: when, in seconds, and how strongly, 0 to 1."""

    moment: float
    strength: float


def find_onsets(sound: Sound) -> tuple[Event, ...]:
    """The beginnings of notes and beats, in time order."""
    mono = sound.samples.mean(1)
    flux = _flux(mono)
    if not flux.max(initial=0) > 0:
        return ()
    padded = np.pad(flux, AROUND, mode="edge")
    base = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1), 1)
    rise = np.maximum(flux - base, 0) / max(float((flux - base).max()), 1e-9)
    found: list[Event] = []
    for k in np.argsort(-rise, kind="stable"):
        if rise[k] < LEAST:
            break
        if all(abs(k * HOP / RATE - other.moment) * RATE >= APART * HOP for other in found):
            found.append(Event(_steepest(mono, int(k) * HOP), float(rise[k])))
    return tuple(sorted(found, key=lambda event: event.moment))


def tempo(sound: Sound) -> float | None:
    """Beats a minute, from where the flux resembles itself; None for less than two seconds, or no onsets."""
    flux = _flux(sound.samples.mean(1))
    if len(flux) < 2 * RATE / HOP or not flux.max(initial=0) > 0:
        return None
    flux = flux - flux.mean()
    size = 2 * len(flux)
    alike = np.fft.irfft(np.abs(np.fft.rfft(flux, size)) ** 2, size)[: len(flux)]
    lags = np.arange(round(60 * RATE / HOP / FASTEST), min(len(flux), round(60 * RATE / HOP / SLOWEST)))
    beats = 60 * RATE / HOP / lags
    # of a beat and its double the one nearer to what people tap (Ellis 2007, equation 6), and no lag for being short
    wanted = alike[lags] / (len(flux) - lags) * np.exp(-0.5 * (np.log2(beats / USUAL) / 0.9) ** 2)
    return round(float(beats[int(wanted.argmax())]), 1)


def _flux(mono: npt.NDArray[np.float32]) -> Floats:
    """How much energy comes up between one hop and the next, over all bands; hop k is around sample k * HOP."""
    padded = np.pad(mono, (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: len(mono) + 1 : HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1))
    edges = np.unique(np.geomspace(2, spectrum.shape[1] - 1, BANDS + 1).round().astype(int))
    bands = np.add.reduceat(spectrum, edges[:-1], axis=1)
    loud = np.log1p(bands / max(float(bands.max()), 1e-9) * 1000)
    return np.asarray(np.maximum(np.diff(loud, axis=0, prepend=0), 0).sum(1), np.float64)


def _steepest(mono: npt.NDArray[np.float32], near: int) -> float:
    """The second, around a sample, at which the energy of a millisecond rises most."""
    start = max(0, near - NEAR)
    part = np.square(mono[start : near + NEAR].astype(np.float64))
    step = RATE // 1000
    if len(part) < 4 * step:
        return near / RATE
    level = np.concatenate([[0.0], np.add.reduceat(part, np.arange(0, len(part) - step, step))])
    # against what was there before, so that the first of two strikes wins, not the louder
    rise = np.diff(np.log(level + 1e-3 * level.max() + 1e-12))
    return (start + int(rise.argmax()) * step) / RATE
