"""Managed policies: the account's own and those that AWS manages."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.iam import Group, Policy, PolicyVersion, Role, User, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import policy_document
from neargate.services.iam import aws_managed, tagging
from neargate.services.iam.aws_managed import AwsPolicy
from neargate.services.iam.lookup import (
    already_exists,
    check_arn,
    delete_conflict,
    find_policy,
    limit_exceeded,
    new_id,
    no_such_entity,
    page,
    require_policy,
)

POLICY_QUOTA = 6144


@attrs.frozen
class Usage:
    """How often each policy ARN is attached, and how often it bounds."""

    attached: dict[str, int]
    bounding: dict[str, int]


@operation("iam", "CreatePolicy")
def create_policy(cx: Context, request: Json) -> Json:
    name, text = request["PolicyName"], request["PolicyDocument"]
    if cx.tx.get(Policy, key_of(cx.account, name)) is not None:
        raise already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    check_document(text)
    policy = Policy(
        account=cx.account,
        name=name,
        id=new_id(cx, "ANPA"),
        created=cx.now,
        updated=cx.now,
        versions=(PolicyVersion("v1", text, cx.now),),
        path=request.get("Path") or "/",
        description=request.get("Description"),
        tags=tagging.given(request),
    )
    cx.tx.put(policy)
    return {"Policy": _own(policy, Usage({}, {}), full=False)}


@operation("iam", "GetPolicy", reads=True)
def get_policy(cx: Context, request: Json) -> Json:
    arn = request["PolicyArn"]
    check_arn(arn)
    own = find_policy(cx, arn)
    if own is not None:
        return {"Policy": _own(own, usage(cx), full=True)}
    managed = aws_managed.policies().get(arn)
    if managed is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    return {"Policy": {**_aws(managed, usage(cx)), "Tags": []}}


@operation("iam", "ListPolicies", reads=True)
def list_policies(cx: Context, request: Json) -> Json:
    scope, prefix = request.get("Scope") or "All", request.get("PathPrefix") or "/"
    used = usage(cx)
    found: list[Json] = []
    if scope != "AWS":
        found += [_own(policy, used, full=False) for policy in cx.tx.scan(Policy, f"{cx.account}/")]
    if scope != "Local":
        found += [_aws(policy, used) for policy in aws_managed.policies().values()]
    wanted = request.get("PolicyUsageFilter")
    if request.get("OnlyAttached") or wanted == "PermissionsPolicy":
        found = [policy for policy in found if policy["AttachmentCount"]]
    if wanted == "PermissionsBoundary":
        found = [policy for policy in found if policy["PermissionsBoundaryUsageCount"]]
    return page(request, "Policies", [p for p in found if p["Path"].startswith(prefix)], dict)


@operation("iam", "DeletePolicy")
def delete_policy(cx: Context, request: Json) -> Json:
    policy = require_policy(cx, request["PolicyArn"])
    used = usage(cx)
    if policy.arn in used.attached or policy.arn in used.bounding:
        raise delete_conflict("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy."
        )
    cx.tx.delete(Policy, policy.key)
    return {}


def check_document(text: str) -> None:
    """Refuse what is no policy, or too long for a managed one."""
    policy_document.parse_identity(text, managed=True)
    if policy_document.size(text) > POLICY_QUOTA:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {POLICY_QUOTA}")


def usage(cx: Context) -> Usage:
    """Counted from the account's roles, users and groups, so that it is never wrong."""
    holders: list[Role | User | Group] = [
        *cx.tx.scan(Role, f"{cx.account}/"),
        *cx.tx.scan(User, f"{cx.account}/"),
        *cx.tx.scan(Group, f"{cx.account}/"),
    ]
    counted = Usage({}, {})
    for holder in holders:
        for arn in holder.attached:
            counted.attached[arn] = counted.attached.get(arn, 0) + 1
        if holder.permissions_boundary:
            arn = holder.permissions_boundary
            counted.bounding[arn] = counted.bounding.get(arn, 0) + 1
    return counted


def _own(policy: Policy, used: Usage, *, full: bool) -> Json:
    answer: Json = {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default_version,
        "AttachmentCount": used.attached.get(policy.arn, 0),
        "PermissionsBoundaryUsageCount": used.bounding.get(policy.arn, 0),
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }
    if full and policy.description is not None:
        answer["Description"] = policy.description
    if full or policy.tags:
        answer["Tags"] = tags.upper(policy.tags)
    return answer


def _aws(policy: AwsPolicy, used: Usage) -> Json:
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.version,
        "AttachmentCount": used.attached.get(policy.arn, 0),
        "PermissionsBoundaryUsageCount": used.bounding.get(policy.arn, 0),
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }
