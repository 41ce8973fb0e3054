"""The finished soundtrack of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wan_demo.clip import RATE, Sound
from wan_demo.request import Soundtrack
from wan_demo.sound.ambience import ambience, place_of
from wan_demo.sound.effects import Hit, air, thumps
from wan_demo.sound.length import cut, join, loop, silence
from wan_demo.sound.loudness import measure, normalise
from wan_demo.sound.narration import LEAD_S, speak
from wan_demo.sound.noise import Floats

DUCKED = 0.25  # what is left of other sounds while somebody speaks
DUCK_S = 0.15  # how long the change takes
SPEECH_LUFS = -16.0


@dataclass(frozen=True)
class Given:
    """What is there before the clip is: the sound of a file, as long as the clip will be, and speech."""

    file: Sound | None = None
    speech: Sound | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """What the clip shows, as far as it is heard. hits: what bounces; speed, place: see `effects.air`."""

    prompt: str
    seed: int
    hits: Sequence[Hit]
    speed: Floats
    place: Floats


def take(wanted: Soundtrack, read: Sound | None, duration_s: float) -> Given:
    """Fit what was read of the file to the clip, and speak the narration.

    Raises:
        RequestError: the narration cannot be spoken.
    """
    file, count = None, round(duration_s * RATE)
    if read is not None:
        file = loop(read, count) if wanted.fit == "loop" else cut(read, count)
    return Given(file, speak(wanted.narration, duration_s) if wanted.narration else None)


def make_track(wanted: Soundtrack, given: Given, scene: Scene, duration_s: float) -> Sound:
    """All that is to be heard, as long as the clip and as loud as it should be."""
    count = round(duration_s * RATE)
    parts = [] if given.file is None else [cut(given.file, count)]
    if wanted.effects:
        parts += [thumps(scene.hits, count, scene.seed), air(scene.speed, scene.place, count, scene.seed)]
        place = place_of(scene.prompt)
        parts += [ambience(place, count, scene.seed)] if place else []
    mixed = join([(0.0, part) for part in parts], count) if parts else silence(count)
    return normalise(mixed if given.speech is None else _spoken_over(mixed, given.speech, count))


def _spoken_over(other: Sound, speech: Sound, count: int) -> Sound:
    """Speech over other sounds, which are as loud as it and step back while it lasts."""
    speaks = np.zeros(count, np.float32)
    speaks[round(LEAD_S * RATE) : round(LEAD_S * RATE) + len(speech.samples)] = 1
    width = round(DUCK_S * RATE)
    eased = np.convolve(np.pad(speaks, width, mode="edge"), np.hanning(width) / np.hanning(width).sum(), "same")
    left = (1 - (1 - DUCKED) * eased[width : width + count])[:, None].astype(np.float32)
    return join([(0.0, Sound(_levelled(other).samples * left)), (LEAD_S, _levelled(speech))], count)


def _levelled(sound: Sound) -> Sound:
    """At SPEECH_LUFS, without a limiter: the whole is normalised later."""
    was = measure(sound).integrated_lufs
    return sound if was <= -70 else Sound(sound.samples * np.float32(10 ** ((SPEECH_LUFS - was) / 20)))
