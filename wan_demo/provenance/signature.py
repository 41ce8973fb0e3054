"""C2PA: a signed manifest inside the file says that a model made it, and that nothing was changed since."""

import io
import json
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

import c2pa

from wan_demo.provenance.identity import PRODUCER, Identity, pem, vouches
from wan_demo.provenance.metadata import TRAINED_ALGORITHMIC_MEDIA

FORMAT = "video/mp4"
GENERATION = f"org.{PRODUCER}.generation"
NEAR_START = 2**20  # bytes of a file, in which the manifest of one that C2PA cannot read is looked for
# C2PA's codes (specification 2.1, section 15.2) for a signer we do not know, and for a signature that does not hold
NOT_OURS = ("signingCredential.", "claimSignature.")


@dataclass(frozen=True)
class Signature:
    """state: "intact" or "altered" (both signed by us), "foreign" (signed by another, or by nobody one can tell, or no
    clip of ours), or "missing". mark: the clip's, where we signed it; with "intact" it is one that we made."""

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
    keys = _chain(identity).encode(), identity.private_key.encode()
    try:
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, *keys, None))
        builder = c2pa.Builder(manifest, context=_context(identity))
        with builder, source.open("rb") as old, target.open("w+b") as new:
            builder.sign(signer, FORMAT, old, new)
    except c2pa.C2paError as error:
        raise RuntimeError(f"the file could not be signed: {error}") from error


def read_signature(path: Path, identity: Identity) -> Signature:
    """What the manifest in a file says, and whether the file is still what was signed.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        found = _read(FORMAT, file, identity)
        if found.state != "missing":
            return found
        file.seek(0)
        start = file.read(NEAR_START)
    # A box whose length or name was changed hides the manifest: it is read by itself, and the file is not as signed.
    place = start.find(b"jumb") - 4
    length = int.from_bytes(start[max(0, place) : place + 4], "big")
    found = _read("application/c2pa", io.BytesIO(start[place : place + length]), identity) if place >= 0 else found
    return Signature("altered", found.mark) if found.state == "intact" else found


def _read(kind: str, file: BinaryIO, identity: Identity) -> Signature:
    try:
        with c2pa.Reader(kind, file, context=_context(identity)) as reader:
            return _judged(reader, identity)
    except (c2pa.C2paError, LookupError, TypeError):  # no manifest, or none that can be read: nothing says who signed
        return Signature("missing")


def _judged(reader: c2pa.Reader, identity: Identity) -> Signature:
    told, label = json.loads(reader.crjson()), reader.get_active_manifest()["label"]
    manifest = next(each for each in told["manifests"] if each["label"] == label)
    failures = [entry["code"] for entry in manifest["validationResults"]["failure"]]
    if any(code.startswith(NOT_OURS) for code in failures) or not _we_signed(manifest, identity):
        return Signature("foreign")
    mark = manifest["assertions"].get(GENERATION, {}).get("id")
    mark = mark if isinstance(mark, str) and identity.made(mark) else None
    if reader.get_validation_state() != "Trusted":
        return Signature("altered", mark)
    return Signature("intact", mark) if mark else Signature("foreign")


def _we_signed(manifest: dict[str, Any], identity: Identity) -> bool:
    """Whether the certificate is one of ours, not only of an authority that vouches for us and for others.

    An authority gives no number twice; the times are compared because one root may be over several of them.
    """
    found = manifest["signature"]["certificateInfo"]
    said = int(found["serialNumber"], 16), found["validity"]["notBefore"], found["validity"]["notAfter"]
    return any(
        said == (ours.serial_number, ours.not_valid_before_utc.isoformat(), ours.not_valid_after_utc.isoformat())
        for ours in identity.parsed()
        if not vouches(ours)
    )


def _chain(identity: Identity) -> str:
    """The signing certificate and those that vouch for it, PEM: the file may hold earlier ones behind them."""
    first, *others = identity.parsed()
    return pem(first, *takewhile(vouches, others))


def _context(identity: Identity) -> c2pa.Context:
    """Trust goes back to the authorities in our own file and to nobody else's; nothing is fetched."""
    authorities = filter(vouches, identity.parsed())
    settings = {
        "trust": {"user_anchors": pem(*authorities)},
        "verify": {"verify_trust": True, "remote_manifest_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    return c2pa.Context(settings=c2pa.Settings.from_dict(settings))
