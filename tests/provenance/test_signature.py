"""A signature is ours where our own certificate made it, and nobody else's."""

import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.clips import natural
from wan_demo import mp4
from wan_demo.check import NO_TRACE, check
from wan_demo.provenance.identity import Identity, _certificate, pem
from wan_demo.provenance.signature import Signature, read_signature, sign

AUTHORITY = ec.generate_private_key(ec.SECP256R1())
ROOT = _certificate("root", AUTHORITY, AUTHORITY)


def customer() -> Identity:
    """One of several that the same authority vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Identity(pem(_certificate("signer", key, AUTHORITY), ROOT), private, secrets.token_bytes(32))


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("draft") / "draft.mp4"
    mp4.write(natural(1), path)
    return path


def signed(draft: Path, by: Identity, mark: str) -> Path:
    path = draft.with_name(f"{mark}.mp4")
    sign(draft, path, by, mark)
    return path


def test_another_customer_of_our_authority_is_not_us(draft: Path) -> None:
    ours, stranger = customer(), customer()
    theirs = signed(draft, stranger, stranger.mark({}))
    assert read_signature(theirs, stranger).state == "intact"
    assert read_signature(theirs, ours) == Signature("foreign")
    assert check(theirs, ours).verdict == NO_TRACE
    as_if_ours = signed(draft, stranger, ours.mark({}))
    assert read_signature(as_if_ours, ours) == Signature("foreign")


def test_what_our_certificate_signed_without_a_mark_of_ours_is_no_clip_of_ours(draft: Path) -> None:
    ours = customer()
    other = signed(draft, ours, "0123456789abcdef")
    assert read_signature(other, ours) == Signature("foreign")
    assert check(other, ours).verdict == NO_TRACE


def test_an_earlier_certificate_may_stay_in_the_file(identity: Identity, draft: Path) -> None:
    new = customer()
    renewed = Identity(new.certificates + identity.certificates, new.private_key, identity.secret)
    mark = identity.mark({})
    assert read_signature(signed(draft, identity, mark), renewed) == Signature("intact", mark)
    assert read_signature(signed(draft, renewed, mark), renewed) == Signature("intact", mark)
    assert read_signature(signed(draft, renewed, mark), identity) == Signature("foreign")
