"""What the invisible watermark is made of: which frequencies carry which bits.

The mark is a square tile, repeated over the picture, the same in every frame. A periodic pattern lives on a lattice of
frequencies: cropping the picture changes their phases and nothing else, scaling or turning it scales or turns the
lattice. Some frequencies, the pilots, have known phases; they tell how the picture was moved. The others carry
the payload, each byte as a row of a Hadamard matrix (bi-orthogonal code; Proakis, Digital Communications, 5.2).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]  # (N, 2): y and x, whole cycles a tile

SHORT_SIDE = 360  # pixels of the picture in which the tile has TILE; all lengths of the watermark are in these pixels
TILE = 192
LOWEST, HIGHEST = 4.5, 33.0  # cycles a tile. What is encoded hard keeps the lowest; busy pictures hide the highest
FALL = 1.4  # amplitudes fall with frequency to this power
PILOTS, PILOT_GAIN = 96, 2.26  # how many, and their amplitude over that of the others
SYMBOLS, CHIPS, REPEATS = 8, 128, 3  # a symbol is a byte: one of CHIPS rows or its negative, sent REPEATS times


@dataclass(frozen=True)
class Carrier:
    """The frequencies of one key.

    phases: of the pilots (P,), as complex numbers of size 1. chip (2N,): which chip the real and the imaginary part of
    each of the frequencies `places` carry, and sign (2N,), +1 or -1: whether it is sent turned over.
    """

    pilots: Places
    phases: npt.NDArray[np.complex64]
    places: Places
    chip: npt.NDArray[np.int64]
    sign: Floats


def carrier(key: bytes) -> Carrier:
    """The carrier that a key selects; under another key its mark looks like noise."""
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(key, "big")))
    y, x = np.mgrid[-int(HIGHEST) : int(HIGHEST) + 1, : int(HIGHEST) + 1]
    radius = np.hypot(y, x)
    half = (radius >= LOWEST) & (radius <= HIGHEST) & ((x > 0) | (y > 0))  # the other half is its mirror image
    around = np.stack([y[half], x[half]], 1)[np.argsort(radius[half], kind="stable")]
    # One pilot in every run of neighbours in radius, and in each run of chips one of every symbol: whatever band is
    # lost, all lose alike.
    pilots = np.array([rng.choice(run) for run in np.array_split(np.arange(len(around)), PILOTS)])
    places = np.setdiff1d(np.arange(len(around)), pilots)[: SYMBOLS * CHIPS * REPEATS // 2]
    within = np.stack([rng.permutation(CHIPS * REPEATS) % CHIPS for _ in range(SYMBOLS)], 1)
    symbols = np.stack([rng.permutation(SYMBOLS) for _ in range(CHIPS * REPEATS)])
    chip = symbols * CHIPS + np.take_along_axis(within, symbols, 1)
    return Carrier(
        around[pilots],
        np.exp(2j * np.pi * rng.random(PILOTS)).astype(np.complex64),
        around[places],
        chip.ravel(),
        rng.choice(np.array([-1, 1], np.float32), chip.size),
    )


def encode(payload: bytes) -> Floats:
    """The chips, +1 or -1 (SYMBOLS * CHIPS,), of a payload of SYMBOLS bytes."""
    rows = _hadamard()
    return np.concatenate([rows[byte % CHIPS] * (1 - 2 * (byte // CHIPS)) for byte in payload])


def likenesses(soft: Floats) -> Floats:
    """How alike the chips' scores (SYMBOLS * CHIPS,) are to each byte's row: (SYMBOLS, 256), in deviations of noise."""
    rows = soft.reshape(SYMBOLS, CHIPS)
    fit = rows @ _hadamard() / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)
    return np.concatenate([fit, -fit], 1)


def patterns(found: Carrier, payload: bytes, height: int, width: int) -> tuple[Floats, Floats]:
    """The pilots' and the payload's pattern (H, W) for a picture of this size; their sum has a deviation of 1."""
    sent = encode(payload)[found.chip] * found.sign
    pilots, data = _tile(found.pilots, PILOT_GAIN * found.phases), _tile(found.places, sent[0::2] + 1j * sent[1::2])
    size = (pilots + data).std()
    return _tiled(pilots / size, height, width), _tiled(data / size, height, width)


def _tile(places: Places, values: npt.NDArray[np.complex64]) -> Floats:
    """The picture (TILE, TILE) with these values at these frequencies, falling with frequency."""
    spectrum = np.zeros((TILE, TILE), np.complex64)
    fallen = values * np.hypot(*places.T) ** -FALL
    spectrum[tuple(places.T)] = fallen
    spectrum[tuple(-places.T)] = np.conj(fallen)
    return np.asarray(np.fft.ifft2(spectrum).real, np.float32)


def _tiled(tile: Floats, height: int, width: int) -> Floats:
    """The tile at the size that it has in a picture of this size, repeated over it."""
    scale = min(height, width) / SHORT_SIDE
    rows, columns = round(height / scale), round(width / scale)
    large = np.tile(tile, (-(-rows // TILE), -(-columns // TILE)))[:rows, :columns]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(large, (width, height), interpolation=kind), np.float32)


def _hadamard() -> Floats:
    """Sylvester's matrix: +1 and -1 (CHIPS, CHIPS), symmetric, its rows orthogonal."""
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < CHIPS:
        matrix = np.kron(matrix, np.array([[1, 1], [1, -1]], np.float32))
    return matrix
