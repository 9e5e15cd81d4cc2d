"""AWS::IAM::ServerCertificate, OIDCProvider."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.iam_attachments import error, retag

# -- server certificate --------------------------------------------------------------------------------------


def _create_certificate(want: Desired) -> Steps[Identity]:
    given = ("CertificateBody", "CertificateChain", "Path", "PrivateKey")
    request: Json = {name: want.properties[name] for name in given if name in want.properties}
    request["ServerCertificateName"] = want.name
    if want.tags:
        request["Tags"] = upper(want.tags)
    yield Call("iam", "UploadServerCertificate", request)
    return Identity(want.name or "")


def _update_certificate(old: Existing, want: Desired) -> Steps[None]:
    named = {"ServerCertificateName": old.id}
    before, after = old.desired.properties.get("Path"), want.properties.get("Path")
    if before != after:
        yield Call("iam", "UpdateServerCertificate", {**named, "NewPath": after or "/"})
    yield from retag("ServerCertificate", named, old.desired.tags, want.tags)


def _read_certificate(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetServerCertificate", {"ServerCertificateName": existing.id})
    return {"Arn": answer["ServerCertificate"]["ServerCertificateMetadata"]["Arn"]}


def _delete_certificate(existing: Existing) -> Steps[None]:
    yield Call("iam", "DeleteServerCertificate", {"ServerCertificateName": existing.id})


# -- OpenID Connect provider ---------------------------------------------------------------------------------


def _create_provider(want: Desired) -> Steps[Identity]:
    p = want.properties
    request: Json = {"Url": p["Url"]}
    if "ClientIdList" in p:
        request["ClientIDList"] = p["ClientIdList"]
    if "ThumbprintList" in p:
        request["ThumbprintList"] = p["ThumbprintList"]
    if want.tags:
        request["Tags"] = upper(want.tags)
    answer = yield Call("iam", "CreateOpenIDConnectProvider", request)
    return Identity(answer["OpenIDConnectProviderArn"])


def _update_provider(old: Existing, want: Desired) -> Steps[None]:
    named = {"OpenIDConnectProviderArn": old.id}
    was, now = old.desired.properties, want.properties
    before, after = was.get("ClientIdList") or (), now.get("ClientIdList") or ()
    for client in before:
        if client not in after:
            yield Call("iam", "RemoveClientIDFromOpenIDConnectProvider", {**named, "ClientID": client})
    for client in after:
        if client not in before:
            yield Call("iam", "AddClientIDToOpenIDConnectProvider", {**named, "ClientID": client})
    if was.get("ThumbprintList") != now.get("ThumbprintList"):
        thumbprints = now.get("ThumbprintList") or []
        yield Call("iam", "UpdateOpenIDConnectProviderThumbprint", {**named, "ThumbprintList": thumbprints})
    yield from retag("OpenIDConnectProvider", named, old.desired.tags, want.tags)


def _read_provider(existing: Existing) -> Steps[Json]:
    yield Call("iam", "GetOpenIDConnectProvider", {"OpenIDConnectProviderArn": existing.id})
    return {"Arn": existing.id}


def _delete_provider(existing: Existing) -> Steps[None]:
    yield Call("iam", "DeleteOpenIDConnectProvider", {"OpenIDConnectProviderArn": existing.id})


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::IAM::ServerCertificate",
            honoured=frozenset(
                "CertificateBody CertificateChain Path PrivateKey ServerCertificateName Tags".split()
            ),
            naming=Naming("ServerCertificateName", max_length=128),
            create=_create_certificate,
            read=_read_certificate,
            update=_update_certificate,
            delete=_delete_certificate,
            error=error,
        ),
        ResourceType(
            type="AWS::IAM::OIDCProvider",
            honoured=frozenset({"ClientIdList", "Tags", "ThumbprintList", "Url"}),
            create=_create_provider,
            read=_read_provider,
            update=_update_provider,
            delete=_delete_provider,
            error=error,
        ),
    )
}
