"""Keys and their fingerprints, as EC2 makes and shows them. Loaded when the first key pair is made or imported."""

from __future__ import annotations

import base64
import hashlib

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from neargate.model.errors import AwsError

_PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
_BITS = 2048


@attrs.frozen
class NewKey:
    """A key that was just made: its private half as AWS hands it out, its fingerprint, its public half."""

    material: str
    fingerprint: str
    public: str


def imported(material: bytes) -> tuple[str, str, str]:
    """The kind (`rsa` or `ed25519`), fingerprint and OpenSSH form of a public key. Raises InvalidKey.Format."""
    key = _read(material)
    kind = "rsa" if isinstance(key, rsa.RSAPublicKey) else "ed25519"
    return kind, _imported_fingerprint(key), _openssh(key)


def rsa_key() -> NewKey:
    """Its fingerprint is the SHA-1 of the private key in PKCS #8, DER."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    digest = hashlib.sha1(der, usedforsecurity=False)
    return NewKey(pem.decode().strip(), _colons(digest.hexdigest()), _openssh(key.public_key()))


def ed25519_key() -> NewKey:
    """Its fingerprint is that of its public half."""
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return NewKey(pem.decode(), _imported_fingerprint(key.public_key()), _openssh(key.public_key()))


def _read(material: bytes) -> _PublicKey:
    key: object = None
    try:
        if material.startswith(b"ssh-"):
            key = serialization.load_ssh_public_key(material)
        else:
            key = serialization.load_der_public_key(base64.b64decode(material, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        pass  # refused below
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in (1024, 2048, 4096):
        return key
    raise AwsError("InvalidKey.Format", "Key is not in valid OpenSSH public key format")


def _imported_fingerprint(key: _PublicKey) -> str:
    """RSA: the MD5 of the public key in DER. ED25519, also a new one: the base64 SHA-256 of OpenSSH's blob."""
    if isinstance(key, rsa.RSAPublicKey):
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _colons(hashlib.md5(der, usedforsecurity=False).hexdigest())
    blob = base64.b64decode(_openssh(key).split()[1])
    return base64.b64encode(hashlib.sha256(blob).digest()).decode()


def _openssh(key: _PublicKey) -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _colons(digest: str) -> str:
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
