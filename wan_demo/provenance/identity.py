"""The operator's keys: one pair signs files, one secret names clips.

They are made on first use, for this user alone to read. An operator with a certificate of their own puts it, with those
that vouch for it behind it, into certificates.pem, and its key into private_key.pem. Earlier ones may stay behind
them, in the same order: what they signed is ours for as long as they are valid.
"""

import hashlib
import hmac
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PRODUCER = "wan_demo"
ID_BYTES, CHECK_BYTES = 5, 3
FILES = ("certificates.pem", "private_key.pem", "secret.hex")
VALID = timedelta(days=3650)


class IdentityError(RuntimeError):
    """The keys cannot be read or made. The message is one sentence that says what to do."""


@dataclass(frozen=True)
class Identity:
    """certificates: PEM, the signing one first, those that vouch for it behind it, perhaps earlier ones behind these;
    private_key: PEM of the signing one (ES256); secret: 32 bytes."""

    certificates: str
    private_key: str = field(repr=False)
    secret: bytes = field(repr=False)

    def parsed(self) -> list[x509.Certificate]:
        """`certificates`, in their order. Raises ValueError where they cannot be read."""
        return x509.load_pem_x509_certificates(self.certificates.encode())

    def mark(self, facts: Mapping[str, object]) -> str:
        """The 64-bit name of a clip made from `facts`, as 16 hex digits: a 40-bit id and a 24-bit keyed check."""
        number = self._digest("id", json.dumps(facts, sort_keys=True).encode())[:ID_BYTES]
        return (number + self._digest("check", number)[:CHECK_BYTES]).hex()

    def made(self, mark: str) -> bool:
        """Whether `mark` is one of ours: a guess is right once in 2**24."""
        try:
            value = bytes.fromhex(mark)
        except ValueError:
            return False
        return hmac.compare_digest(value[ID_BYTES:], self._digest("check", value[:ID_BYTES])[:CHECK_BYTES])

    @property
    def carrier_key(self) -> bytes:
        """What hides the watermark: 32 bytes."""
        return self._digest("carrier", b"")

    def _digest(self, purpose: str, value: bytes) -> bytes:
        return hmac.digest(self.secret, purpose.encode() + b"\0" + value, hashlib.sha256)


def load_identity(folder: Path) -> Identity:
    """Read the keys in `folder`, made now if it does not exist.

    Raises:
        IdentityError: they cannot be made there, are not whole, or cannot sign.
    """
    try:
        if not folder.exists():
            _make(folder)
        certificates, private_key, secret = ((folder / name).read_text() for name in FILES)
        return Identity(certificates, _signing_key(certificates, private_key), bytes.fromhex(secret))
    except (OSError, ValueError, TypeError) as error:  # TypeError: of a key that asks for a password
        raise IdentityError(
            f"The keys in {folder} cannot be used ({error}): mend them, or set WAN_DEMO_HOME to a folder for new ones."
        ) from None


def _signing_key(certificates: str, private_key: str) -> str:
    """The private key as what signs wants it (PKCS #8).

    Raises ValueError where what is signed with these could not be read back as ours, TypeError for an encrypted key.
    """
    key = load_pem_private_key(private_key.encode(), None)
    first, *others = x509.load_pem_x509_certificates(certificates.encode())
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("private_key.pem is no P-256 key")
    if key.public_key() != first.public_key():
        raise ValueError("private_key.pem is not the key of the first certificate")
    if not any(each.subject == first.issuer for each in takewhile(vouches, others)):
        raise ValueError("the certificate that vouches for the first one is not behind it")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def vouches(certificate: x509.Certificate) -> bool:
    """Whether a certificate is of an authority: one that vouches for others, and signs no files."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def pem(*certificates: x509.Certificate) -> str:
    """The certificates one after another."""
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


def _make(folder: Path) -> None:
    """New keys, all or none, whoever else is making them."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent))  # for this user alone
    try:
        for name, text in zip(FILES, (*_new_certificates(), secrets.token_hex(32)), strict=True):
            (draft / name).write_text(text)
            (draft / name).chmod(0o600)
        os.rename(draft, folder)
    except OSError:
        if not folder.exists():  # else another process was first, and its keys are as good
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _new_certificates() -> tuple[str, str]:
    """(certificates, private key): C2PA asks for a signing certificate that another one vouches for."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = pem(_certificate("signer", leaf, root), _certificate("root", root, root))
    return chain, leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A certificate for `key` in C2PA's profile (specification 2.1, section 14.5); its own issuer is an authority."""
    authority, now = key is issuer, datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(_name("root"), _name(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(_usage(authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuer, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common), x509.NameAttribute(NameOID.ORGANIZATION_NAME, PRODUCER)]
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
