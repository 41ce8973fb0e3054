"""Is this file ours, and is it as we published it? The signature tells; where it is gone, the watermark does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from wan_demo import mp4
from wan_demo.provenance.detector import Picture, find_mark
from wan_demo.provenance.fingerprint import ALIKE, Fingerprint
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.metadata import has_xmp, mark_in
from wan_demo.provenance.signature import read_signature

INTACT, ALTERED, NO_TRACE = "ours and intact", "ours, but altered", "no trace of ours"
Sets = Sequence[Sequence[Picture]]
Known = Callable[[str], bytes | None]
PICTURES = 64  # frames, spread over a file, in which the watermark is looked for
SIDES, NARROWEST = (16, 8192), 8  # pixels of a side, and how many times the shorter the longer may be


@dataclass(frozen=True)
class Finding:
    """verdict: INTACT, ALTERED or NO_TRACE; signature: see Signature.state; watermark: "ours", "copied" (ours, but laid
    over this clip later), "doubtful" (ours, but too little is left of the clip to tell), or "none"; mark: the clip's
    name, where it is ours; missing: what a file of ours has and this one lacks; source: the name of the clip that a
    copied or doubtful watermark is of."""

    verdict: str
    signature: str
    watermark: str
    mark: str | None
    missing: tuple[str, ...]
    source: str | None = None

    def sentence(self, record: Mapping[str, Any] | None) -> str:
        """The finding in a few sentences. record: the clip's report, where this machine made it."""
        parts = [f"{self.verdict.capitalize()}" + (f": clip {self.mark}." if self.mark else ".")]
        if self.signature == "altered":
            parts.append("The file was changed after it was signed.")
        if self.signature == "foreign":
            parts.append("Its signature is not ours.")
        if self.watermark == "copied":
            parts.append(f"The watermark of our clip {self.source} was copied onto this other picture.")
        if self.watermark == "doubtful":
            parts.append(
                f"It has the watermark of our clip {self.source}, but too few pictures to tell whether it shows that"
                " clip: check a longer part of it."
            )
        if self.verdict == ALTERED and self.missing:
            parts.append(f"Missing: {', '.join(self.missing)}.")
        if self.mark:
            parts.append("This machine has no record of it." if record is None else f"Prompt: {record['prompt']}")
        return " ".join(parts)


def check(path: Path, identity: Identity, known: Known = lambda _: None, sets: Sets | None = None) -> Finding:
    """Read a video file of any kind that `mp4` knows. Its metadata counts for nothing by itself: anyone can copy it.

    known: the stored fingerprint of a mark's clip, where there is one. Without one, it is estimated from the watermark
    whether that was copied, which fails between clips of one prompt. sets: its pictures, where they have been read.

    Raises:
        ValueError: it cannot be read as a video, and nothing in it says that it was one of ours.
    """
    try:
        signature = read_signature(path, identity)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a video ({error.strerror}): choose another file.") from None
    said, watermark, seen = None, "none", None
    try:
        said = mark_in(mp4.read_tags(path))
        watermark, seen = read_watermark(sets or pictures_of(path), identity, known)
    except ValueError:
        if signature.state != "altered":  # else the change that broke it is the finding
            raise
    if signature.state == "intact" and seen == signature.mark:
        watermark = "ours"  # proven: we signed these very pixels; how far a mark fits its clip is but an estimate
    mark = signature.mark or (seen if watermark == "ours" else None)
    carries = {
        "C2PA manifest": signature.state != "missing",
        "watermark": watermark == "ours" and seen == mark,
        "AIGC label": said is not None,
        "IPTC source type": has_xmp(path),
    }
    missing = tuple(name for name, there in carries.items() if not there)
    source = seen if watermark in ("copied", "doubtful") else None
    return Finding(_verdict(signature.state, mark), signature.state, watermark, mark, missing, source)


def read_watermark(sets: Sets, identity: Identity, known: Known) -> tuple[str, str | None]:
    """Finding.watermark and the mark it carries. sets: see `pictures_of`."""
    reading = find_mark(sets, identity.carrier_key, lambda payload: identity.made(payload.hex()))
    if reading is None:
        return "none", None
    mark, stored = reading.payload.hex(), known(reading.payload.hex())
    if not stored:
        return "copied" if reading.copied else "ours", mark
    alike = Fingerprint.from_bytes(stored).likeness(sets[0], reading.pose)
    if alike is None:
        return "copied" if reading.copied else "doubtful", mark
    return "copied" if alike < ALIKE else "ours", mark


def pictures_of(path: Path) -> list[list[Picture]]:
    """Pictures from all over a video file, and its key frames by themselves.

    Raises:
        ValueError: the file cannot be read as a video, or has pictures of a shape that is not looked into.
    """
    pictures, keys = list[Picture](), list[Picture]()
    for frame in islice(mp4.read_planes(path, max(1, mp4.frame_count(path) // PICTURES)), 2 * PICTURES):
        short, long = sorted(frame.luma.shape)
        if short < SIDES[0] or long > SIDES[1] or long > NARROWEST * short:
            raise ValueError(
                f"The pictures of {path} are {frame.luma.shape[1]}x{frame.luma.shape[0]}: check a video with sides of"
                f" {SIDES[0]} to {SIDES[1]} pixels, one at most {NARROWEST} times the other."
            )
        pictures.append(Picture.of(frame.luma, frame.blue, frame.second))
        if pictures[-1].luma.shape != pictures[0].luma.shape:
            raise ValueError(f"The pictures of {path} change their shape: check one part of it at a time.")
        keys += [pictures[-1]] if frame.key else []
    if not pictures:
        raise ValueError(f"{path} holds no video frame: choose another file.")
    return [pictures, keys] if 0 < len(keys) < len(pictures) else [pictures]


def _verdict(signature: str, mark: str | None) -> str:
    if signature == "intact":
        return INTACT
    return ALTERED if mark or signature == "altered" else NO_TRACE
