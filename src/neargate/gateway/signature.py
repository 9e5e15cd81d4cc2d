"""Signature Version 4: who signed a request, for which region and service, and whether the signature holds.

Source: AWS General Reference, "Signing AWS API requests".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote

import attrs

from neargate.model.errors import AwsError

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_PRESIGNED = 604800  # seconds


@attrs.frozen
class Credential:
    """What a request says about its signer. `signed_headers` are lower-case names in the order given."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    token: str | None
    presigned: bool
    expires: int | None = None


def credential_of(headers: Mapping[str, str], query: str) -> Credential | None:
    """The credential of a signed or presigned request; None for an unsigned or unintelligible one."""
    authorization = headers.get("authorization", "")
    if authorization.startswith(ALGORITHM):
        parts = dict(
            part.strip().partition("=")[::2]
            for part in authorization[len(ALGORITHM) :].split(",")
            if "=" in part
        )
        timestamp = headers.get("x-amz-date", "")
        token = headers.get("x-amz-security-token")
        return _credential(
            parts.get("Credential", ""), parts, timestamp, token, presigned=False, expires=None
        )
    if "X-Amz-Credential" in query:
        values = dict(parse_qsl(query, keep_blank_values=True))
        parts = {
            "SignedHeaders": values.get("X-Amz-SignedHeaders", ""),
            "Signature": values.get("X-Amz-Signature", ""),
        }
        expires = values.get("X-Amz-Expires", "")
        return _credential(
            values.get("X-Amz-Credential", ""),
            parts,
            values.get("X-Amz-Date", ""),
            values.get("X-Amz-Security-Token"),
            presigned=True,
            expires=int(expires) if expires.isdigit() else None,
        )
    return None


def _credential(
    scope: str,
    parts: Mapping[str, str],
    timestamp: str,
    token: str | None,
    *,
    presigned: bool,
    expires: int | None,
) -> Credential | None:
    fields = scope.rsplit("/", 4)
    if len(fields) != 5:
        return None
    key, date, region, service, _ = fields
    signed = tuple(name for name in parts.get("SignedHeaders", "").split(";") if name)
    return Credential(
        key, date, region, service, signed, parts.get("Signature", ""), timestamp, token, presigned, expires
    )


def check_expiry(credential: Credential, now: float) -> None:
    """Raises S3's AwsError for a presigned request that is too old, or that wants to be good for too long."""
    if not credential.presigned or credential.service != "s3":
        return
    if credential.expires is None or credential.expires > LONGEST_PRESIGNED:
        raise AwsError(
            "AuthorizationQueryParametersError",
            f"X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{LONGEST_PRESIGNED} seconds",
        )
    try:
        signed_at = datetime.strptime(credential.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise AwsError(
            "AuthorizationQueryParametersError",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        ) from None
    if now > signed_at + credential.expires:
        raise AwsError("AccessDenied", "Request has expired", status=403)


def signature(
    credential: Credential,
    secret: str,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload: str,
) -> str:
    """The signature this request should carry. `payload` is the hex SHA-256 of the body, or UNSIGNED-PAYLOAD."""
    canonical = "\n".join(
        (
            method,
            _canonical_path(path, credential.service),
            _canonical_query(query),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in credential.signed_headers),
            "",
            ";".join(credential.signed_headers),
            payload,
        )
    )
    scope = f"{credential.date}/{credential.region}/{credential.service}/aws4_request"
    text = "\n".join((ALGORITHM, credential.timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (credential.date, credential.region, credential.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def holds(expected: str, given: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(expected, given)


def _canonical_path(path: str, service: str) -> str:
    if service == "s3":
        return quote(unquote(path), safe="/-_.~") or "/"
    return quote(path, safe="/-_.~") or "/"


def _canonical_query(query: str) -> str:
    pairs: Iterable[tuple[str, str]] = parse_qsl(query, keep_blank_values=True)
    encoded = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in pairs
        if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in encoded)
