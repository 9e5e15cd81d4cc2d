"""Key pairs: real keys. The private half is in the answer that makes it, and nowhere else."""

from __future__ import annotations

from neargate.model import tags
from neargate.model.ec2_assets import KeyPair
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import chosen, everything, invalid, new_id, not_found, reads, writes
from neargate.services.ec2.selection import Fields, select


@writes("CreateKeyPair", "KeyName KeyType KeyFormat TagSpecifications")
def create_key_pair(cx: Context, request: Json) -> Json:
    """RSA (the default) in PEM, or ED25519 in OpenSSH's form."""
    if request.get("KeyFormat") not in (None, "pem"):
        raise not_implemented(f"ec2:CreateKeyPair with KeyFormat {request['KeyFormat']}", "ec2")
    kind = request.get("KeyType") or "rsa"
    _check_name(cx, request["KeyName"])
    from neargate.services.ec2 import key_material  # 12 MB that a server without key pairs does not hold

    new = key_material.ed25519_key() if kind == "ed25519" else key_material.rsa_key()
    pair = _recorded(cx, request, kind, new.fingerprint, new.public)
    return {**_named(pair), "KeyMaterial": new.material}


@writes("ImportKeyPair", "KeyName PublicKeyMaterial TagSpecifications")
def import_key_pair(cx: Context, request: Json) -> Json:
    """The public half comes in OpenSSH's form, or as base64 of its DER."""
    _check_name(cx, request["KeyName"])
    from neargate.services.ec2 import key_material

    kind, fingerprint, public = key_material.imported(bytes(request["PublicKeyMaterial"]).strip())
    return _named(_recorded(cx, request, kind, fingerprint, public))


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
