"""Groups of users. Their policies are in `principals_policies`, as those of roles and users."""

from __future__ import annotations

import attrs

from neargate.model.iam import Group, User, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam.lookup import (
    already_exists,
    delete_conflict,
    groups_of,
    limit_exceeded,
    new_id,
    page,
    require_group,
    require_user,
)

GROUPS_QUOTA = 10


@operation("iam", "CreateGroup")
def create_group(cx: Context, request: Json) -> Json:
    name = request["GroupName"]
    _refuse_taken(cx, name)
    group = Group(
        account=cx.account,
        name=name,
        id=new_id(cx, "AGPA"),
        created=cx.now,
        path=request.get("Path") or "/",
    )
    cx.tx.put(group)
    return {"Group": _described(group)}


def _refuse_taken(cx: Context, name: str) -> None:
    if cx.tx.get(Group, key_of(cx.account, name)) is not None:
        raise already_exists(f"Group with name {name} already exists.")


@operation("iam", "GetGroup", reads=True)
def get_group(cx: Context, request: Json) -> Json:
    """The group and a page of its users."""
    group = require_group(cx, request["GroupName"])
    users = (require_user(cx, name) for name in sorted(group.users))
    return {"Group": _described(group), **page(request, "Users", users, _member)}


@operation("iam", "ListGroups", reads=True)
def list_groups(cx: Context, request: Json) -> Json:
    prefix = request.get("PathPrefix") or "/"
    found = [group for group in cx.tx.scan(Group, f"{cx.account}/") if group.path.startswith(prefix)]
    return page(request, "Groups", found, _described)


@operation("iam", "UpdateGroup")
def update_group(cx: Context, request: Json) -> Json:
    """Another path, another name, or both."""
    group = require_group(cx, request["GroupName"])
    name = request.get("NewGroupName") or group.name
    if name.lower() != group.name.lower():
        _refuse_taken(cx, name)
    cx.tx.delete(Group, group.key)
    cx.tx.put(attrs.evolve(group, name=name, path=request.get("NewPath") or group.path))
    return {}


@operation("iam", "DeleteGroup")
def delete_group(cx: Context, request: Json) -> Json:
    group = require_group(cx, request["GroupName"])
    if group.users:
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    if group.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if group.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    cx.tx.delete(Group, group.key)
    return {}


@operation("iam", "AddUserToGroup")
def add_user_to_group(cx: Context, request: Json) -> Json:
    """A user who is in the group already stays: no error."""
    group, user = require_group(cx, request["GroupName"]), require_user(cx, request["UserName"])
    if user.name in group.users:
        return {}
    if len(groups_of(cx, user)) >= GROUPS_QUOTA:
        raise limit_exceeded(f"Cannot exceed quota for GroupsPerUser: {GROUPS_QUOTA}")
    cx.tx.put(attrs.evolve(group, users=(*group.users, user.name)))
    return {}


@operation("iam", "RemoveUserFromGroup")
def remove_user_from_group(cx: Context, request: Json) -> Json:
    """A user who is not in the group: no error either."""
    group, user = require_group(cx, request["GroupName"]), require_user(cx, request["UserName"])
    cx.tx.put(attrs.evolve(group, users=tuple(name for name in group.users if name != user.name)))
    return {}


@operation("iam", "ListGroupsForUser", reads=True)
def list_groups_for_user(cx: Context, request: Json) -> Json:
    return page(request, "Groups", groups_of(cx, require_user(cx, request["UserName"])), _described)


def _described(group: Group) -> Json:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created,
    }


def _member(user: User) -> Json:
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created,
    }
