"""C2PA: a signed manifest inside the file says that a model made it, and that nothing was changed since."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa

from wan_demo.provenance.identity import PRODUCER, Identity
from wan_demo.provenance.metadata import TRAINED_ALGORITHMIC_MEDIA

FORMAT = "video/mp4"
GENERATION = f"org.{PRODUCER}.generation"
# C2PA's codes (specification 2.1, section 15.2) for a signer we do not know, and for a signature that does not hold
NOT_OURS = ("signingCredential.", "claimSignature.")


@dataclass(frozen=True)
class Signature:
    """state: "intact" or "altered" (both signed by us), "foreign" (signed by another, or by nobody one can tell), or
    "missing". mark: the clip's, where we signed it."""

    state: str
    mark: str | None = None


def sign(source: Path, target: Path, identity: Identity, mark: str) -> None:
    """Write `source`, an MP4, with a signed manifest to `target`.

    Raises:
        RuntimeError: it could not be signed.
    """
    manifest = {
        "claim_generator_info": [{"name": PRODUCER}],
        "format": FORMAT,
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": TRAINED_ALGORITHMIC_MEDIA}]},
            },
            {"label": GENERATION, "data": {"id": mark}},
        ],
    }
    keys = identity.certificates.encode(), identity.private_key.encode()
    try:
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, *keys, None))
        builder = c2pa.Builder(manifest, context=_context(identity))
        with builder, source.open("rb") as old, target.open("w+b") as new:
            builder.sign(signer, FORMAT, old, new)
    except c2pa.C2paError as error:
        raise RuntimeError(f"the file could not be signed: {error}") from error


def read_signature(path: Path, identity: Identity) -> Signature:
    """What the manifest in a file says, and whether the file is still what was signed."""
    try:
        with path.open("rb") as file, c2pa.Reader(FORMAT, file, context=_context(identity)) as reader:
            found = json.loads(reader.json())
    except c2pa.C2paError:  # no manifest, or none that can be read: nothing says who signed it
        return Signature("missing")
    failures = [entry["code"] for entry in found["validation_results"]["activeManifest"]["failure"]]
    if any(code.startswith(NOT_OURS) for code in failures):
        return Signature("foreign")
    mark = _mark(found["manifests"][found["active_manifest"]])
    return Signature("intact" if found["validation_state"] == "Trusted" else "altered", mark)


def _mark(manifest: dict[str, Any]) -> str | None:
    for assertion in manifest["assertions"]:
        if assertion["label"] == GENERATION:
            return str(assertion["data"]["id"])
    return None


def _context(identity: Identity) -> c2pa.Context:
    """Trust goes back to our own last certificate and to nobody else's; nothing is fetched."""
    root = identity.certificates[identity.certificates.rindex("-----BEGIN") :]
    settings = {
        "trust": {"user_anchors": root},
        "verify": {"verify_trust": True, "remote_manifest_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    return c2pa.Context(settings=c2pa.Settings.from_dict(settings))
