import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from wan_demo.provenance.identity import FILES, Identity, IdentityError, load_identity

FACTS = {"prompt": "a red ball", "seed": 1}


def test_a_mark_follows_from_the_facts_and_the_key(identity: Identity, tmp_path: Path) -> None:
    mark = identity.mark(FACTS)
    assert len(mark) == 16
    assert mark == identity.mark(dict(reversed(FACTS.items())))
    assert mark != identity.mark(FACTS | {"seed": 2})
    assert mark != load_identity(tmp_path / "other").mark(FACTS)


def test_guessed_and_foreign_marks_are_not_ours(identity: Identity, tmp_path: Path) -> None:
    mark = identity.mark(FACTS)
    assert identity.made(mark)
    assert not any(identity.made(mark[:i] + ("0" if mark[i] != "0" else "1") + mark[i + 1 :]) for i in range(16))
    assert not identity.made(load_identity(tmp_path / "other").mark(FACTS))
    assert not any(identity.made(text) for text in ("", "no hex", mark[:10], mark + "00"))


def test_keys_are_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "keys"
    first = load_identity(folder)
    assert load_identity(folder) == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in FILES} == {0o600}
    assert [path.name for path in folder.parent.iterdir()] == ["keys"], "no draft is left"
    assert first.private_key not in repr(first)


@pytest.mark.parametrize("name", FILES)
def test_missing_or_damaged_keys_are_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "keys"
    load_identity(folder)
    (folder / name).unlink()
    with pytest.raises(IdentityError, match=rf"^The keys in .* cannot be used .*{name}.*: mend them"):
        load_identity(folder)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, form: PrivateFormat, password: bytes = b"") -> str:
    hidden = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, hidden).decode()


def test_keys_that_cannot_sign_are_told_in_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    whole = load_identity(folder)
    key, form = load_pem_private_key(whole.private_key.encode(), None), PrivateFormat.PKCS8
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    wrong = {
        "": "",
        pem(rsa.generate_private_key(65537, 2048), form): "no P-256 key",
        pem(ec.generate_private_key(ec.SECP384R1()), form): "no P-256 key",
        pem(ec.generate_private_key(ec.SECP256R1()), form): "not the key of the first certificate",
        pem(key, form, b"secret"): "[Pp]assword",
    }
    for text, why in wrong.items():
        (folder / "private_key.pem").write_text(text)
        with pytest.raises(IdentityError, match=rf"(?s)^The keys in .* cannot be used .*{why}.*: mend them"):
            load_identity(folder)
    (folder / "private_key.pem").write_text(pem(key, PrivateFormat.TraditionalOpenSSL))  # as openssl writes it
    assert load_identity(folder) == whole
    signer = whole.certificates.partition("-----END CERTIFICATE-----")
    (folder / "certificates.pem").write_text("".join(signer[:2]))
    with pytest.raises(IdentityError, match="vouches for the first one is not behind it"):
        load_identity(folder)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IdentityError, match="set WAN_DEMO_HOME"):
        load_identity(tmp_path / "file" / "keys")
