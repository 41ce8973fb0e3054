"""Puts the invisible watermark into a clip.

The mark is an additive pattern (`carrier`), stronger on busy ground, where eyes miss it. The payload's part of it is
bound to the content: it is turned over wherever the picture is darker than its surroundings. A mark lifted off one clip
and laid over another is turned over in the wrong places, and so can be told from one that was put in
(`detector.Reading.bound`).

It goes into luma and, turned over and stronger, into blue-difference chroma, which encoders quantise less when they are
asked for small files; being opposite, the two nearly cancel in the blue channel.
"""

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.provenance.carrier import SHORT_SIDE, SYMBOLS, Floats, carrier, patterns

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Plane = npt.NDArray[np.uint8]  # (H, W)

FAINTEST, STRONGEST = 1.15, 2.0  # deviation of the mark in luma, in levels of 255, on flat and on busy ground
BUSY = 12.0  # levels of local deviation from which on it is strongest
CEILING = 1.38  # of its root mean square over a frame
# The mark in Cb, of that in luma. At 42 dB too, CEILING 0.3 and BLUE -6.6 would cost VMAF, which sees luma alone, 0.8
# points in place of 10, but be read after H.265 at CRF 40 in 2 clips of 4 and after H.264 at CRF 50 in 1 of 4.
BLUE = -1.6
RGB = np.array([[1], [1 - 0.1873 * BLUE], [1 + 1.8556 * BLUE]], np.float32)  # what both do to red, green, blue (BT.709)
STEP = 4.0  # pixels a step of the grid on which brightness is compared (of SHORT_SIDE, as everywhere)
NEAR, AROUND = 2.5, 8.0  # steps: what is compared with what
DARKER = 1.5  # levels


class Embedder:
    """Puts a payload of 8 bytes into frames of height x width pixels, for who holds the key (32 bytes) to find."""

    def __init__(self, payload: bytes, key: bytes, height: int, width: int) -> None:
        assert len(payload) == SYMBOLS, "the code has one symbol a byte"
        self.pilots, self.data = patterns(carrier(key), payload, height, width)

    def mark(self, frame: Frame) -> Frame:
        """The frame (height, width, 3) with the payload in it."""
        luma = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        mark = cv2.multiply(cv2.add(self.pilots, cv2.multiply(self.data, binding(luma))), _strength(luma))
        added = cv2.add(frame, cv2.transform(mark, RGB), dtype=cv2.CV_8U)  # rounds, and stays in 0 to 255
        return np.asarray(added, np.uint8)


def binding(luma: Plane, scale: float = 1.0, darker: float = DARKER) -> Floats:
    """Where the payload is turned over: -1 where the picture is darker than around, elsewhere 1, (H, W).

    scale: by how much the picture was made larger since; darker: by how many levels.
    """
    height, width = luma.shape
    step = STEP * scale * min(height, width) / SHORT_SIDE
    size = max(1, round(width / step)), max(1, round(height / step))
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    rise = cv2.GaussianBlur(small, (0, 0), NEAR) - cv2.GaussianBlur(small, (0, 0), AROUND)
    turned = np.where(rise < -darker, np.float32(-1), np.float32(1))
    return np.asarray(cv2.resize(turned, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _strength(luma: Plane) -> Floats:
    """The mark's deviation in luma (H, W), in levels."""
    height, width = luma.shape
    scale = SHORT_SIDE / min(height, width) / 2
    small = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    mean = cv2.blur(small, (7, 7))
    deviation = np.sqrt(np.maximum(cv2.blur(small * small, (7, 7)) - mean * mean, 0))
    level = cv2.blur(FAINTEST + (STRONGEST - FAINTEST) * np.minimum(deviation / BUSY, 1), (5, 5))
    level = level * np.float32(min(1.0, CEILING / float(np.sqrt(np.mean(level * level)))))
    return np.asarray(cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
