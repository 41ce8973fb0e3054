"""What is shown when, and what is heard meanwhile."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from wan_demo.clip import Caption, Clip, Sound
from wan_demo.finish.captions import check_captions
from wan_demo.finish.motion import Impact, Motion, find_impacts, measure_motion
from wan_demo.presets import Preset
from wan_demo.request import Request
from wan_demo.shapes import frame_count
from wan_demo.sound.align import Retiming, align, misses
from wan_demo.sound.effects import Hit
from wan_demo.sound.loudness import measure
from wan_demo.sound.narration import captions
from wan_demo.sound.onsets import Event, find_onsets, tempo
from wan_demo.sound.reading import as_long_as_its_sound
from wan_demo.sound.track import Given, Scene, make_track, take

CURVE = 100  # points of the curves of speed that the report has


@dataclass(frozen=True, eq=False)
class Edit:
    """moments: of the clip, in seconds, one for each frame of the file. figures: for the report."""

    clip: Clip
    moments: Sequence[Fraction]
    sound: Sound | None = None
    captions: tuple[Caption, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


def times(clip: Clip, request: Request) -> list[Fraction]:
    """The moment of the clip, in seconds, that each frame of the file shows."""
    step = _pace(clip, request) / request.delivery.fps
    return [k * step for k in range(frame_count(request.duration_s, request.delivery.fps))]


def listen(request: Request, preset: Preset) -> tuple[Request, Given]:
    """Take in what is to be heard, before anything is drawn; the request, as long as its sound where that is wanted.

    Raises:
        RequestError: the sound cannot be read, the narration not be spoken, or its captions not be drawn.
    """
    request, read = as_long_as_its_sound(request, preset)
    given = take(request.sound, read, request.duration_s)
    if request.sound.captions == "burnt":
        check_captions(captions(request.sound.narration, request.duration_s))
    return request, given


def compose(edit: Edit, request: Request, given: Given) -> Edit:
    """Add the sound; where it is wanted, move the motion onto its beats."""
    wanted, fps = request.sound, request.delivery.fps
    pace = _pace(edit.clip, request)
    motion = measure_motion(edit.clip)
    impacts = find_impacts(motion)
    duration_s = float(len(edit.moments) / fps)
    moments: Sequence[Fraction] = edit.moments
    beats: dict[str, Any] = {}
    if wanted.beats and given.file is not None:
        retiming, beats = _on_the_beat(impacts, given.file, duration_s, edit.clip, pace)
        moments = [pace * Fraction(retiming.at(float(k / fps))).limit_denominator(10**6) for k in range(len(moments))]
        beats |= {"speed_before": _speeds(motion, edit.moments), "speed_after": _speeds(motion, moments)}
    scene = _scene(request, motion, impacts, [float(moment) for moment in moments])
    sound = make_track(wanted, given, scene, duration_s)
    loud = measure(sound)
    told = {
        "lufs": round(loud.integrated_lufs, 2),
        "true_peak_dbtp": round(max(loud.true_peak_dbtp, -99.0), 2),
        "bounces": [round(hit.moment, 3) for hit in scene.hits],
    }
    spoken = () if given.speech is None else captions(wanted.narration, float(given.speech.duration_s))
    figures = {**edit.figures, "sound": told, **({"beats": beats} if beats else {})}
    return Edit(edit.clip, moments, sound, spoken, figures)


def _pace(clip: Clip, request: Request) -> Fraction:
    """Seconds of the clip that are shown in a second."""
    fps = request.delivery.fps
    return Fraction(1) if request.delivery.timing == "exact" else fps / (clip.fps * math.ceil(fps / clip.fps))


def _on_the_beat(
    impacts: Sequence[Impact], sound: Sound, duration_s: float, clip: Clip, pace: Fraction
) -> tuple[Retiming, dict[str, Any]]:
    """How to play the clip so that its impacts are on the sound's onsets; and for the report, by how much they are."""
    strongest = max((impact.strength for impact in impacts), default=1.0)
    motions = [Event(impact.moment / float(pace), impact.strength / strongest) for impact in impacts]
    motions = [motion for motion in motions if motion.moment < duration_s]
    onsets = [onset for onset in find_onsets(sound) if onset.moment < duration_s]
    retiming = align(motions, onsets, duration_s, float(clip.duration_s / pace))
    return retiming, {
        "tempo": tempo(sound),
        "onsets": [round(onset.moment, 3) for onset in onsets],
        "motions": [round(motion.moment, 3) for motion in motions],
        "shown": [round(retiming.when(motion.moment), 3) for motion in motions],
        "miss_before_ms": [round(1000 * miss, 1) for miss in misses(motions, onsets)],
        "miss_after_ms": [round(1000 * miss, 1) for miss in misses(motions, onsets, retiming)],
    }


def _scene(request: Request, motion: Motion, impacts: Sequence[Impact], moments: Sequence[float]) -> Scene:
    """What is heard of the motion, at the times at which it is shown."""
    shown = np.arange(len(moments)) / float(request.delivery.fps)
    bounces = [impact for impact in impacts if impact.bounce and impact.moment <= moments[-1]]
    hits = [Hit(float(np.interp(i.moment, moments, shown)), min(1.0, i.strength / 2), i.place) for i in bounces]
    speed, place = (np.interp(moments, _between(motion), values) for values in (motion.speed, motion.place))
    return Scene(request.prompt, request.seed, hits, speed, place)


def _between(motion: Motion) -> npt.NDArray[np.floating[Any]]:
    """The moments, between two frames of the clip, that the measured motion is of."""
    return (np.arange(len(motion.speed)) + 0.5) / motion.fps


def _speeds(motion: Motion, moments: Sequence[Fraction]) -> list[float]:
    """CURVE speeds, evenly spread over the finished clip."""
    chosen = [float(moments[round(i)]) for i in np.linspace(0, len(moments) - 1, CURVE)]
    return [round(float(speed), 3) for speed in np.interp(chosen, _between(motion), motion.speed)]
