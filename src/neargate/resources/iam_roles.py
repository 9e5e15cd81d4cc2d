"""AWS::IAM::Role, InstanceProfile, ServiceLinkedRole."""

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
from neargate.resources.iam_attachments import GONE, ROLE, bound, document, error, retag
from neargate.resources.shapes import missing_is_fine

_SESSION = 3600  # seconds; IAM's MaxSessionDuration where nobody says another


# -- role --------------------------------------------------------------------------------------------------


def _create_role(want: Desired) -> Steps[Identity]:
    p = want.properties
    request: Json = {
        "RoleName": want.name,
        "AssumeRolePolicyDocument": document(p["AssumeRolePolicyDocument"]),
        "Path": p.get("Path"),
        "Description": p.get("Description"),
        "MaxSessionDuration": int(p["MaxSessionDuration"]) if "MaxSessionDuration" in p else None,
        "PermissionsBoundary": p.get("PermissionsBoundary"),
        "Tags": upper(want.tags) or None,
    }
    yield Call("iam", "CreateRole", {name: value for name, value in request.items() if value is not None})
    yield from ROLE.hold(want.name or "", p)
    return Identity(want.name or "")


def _update_role(old: Existing, want: Desired) -> Steps[None]:
    role, was, now = old.id, old.desired.properties, want.properties
    yield Call(
        "iam",
        "UpdateAssumeRolePolicy",
        {"RoleName": role, "PolicyDocument": document(now["AssumeRolePolicyDocument"])},
    )
    duration = int(now.get("MaxSessionDuration") or _SESSION)
    change = {"RoleName": role, "Description": now.get("Description") or "", "MaxSessionDuration": duration}
    yield Call("iam", "UpdateRole", change)
    yield from bound(ROLE, role, was.get("PermissionsBoundary"), now.get("PermissionsBoundary"))
    yield from ROLE.change(role, was, now)
    yield from retag("Role", {"RoleName": role}, old.desired.tags, want.tags)


def _read_role(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetRole", {"RoleName": existing.id})
    return {"Arn": answer["Role"]["Arn"], "RoleId": answer["Role"]["RoleId"]}


def _delete_role(existing: Existing) -> Steps[None]:
    yield from ROLE.release(existing.id, existing.desired.properties)
    yield Call("iam", "DeleteRole", {"RoleName": existing.id})


# -- instance profile ----------------------------------------------------------------------------------------


def _create_profile(want: Desired) -> Steps[Identity]:
    request: Json = {"InstanceProfileName": want.name}
    if "Path" in want.properties:
        request["Path"] = want.properties["Path"]
    yield Call("iam", "CreateInstanceProfile", request)
    for role in want.properties["Roles"]:
        yield _role_of_profile("Add", want.name or "", role)
    return Identity(want.name or "")


def _role_of_profile(verb: str, profile: str, role: str) -> Call:
    way = {"Add": "AddRoleTo", "Remove": "RemoveRoleFrom"}[verb]
    return Call("iam", f"{way}InstanceProfile", {"InstanceProfileName": profile, "RoleName": role})


def _update_profile(old: Existing, want: Desired) -> Steps[None]:
    before, after = old.desired.properties["Roles"], want.properties["Roles"]
    for role in before:
        if role not in after:
            yield from missing_is_fine(_role_of_profile("Remove", old.id, role), GONE)
    for role in after:
        if role not in before:
            yield _role_of_profile("Add", old.id, role)


def _read_profile(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetInstanceProfile", {"InstanceProfileName": existing.id})
    return {"Arn": answer["InstanceProfile"]["Arn"]}


def _delete_profile(existing: Existing) -> Steps[None]:
    answer = yield Call("iam", "GetInstanceProfile", {"InstanceProfileName": existing.id})
    for role in answer["InstanceProfile"]["Roles"]:
        yield _role_of_profile("Remove", existing.id, role["RoleName"])
    yield Call("iam", "DeleteInstanceProfile", {"InstanceProfileName": existing.id})


# -- service-linked role -------------------------------------------------------------------------------------


def _create_linked(want: Desired) -> Steps[Identity]:
    given = ("AWSServiceName", "CustomSuffix", "Description")
    request = {name: want.properties[name] for name in given if name in want.properties}
    answer = yield Call("iam", "CreateServiceLinkedRole", request)
    return Identity(answer["Role"]["RoleName"])


def _update_linked(old: Existing, want: Desired) -> Steps[None]:
    description = want.properties.get("Description") or ""
    yield Call("iam", "UpdateRoleDescription", {"RoleName": old.id, "Description": description})


def _read_linked(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetRole", {"RoleName": existing.id})
    return {"RoleName": answer["Role"]["RoleName"]}


def _delete_linked(existing: Existing) -> Steps[None]:
    yield Call("iam", "DeleteServiceLinkedRole", {"RoleName": existing.id})


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
            error=error,
        ),
        ResourceType(
            type="AWS::IAM::InstanceProfile",
            honoured=frozenset({"InstanceProfileName", "Path", "Roles"}),
            naming=Naming("InstanceProfileName", max_length=128),
            create=_create_profile,
            read=_read_profile,
            update=_update_profile,
            delete=_delete_profile,
            error=error,
        ),
        ResourceType(
            type="AWS::IAM::ServiceLinkedRole",
            honoured=frozenset({"AWSServiceName", "CustomSuffix", "Description"}),
            create=_create_linked,
            read=_read_linked,
            update=_update_linked,
            delete=_delete_linked,
            error=error,
        ),
    )
}
