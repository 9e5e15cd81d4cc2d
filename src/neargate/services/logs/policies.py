"""Resource policies: which AWS services may write to this account's log groups. Recorded as given."""

from __future__ import annotations

import json

from neargate.model.errors import AwsError, not_implemented
from neargate.model.logs import LogResourcePolicy
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.logs.lookup import invalid, page

_MAX_POLICIES = 10


@operation("logs", "PutResourcePolicy")
def put_resource_policy(cx: Context, request: Json) -> Json:
    _account_scope_only(request)
    name, document = request.get("policyName"), request.get("policyDocument")
    if not name or not document:
        raise invalid("Both policyName and policyDocument must be specified.")
    _check_document(document)
    policy = LogResourcePolicy(
        account=cx.account, region=cx.region, name=name, document=document, updated=int(cx.now * 1000)
    )
    if cx.tx.get(LogResourcePolicy, policy.key) is None and len(_policies(cx)) >= _MAX_POLICIES:
        raise AwsError("LimitExceededException", "Resource limit exceeded.")
    cx.tx.put(policy)
    return {"resourcePolicy": _described(policy)}


@operation("logs", "DescribeResourcePolicies", reads=True)
def describe_resource_policies(cx: Context, request: Json) -> Json:
    _account_scope_only(request)
    shown, token = page(
        _policies(cx), lambda policy: policy.name, request.get("nextToken"), request.get("limit", 50)
    )
    return {"resourcePolicies": [_described(policy) for policy in shown], "nextToken": token}


@operation("logs", "DeleteResourcePolicy")
def delete_resource_policy(cx: Context, request: Json) -> Json:
    _account_scope_only(request)
    name = request.get("policyName", "")
    if not cx.tx.delete(LogResourcePolicy, cx.caller.scope(name)):
        raise AwsError("ResourceNotFoundException", f"Policy with name [{name}] does not exist.")
    return {}


def _account_scope_only(request: Json) -> None:
    if request.get("resourceArn") or request.get("policyScope") == "RESOURCE":
        raise not_implemented("logs resource policies of a single log group", "logs")


def _check_document(document: str) -> None:
    try:
        parsed = json.loads(document)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not parsed.get("Statement"):
        raise invalid("Unrecognized or malformed policy document")


def _policies(cx: Context) -> list[LogResourcePolicy]:
    return cx.tx.scan(LogResourcePolicy, cx.caller.scope(""))


def _described(policy: LogResourcePolicy) -> Json:
    return {
        "policyName": policy.name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.updated,
        "policyScope": "ACCOUNT",
    }
