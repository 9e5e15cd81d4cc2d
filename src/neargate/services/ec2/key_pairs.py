"""Key pairs: real keys. The private half is in the answer that makes it, and nowhere else."""

from __future__ import annotations

import base64
import hashlib

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from neargate.model import tags
from neargate.model.ec2_assets import KeyPair
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import chosen, everything, invalid, new_id, not_found, reads, writes
from neargate.services.ec2.selection import Fields, select

_PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
_BITS = 2048


@attrs.frozen
class _New:
    """A key that was just made: its private half as AWS hands it out, and what is kept."""

    material: str
    fingerprint: str
    public: str


@writes("CreateKeyPair", "KeyName KeyType KeyFormat TagSpecifications")
def create_key_pair(cx: Context, request: Json) -> Json:
    """RSA (the default) in PEM, or ED25519 in OpenSSH's form."""
    if request.get("KeyFormat") not in (None, "pem"):
        raise not_implemented(f"ec2:CreateKeyPair with KeyFormat {request['KeyFormat']}", "ec2")
    kind = request.get("KeyType") or "rsa"
    _check_name(cx, request["KeyName"])
    new = _ed25519_key() if kind == "ed25519" else _rsa_key()
    pair = _recorded(cx, request, kind, new.fingerprint, new.public)
    return {**_named(pair), "KeyMaterial": new.material}


@writes("ImportKeyPair", "KeyName PublicKeyMaterial TagSpecifications")
def import_key_pair(cx: Context, request: Json) -> Json:
    """The public half comes in OpenSSH's form, or as base64 of its DER."""
    _check_name(cx, request["KeyName"])
    key = _read(bytes(request["PublicKeyMaterial"]).strip())
    kind = "rsa" if isinstance(key, rsa.RSAPublicKey) else "ed25519"
    return _named(_recorded(cx, request, kind, _imported_fingerprint(key), _openssh(key)))


@writes("DeleteKeyPair", "KeyName KeyPairId")
def delete_key_pair(cx: Context, request: Json) -> Json:
    """One that is not there is no error."""
    name, wanted = request.get("KeyName"), request.get("KeyPairId")
    if not name and not wanted:
        raise AwsError("MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
    for pair in everything(cx, KeyPair):
        if (not name or pair.name == name) and (not wanted or pair.id == wanted):
            cx.tx.delete(KeyPair, pair.key)
            return {"Return": True, "KeyPairId": pair.id}
    return {"Return": True}


@reads("DescribeKeyPairs")
def describe_key_pairs(cx: Context, request: Json) -> Json:
    pairs = chosen(cx, KeyPair, request.get("KeyPairIds"))
    names = request.get("KeyNames") or []
    missing = [name for name in names if name not in {pair.name for pair in pairs}]
    if missing:
        raise not_found(KeyPair, missing)
    pairs = [pair for pair in pairs if not names or pair.name in names]
    shown = select(pairs, request.get("Filters"), _fields)
    with_key = bool(request.get("IncludePublicKey"))
    return {"KeyPairs": [_described(pair, with_key=with_key) for pair in shown]}


def _check_name(cx: Context, name: str) -> None:
    if not name or len(name) > 255 or not name.isascii():
        raise invalid(f"Value ({name}) for parameter KeyName is invalid.")
    if any(pair.name == name for pair in everything(cx, KeyPair)):
        raise AwsError("InvalidKeyPair.Duplicate", "The keypair already exists")


def _recorded(cx: Context, request: Json, kind: str, fingerprint: str, public: str) -> KeyPair:
    pair = KeyPair(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "key"),
        name=request["KeyName"],
        type=kind,
        fingerprint=fingerprint,
        public_key=public,
        created=cx.now,
        tags=tagging.given(cx, request, "key-pair"),
    )
    cx.tx.put(pair)
    return pair


# -- keys --------------------------------------------------------------------------------------------------


def _rsa_key() -> _New:
    """Its fingerprint is the SHA-1 of the private key in PKCS #8, DER."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    digest = hashlib.sha1(der, usedforsecurity=False)
    return _New(pem.decode().strip(), _colons(digest.hexdigest()), _openssh(key.public_key()))


def _ed25519_key() -> _New:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return _New(pem.decode(), _imported_fingerprint(key.public_key()), _openssh(key.public_key()))


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


# -- describing --------------------------------------------------------------------------------------------


def _named(pair: KeyPair) -> Json:
    return {
        "KeyName": pair.name,
        "KeyFingerprint": pair.fingerprint,
        "KeyPairId": pair.id,
        "Tags": tags.upper(pair.tags),
    }


def _described(pair: KeyPair, *, with_key: bool) -> Json:
    answer = {**_named(pair), "KeyType": pair.type, "CreateTime": pair.created}
    return {**answer, "PublicKey": f"{pair.public_key} {pair.name}"} if with_key else answer


def _fields(pair: KeyPair) -> Fields:
    return {
        "fingerprint": pair.fingerprint,
        "key-name": pair.name,
        "key-pair-id": pair.id,
        "tags": pair.tags,
    }
