"""The one writer of video files, which are MP4, and the one reader, of any usual kind.

A file written here is H.264 (yuv420p) in MP4. Its colours are BT.709 in limited range, converted and tagged so: a plain
RGB pipe to ffmpeg writes untagged BT.601, which players show up to 40 of 255 off.
"""

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer, OutputContainer
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream

from wan_demo.clip import Clip

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB

BT709 = 1  # the code of BT.709 as primaries, as transfer and as matrix (ITU-T H.273); 2 means "not said"

# Where in a file, which bytes, ffmpeg's name of the format. It is told the name because, left to guess, it would
# follow a playlist to the files and addresses in it.
_FORMATS = (
    (4, b"ftyp", "mp4"),
    (4, b"moov", "mp4"),
    (4, b"mdat", "mp4"),
    (4, b"wide", "mp4"),
    (4, b"free", "mp4"),
    (0, b"\x1aE\xdf\xa3", "matroska"),  # WebM too
    (0, b"RIFF", "avi"),
    (0, b"GIF8", "gif"),
    (0, b"FLV", "flv"),
    (0, b"OggS", "ogg"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),  # WMV
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (188, b"G", "mpegts"),  # packets of 188 bytes that begin with G
)
KEYS_ONLY = 30  # frames apart, from which on only those are decoded that are encoded by themselves

# Exact rounding, and no pixel skipped when colour is halved or doubled in width; the same on every processor.
_SCALER = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)


@dataclass(frozen=True)
class Probe:
    """What a video file holds. frames is counted by decoding; the colour tags are H.273 codes (see BT709)."""

    width: int
    height: int
    fps: Fraction
    frames: int
    pix_fmt: str
    primaries: int
    transfer: int
    matrix: int


def write(clip: Clip, path: Path, tags: Mapping[str, str] | None = None) -> None:
    """Write the clip as an MP4 at path, whole or not at all. Raises as write_frames does."""
    write_frames(clip.frames, clip.fps, path, tags)


def write_frames(frames: Iterable[Frame], fps: Fraction, path: Path, tags: Mapping[str, str] | None = None) -> None:
    """Write frames, each (H, W, 3) uint8 RGB and all of one size, as an MP4 at path, while they are being made.

    A file already at path stays as it is until the new one is complete and has been read back. The same frames give
    the same bytes. fps is frames per second; tags: metadata, any keys.

    Raises ValueError when there is no frame, when a frame has another size than the first, or when a side is odd;
    RuntimeError when the file read back is not what was asked for; OSError when the folder cannot be written.
    """
    source = iter(frames)
    first = next(source, None)
    if first is None:
        raise ValueError("A video needs at least one frame.")
    height, width = first.shape[:2]
    if width % 2 or height % 2:
        raise ValueError(f"An MP4 (yuv420p) needs an even width and height, not {width}x{height}.")
    with replaced_when_done(path) as temporary:
        count = _encode(chain([first], source), (width, height), fps, temporary, tags or {})
        asked = Probe(width, height, fps, count, "yuv420p", BT709, BT709, BT709)
        found = probe(temporary)
        if found != asked:
            raise RuntimeError(f"The video written for {path} reads back as {found}; {asked} was asked for.")


