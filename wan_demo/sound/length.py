"""Cuts, repeats and joins sounds, with moviepy. Every result has the wanted number of samples exactly."""

from collections.abc import Sequence

import numpy as np
from moviepy import AudioArrayClip, CompositeAudioClip
from moviepy.audio.fx import AudioFadeIn, AudioFadeOut

from wan_demo.clip import RATE, Sound

FADE_S = 0.03  # at an end that was cut: a sudden one clicks
SHORTEST = RATE // 2  # samples of what is crossfaded; a sound that is shorter is a wave: repeated without a seam
CROSSFADE_S = 0.25  # where a loop begins again, or a quarter of a sound that is shorter than a second


def silence(count: int) -> Sound:
    """A sound of `count` samples of nothing."""
    return Sound(np.zeros((count, 2), np.float32))


def cut(sound: Sound, count: int) -> Sound:
    """The first `count` samples, faded out where more is left; silence follows a sound that is shorter."""
    if len(sound.samples) <= count:
        return join([(0.0, sound)], count)
    kept = AudioArrayClip(sound.samples[:count], fps=RATE).with_effects([AudioFadeOut(min(FADE_S, count / RATE))])
    return _taken(kept, count)


def loop(sound: Sound, count: int) -> Sound:
    """`count` samples of the sound again and again; each end is laid over the next beginning."""
    if len(sound.samples) >= count:
        return cut(sound, count)
    times = -(-SHORTEST // len(sound.samples))
    samples = np.tile(sound.samples, (times, 1))
    length = len(samples) / RATE
    overlap = min(CROSSFADE_S, length / 4)
    first = AudioArrayClip(samples, fps=RATE).with_effects([AudioFadeOut(overlap)])
    again = first.with_effects([AudioFadeIn(overlap)])
    starts = np.arange(length - overlap, count / RATE, length - overlap)
    whole = CompositeAudioClip([first, *(again.with_start(float(start)) for start in starts)])
    return cut(_taken(whole, count + 1), count)


def join(parts: Sequence[tuple[float, Sound]], count: int) -> Sound:
    """The sounds at once, each from its second on, in `count` samples; what lasts longer is cut."""
    clips = [AudioArrayClip(sound.samples, fps=RATE).with_start(start) for start, sound in parts]
    return _taken(CompositeAudioClip([AudioArrayClip(silence(count).samples, fps=RATE), *clips]), count)


def _taken(clip: AudioArrayClip | CompositeAudioClip, count: int) -> Sound:
    """Its first `count` samples."""
    return Sound(np.asarray(clip.get_frame(np.arange(count) / RATE), np.float32))
