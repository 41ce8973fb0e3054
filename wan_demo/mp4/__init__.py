"""The one writer of video files, which are MP4, and the one reader, of any usual kind.

A file written here is H.264, H.265 or AV1 (yuv420p) with AAC in MP4. Its colours are BT.709 in limited range, converted
and tagged so: a plain RGB pipe to ffmpeg writes untagged BT.601, which players show up to 40 of 255 off.
"""

from wan_demo.mp4.reader import BT709, Planes, Probe, SoundProbe, frame_count, probe, read, read_planes, read_tags
from wan_demo.mp4.writer import CODECS, Extras, Writer, encoded, replaced_when_done, write, write_frames

__all__ = [
    "BT709",
    "CODECS",
    "Extras",
    "Planes",
    "Probe",
    "SoundProbe",
    "Writer",
    "encoded",
    "frame_count",
    "probe",
    "read",
    "read_planes",
    "read_tags",
    "replaced_when_done",
    "write",
    "write_frames",
]
