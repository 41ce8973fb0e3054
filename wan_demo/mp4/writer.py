"""Writes video files, frame by frame, whole or not at all."""

import os
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.subtitles.stream import SubtitleStream
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from wan_demo.clip import RATE, Caption, Clip, Sound
from wan_demo.mp4.colour import BT709, Frame, to_yuv
from wan_demo.mp4.reader import probe

# name -> encoder, its options, the name of the format inside an MP4. What an encoder chooses, and so its bytes, must
# not depend on the number of threads. x264 without mbtree: on processors with AVX-512 it gave narrow clips other bytes
# every time.
CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    "h264": ("libx264", {"crf": "17", "preset": "fast", "x264-params": "mbtree=0"}, "avc1"),
    "h265": (
        "libx265",
        {"crf": "19", "preset": "fast", "x265-params": "log-level=error:pools=none:frame-threads=1"},
        "hvc1",  # Apple's players know no other
    ),
    "av1": ("libsvtav1", {"crf": "24", "preset": "8", "svtav1-params": "lp=1"}, "av01"),
}
SOUND_BITS = 256_000  # a second; AAC at this rate is hard to tell from its source

# What ffmpeg wants to know of how captions look, before it writes any; MP4 players use their own style.
_STYLE = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, BackColour, Alignment
Style: Default,Arial,16,&Hffffff,&H0,2

