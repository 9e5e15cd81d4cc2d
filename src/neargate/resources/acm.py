"""AWS::CertificateManager::Certificate, over the ACM that moto answers."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.model.tags import Tags, upper
from neargate.resources.declaration import Call, Desired, Existing, Identity, ResourceType, Steps
from neargate.resources.shapes import by_name, call, changed, errors_of, pick

_GIVEN = (
    "CertificateAuthorityArn",
    "DomainName",
    "KeyAlgorithm",
    "SubjectAlternativeNames",
    "ValidationMethod",
)
_LOGGING = "CertificateTransparencyLoggingPreference"


def _create(want: Desired) -> Steps[Identity]:
    """A certificate is there at once: nobody here asks whether the domain is one's own (docs/limits.md)."""
    p = want.properties
    request = pick(p, _GIVEN)
    validations = [
        {"DomainName": option["DomainName"], "ValidationDomain": option["ValidationDomain"]}
        for option in p.get("DomainValidationOptions") or ()
        if "ValidationDomain" in option
    ]
    if validations:
        request["DomainValidationOptions"] = validations
    options = _options(p)
    answer = yield call(
        "acm",
        "RequestCertificate",
        request,
        **({"Options": options} if options else {}),
        **_tags(want.tags),
    )
    return Identity(answer["CertificateArn"])


def _tags(tags: Tags) -> Json:
    """The request's member. Not those of CloudFormation's own: moto's ACM refuses them."""
    return {"Tags": upper(tags)} if tags else {}


def _options(properties: Json) -> Json:
    given = {_LOGGING: properties.get(_LOGGING), "Export": properties.get("CertificateExport")}
    return {name: value for name, value in given.items() if value is not None}


def _update(old: Existing, want: Desired) -> Steps[None]:
    if changed(old.desired.properties, want.properties, _LOGGING):
        options = {_LOGGING: want.properties.get(_LOGGING, "ENABLED")}
        yield Call("acm", "UpdateCertificateOptions", {"CertificateArn": old.id, "Options": options})
    before, after = old.desired.tags, want.tags
    gone = _tags({key: value for key, value in before.items() if key not in after})
    if gone:
        yield Call("acm", "RemoveTagsFromCertificate", {"CertificateArn": old.id, **gone})
    fresh = _tags({key: value for key, value in after.items() if before.get(key) != value})
    if fresh:
        yield Call("acm", "AddTagsToCertificate", {"CertificateArn": old.id, **fresh})


def _read(existing: Existing) -> Steps[Json]:
    yield Call("acm", "DescribeCertificate", {"CertificateArn": existing.id})
    return {"CertificateArn": existing.id}


def _delete(existing: Existing) -> Steps[None]:
    yield Call("acm", "DeleteCertificate", {"CertificateArn": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::CertificateManager::Certificate",
        honoured=frozenset({*_GIVEN, _LOGGING, "CertificateExport", "DomainValidationOptions", "Tags"}),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=errors_of("Acm"),
    )
)
