"""Key pairs: real keys with AWS's fingerprints."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from tests.unit.services.cloud import cloud
from tests.unit.services.ec2_calls import Ec2, where


@pytest.fixture
def ec2() -> Iterator[Ec2]:
    with cloud() as aws:
        yield Ec2(aws)


def test_a_new_rsa_key_works_and_its_fingerprint_is_that_of_its_private_half(ec2: Ec2) -> None:
    made = ec2("CreateKeyPair", KeyName="shop")
    key = load_pem_private_key(made["KeyMaterial"].encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 2048
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert made["KeyFingerprint"].replace(":", "") == hashlib.sha1(der).hexdigest()
    assert made["KeyMaterial"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    (shown,) = ec2("DescribeKeyPairs", KeyNames=["shop"], IncludePublicKey=True)["KeyPairs"]
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert (shown["KeyType"], shown["PublicKey"]) == ("rsa", f"{public} shop")
    assert "KeyMaterial" not in shown

    again = ec2("ImportKeyPair", KeyName="same", PublicKeyMaterial=public.encode())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert again["KeyFingerprint"].replace(":", "") == hashlib.md5(spki).hexdigest()
    der_form = ec2("ImportKeyPair", KeyName="der", PublicKeyMaterial=base64.b64encode(spki))
    assert der_form["KeyFingerprint"] == again["KeyFingerprint"]


def test_a_new_ed25519_key(ec2: Ec2) -> None:
    made = ec2("CreateKeyPair", KeyName="shop", KeyType="ed25519")
    key = load_ssh_private_key(made["KeyMaterial"].encode(), password=None)
    blob = base64.b64decode(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])
    assert made["KeyFingerprint"] == base64.b64encode(hashlib.sha256(blob).digest()).decode()


def test_key_pairs_are_found_and_deleted_by_name_and_id(ec2: Ec2) -> None:
    one = ec2("CreateKeyPair", KeyName="one", KeyType="ed25519")["KeyPairId"]
    other = ec2("CreateKeyPair", KeyName="other", KeyType="ed25519")["KeyPairId"]
    found = ec2("DescribeKeyPairs", Filters=where(key_name="o*"))["KeyPairs"]
    assert {pair["KeyPairId"] for pair in found} == {one, other}
    assert ec2.refused("CreateKeyPair", KeyName="one") == (
        "InvalidKeyPair.Duplicate",
        "The keypair already exists",
    )
    assert ec2("DeleteKeyPair", KeyName="one") == {"Return": True, "KeyPairId": one}
    assert ec2("DeleteKeyPair", KeyName="one") == {"Return": True}
    ec2("DeleteKeyPair", KeyPairId=other)
    assert ec2.refused("DescribeKeyPairs", KeyNames=["one"]) == (
        "InvalidKeyPair.NotFound",
        "The key pair 'one' does not exist",
    )


def test_keys_that_are_refused(ec2: Ec2) -> None:
    format_ = ("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
    for material in (b"ssh-rsa AAAA", b"nonsense", b"ssh-dss AAAAB3NzaC1kc3M="):
        assert ec2.refused("ImportKeyPair", KeyName="shop", PublicKeyMaterial=material) == format_
    assert ec2.refused("CreateKeyPair", KeyName="shop", KeyFormat="ppk") == (
        "NotImplemented",
        "ec2:CreateKeyPair with KeyFormat ppk is not implemented by Neargate yet (docs/coverage.md#ec2)",
    )