def probe(path: Path) -> Probe:
    """Read a video's facts, decoding every frame. Raises ValueError when it cannot be read as a video."""
    with _opened(path) as (container, stream):
        frames = sum(1 for _ in container.decode(stream))
        return Probe(
            width=stream.width,
            height=stream.height,
            fps=_fps(stream, path),
            frames=frames,
            pix_fmt=stream.pix_fmt or "",
            primaries=stream.color_primaries,
            transfer=stream.color_trc,
            matrix=stream.colorspace,
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
        frames = [_to_rgb(frame) for frame in container.decode(stream)]
        if not frames:
            raise ValueError(f"{path} holds no video frame.")
        return Clip(np.stack(frames), _fps(stream, path))


@dataclass(frozen=True)
class Planes:
    """A decoded frame as it is stored: luma (H, W), blue (H/2, W/2) uint8; key: it was encoded by itself."""

    luma: npt.NDArray[np.uint8]
    blue: npt.NDArray[np.uint8]
    key: bool


def read_planes(path: Path, every: int = 1) -> Iterator[Planes]:
    """Every so-manieth frame of a video and all its key frames; with `every` KEYS_ONLY or more, these alone.

    Raises ValueError when it cannot be read as a video.
    """
    with _opened(path) as (container, stream):
        if every >= KEYS_ONLY:
            stream.codec_context.skip_frame = "NONKEY"
        for i, frame in enumerate(container.decode(stream)):
            if i % every == 0 or frame.key_frame:
                picture = frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
                yield Planes(_plane(picture.planes[0]), _plane(picture.planes[1]), frame.key_frame)


def _plane(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.ascontiguousarray(rows[:, : plane.width])


def frame_count(path: Path) -> int:
    """About how many frames a video has, by its own words; 0 when it says nothing. Raises ValueError when it cannot be
    read as a video."""
    with _opened(path) as (container, stream):
        seconds = (container.duration or 0) / av.time_base
        return stream.frames or round(seconds * (stream.average_rate or 0))


@contextmanager
def replaced_when_done(path: Path) -> Iterator[Path]:
    """Lend a temporary path beside path; move it to path on success, and leave nothing behind on any failure."""
    target = path.absolute()  # ffmpeg takes a relative name with a colon in it for a web address
    temporary = target.with_name(f".{uuid.uuid4().hex}.part")  # same folder, so that os.replace is one step
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _encode(frames: Iterable[Frame], size: tuple[int, int], fps: Fraction, path: Path, tags: Mapping[str, str]) -> int:
    """Encode frames of size = (width, height) into an MP4 at path; returns how many there were."""
    count = 0
    # without use_metadata_tags only the few keys are kept that iTunes knows
    options = {"movflags": "+faststart+use_metadata_tags" if tags else "+faststart"}
    with av.open(path, "w", format="mp4", options=options) as container:
        container.metadata.update(tags)
        stream = _add_stream(container, size, fps)
        for frame in frames:
            if frame.shape != (size[1], size[0], 3) or frame.dtype != np.uint8:
                raise ValueError(f"Frame {count} is {frame.dtype} {frame.shape}; the first is {size[0]}x{size[1]} RGB.")
            picture = _to_yuv(frame)
            picture.pts, picture.time_base = count, 1 / fps
            container.mux(stream.encode(picture))
            count += 1
        container.mux(stream.encode(None))
    return count


def _add_stream(container: OutputContainer, size: tuple[int, int], fps: Fraction) -> VideoStream:
    # bitexact keeps the version of the library out of the file; x264 writes its own all the same.
    # Without mbtree: on processors with AVX-512 it gave narrow clips other bytes every time.
    options = {"crf": "17", "preset": "fast", "flags": "+bitexact", "x264-params": "mbtree=0"}
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.color_primaries = BT709
    stream.codec_context.color_trc = BT709
    stream.codec_context.colorspace = BT709
    stream.codec_context.color_range = ColorRange.MPEG
    stream.codec_context.thread_count = 1  # x264's choices, and so the bytes, depend on the number of threads
    return stream


def _to_yuv(frame: Frame) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_SCALER,
        threads=1,
    )


def _to_rgb(frame: av.VideoFrame) -> Frame:
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SCALER,
        threads=1,
    )
    return np.asarray(rgb.to_ndarray(), np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file and its first video stream; what ffmpeg cannot read becomes a ValueError."""
    try:
        with av.open(path.absolute(), format=_format(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} holds no video.")
            yield container, container.streams.video[0]
    except (av.FFmpegError, FileNotFoundError) as error:
        raise ValueError(f"{path} cannot be read as a video: {error.strerror}.") from error


def _format(path: Path) -> str:
    """ffmpeg's name for the format of a file, by its first bytes. Raises ValueError when it is not one of _FORMATS."""
    with path.open("rb") as file:
        head = file.read(256)
    for place, signature, name in _FORMATS:
        if head[place:].startswith(signature):
            return name
    raise ValueError(f"{path} cannot be read as a video: it is of no kind that is known here.")


def _fps(stream: VideoStream, path: Path) -> Fraction:
    if not stream.average_rate:
        raise ValueError(f"{path} does not say its frame rate.")
    return stream.average_rate