[Events]
Format: Layer, Start, End, Style, Text
"""


@dataclass(frozen=True)
class Extras:
    """What goes into a file beside its frames. tags: metadata, any keys. captions: in time order, a track of text."""

    tags: Mapping[str, str] = field(default_factory=dict)
    sound: Sound | None = None
    captions: Sequence[Caption] = ()


class Writer:
    """An MP4 that is being written. Use it through `encoded`."""

    def __init__(self, container: OutputContainer, codec: str, fps: Fraction, extras: Extras) -> None:
        self.container, self.codec, self.fps, self.extras = container, codec, fps, extras
        self.count = 0
        self.size = 0, 0

    def add(self, frame: Frame) -> None:
        """Encode one more frame (H, W, 3) uint8 RGB.

        Raises ValueError when it has another size than the first, or when a side is odd.
        """
        height, width = frame.shape[:2]
        if self.count == 0:
            self._open(width, height)
        if frame.shape != (self.size[1], self.size[0], 3) or frame.dtype != np.uint8:
            first = f"{self.size[0]}x{self.size[1]}"
            raise ValueError(f"Frame {self.count} is {frame.dtype} {frame.shape}; the first is {first} RGB.")
        picture = to_yuv(frame)
        picture.pts, picture.time_base = self.count, 1 / self.fps
        self.container.mux(self.video.encode(picture))
        self.count += 1
        if self.sound is not None:  # in step with the pictures, so that neither waits in memory for the other
            self._add_sound(self.sound, round(self.count / self.fps * RATE))

    def finish(self) -> None:
        """Write what is still held back. Raises ValueError when there was no frame."""
        if self.count == 0:
            raise ValueError("A video needs at least one frame.")
        self.container.mux(self.video.encode(None))
        if self.sound is not None:
            self.container.mux(self.sound.encode(None))

    def _open(self, width: int, height: int) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"An MP4 (yuv420p) needs an even width and height, not {width}x{height}.")
        self.size = width, height
        self.container.metadata.update(self.extras.tags)
        self.video = _add_video(self.container, self.codec, self.size, self.fps)
        self.video.codec_context.open()
        _take_usual_priority()
        self.sound = None if self.extras.sound is None else _add_sound(self.container)
        self.sound_done = 0
        if self.extras.captions:
            _add_captions(self.container, self.extras.captions)

    def _add_sound(self, stream: AudioStream, end: int) -> None:
        assert self.extras.sound is not None
        samples = self.extras.sound.samples[self.sound_done : end]
        if len(samples):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, self.sound_done, Fraction(1, RATE)
            self.container.mux(stream.encode(frame))
            self.sound_done += len(samples)


def _take_usual_priority() -> None:
    """In every thread: where we are root, SVT-AV1 makes its own, and the one that opens it, realtime ones, which starve
    everything else on the machine."""
    if sys.platform == "linux":
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def encoded(path: Path, fps: Fraction, codec: str = "h264", extras: Extras | None = None) -> Iterator[Writer]:
    """Lend a Writer; the MP4 at path is complete when the block ends, and what is there after a failure is not.

    fps: frames per second; codec: one of CODECS. Sound that lasts longer than the frames is cut with them.
    The same frames give the same bytes.

    Raises ValueError as Writer does; OSError when the file cannot be written.
    """
    extras = extras or Extras()
    # without use_metadata_tags only the few keys are kept that iTunes knows
    options = {"movflags": "+faststart+use_metadata_tags" if extras.tags else "+faststart"}
    with av.open(path.absolute(), "w", format="mp4", options=options) as container:
        writer = Writer(container, codec, fps, extras)
        yield writer
        writer.finish()


def write(clip: Clip, path: Path, tags: Mapping[str, str] | None = None) -> None:
    """Write the clip as an H.264 MP4 at path, whole or not at all.

    A file already at path stays as it is until the new one is complete and has been read back. tags: metadata.

    Raises as write_frames does.
    """
    write_frames(clip.frames, clip.fps, path, Extras(tags or {}))


def write_frames(
    frames: Iterable[Frame], fps: Fraction, path: Path, extras: Extras | None = None, codec: str = "h264"
) -> None:
    """The same for frames, each (H, W, 3) uint8 RGB and all of one size, that are still being made.

    Raises ValueError as Writer does; RuntimeError when the file read back is not what was asked for; OSError when the
    folder cannot be written.
    """
    with replaced_when_done(path) as temporary:
        with encoded(temporary, fps, codec, extras) as writer:
            for frame in frames:
                writer.add(frame)
        found = probe(temporary)
        asked = (writer.size, fps, writer.count, (BT709, BT709, BT709))
        if (found.size, found.fps, found.frames, found.colour) != asked:
            raise RuntimeError(f"The video written for {path} reads back as {found}; {asked} was asked for.")


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


def _add_video(container: OutputContainer, codec: str, size: tuple[int, int], fps: Fraction) -> VideoStream:
    name, options, tag = CODECS[codec]
    os.environ.setdefault("SVT_LOG", "1")  # errors alone: libsvtav1 writes a page on stderr else
    # bitexact keeps the version of the library out of the file; x264 writes its own all the same
    stream = container.add_stream(name, rate=fps, options={**options, "flags": "+bitexact"})
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.codec_tag = tag
    stream.codec_context.color_primaries = BT709
    stream.codec_context.color_trc = BT709
    stream.codec_context.colorspace = BT709
    stream.codec_context.color_range = ColorRange.MPEG
    stream.codec_context.thread_count = 1
    return stream


def _add_sound(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=RATE, options={"flags": "+bitexact"})
    assert isinstance(stream, AudioStream)
    stream.layout = "stereo"
    stream.bit_rate = SOUND_BITS
    return stream


def _add_captions(container: OutputContainer, captions: Sequence[Caption]) -> None:
    """A track of timed text (3GPP TS 26.245): each sample is the length of its text and the text."""
    stream = container.add_stream("mov_text")
    assert isinstance(stream, SubtitleStream)
    stream.codec_context.subtitle_header = _STYLE
    stream.time_base = Fraction(1, 1000)
    shown = 0
    samples = []
    for caption in captions:
        start, end = round(caption.start_s * 1000), round(caption.end_s * 1000)
        samples += [(shown, start, ""), (start, end, caption.text)]  # the track has no holes: nothing is a text, too
        shown = end
    for start, end, text in [*samples, (shown, shown + 1, "")]:
        if end > start:
            data = text.encode()
            packet = av.Packet(len(data).to_bytes(2, "big") + data)
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts, packet.dts, packet.duration = start, start, end - start
            container.mux(packet)
