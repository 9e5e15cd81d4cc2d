"""Certificates of listeners: checked where they are kept, in ACM or IAM; further ones for other host names."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from neargate.model.elbv2 import AdoptedCertificate, Listener
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.elbv2.lookup import invalid, page, require

MOST = 25
"""Beside the default certificate."""
_USELESS = ("EXPIRED", "FAILED", "REVOKED", "VALIDATION_TIMED_OUT")
_SECURE = ("HTTPS", "TLS")


def checked_certificates(cx: Context, protocol: str, wanted: Sequence[Json] | None) -> tuple[str, ...]:
    """The default certificate of a listener, which exists; none for a protocol without TLS."""
    if protocol not in _SECURE:
        if wanted:
            raise invalid(f"A certificate cannot be specified for {protocol} listeners")
        return ()
    if not wanted:
        raise invalid(f"A certificate must be specified for {protocol} listeners")
    if len(wanted) > 1:
        raise invalid("You must specify exactly one certificate for the listener")
    if wanted[0].get("IsDefault") is not None:
        raise invalid("You cannot set the isDefault parameter for a certificate")
    arn = wanted[0].get("CertificateArn") or ""
    _require_certificate(cx, arn)
    return (arn,)


def _require_certificate(cx: Context, arn: str) -> None:
    """CertificateNotFound, UnsupportedCertificate."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] not in ("acm", "iam") or parts[3] not in ("", cx.region):
        raise invalid(f"Certificate ARN '{arn}' is not valid")
    if cx.tx.get(AdoptedCertificate, cx.caller.scope(arn)) is not None:
        return
    if not (_in_acm(cx, arn) if parts[2] == "acm" else _in_iam(cx, parts[5])):
        raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found")


def _in_acm(cx: Context, arn: str) -> bool:
    """Whether ACM has it. One that waits for its validation counts: nobody here asks whose the domain is."""
    try:
        found = cx.invoke("acm", "DescribeCertificate", {"CertificateArn": arn})["Certificate"]
    except AwsError as error:
        if error.code == "NotImplemented":
            raise
        return False
    if found["Status"] in _USELESS:
        raise AwsError(
            "UnsupportedCertificate",
            f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, and a "
            "supported key size.",
        )
    return True


def _in_iam(cx: Context, resource: str) -> bool:
    try:
        cx.invoke("iam", "GetServerCertificate", {"ServerCertificateName": resource.rpartition("/")[2]})
    except AwsError:
        return False
    return True


def adopt(cx: Context, groups: Sequence[Json]) -> dict[str, list[str]]:
    """Let listeners use the ACM certificates of a real account that parameter files name, those of this region:
    `{"certificates": [ARN…]}` for each file. Returns `{"adopted": [ARN…], "existing": [ARN…]}`."""
    adopted: list[str] = []
    existing: list[str] = []
    named = dict.fromkeys(arn for group in groups for arn in group.get("certificates") or ())
    for arn in named:
        parts = arn.split(":", 5)
        if len(parts) != 6 or parts[2] != "acm" or not parts[5].startswith("certificate/"):
            raise invalid(f"Certificate ARN '{arn}' is not valid")
        record = AdoptedCertificate(account=cx.account, region=cx.region, arn=arn)
        if parts[4] == cx.account or cx.tx.get(AdoptedCertificate, record.key) is not None:
            existing.append(arn)
        elif parts[3] == cx.region:
            cx.tx.put(record)
            adopted.append(arn)
    return {"adopted": adopted, "existing": existing}


@operation("elbv2", "AddListenerCertificates")
def add_listener_certificates(cx: Context, request: Json) -> Json:
    """One that is there already is no error."""
    listener = _secure_listener(cx, request)
    named = _named(request)
    for arn in named:
        _require_certificate(cx, arn)
    together = tuple(dict.fromkeys((*listener.certificates, *named)))
    if len(together) - 1 > MOST:
        raise AwsError(
            "TooManyCertificates", "You've reached the limit on the number of certificates per load balancer"
        )
    cx.tx.put(attrs.evolve(listener, certificates=together))
    added = [one for one in _described(together) if one["CertificateArn"] in named]
    return {"Certificates": added}


@operation("elbv2", "RemoveListenerCertificates")
def remove_listener_certificates(cx: Context, request: Json) -> Json:
    listener = _secure_listener(cx, request)
    named = _named(request)
    if listener.certificates[0] in named:
        raise AwsError("OperationNotPermitted", "Default certificate cannot be removed")
    kept = tuple(arn for arn in listener.certificates if arn not in named)
    cx.tx.put(attrs.evolve(listener, certificates=kept))
    return {}


@operation("elbv2", "DescribeListenerCertificates", reads=True)
def describe_listener_certificates(cx: Context, request: Json) -> Json:
    listener = require(cx, Listener, request["ListenerArn"])
    return page(request, "Certificates", _described(listener.certificates), dict)


def _secure_listener(cx: Context, request: Json) -> Listener:
    listener = require(cx, Listener, request["ListenerArn"])
    if listener.protocol not in _SECURE:
        raise invalid(f"A certificate cannot be specified for {listener.protocol} listeners")
    return listener


def _named(request: Json) -> list[str]:
    if any(one.get("IsDefault") is not None for one in request["Certificates"]):
        raise invalid("You cannot set the isDefault parameter for a certificate")
    return [one.get("CertificateArn") or "" for one in request["Certificates"]]


def _described(certificates: Sequence[str]) -> list[Json]:
    return [{"CertificateArn": arn, "IsDefault": place == 0} for place, arn in enumerate(certificates)]
