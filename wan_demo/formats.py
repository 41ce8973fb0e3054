"""Which kind of media file is this? Told by its first bytes.

ffmpeg is told the kind because, left to guess, it would follow a playlist to the files and addresses in it.
"""

import re
from pathlib import Path

# The first bytes (. is any one), ffmpeg's name of the format.
_VIDEO = (
    (rb".{4}(ftyp|moov|mdat|wide|free)", "mp4"),  # M4A too
    (rb"\x1aE\xdf\xa3", "matroska"),  # WebM too
    (rb"RIFF.{4}AVI ", "avi"),
    (rb"GIF8", "gif"),
    (rb"FLV", "flv"),
    (rb"OggS", "ogg"),
    (rb"0&\xb2u\x8ef\xcf\x11", "asf"),  # WMV, WMA
    (rb"\x00\x00\x01\xba", "mpeg"),
    (rb"G.{187}G", "mpegts"),  # packets of 188 bytes that begin with G
)
_SOUND = (
    (rb"(RIFF|RF64).{4}WAVE", "wav"),
    (rb"fLaC", "flac"),
    (rb"FORM.{4}AIF[FC]", "aiff"),
    (rb"#!AMR", "amr"),
    (rb"\.snd", "au"),
    (rb"caff", "caf"),
    (rb"ID3|\xff[\xfb\xfa\xf3\xf2\xe3\xe2]", "mp3"),
    (rb"\xff[\xf1\xf9]", "aac"),
)


def video_format(path: Path) -> str | None:
    """ffmpeg's name for the format of a video file, None for what is none. Raises OSError when it cannot be read."""
    return _find(path, _VIDEO)


def sound_format(path: Path) -> str | None:
    """The same for a file that may hold sound, alone or with a video."""
    return _find(path, _VIDEO + _SOUND)


def _find(path: Path, known: tuple[tuple[bytes, str], ...]) -> str | None:
    with path.open("rb") as file:
        head = file.read(256)
    return next((name for pattern, name in known if re.match(pattern, head, re.DOTALL)), None)
