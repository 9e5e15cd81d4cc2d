"""Roles and their trust policies."""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model import tags
from neargate.model.iam import InstanceProfile, Role, User, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import policy_document
from neargate.services.iam import aws_managed, tagging
from neargate.services.iam.lookup import (
    already_exists,
    check_attachable,
    delete_conflict,
    limit_exceeded,
    new_id,
    page,
    require_role,
    travelling,
)
from neargate.services.iam.service_linked_roles import refuse_if_service_linked

TRUST_POLICY_QUOTA = 2048


@operation("iam", "CreateRole")
def create_role(cx: Context, request: Json) -> Json:
    name = request["RoleName"]
    if cx.tx.get(Role, key_of(cx.account, name)) is not None:
        raise already_exists(f"Role with name {name} already exists.")
    check_trust_policy(cx, request["AssumeRolePolicyDocument"])
    boundary = request.get("PermissionsBoundary")
    if boundary is not None:
        check_attachable(cx, boundary, "Scope ARN:")
    role = Role(
        account=cx.account,
        name=name,
        id=new_id(cx, "AROA"),
        trust_policy=request["AssumeRolePolicyDocument"],
        created=cx.now,
        path=request.get("Path") or "/",
        description=request.get("Description"),
        max_session=request.get("MaxSessionDuration") or 3600,
        permissions_boundary=boundary,
        tags=tagging.given(request),
    )
    cx.tx.put(role)
    answer = listed(role)
    if role.tags:
        answer["Tags"] = tags.upper(role.tags)
    return {"Role": {**answer, **_boundary(role)}}


@operation("iam", "GetRole", reads=True)
def get_role(cx: Context, request: Json) -> Json:
    return {"Role": described(require_role(cx, request["RoleName"]))}


@operation("iam", "ListRoles", reads=True)
def list_roles(cx: Context, request: Json) -> Json:
    prefix = request.get("PathPrefix") or "/"
    found = [role for role in cx.tx.scan(Role, f"{cx.account}/") if role.path.startswith(prefix)]
    return page(request, "Roles", found, listed)


@operation("iam", "UpdateRole")
def update_role(cx: Context, request: Json) -> Json:
    role = _changeable(cx, request["RoleName"])
    cx.tx.put(
        attrs.evolve(
            role,
            description=request.get("Description", role.description),
            max_session=request.get("MaxSessionDuration") or role.max_session,
        )
    )
    return {}


@operation("iam", "UpdateRoleDescription")
def update_role_description(cx: Context, request: Json) -> Json:
    role = attrs.evolve(require_role(cx, request["RoleName"]), description=request["Description"])
    cx.tx.put(role)
    return {"Role": described(role)}


@operation("iam", "UpdateAssumeRolePolicy")
def update_assume_role_policy(cx: Context, request: Json) -> Json:
    role = _changeable(cx, request["RoleName"])
    check_trust_policy(cx, request["PolicyDocument"])
    cx.tx.put(attrs.evolve(role, trust_policy=request["PolicyDocument"]))
    return {}


@operation("iam", "DeleteRole")
def delete_role(cx: Context, request: Json) -> Json:
    role = _changeable(cx, request["RoleName"])
    if any(profile.role == role.name for profile in cx.tx.scan(InstanceProfile, f"{cx.account}/")):
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    if role.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if role.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    cx.tx.delete(Role, role.key)
    return {}


@operation("iam", "PutRolePermissionsBoundary")
def put_role_permissions_boundary(cx: Context, request: Json) -> Json:
    role = _changeable(cx, request["RoleName"])
    check_attachable(cx, request["PermissionsBoundary"], "Scope ARN:")
    cx.tx.put(attrs.evolve(role, permissions_boundary=request["PermissionsBoundary"]))
    return {}


@operation("iam", "DeleteRolePermissionsBoundary")
def delete_role_permissions_boundary(cx: Context, request: Json) -> Json:
    role = _changeable(cx, request["RoleName"])
    cx.tx.put(attrs.evolve(role, permissions_boundary=None))
    return {}


def check_trust_policy(cx: Context, text: str) -> None:
    """Refuse a trust policy that breaks the grammar or names a role or user that does not exist."""
    document = policy_document.parse_trust(text, aws_managed.is_service)
    for arn in policy_document.named_principals(document):
        account, resource = arn.split(":")[4:6]
        key = key_of(account, resource.rsplit("/", 1)[-1])
        role = resource.startswith("role/")
        found: Role | User | None = cx.tx.get(Role, key) if role else cx.tx.get(User, key)
        if found is None or found.arn != arn:
            raise policy_document.malformed(f'Invalid principal in policy: "AWS":"{arn}"')
    if policy_document.size(text) > TRUST_POLICY_QUOTA:
        raise limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_QUOTA}")


def _changeable(cx: Context, name: str) -> Role:
    role = require_role(cx, name)
    refuse_if_service_linked(role)
    return role


def listed(role: Role) -> Json:
    """A role as lists show it: without tags, boundary and last use."""
    answer: dict[str, Any] = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": travelling(role.trust_policy),
        "MaxSessionDuration": role.max_session,
    }
    if role.description is not None:
        answer["Description"] = role.description
    return answer


def described(role: Role) -> Json:
    """A role as GetRole shows it."""
    answer = {**listed(role), **_boundary(role), "RoleLastUsed": {}}
    if role.tags:
        answer["Tags"] = tags.upper(role.tags)
    return answer


def _boundary(role: Role) -> Json:
    if role.permissions_boundary is None:
        return {}
    arn = role.permissions_boundary
    return {
        "PermissionsBoundary": {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": arn,
        }
    }
