"""How near motion comes to the beat, and how loud the sound is.

python -m benchmarks.sound [--clips 40] [--json FILE]

Beat sync: a disc turns about at known moments (16 frames a second, 6 s), and drums strike where these moments would be
if the clip were played between 0.93 and 1.07 times as fast. The miss of a turn is from when it is shown to the nearest
strike, both as they were made, not as they were detected; "shuffled" is with the drums of another clip.

Loudness: music, speech-like noise, sparse strikes and a quiet tone, normalised, encoded as AAC and measured again.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo import mp4
from wan_demo.clip import RATE, Clip, Sound
from wan_demo.finish.motion import find_impacts, measure_motion
from wan_demo.sound.align import align
from wan_demo.sound.length import cut
from wan_demo.sound.loudness import measure, normalise
from wan_demo.sound.onsets import Event, find_onsets
from wan_demo.sound.reading import read_sound

FPS, SECONDS = 16, 6.0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """turns: when the disc turns about; strikes: when the drums strike; seconds."""

    clip: Clip
    sound: Sound
    turns: Floats
    strikes: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {"beats": beats(options.clips), "loudness": loudness()}
    for name, row in (*figures["beats"].items(), *figures["loudness"].items()):
        print(f"{name:16}" + "".join(f"  {key} {value:.3g}" for key, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps(figures))


def beats(count: int) -> dict[str, dict[str, float]]:
    """Misses in ms before and after alignment, and with the drums of the next clip."""
    cases = [make_case(seed) for seed in range(count)]
    before, after, shuffled = [], [], []
    for case, other in zip(cases, cases[1:] + cases[:1], strict=True):
        before += misses(case.turns, case.strikes)
        after += misses(aligned(case, case.sound), case.strikes)
        shuffled += misses(aligned(case, other.sound), other.strikes)
    return {
        name: {"median_ms": float(np.median(some)) * 1000, "p95_ms": float(np.percentile(some, 95)) * 1000}
        for name, some in (("before", before), ("after", after), ("shuffled", shuffled))
    }


def aligned(case: Case, sound: Sound) -> Floats:
    """When the turns are shown, aligned with a sound."""
    found = find_impacts(measure_motion(case.clip))
    strongest = max((impact.strength for impact in found), default=1)
    motions = [Event(impact.moment, impact.strength / strongest) for impact in found]
    retiming = align(motions, find_onsets(sound), SECONDS, float(case.clip.duration_s))
    return np.array([retiming.when(turn) for turn in case.turns])


def misses(turns: Floats, strikes: Floats) -> list[float]:
    return [float(np.abs(strikes - turn).min()) for turn in turns]


def make_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    shown = np.cumsum(rng.uniform(0.45, 0.9, 12)) + 0.2
    speed = 1 + 0.07 * np.sin(2 * np.pi * (np.arange(0, SECONDS, 0.001) / rng.uniform(2, 5) + rng.uniform()))
    drawn = np.concatenate([[0], np.cumsum(speed) * 0.001])  # at every shown millisecond
    strikes = shown[shown < SECONDS - 0.4]
    turns = np.interp(strikes, np.arange(len(drawn)) * 0.001, drawn)
    return Case(disc(turns, rng), drums(strikes, rng), turns, strikes)


def disc(turns: Floats, rng: np.random.Generator) -> Clip:
    """It flies at a steady speed over a texture and turns about at these moments."""
    ground = cv2.resize(rng.integers(80, 176, (16, 28, 3)).astype(np.uint8), (224, 128), interpolation=cv2.INTER_CUBIC)
    ends = [0.0, *turns, SECONDS + 1]
    angle = rng.uniform(0, 2 * np.pi)
    points, place = [], np.array([112.0, 64.0])
    moments = np.arange(round((SECONDS + 0.7) * FPS)) / FPS
    for k, (start, end) in enumerate(pairwise(ends)):
        velocity = 70 * (-1) ** k * np.array([np.cos(angle), 0.6 * np.sin(angle)])
        points += [place + velocity * (m - start) for m in moments if start <= m < end]
        place = place + velocity * (end - start)
    colour = tuple(int(value) for value in rng.choice([20, 235], 3))
    frames = np.repeat(ground[None], len(points), 0)
    for frame, (x, y) in zip(frames, points, strict=True):
        cv2.circle(frame, (round(x * 16), round(y * 16)), 13 * 16, colour, -1, cv2.LINE_AA, 4)
    return Clip(np.asarray(frames, np.uint8), Fraction(FPS))


def drums(strikes: Floats, rng: np.random.Generator) -> Sound:
    """A drum at each moment, over a soft chord."""
    samples = np.zeros(round(SECONDS * RATE))
    t = np.arange(RATE // 4) / RATE
    for strike in strikes:
        pitch, start = rng.uniform(60, 200), round(float(strike) * RATE)
        hit = np.sin(2 * np.pi * pitch * t) * np.exp(-t * 18) + 0.4 * rng.standard_normal(len(t)) * np.exp(-t * 60)
        part = samples[start : start + len(t)]
        part += hit[: len(part)] * rng.uniform(0.5, 1)
    t = np.arange(len(samples)) / RATE
    samples += sum(0.04 * np.sin(2 * np.pi * pitch * t) for pitch in (220, 277.2, 329.6))
    return Sound(np.repeat(samples[:, None].astype(np.float32), 2, 1) * 0.5)


def loudness() -> dict[str, dict[str, float]]:
    """LUFS and dBTP of the file."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, sound in sounds():
            path = Path(folder) / "clip.mp4"
            frames = (np.full((64, 64, 3), k % 200, np.uint8) for k in range(60))
            mp4.write_frames(frames, Fraction(30), path, mp4.Extras(sound=normalise(cut(sound, 2 * RATE))))
            found = measure(read_sound(path, 2.0))
            figures[name] = {"lufs": found.integrated_lufs, "dbtp": found.true_peak_dbtp}
    return figures


def sounds() -> Iterator[tuple[str, Sound]]:
    rng = np.random.default_rng(0)
    t = np.arange(2 * RATE) / RATE
    yield "drums", make_case(0).sound
    bursts = rng.standard_normal(len(t)) * (np.sin(2 * np.pi * 3 * t) > 0.2) * 0.1
    yield "bursts of noise", _stereo(bursts)
    yield "one strike", drums(np.array([0.5]), rng)
    yield "a quiet tone", _stereo(0.003 * np.sin(2 * np.pi * 1000 * t))
    yield "a loud square", _stereo(np.sign(np.sin(2 * np.pi * 110 * t)))
    yield "clicks", _stereo((np.arange(len(t)) % 12000 == 0).astype(float))


def _stereo(mono: Floats) -> Sound:
    return Sound(np.repeat(mono[:, None].astype(np.float32), 2, 1))


if __name__ == "__main__":
    main()
