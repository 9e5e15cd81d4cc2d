"""AWS::IAM::Role, Policy, ManagedPolicy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.planners.physical_names import physical_name
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
    handler_code,
    sdk_error,
)


def _document(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return sdk_error("Iam", error), handler_code(error)


_SESSION = 3600  # seconds; IAM's MaxSessionDuration where nobody says another


# -- role --------------------------------------------------------------------------------------------------


def _create_role(want: Desired) -> Steps[Identity]:
    p = want.properties
    request: Json = {
        "RoleName": want.name,
        "AssumeRolePolicyDocument": _document(p["AssumeRolePolicyDocument"]),
        "Path": p.get("Path"),
        "Description": p.get("Description"),
        "MaxSessionDuration": int(p["MaxSessionDuration"]) if "MaxSessionDuration" in p else None,
        "PermissionsBoundary": p.get("PermissionsBoundary"),
        "Tags": upper(want.tags) or None,
    }
    yield Call("iam", "CreateRole", {name: value for name, value in request.items() if value is not None})
    yield from _attach(want.name or "", p.get("ManagedPolicyArns") or ())
    yield from _put_inline(want.name or "", p.get("Policies") or ())
    return Identity(want.name or "")


def _attach(role: str, arns: Iterable[str]) -> Steps[None]:
    for arn in arns:
        yield Call("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn})


def _put_inline(role: str, policies: Iterable[Json]) -> Steps[None]:
    for policy in policies:
        yield Call(
            "iam",
            "PutRolePolicy",
            {
                "RoleName": role,
                "PolicyName": policy["PolicyName"],
                "PolicyDocument": _document(policy["PolicyDocument"]),
            },
        )


def _update_role(old: Existing, want: Desired) -> Steps[None]:
    role, was, now = old.id, old.desired.properties, want.properties
    yield Call(
        "iam",
        "UpdateAssumeRolePolicy",
        {"RoleName": role, "PolicyDocument": _document(now["AssumeRolePolicyDocument"])},
    )
    duration = int(now.get("MaxSessionDuration") or _SESSION)
    change = {"RoleName": role, "Description": now.get("Description") or "", "MaxSessionDuration": duration}
    yield Call("iam", "UpdateRole", change)
    yield from _bound(role, was.get("PermissionsBoundary"), now.get("PermissionsBoundary"))
    before, after = set(was.get("ManagedPolicyArns") or ()), list(now.get("ManagedPolicyArns") or ())
    for arn in sorted(before - set(after)):
        yield Call("iam", "DetachRolePolicy", {"RoleName": role, "PolicyArn": arn})
    yield from _attach(role, (arn for arn in after if arn not in before))
    names = {policy["PolicyName"] for policy in now.get("Policies") or ()}
    for policy in was.get("Policies") or ():
        if policy["PolicyName"] not in names:
            yield Call("iam", "DeleteRolePolicy", {"RoleName": role, "PolicyName": policy["PolicyName"]})
    yield from _put_inline(role, now.get("Policies") or ())
    gone = sorted(old.desired.tags.keys() - want.tags.keys())
    if gone:
        yield Call("iam", "UntagRole", {"RoleName": role, "TagKeys": gone})
    if want.tags:
        yield Call("iam", "TagRole", {"RoleName": role, "Tags": upper(want.tags)})


def _bound(role: str, was: str | None, boundary: str | None) -> Steps[None]:
    if boundary and boundary != was:
        yield Call("iam", "PutRolePermissionsBoundary", {"RoleName": role, "PermissionsBoundary": boundary})
    elif was and not boundary:
        yield Call("iam", "DeleteRolePermissionsBoundary", {"RoleName": role})


def _read_role(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetRole", {"RoleName": existing.id})
    return {"Arn": answer["Role"]["Arn"], "RoleId": answer["Role"]["RoleId"]}


def _delete_role(existing: Existing) -> Steps[None]:
    role = existing.id
    attached = yield Call("iam", "ListAttachedRolePolicies", {"RoleName": role})
    for policy in attached["AttachedPolicies"]:
        yield Call("iam", "DetachRolePolicy", {"RoleName": role, "PolicyArn": policy["PolicyArn"]})
    for policy in existing.desired.properties.get("Policies") or ():
        yield Call("iam", "DeleteRolePolicy", {"RoleName": role, "PolicyName": policy["PolicyName"]})
    yield Call("iam", "DeleteRole", {"RoleName": role})


# -- inline policy -----------------------------------------------------------------------------------------


def _roles(properties: Json) -> list[str]:
    return [str(role) for role in properties.get("Roles") or ()]


def _create_policy(want: Desired) -> Steps[Identity]:
    yield from _put_on(want, _roles(want.properties))
    return Identity(physical_name("short", 64, want.stack_name, want.logical_id, want.token))


def _put_on(want: Desired, roles: Iterable[str]) -> Steps[None]:
    document = _document(want.properties["PolicyDocument"])
    for role in roles:
        yield Call(
            "iam",
            "PutRolePolicy",
            {"RoleName": role, "PolicyName": want.properties["PolicyName"], "PolicyDocument": document},
        )


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    yield from _put_on(want, _roles(now))
    renamed = was["PolicyName"] != now["PolicyName"]
    for role in _roles(was):
        if renamed or role not in _roles(now):
            yield from _drop(role, was["PolicyName"])


def _drop(role: str, name: str) -> Steps[None]:
    try:
        yield Call("iam", "DeleteRolePolicy", {"RoleName": role, "PolicyName": name})
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise


def _read_policy(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_policy(existing: Existing) -> Steps[None]:
    for role in _roles(existing.desired.properties):
        yield from _drop(role, existing.desired.properties["PolicyName"])


# -- managed policy ----------------------------------------------------------------------------------------


def _create_managed(want: Desired) -> Steps[Identity]:
    p = want.properties
    request: Json = {
        "PolicyName": want.name,
        "PolicyDocument": _document(p["PolicyDocument"]),
        "Path": p.get("Path"),
        "Description": p.get("Description"),
    }
    answer = yield Call(
        "iam", "CreatePolicy", {name: value for name, value in request.items() if value is not None}
    )
    arn = answer["Policy"]["Arn"]
    for role in _roles(p):
        yield Call("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn})
    return Identity(arn)


def _update_managed(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if was["PolicyDocument"] != now["PolicyDocument"]:
        versions = yield Call("iam", "ListPolicyVersions", {"PolicyArn": old.id})
        spare = [v["VersionId"] for v in versions["Versions"] if not v["IsDefaultVersion"]]
        if len(versions["Versions"]) >= 5 and spare:
            yield Call("iam", "DeletePolicyVersion", {"PolicyArn": old.id, "VersionId": spare[-1]})
        document = _document(now["PolicyDocument"])
        yield Call(
            "iam",
            "CreatePolicyVersion",
            {"PolicyArn": old.id, "PolicyDocument": document, "SetAsDefault": True},
        )
    for role in set(_roles(was)) - set(_roles(now)):
        yield Call("iam", "DetachRolePolicy", {"RoleName": role, "PolicyArn": old.id})
    for role in _roles(now):
        if role not in _roles(was):
            yield Call("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": old.id})


def _read_managed(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetPolicy", {"PolicyArn": existing.id})
    policy = answer["Policy"]
    return {
        "PolicyArn": policy["Arn"],
        "PolicyId": policy["PolicyId"],
        "AttachmentCount": policy["AttachmentCount"],
        "DefaultVersionId": policy["DefaultVersionId"],
        "IsAttachable": policy["IsAttachable"],
    }


def _delete_managed(existing: Existing) -> Steps[None]:
    users = yield Call("iam", "ListEntitiesForPolicy", {"PolicyArn": existing.id})
    for role in users.get("PolicyRoles") or ():
        yield Call("iam", "DetachRolePolicy", {"RoleName": role["RoleName"], "PolicyArn": existing.id})
    versions = yield Call("iam", "ListPolicyVersions", {"PolicyArn": existing.id})
    for version in versions["Versions"]:
        if not version["IsDefaultVersion"]:
            yield Call(
                "iam", "DeletePolicyVersion", {"PolicyArn": existing.id, "VersionId": version["VersionId"]}
            )
    yield Call("iam", "DeletePolicy", {"PolicyArn": existing.id})


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::IAM::Role",
            honoured=frozenset(
                "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary "
                "Policies RoleName Tags".split()
            ),
            naming=Naming("RoleName", max_length=64),
            create=_create_role,
            read=_read_role,
            update=_update_role,
            delete=_delete_role,
            error=_error,
        ),
        ResourceType(
            type="AWS::IAM::Policy",
            honoured=frozenset({"PolicyDocument", "PolicyName", "Roles"}),
            create=_create_policy,
            read=_read_policy,
            update=_update_policy,
            delete=_delete_policy,
            error=_error,
        ),
        ResourceType(
            type="AWS::IAM::ManagedPolicy",
            honoured=frozenset({"Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles"}),
            naming=Naming("ManagedPolicyName", max_length=128, unique=True),
            create=_create_managed,
            read=_read_managed,
            update=_update_managed,
            delete=_delete_managed,
            error=_error,
        ),
    )
}
