"""Reads what a video file holds."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from wan_demo.clip import Clip
from wan_demo.formats import video_format
from wan_demo.mp4.colour import BT709, to_rgb

__all__ = ["BT709", "Planes", "Probe", "SoundProbe", "frame_count", "probe", "read", "read_planes", "read_tags"]

KEYS_ONLY = 30  # frames apart, from which on only those are decoded that are encoded by themselves
MOST_PIXELS = 8192 * 4320  # of a frame: a few bytes can ask for gigabytes of a decoder
MOST_DECODED = 4000  # frames of a file whose pictures are looked at here and there


@dataclass(frozen=True)
class SoundProbe:
    """The sound of a video file; when it starts and ends, in seconds, as the file says."""

    codec: str
    rate: int
    channels: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Probe:
    """What a video file holds. frames is counted by decoding.

    size: width, height. codec: ffmpeg's name. colour: primaries, transfer and matrix, H.273 codes (see BT709). start_s:
    of the first frame.
    """

    size: tuple[int, int]
    fps: Fraction
    frames: int
    codec: str
    pix_fmt: str
    colour: tuple[int, int, int]
    start_s: float
    sound: SoundProbe | None = None


@dataclass(frozen=True)
class Planes:
    """A decoded frame as it is stored: luma (H, W), blue (H/2, W/2) uint8; key: it was encoded by itself; second: when
    it is shown, as the file says."""

    luma: npt.NDArray[np.uint8]
    blue: npt.NDArray[np.uint8]
    key: bool
    second: float


def probe(path: Path, look: Callable[[Planes], None] | None = None) -> Probe:
    """Read a video's facts, decoding every frame. look: is shown each.

    Raises ValueError when it cannot be read as a video.
    """
    with _opened(path) as (container, stream):
        count, start_s = 0, 0.0
        for count, frame in enumerate(container.decode(stream), 1):
            if count == 1:
                start_s = float(frame.time or 0)
            if look is not None:
                look(_planes(frame))
        return Probe(
            size=(stream.width, stream.height),
            fps=_fps(stream, path),
            frames=count,
            codec=stream.codec_context.codec.canonical_name,
            pix_fmt=stream.pix_fmt or "",
            colour=(stream.color_primaries, stream.color_trc, stream.colorspace),
            start_s=start_s,
            sound=_sound(container),
        )


def read_tags(path: Path) -> dict[str, str]:
    """The video's metadata. Raises ValueError when it cannot be read as a video."""
    with _opened(path) as (container, _):
        return dict(container.metadata)


def read(path: Path) -> Clip:
    """Decode a video, taken as limited-range BT.709 whatever its tags say, into a clip held in memory whole.

    Raises ValueError when it cannot be read as a video.
    """
    with _opened(path) as (container, stream):
        frames = [to_rgb(frame) for frame in container.decode(stream)]
        if not frames:
            raise ValueError(f"{path} holds no video frame: choose another file.")
        return Clip(np.stack(frames), _fps(stream, path))


def read_planes(path: Path, every: int = 1) -> Iterator[Planes]:
    """Every so-manieth frame of a video and its key frames; with `every` KEYS_ONLY or more, these alone.

    Key frames that stand closer than that are left out, as where each frame is one. At most MOST_DECODED frames are
    decoded: what a file says of its length may be wrong.

    Raises ValueError when it cannot be read as a video.
    """
    with _opened(path) as (container, stream):
        if every >= KEYS_ONLY:
            stream.codec_context.skip_frame = "NONKEY"
        apart, last = every / (stream.average_rate or 1), -math.inf
        for i, frame in enumerate(islice(container.decode(stream), MOST_DECODED)):
            second = frame.time or 0.0
            key = frame.key_frame and not 0 < second - last < apart
            last = second if key else last
            if key or (i % every == 0 and every < KEYS_ONLY):
                yield _planes(frame)


def frame_count(path: Path) -> int:
    """About how many frames a video has, by its own words; 0 when it says nothing. Raises ValueError when it cannot be
    read as a video."""
    with _opened(path) as (container, stream):
        seconds = (container.duration or 0) / av.time_base
        return stream.frames or round(seconds * (stream.average_rate or 0))


def _planes(frame: av.VideoFrame) -> Planes:
    picture = frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
    return Planes(_plane(picture.planes[0]), _plane(picture.planes[1]), frame.key_frame, frame.time or 0.0)


def _plane(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.ascontiguousarray(rows[:, : plane.width])


def _sound(container: InputContainer) -> SoundProbe | None:
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    start, length = ((value or 0) * (stream.time_base or 0) for value in (stream.start_time, stream.duration))
    name = stream.codec_context.codec.canonical_name
    return SoundProbe(name, stream.rate, stream.channels, float(start), float(start + length))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file and its first video stream; what ffmpeg cannot read becomes a ValueError."""
    try:
        kind = video_format(path)
        if kind is None:
            raise ValueError(f"{path} cannot be read as a video (its kind is not known here): choose another file.")
        limit = {"max_pixels": str(MOST_PIXELS)}
        with av.open(path.absolute(), format=kind, options=limit) as container:
            if not container.streams.video:
                raise ValueError(f"{path} holds no video: choose another file.")
            stream = container.streams.video[0]
            decoder: VideoCodecContext | None = stream.codec_context
            if decoder is None:
                raise ValueError(
                    f"{path} cannot be read as a video (its encoding is not known here): choose another file."
                )
            decoder.options = limit
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a video ({error.strerror}): choose another file.") from error


def _fps(stream: VideoStream, path: Path) -> Fraction:
    if not stream.average_rate:
        raise ValueError(f"{path} does not say its frame rate.")
    return stream.average_rate
