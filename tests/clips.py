"""Clips and published files for the tests of provenance."""

from pathlib import Path

from benchmarks.clips import embed, natural
from wan_demo import mp4
from wan_demo.clip import Clip
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.metadata import add_xmp, tags
from wan_demo.provenance.signature import sign

__all__ = ["embed", "natural", "publish"]


def publish(clip: Clip, mark: str, identity: Identity, path: Path) -> Path:
    """Write a clip as the chain does."""
    draft = path.with_suffix(".draft.mp4")
    mp4.write(embed(clip, bytes.fromhex(mark), identity.carrier_key), draft, tags(mark))
    add_xmp(draft)
    sign(draft, path, identity, mark)
    draft.unlink()
    return path
