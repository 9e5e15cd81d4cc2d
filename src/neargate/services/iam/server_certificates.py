"""Server certificates that were uploaded to IAM: the TLS certificates of load balancers before ACM."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

import attrs

from neargate.model import tags
from neargate.model.errors import AwsError
from neargate.model.iam import ServerCertificate, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam import tagging
from neargate.services.iam.lookup import already_exists, new_id, page, require_server_certificate

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----.+-----END (?:RSA |EC )?PRIVATE KEY-----", re.DOTALL
)


@operation("iam", "UploadServerCertificate")
def upload_server_certificate(cx: Context, request: Json) -> Json:
    """The certificate is read for its expiry. Whether the private key belongs to it is not looked at."""
    name = request["ServerCertificateName"]
    if cx.tx.get(ServerCertificate, key_of(cx.account, name)) is not None:
        raise already_exists(f"The Server Certificate with name {name} already exists.")
    if not _PRIVATE_KEY.search(request["PrivateKey"]):
        raise _malformed("Private Key")
    chain = request.get("CertificateChain")
    if chain is not None and not _CERTIFICATE.search(chain):
        raise _malformed("Certificate Chain")
    certificate = ServerCertificate(
        account=cx.account,
        name=name,
        id=new_id(cx, "ASCA"),
        uploaded=cx.now,
        expires=expiry(request["CertificateBody"]),
        body=request["CertificateBody"].strip(),
        private_key=request["PrivateKey"].strip(),
        chain=None if chain is None else chain.strip(),
        path=request.get("Path") or "/",
        tags=tagging.given(request),
    )
    cx.tx.put(certificate)
    answer: Json = {"ServerCertificateMetadata": _described(certificate)}
    if certificate.tags:
        answer["Tags"] = tags.upper(certificate.tags)
    return answer


@operation("iam", "GetServerCertificate", reads=True)
def get_server_certificate(cx: Context, request: Json) -> Json:
    certificate = require_server_certificate(cx, request["ServerCertificateName"])
    answer: Json = {
        "ServerCertificateMetadata": _described(certificate),
        "CertificateBody": certificate.body,
        "Tags": tags.upper(certificate.tags),
    }
    if certificate.chain is not None:
        answer["CertificateChain"] = certificate.chain
    return {"ServerCertificate": answer}


@operation("iam", "ListServerCertificates", reads=True)
def list_server_certificates(cx: Context, request: Json) -> Json:
    prefix = request.get("PathPrefix") or "/"
    found = [c for c in cx.tx.scan(ServerCertificate, f"{cx.account}/") if c.path.startswith(prefix)]
    return page(request, "ServerCertificateMetadataList", found, _described)


@operation("iam", "UpdateServerCertificate")
def update_server_certificate(cx: Context, request: Json) -> Json:
    """Another path, another name, or both."""
    certificate = require_server_certificate(cx, request["ServerCertificateName"])
    name = request.get("NewServerCertificateName") or certificate.name
    taken = cx.tx.get(ServerCertificate, key_of(cx.account, name))
    if taken is not None and taken.id != certificate.id:
        raise already_exists(f"The Server Certificate with name {name} already exists.")
    cx.tx.delete(ServerCertificate, certificate.key)
    cx.tx.put(attrs.evolve(certificate, name=name, path=request.get("NewPath") or certificate.path))
    return {}


@operation("iam", "DeleteServerCertificate")
def delete_server_certificate(cx: Context, request: Json) -> Json:
    certificate = require_server_certificate(cx, request["ServerCertificateName"])
    cx.tx.delete(ServerCertificate, certificate.key)
    return {}


def _described(certificate: ServerCertificate) -> Json:
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.name,
        "ServerCertificateId": certificate.id,
        "Arn": certificate.arn,
        "UploadDate": certificate.uploaded,
        "Expiration": certificate.expires,
    }


def _malformed(what: str) -> AwsError:
    return AwsError(
        "MalformedCertificate",
        f"Unable to parse {what.lower()}. Please ensure the {what.lower()} is in PEM format.",
    )


# -- X.509, as far as the expiry -----------------------------------------------------------------------------


def expiry(pem: str) -> float:
    """When the first certificate of a PEM text expires, in epoch seconds. Raises MalformedCertificate."""
    found = _CERTIFICATE.search(pem)
    try:
        if found is None:
            raise ValueError("no certificate")
        der = base64.b64decode("".join(found[1].split()), validate=True)
        return _not_after(der)
    except (ValueError, IndexError, binascii.Error):
        raise _malformed("Certificate") from None


def _not_after(der: bytes) -> float:
    """Certificate → tbsCertificate → [version], serial, signature, issuer, validity → notAfter (RFC 5280, 4.1)."""
    _, certificate, _ = _element(der)
    _, fields, _ = _element(certificate)
    tag, _, rest = _element(fields)
    behind = 3 if tag == 0xA0 else 2  # fields between here and validity
    for _ in range(behind):
        _, _, rest = _element(rest)
    _, validity, _ = _element(rest)
    _, _, rest = _element(validity)
    tag, time, _ = _element(rest)
    text = time.decode("ascii")
    if tag == 0x17:  # UTCTime: two digits of the year, 1950 to 2049
        text = ("19" if text[0] >= "5" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """(tag, content, what follows) of the first DER element."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(der[2:start], "big")
    end = start + length
    if end > len(der):
        raise ValueError("cut short")
    return tag, der[start:end], der[end:]
