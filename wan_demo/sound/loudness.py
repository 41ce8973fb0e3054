"""As loud as streaming players want it: -16 LUFS, and no true peak over -1 dBTP (EBU R 128, ITU-R BS.1770-4)."""

from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from wan_demo.clip import RATE, Sound

TARGET_LUFS = -16.0
CEILING_DBTP = -2.0  # a decibel below what is allowed: AAC adds to peaks
MOST_GAIN_DB = 40.0  # silence is not made loud
ROUNDS = 6  # of gain and limiter; each comes nearer, for what the limiter takes the next gain gives back
NEAR_LU = 0.05
BLOCK = 2 * RATE // 5  # samples that loudness is measured over
LOOKAHEAD_S = 0.005  # before a peak, in which the limiter comes down
OVERSAMPLED = 4  # BS.1770-4, annex 2


@dataclass(frozen=True)
class Loudness:
    """integrated_lufs: gated, -70 where nothing is loud enough to count; true_peak_dbtp: -inf for silence."""

    integrated_lufs: float
    true_peak_dbtp: float


def measure(sound: Sound) -> Loudness:
    """Measured by ffmpeg's ebur128; of a sound that is shorter than its block, as if it went on and on."""
    if 0 < len(sound.samples) < BLOCK:
        sound = Sound(np.tile(sound.samples, (-(-BLOCK // len(sound.samples)), 1)))
    graph = Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=RATE, layout="stereo", time_base=Fraction(1, RATE))
    meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    found: dict[str, str] = {}
    # filled up to a whole tenth of a second, in which ebur128 tells; silence does not count
    samples = np.pad(sound.samples, ((0, -len(sound.samples) % (RATE // 10)), (0, 0)))
    for start in range(0, len(samples), RATE // 10):
        block = np.ascontiguousarray(samples[start : start + RATE // 10].T)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        graph.push(frame)
        found |= graph.pull().metadata
    peak = float(found.get("lavfi.r128.true_peak", 0))
    return Loudness(max(-70.0, float(found.get("lavfi.r128.I", -70))), 20 * float(np.log10(peak)) if peak else -np.inf)


def normalise(sound: Sound) -> Sound:
    """The sound at TARGET_LUFS, its peaks held below CEILING_DBTP. What is silent stays as it is."""
    was = measure(sound).integrated_lufs
    if was <= -70:
        return limit(sound)
    gain = min(MOST_GAIN_DB, TARGET_LUFS - was)
    result = sound
    for _ in range(ROUNDS):
        result = limit(Sound(sound.samples * np.float32(10 ** (gain / 20))))
        miss = TARGET_LUFS - measure(result).integrated_lufs
        if abs(miss) < NEAR_LU or gain + miss > MOST_GAIN_DB:
            break
        gain += miss
    return result


def limit(sound: Sound) -> Sound:
    """Hold every true peak below CEILING_DBTP: the gain comes down before a peak and returns after it, smoothly."""
    ceiling = 10 ** (CEILING_DBTP / 20)
    peaks = true_peaks(sound)
    if not len(peaks) or float(peaks.max()) <= ceiling:
        return sound
    needed = np.minimum(1, ceiling / np.maximum(peaks, 1e-9)).astype(np.float32)
    reach = 2 * round(LOOKAHEAD_S * RATE) + 1
    # The lowest gain around, then the mean of that over half as far: it never rises above what is needed.
    lowest = cv2.erode(needed[None], np.ones((1, reach), np.uint8), borderType=cv2.BORDER_REPLICATE)
    gain = cv2.blur(lowest, (reach // 2, 1), borderType=cv2.BORDER_REPLICATE)[0]
    return Sound(sound.samples * gain[:, None])


def true_peaks(sound: Sound) -> npt.NDArray[np.float32]:
    """The highest of each sample's neighbourhood (N,), between samples too, of both channels."""
    count = len(sound.samples)
    spectrum = np.fft.rfft(np.pad(sound.samples, ((0, 256), (0, 0))), axis=0)  # room, so that the end is not joined on
    fine = np.fft.irfft(spectrum * OVERSAMPLED, (count + 256) * OVERSAMPLED, axis=0)[: count * OVERSAMPLED]
    return np.asarray(np.abs(fine).max(1).reshape(count, OVERSAMPLED).max(1), np.float32)
