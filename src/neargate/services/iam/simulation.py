"""SimulatePrincipalPolicy and SimulateCustomPolicy: IAM's decision without the call it is about."""

from __future__ import annotations

from collections.abc import Iterable

from neargate.model.errors import AwsError
from neargate.model.iam import Group, Role, User
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import policy_document
from neargate.planners.policy_document import Document
from neargate.planners.policy_evaluation import Decision, Request, decide
from neargate.services.iam import aws_managed
from neargate.services.iam.lookup import (
    find_policy,
    groups_of,
    page,
    require_group,
    require_role,
    require_user,
)

_EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


@operation("iam", "SimulatePrincipalPolicy", reads=True)
def simulate_principal_policy(cx: Context, request: Json) -> Json:
    """What a role's, user's or group's policies say of actions on resources, together with policies given here.

    A user has the policies of the groups that the user is in.
    """
    holder = _holder(cx, request["PolicySourceArn"])
    policies = [*_policies(cx, holder), *map(_read, request.get("PolicyInputList") or ())]
    boundary = _boundary(cx, request, holder)
    return page(request, "EvaluationResults", _evaluate(request, policies, boundary), dict)


@operation("iam", "SimulateCustomPolicy", reads=True)
def simulate_custom_policy(cx: Context, request: Json) -> Json:
    """What the given policies say of actions on resources."""
    policies = [_read(text) for text in request["PolicyInputList"]]
    boundary = _boundary(cx, request, None)
    return page(request, "EvaluationResults", _evaluate(request, policies, boundary), dict)


def _holder(cx: Context, arn: str) -> Role | User | Group:
    kind, _, path = arn.rpartition(":")[2].partition("/")
    if kind == "role":
        return require_role(cx, path.rsplit("/", 1)[-1])
    if kind == "user":
        return require_user(cx, path.rsplit("/", 1)[-1])
    if kind == "group":
        return require_group(cx, path.rsplit("/", 1)[-1])
    raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")


def _policies(cx: Context, holder: Role | User | Group) -> list[Document]:
    found = [policy_document.read(text) for text in holder.inline.values()]
    found += [_attached(cx, arn) for arn in holder.attached]
    groups = groups_of(cx, holder) if isinstance(holder, User) else []
    return found + [document for group in groups for document in _policies(cx, group)]


def _attached(cx: Context, arn: str) -> Document:
    """A managed policy. One of AWS's own whose text this release lacks is taken to allow what it was attached for."""
    own = find_policy(cx, arn)
    return policy_document.read(own.document if own else aws_managed.document(arn) or _EVERYTHING)


def _boundary(cx: Context, request: Json, holder: Role | User | Group | None) -> list[Document] | None:
    given = request.get("PermissionsBoundaryPolicyInputList")
    if given:
        return [_read(text) for text in given]
    if holder is not None and holder.permissions_boundary:
        return [_attached(cx, holder.permissions_boundary)]
    return None


def _read(text: str) -> Document:
    try:
        return policy_document.parse_identity(text)
    except AwsError as error:
        raise AwsError("InvalidInput", error.message) from error


def _evaluate(request: Json, policies: list[Document], boundary: list[Document] | None) -> Iterable[Json]:
    context = {
        str(entry["ContextKeyName"]): tuple(entry.get("ContextKeyValues") or ())
        for entry in request.get("ContextEntries") or ()
    }
    for action in request["ActionNames"]:
        for resource in request.get("ResourceArns") or ["*"]:
            asked = Request(action, resource, context)
            decision, within = decide(policies, asked), None
            if boundary is not None:
                within = decide(boundary, asked)
            yield _result(asked, decision, within)


def _result(asked: Request, decision: Decision, within: Decision | None) -> Json:
    if within is not None and within != "allowed" and decision == "allowed":
        decision = within
    result: Json = {
        "EvalActionName": asked.action,
        "EvalResourceName": asked.resource,
        "EvalDecision": decision,
        "MatchedStatements": [],
        "MissingContextValues": [],
    }
    if within is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": within == "allowed"}
    return result
