"""Is this file ours, and is it as we published it? The signature tells; metadata tells what is left when it is gone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_demo import mp4
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.metadata import has_xmp, mark_in
from wan_demo.provenance.signature import Signature, read_signature
from wan_demo.store import Records

INTACT, ALTERED, NO_TRACE = "ours and intact", "ours, but altered", "no trace of ours"


@dataclass(frozen=True)
class Finding:
    """verdict: INTACT, ALTERED or NO_TRACE; signature: see Signature.state; mark: the clip's name, where it is ours;
    missing: what a file of ours has and this one lacks; record: the clip's report, where this machine made it."""

    verdict: str
    signature: str
    mark: str | None
    missing: tuple[str, ...]
    record: dict[str, Any] | None

    @property
    def sentence(self) -> str:
        """The finding in a sentence or two."""
        parts = [f"{self.verdict.capitalize()}" + (f": clip {self.mark}." if self.mark else ".")]
        if self.signature == "altered":
            parts.append("The file was changed after it was signed.")
        if self.signature == "foreign":
            parts.append("It is signed by somebody else.")
        if self.verdict == ALTERED and self.missing:
            parts.append(f"Missing: {', '.join(self.missing)}.")
        if self.mark:
            parts.append(
                "This machine has no record of it." if self.record is None else f"Prompt: {self.record['prompt']}"
            )
        return " ".join(parts)


def check(path: Path, identity: Identity, records: Records) -> Finding:
    """Read a video file.

    Raises:
        ValueError: it cannot be read as an MP4 video.
    """
    said = mark_in(mp4.read_tags(path))
    signature = read_signature(path, identity)
    mark = signature.mark or (said if said and identity.made(said) else None)
    missing = [
        name
        for name, there in (
            ("C2PA manifest", signature.state != "missing"),
            ("AIGC label", said is not None),
            ("IPTC source type", has_xmp(path)),
        )
        if not there
    ]
    return Finding(
        _verdict(signature, mark), signature.state, mark, tuple(missing), records.find(mark) if mark else None
    )


def _verdict(signature: Signature, mark: str | None) -> str:
    if signature.state == "intact":
        return INTACT
    return ALTERED if mark or signature.state == "altered" else NO_TRACE
