"""Is this file ours, and is it as we published it? The signature tells; metadata tells what is left when it is gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_demo import mp4
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.metadata import has_xmp, mark_in
from wan_demo.provenance.signature import read_signature

INTACT, ALTERED, NO_TRACE = "ours and intact", "ours, but altered", "no trace of ours"


@dataclass(frozen=True)
class Finding:
    """verdict: INTACT, ALTERED or NO_TRACE; signature: see Signature.state; mark: the clip's name, where it is ours;
    missing: what a file of ours has and this one lacks."""

    verdict: str
    signature: str
    mark: str | None
    missing: tuple[str, ...]

    def sentence(self, record: Mapping[str, Any] | None) -> str:
        """The finding in a sentence or two. record: the clip's report, where this machine made it."""
        parts = [f"{self.verdict.capitalize()}" + (f": clip {self.mark}." if self.mark else ".")]
        if self.signature == "altered":
            parts.append("The file was changed after it was signed.")
        if self.signature == "foreign":
            parts.append("Its signature is not ours.")
        if self.verdict == ALTERED and self.missing:
            parts.append(f"Missing: {', '.join(self.missing)}.")
        if self.mark:
            parts.append("This machine has no record of it." if record is None else f"Prompt: {record['prompt']}")
        return " ".join(parts)


def check(path: Path, identity: Identity) -> Finding:
    """Read a video file.

    Raises:
        ValueError: it cannot be read as an MP4 video.
    """
    said = mark_in(mp4.read_tags(path))
    signature = read_signature(path, identity)
    mark = next((m for m in (signature.mark, said) if m and identity.made(m)), None)
    carries = {
        "C2PA manifest": signature.state != "missing",
        "AIGC label": said is not None,
        "IPTC source type": has_xmp(path),
    }
    missing = tuple(name for name, there in carries.items() if not there)
    return Finding(_verdict(signature.state, mark), signature.state, mark, missing)


def _verdict(signature: str, mark: str | None) -> str:
    if signature == "intact":
        return INTACT
    return ALTERED if mark or signature == "altered" else NO_TRACE
