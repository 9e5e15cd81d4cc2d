"""Inline and attached policies: the same operations on roles, users and groups."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from neargate.model.errors import AwsError
from neargate.model.iam import Group, Role, User
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import policy_document
from neargate.services.iam.lookup import (
    check_arn,
    check_attachable,
    limit_exceeded,
    no_such_entity,
    page,
    require_group,
    require_role,
    require_user,
    travelling,
)
from neargate.services.iam.service_linked_roles import refuse_if_service_linked

Holder = Role | User | Group
ATTACHED_QUOTA = 10


def _declare(word: str, inline_quota: int, require: Callable[[Context, str], Holder]) -> None:
    """`word` is `Role`, `User` or `Group`; requests name the holder by `RoleName`, `UserName` or `GroupName`."""
    _declare_inline(word, inline_quota, require)
    _declare_attached(word, require)


def _declare_inline(word: str, quota: int, require: Callable[[Context, str], Holder]) -> None:
    member, small = f"{word}Name", word.lower()

    def put(cx: Context, request: Json) -> Json:
        holder = _changeable(require(cx, request[member]))
        policy_document.parse_identity(request["PolicyDocument"])
        inline = {**holder.inline, request["PolicyName"]: request["PolicyDocument"]}
        if sum(policy_document.size(text) for text in inline.values()) > quota:
            raise limit_exceeded(f"Maximum policy size of {quota} bytes exceeded for {small} {holder.name}")
        cx.tx.put(attrs.evolve(holder, inline=inline))
        return {}

    def get(cx: Context, request: Json) -> Json:
        holder, name = require(cx, request[member]), request["PolicyName"]
        if name not in holder.inline:
            raise no_such_entity(f"The {small} policy with name {name} cannot be found.")
        document = travelling(holder.inline[name])
        return {member: holder.name, "PolicyName": name, "PolicyDocument": document}

    def list_names(cx: Context, request: Json) -> Json:
        return page(request, "PolicyNames", sorted(require(cx, request[member]).inline), str)

    def delete(cx: Context, request: Json) -> Json:
        holder, name = _changeable(require(cx, request[member])), request["PolicyName"]
        if name not in holder.inline:
            raise no_such_entity(f"The {small} policy with name {name} cannot be found.")
        kept = {key: value for key, value in holder.inline.items() if key != name}
        cx.tx.put(attrs.evolve(holder, inline=kept))
        return {}

    operation("iam", f"Put{word}Policy")(put)
    operation("iam", f"Get{word}Policy", reads=True)(get)
    operation("iam", f"List{word}Policies", reads=True)(list_names)
    operation("iam", f"Delete{word}Policy")(delete)


def _declare_attached(word: str, require: Callable[[Context, str], Holder]) -> None:
    member = f"{word}Name"

    def attach(cx: Context, request: Json) -> Json:
        holder, arn = _changeable(require(cx, request[member])), request["PolicyArn"]
        check_attachable(cx, arn)
        if arn in holder.attached:
            return {}
        if len(holder.attached) >= ATTACHED_QUOTA:
            raise limit_exceeded(f"Cannot exceed quota for PoliciesPer{word}: {ATTACHED_QUOTA}")
        cx.tx.put(attrs.evolve(holder, attached=(*holder.attached, arn)))
        return {}

    def detach(cx: Context, request: Json) -> Json:
        holder, arn = _changeable(require(cx, request[member])), request["PolicyArn"]
        check_arn(arn)
        if arn not in holder.attached:
            raise no_such_entity(f"Policy {arn} was not found.")
        cx.tx.put(attrs.evolve(holder, attached=tuple(kept for kept in holder.attached if kept != arn)))
        return {}

    def list_attached(cx: Context, request: Json) -> Json:
        prefix = request.get("PathPrefix") or "/"
        holder = require(cx, request[member])
        found = [arn for arn in holder.attached if arn.partition(":policy")[2].startswith(prefix)]
        return page(request, "AttachedPolicies", found, _attached)

    operation("iam", f"Attach{word}Policy")(attach)
    operation("iam", f"Detach{word}Policy")(detach)
    operation("iam", f"ListAttached{word}Policies", reads=True)(list_attached)


def _attached(arn: str) -> Json:
    return {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn}


def _changeable(holder: Holder) -> Holder:
    if isinstance(holder, Role):
        refuse_if_service_linked(holder)
    return holder


_declare("Role", 10240, require_role)
_declare("User", 2048, require_user)
_declare("Group", 5120, require_group)


@operation("iam", "ListEntitiesForPolicy", reads=True)
def list_entities_for_policy(cx: Context, request: Json) -> Json:
    """Roles, users and groups that a policy is attached to (or, by PolicyUsageFilter, bounds)."""
    arn, prefix = request["PolicyArn"], request.get("PathPrefix") or "/"
    check_attachable(cx, arn)
    usage, entity = request.get("PolicyUsageFilter"), request.get("EntityFilter")
    if entity in ("LocalManagedPolicy", "AWSManagedPolicy"):
        raise AwsError("InvalidInput", f"Invalid EntityFilter: {entity}")

    def uses(holder: Holder) -> bool:
        attached = arn in holder.attached and usage != "PermissionsBoundary"
        bounded = holder.permissions_boundary == arn and usage != "PermissionsPolicy"
        return holder.path.startswith(prefix) and (attached or bounded)

    def users_of(kind: type[Role] | type[User] | type[Group], name: str) -> list[Holder]:
        wanted = entity in (None, name)
        holders: list[Holder] = list(cx.tx.scan(kind, f"{cx.account}/")) if wanted else []
        return [holder for holder in holders if uses(holder)]

    found = [*users_of(Group, "Group"), *users_of(Role, "Role"), *users_of(User, "User")]
    answer = page(request, "Entities", found, lambda holder: holder)
    shown: list[Holder] = answer.pop("Entities")
    return {
        "PolicyGroups": [{"GroupName": g.name, "GroupId": g.id} for g in shown if isinstance(g, Group)],
        "PolicyUsers": [{"UserName": u.name, "UserId": u.id} for u in shown if isinstance(u, User)],
        "PolicyRoles": [{"RoleName": r.name, "RoleId": r.id} for r in shown if isinstance(r, Role)],
        **answer,
    }
