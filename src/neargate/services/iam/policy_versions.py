"""Versions of managed policies."""

from __future__ import annotations

import attrs

from neargate.model.errors import not_implemented
from neargate.model.iam import Policy, PolicyVersion
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam import aws_managed
from neargate.services.iam.lookup import (
    check_arn,
    delete_conflict,
    find_policy,
    limit_exceeded,
    no_such_entity,
    page,
    require_policy,
    travelling,
)
from neargate.services.iam.managed_policies import check_document

VERSIONS_QUOTA = 5


@operation("iam", "CreatePolicyVersion")
def create_policy_version(cx: Context, request: Json) -> Json:
    policy = require_policy(cx, request["PolicyArn"])
    check_document(request["PolicyDocument"])
    if len(policy.versions) >= VERSIONS_QUOTA:
        raise limit_exceeded(
            f"A managed policy can have up to {VERSIONS_QUOTA} versions. Before you create a new version, you "
            "must delete an existing version."
        )
    version = PolicyVersion(f"v{policy.next_version}", request["PolicyDocument"], cx.now)
    default = version.id if request.get("SetAsDefault") else policy.default_version
    policy = attrs.evolve(
        policy,
        versions=(*policy.versions, version),
        next_version=policy.next_version + 1,
        default_version=default,
        updated=cx.now,
    )
    cx.tx.put(policy)
    return {"PolicyVersion": _listed(policy, version)}


@operation("iam", "GetPolicyVersion", reads=True)
def get_policy_version(cx: Context, request: Json) -> Json:
    arn, wanted = request["PolicyArn"], request["VersionId"]
    check_arn(arn)
    policy = find_policy(cx, arn)
    if policy is not None:
        version = _require(policy, wanted)
        document = travelling(version.document)
        return {"PolicyVersion": {**_listed(policy, version), "Document": document}}
    managed = aws_managed.policies().get(arn)
    if managed is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    text = aws_managed.document(arn)
    if wanted != managed.version or text is None:
        raise not_implemented(f"iam:GetPolicyVersion of {arn} {wanted}", "iam")
    found = {"VersionId": wanted, "IsDefaultVersion": True, "CreateDate": managed.updated}
    return {"PolicyVersion": {**found, "Document": travelling(text)}}


@operation("iam", "ListPolicyVersions", reads=True)
def list_policy_versions(cx: Context, request: Json) -> Json:
    """An AWS managed policy shows its default version only."""
    arn = request["PolicyArn"]
    check_arn(arn)
    policy = find_policy(cx, arn)
    if policy is not None:
        own = policy
        return page(request, "Versions", reversed(own.versions), lambda version: _listed(own, version))
    managed = aws_managed.policies().get(arn)
    if managed is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    only = {"VersionId": managed.version, "IsDefaultVersion": True, "CreateDate": managed.updated}
    return page(request, "Versions", [only], dict)


@operation("iam", "SetDefaultPolicyVersion")
def set_default_policy_version(cx: Context, request: Json) -> Json:
    policy = require_policy(cx, request["PolicyArn"])
    version = _require(policy, request["VersionId"])
    cx.tx.put(attrs.evolve(policy, default_version=version.id, updated=cx.now))
    return {}


@operation("iam", "DeletePolicyVersion")
def delete_policy_version(cx: Context, request: Json) -> Json:
    policy = require_policy(cx, request["PolicyArn"])
    version = _require(policy, request["VersionId"])
    if version.id == policy.default_version:
        raise delete_conflict("Cannot delete the default version of a policy.")
    kept = tuple(other for other in policy.versions if other.id != version.id)
    cx.tx.put(attrs.evolve(policy, versions=kept, updated=cx.now))
    return {}


def _require(policy: Policy, version: str) -> PolicyVersion:
    for found in policy.versions:
        if found.id == version:
            return found
    raise no_such_entity(f"Policy {policy.arn} version {version} does not exist or is not attachable.")


def _listed(policy: Policy, version: PolicyVersion) -> Json:
    return {
        "VersionId": version.id,
        "IsDefaultVersion": version.id == policy.default_version,
        "CreateDate": version.created,
    }
