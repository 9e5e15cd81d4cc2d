"""Certificates for listeners whose own ones nobody here has the key of, signed by an authority of the server's own.

ACM keeps the private keys of its certificates to itself. Such a listener is served with a certificate for the same
names; whoever trusts `authority.pem` in the directory sees it verified.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterable
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

from neargate.model.balancer import Certificate

AUTHORITY = "authority.pem"
_AUTHORITY_KEY = "authority-key.pem"
_LIFE = datetime.timedelta(days=397)  # the longest that browsers take
_RENEWED = datetime.timedelta(days=30)
_AUTHORITY_LIFE = datetime.timedelta(days=3650)


class Authority:
    """Signs certificates. It is made when it is first needed, and stays in its directory. Blocks for some ms."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def issue(self, names: Iterable[str]) -> Certificate:
        """A certificate for these names, `*.example.com` among them. For the same names it is the same one, until it
        has a month left of its year."""
        wanted = list(dict.fromkeys(names))
        name = hashlib.blake2s("\n".join(wanted).encode(), digest_size=8).hexdigest()
        kept = self._kept(name)
        if kept is None:
            kept = self._signed(wanted)
            self._keep(f"{name}-key.pem", kept.key.encode())
            self._keep(f"{name}.pem", kept.chain.encode())
        return kept

    def _kept(self, name: str) -> Certificate | None:
        try:
            chain = (self._directory / f"{name}.pem").read_text()
            key = (self._directory / f"{name}-key.pem").read_text()
        except FileNotFoundError:
            return None
        ends = x509.load_pem_x509_certificate(chain.encode()).not_valid_after_utc
        return Certificate(chain, key) if ends - _now() > _RENEWED else None

    def _signed(self, wanted: list[str]) -> Certificate:
        authority, authority_key = self._authority()
        key = ec.generate_private_key(ec.SECP256R1())
        # A common name has 64 characters at most; clients look at the other names only.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted[0][:64])])
        made = (
            _begun(_LIFE)
            .subject_name(subject)
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in wanted]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        return Certificate(chain=_pem(made) + _pem(authority), key=_key_pem(key).decode())

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        try:
            key = load_pem_private_key((self._directory / _AUTHORITY_KEY).read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            return x509.load_pem_x509_certificate((self._directory / AUTHORITY).read_bytes()), key
        except FileNotFoundError:
            return self._new_authority()

    def _new_authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Neargate, on this machine only")])
        made = (
            _begun(_AUTHORITY_LIFE)
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._keep(AUTHORITY, _pem(made).encode())
        self._keep(_AUTHORITY_KEY, _key_pem(key))
        return made, key

    def _keep(self, name: str, content: bytes) -> None:
        descriptor = os.open(self._directory / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _begun(life: datetime.timedelta) -> x509.CertificateBuilder:
    now = _now()
    begun = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return begun.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + life)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
