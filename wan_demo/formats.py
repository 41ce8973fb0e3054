"""Which kind of media file is this? Told by its first bytes.

ffmpeg is told the kind because, left to guess, it would follow a playlist to the files and addresses in it.
"""

from pathlib import Path

# Where in a file, which bytes, ffmpeg's name of the format.
_VIDEO = (
    (4, b"ftyp", "mp4"),  # M4A too
    (4, b"moov", "mp4"),
    (4, b"mdat", "mp4"),
    (4, b"wide", "mp4"),
    (4, b"free", "mp4"),
    (0, b"\x1aE\xdf\xa3", "matroska"),  # WebM too
    (8, b"AVI ", "avi"),
    (0, b"GIF8", "gif"),
    (0, b"FLV", "flv"),
    (0, b"OggS", "ogg"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),  # WMV, WMA
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (188, b"G", "mpegts"),  # packets of 188 bytes that begin with G
)
_SOUND = (
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (0, b"#!AMR", "amr"),
    (0, b".snd", "au"),
    (0, b"caff", "caf"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xfa", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
)


def video_format(path: Path) -> str | None:
    """ffmpeg's name for the format of a video file, None for what is none. Raises OSError when it cannot be read."""
    return _find(path, _VIDEO)


def sound_format(path: Path) -> str | None:
    """The same for a file that may hold sound, alone or with a video."""
    return _find(path, _VIDEO + _SOUND)


def _find(path: Path, known: tuple[tuple[int, bytes, str], ...]) -> str | None:
    with path.open("rb") as file:
        head = file.read(256)
    return next((name for place, signature, name in known if head[place:].startswith(signature)), None)
