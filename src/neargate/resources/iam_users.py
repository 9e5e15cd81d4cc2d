"""AWS::IAM::User, Group, UserToGroupAddition, AccessKey."""

from __future__ import annotations

from collections.abc import Iterable

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
)
from neargate.resources.iam_attachments import GONE, GROUP, USER, bound, error, retag
from neargate.resources.shapes import missing_is_fine


def _join(user: str, group: str) -> Call:
    return Call("iam", "AddUserToGroup", {"UserName": user, "GroupName": group})


def _leave(user: str, group: str) -> Steps[None]:
    yield from missing_is_fine(
        Call("iam", "RemoveUserFromGroup", {"UserName": user, "GroupName": group}), GONE
    )


# -- user ----------------------------------------------------------------------------------------------------


def _create_user(want: Desired) -> Steps[Identity]:
    p, name = want.properties, want.name or ""
    request: Json = {"UserName": name, "Tags": upper(want.tags) or None}
    request.update({member: p.get(member) for member in ("Path", "PermissionsBoundary")})
    yield Call("iam", "CreateUser", {member: value for member, value in request.items() if value})
    yield from USER.hold(name, p)
    for group in p.get("Groups") or ():
        yield _join(name, group)
    return Identity(name)


def _update_user(old: Existing, want: Desired) -> Steps[None]:
    name, was, now = old.id, old.desired.properties, want.properties
    if was.get("Path") != now.get("Path"):
        yield Call("iam", "UpdateUser", {"UserName": name, "NewPath": now.get("Path") or "/"})
    yield from bound(USER, name, was.get("PermissionsBoundary"), now.get("PermissionsBoundary"))
    yield from USER.change(name, was, now)
    before, after = was.get("Groups") or (), now.get("Groups") or ()
    for group in before:
        if group not in after:
            yield from _leave(name, group)
    for group in after:
        yield _join(name, group)
    yield from retag("User", {"UserName": name}, old.desired.tags, want.tags)


def _read_user(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetUser", {"UserName": existing.id})
    return {"Arn": answer["User"]["Arn"]}


def _delete_user(existing: Existing) -> Steps[None]:
    name = existing.id
    yield from USER.release(name, existing.desired.properties)
    groups = yield Call("iam", "ListGroupsForUser", {"UserName": name})
    for group in groups["Groups"]:
        yield from _leave(name, group["GroupName"])
    yield Call("iam", "DeleteUser", {"UserName": name})


# -- group ---------------------------------------------------------------------------------------------------


def _create_group(want: Desired) -> Steps[Identity]:
    p, name = want.properties, want.name or ""
    yield Call("iam", "CreateGroup", {"GroupName": name, **({"Path": p["Path"]} if "Path" in p else {})})
    yield from GROUP.hold(name, p)
    return Identity(name)


def _update_group(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if was.get("Path") != now.get("Path"):
        yield Call("iam", "UpdateGroup", {"GroupName": old.id, "NewPath": now.get("Path") or "/"})
    yield from GROUP.change(old.id, was, now)


def _read_group(existing: Existing) -> Steps[Json]:
    answer = yield Call("iam", "GetGroup", {"GroupName": existing.id})
    return {"Arn": answer["Group"]["Arn"]}


def _delete_group(existing: Existing) -> Steps[None]:
    yield from GROUP.release(existing.id, existing.desired.properties)
    yield Call("iam", "DeleteGroup", {"GroupName": existing.id})


# -- users added to a group ----------------------------------------------------------------------------------


def _users(existing: Existing | Desired) -> list[str]:
    desired = existing.desired if isinstance(existing, Existing) else existing
    return [str(user) for user in desired.properties["Users"]]


def _create_addition(want: Desired) -> Steps[Identity]:
    yield from _join_all(_users(want), want.properties["GroupName"])
    return Identity(physical_name("legacy", 128, want.stack_name, want.logical_id, want.token))


def _join_all(users: Iterable[str], group: str) -> Steps[None]:
    for user in users:
        yield _join(user, group)


def _update_addition(old: Existing, want: Desired) -> Steps[None]:
    before, after = old.desired.properties["GroupName"], want.properties["GroupName"]
    for user in _users(old):
        if before != after or user not in _users(want):
            yield from _leave(user, before)
    yield from _join_all(_users(want), after)


def _read_addition(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_addition(existing: Existing) -> Steps[None]:
    for user in _users(existing):
        yield from _leave(user, existing.desired.properties["GroupName"])


# -- access key ----------------------------------------------------------------------------------------------


def _create_key(want: Desired) -> Steps[Identity]:
    """The secret is told here and nowhere else."""
    user = want.properties["UserName"]
    key = (yield Call("iam", "CreateAccessKey", {"UserName": user}))["AccessKey"]
    if want.properties.get("Status") == "Inactive":
        yield _set_status(user, key["AccessKeyId"], "Inactive")
    return Identity(key["AccessKeyId"], {"SecretAccessKey": key["SecretAccessKey"]})


def _set_status(user: str, key: str, status: str) -> Call:
    return Call("iam", "UpdateAccessKey", {"UserName": user, "AccessKeyId": key, "Status": status})


def _update_key(old: Existing, want: Desired) -> Steps[None]:
    yield _set_status(want.properties["UserName"], old.id, want.properties.get("Status") or "Active")


def _read_key(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_key(existing: Existing) -> Steps[None]:
    request = {"UserName": existing.desired.properties["UserName"], "AccessKeyId": existing.id}
    yield Call("iam", "DeleteAccessKey", request)


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::IAM::User",
            honoured=frozenset(
                "Groups ManagedPolicyArns Path PermissionsBoundary Policies Tags UserName".split()
            ),
            naming=Naming("UserName", max_length=64),
            create=_create_user,
            read=_read_user,
            update=_update_user,
            delete=_delete_user,
            error=error,
        ),
        ResourceType(
            type="AWS::IAM::Group",
            honoured=frozenset({"GroupName", "ManagedPolicyArns", "Path", "Policies"}),
            naming=Naming("GroupName", max_length=128),
            create=_create_group,
            read=_read_group,
            update=_update_group,
            delete=_delete_group,
            error=error,
        ),
        ResourceType(
            type="AWS::IAM::UserToGroupAddition",
            honoured=frozenset({"GroupName", "Users"}),
            create=_create_addition,
            read=_read_addition,
            update=_update_addition,
            delete=_delete_addition,
            error=error,
        ),
        ResourceType(
            type="AWS::IAM::AccessKey",
            honoured=frozenset({"Serial", "Status", "UserName"}),
            create=_create_key,
            read=_read_key,
            update=_update_key,
            delete=_delete_key,
            error=error,
        ),
    )
}
