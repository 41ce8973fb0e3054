"""Reads the sound of any usual sound or video file."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from wan_demo.clip import RATE, Sound
from wan_demo.formats import sound_format
from wan_demo.presets import Preset
from wan_demo.request import Request, RequestError

LOUDEST = 1e6  # times full scale
LEAST_S = 0.5  # of a clip that is as long as its sound
MOST_BROKEN = 0.05  # the share of packets that may be unreadable; a few are common in files that were cut


def read_sound(path: Path, longest_s: float) -> Sound:
    """The first `longest_s` seconds of the sound in a file, or all where it is shorter; more is not read.

    Any rate becomes RATE, one channel is doubled, and more than two are mixed down as ffmpeg does it.

    Raises:
        RequestError: it holds no sound, or is damaged.
    """
    name = path.name
    try:
        kind = sound_format(path)
        if kind is None:
            raise RequestError(f"{name} is no sound or video file of a kind that is known here: choose another.")
        with av.open(path.absolute(), format=kind) as container:
            if not container.streams.audio:
                raise RequestError(f"{name} holds no sound: choose another file.")
            samples = _samples(container, container.streams.audio[0], round(longest_s * RATE), name)
    except (av.FFmpegError, OSError) as error:
        raise RequestError(f"{name} cannot be read as sound ({error.strerror}): choose another file.") from None
    if not len(samples):
        raise RequestError(f"{name} holds no sound: choose another file.")
    return Sound(samples)


def as_long_as_its_sound(request: Request, preset: Preset) -> tuple[Request, Sound | None]:
    """The request, as long as its sound's file where that is wanted; and that sound, no longer than the clip can be.

    Raises:
        RequestError: the file cannot be read, or is too short.
    """
    sound = request.sound
    if sound.file is None:
        return request, None
    read = read_sound(sound.file, preset.longest_s if sound.fit == "clip" else request.duration_s)
    if sound.fit == "clip":
        if read.duration_s < LEAST_S:
            raise RequestError(f"{sound.file.name} is too short to be a clip's length: choose another fit.")
        request = replace(request, duration_s=float(read.duration_s))
    return request, read


def _samples(container: InputContainer, stream: AudioStream, most: int, name: str) -> npt.NDArray[np.float32]:
    """(N, 2), N at most `most`."""
    parts: list[npt.NDArray[np.float32]] = []
    resampler, kind = None, None
    for frame in _frames(container, stream, name):
        if (frame.format.name, frame.layout.name, frame.sample_rate) != kind:  # it may change within a file
            parts += _resampled(resampler, None)
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE)
        parts += _resampled(resampler, frame)
        if sum(map(len, parts)) >= most:
            break
    parts += _resampled(resampler, None)
    whole = np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
    # A float WAV may hold anything. What is louder than LOUDEST has no square in 32 bits.
    return np.clip(np.nan_to_num(whole[:most], posinf=0, neginf=0), -LOUDEST, LOUDEST)


def _resampled(resampler: av.AudioResampler | None, frame: av.AudioFrame | None) -> list[npt.NDArray[np.float32]]:
    """A frame, or with None what is left in the resampler, as samples (N, 2)."""
    if resampler is not None:
        with suppress(av.EOFError):  # nothing is left in it
            return [made.to_ndarray().reshape(-1, 2).astype(np.float32) for made in resampler.resample(frame)]
    return []


def _frames(container: InputContainer, stream: AudioStream, name: str) -> Iterator[av.AudioFrame]:
    """Decode, without the few packets that cannot be."""
    packets = broken = 0
    for packet in container.demux(stream):
        packets += 1
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            broken += 1
            continue
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)
            yield frame
    if broken > max(1, MOST_BROKEN * packets):
        raise RequestError(f"{name} is damaged ({broken} of its {packets} parts cannot be read): choose another file.")
