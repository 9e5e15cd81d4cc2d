"""Users and their access keys."""

from __future__ import annotations

import re
import string

import attrs

from neargate.model import tags
from neargate.model.errors import AwsError
from neargate.model.iam import AccessKey, User, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam import tagging
from neargate.services.iam.lookup import (
    already_exists,
    check_attachable,
    delete_conflict,
    groups_of,
    limit_exceeded,
    new_id,
    no_such_entity,
    page,
    require_user,
)

KEYS_QUOTA = 2
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"


@operation("iam", "CreateUser")
def create_user(cx: Context, request: Json) -> Json:
    name = request["UserName"]
    if cx.tx.get(User, key_of(cx.account, name)) is not None:
        raise already_exists(f"User with name {name} already exists.")
    boundary = request.get("PermissionsBoundary")
    if boundary is not None:
        check_attachable(cx, boundary, "Scope ARN:")
    user = User(
        account=cx.account,
        name=name,
        id=new_id(cx, "AIDA"),
        created=cx.now,
        path=request.get("Path") or "/",
        permissions_boundary=boundary,
        tags=tagging.given(request),
    )
    cx.tx.put(user)
    return {"User": _described(user)}


@operation("iam", "GetUser", reads=True)
def get_user(cx: Context, request: Json) -> Json:
    """Without a name: the caller, who is the account's root for keys that belong to nobody."""
    name = request.get("UserName") or _own_name(cx)
    if name is not None:
        return {"User": _described(require_user(cx, name))}
    if cx.caller.role is not None:
        raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
    root = {"Path": "/", "UserName": "root", "UserId": cx.account, "Arn": cx.caller.principal}
    return {"User": {**root, "CreateDate": 0.0}}


@operation("iam", "ListUsers", reads=True)
def list_users(cx: Context, request: Json) -> Json:
    prefix = request.get("PathPrefix") or "/"
    found = [user for user in cx.tx.scan(User, f"{cx.account}/") if user.path.startswith(prefix)]
    return page(request, "Users", found, lambda user: _described(user, full=False))


@operation("iam", "UpdateUser")
def update_user(cx: Context, request: Json) -> Json:
    """Another path, another name, or both. Keys and groups follow a new name."""
    user = require_user(cx, request["UserName"])
    name = request.get("NewUserName") or user.name
    if name.lower() != user.name.lower() and cx.tx.get(User, key_of(cx.account, name)) is not None:
        raise already_exists(f"User with name {name} already exists.")
    for group in groups_of(cx, user):
        members = tuple(name if member == user.name else member for member in group.users)
        cx.tx.put(attrs.evolve(group, users=members))
    for key in _keys_of(cx, user):
        cx.tx.put(attrs.evolve(key, user=name))
    cx.tx.delete(User, user.key)
    cx.tx.put(attrs.evolve(user, name=name, path=request.get("NewPath") or user.path))
    return {}


@operation("iam", "PutUserPermissionsBoundary")
def put_user_permissions_boundary(cx: Context, request: Json) -> Json:
    user = require_user(cx, request["UserName"])
    check_attachable(cx, request["PermissionsBoundary"], "Scope ARN:")
    cx.tx.put(attrs.evolve(user, permissions_boundary=request["PermissionsBoundary"]))
    return {}


@operation("iam", "DeleteUserPermissionsBoundary")
def delete_user_permissions_boundary(cx: Context, request: Json) -> Json:
    cx.tx.put(attrs.evolve(require_user(cx, request["UserName"]), permissions_boundary=None))
    return {}


@operation("iam", "DeleteUser")
def delete_user(cx: Context, request: Json) -> Json:
    user = require_user(cx, request["UserName"])
    if user.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if user.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    if _keys_of(cx, user):
        raise delete_conflict("Cannot delete entity, must delete access keys first.")
    if groups_of(cx, user):
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    cx.tx.delete(User, user.key)
    return {}


@operation("iam", "CreateAccessKey")
def create_access_key(cx: Context, request: Json) -> Json:
    user = _named_or_own(cx, request)
    if len(_keys_of(cx, user)) >= KEYS_QUOTA:
        raise limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_QUOTA}")
    key = AccessKey(
        id="AKIA" + cx.ids.letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        secret=cx.ids.letters(40, _SECRET_ALPHABET),
        account=user.account,
        user=user.name,
        created=cx.now,
    )
    cx.tx.put(key)
    return {"AccessKey": {**_listed_key(key), "SecretAccessKey": key.secret}}


@operation("iam", "ListAccessKeys", reads=True)
def list_access_keys(cx: Context, request: Json) -> Json:
    return page(request, "AccessKeyMetadata", _keys_of(cx, _named_or_own(cx, request)), _listed_key)


@operation("iam", "UpdateAccessKey")
def update_access_key(cx: Context, request: Json) -> Json:
    if request["Status"] not in ("Active", "Inactive"):
        raise AwsError("InvalidInput", f"Invalid access key status: {request['Status']}")
    cx.tx.put(attrs.evolve(_require_key(cx, request), status=request["Status"]))
    return {}


@operation("iam", "DeleteAccessKey")
def delete_access_key(cx: Context, request: Json) -> Json:
    cx.tx.delete(AccessKey, _require_key(cx, request).key)
    return {}


def _require_key(cx: Context, request: Json) -> AccessKey:
    user, wanted = _named_or_own(cx, request), request["AccessKeyId"]
    found = cx.tx.get(AccessKey, wanted)
    if found is None or (found.account, found.user) != (user.account, user.name):
        raise no_such_entity(f"The Access Key with id {wanted} cannot be found.")
    return found


def _keys_of(cx: Context, user: User) -> list[AccessKey]:
    return [k for k in cx.tx.scan(AccessKey) if (k.account, k.user) == (user.account, user.name)]


def _named_or_own(cx: Context, request: Json) -> User:
    name = request.get("UserName") or _own_name(cx)
    if name is None:
        raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
    return require_user(cx, name)


def _own_name(cx: Context) -> str | None:
    found = re.fullmatch(r"arn:aws:iam::\d{12}:user/(?:.*/)?([^/]+)", cx.caller.principal)
    return None if found is None else found[1]


def _listed_key(key: AccessKey) -> Json:
    return {"UserName": key.user, "AccessKeyId": key.id, "Status": key.status, "CreateDate": key.created}


def _described(user: User, *, full: bool = True) -> Json:
    answer: Json = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created,
    }
    if full and user.permissions_boundary is not None:
        answer["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": user.permissions_boundary,
        }
    if full and user.tags:
        answer["Tags"] = tags.upper(user.tags)
    return answer
