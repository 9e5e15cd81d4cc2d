"""AWS::CloudFormation::Stack: a stack as a resource of another one, its parent.

The parent's id goes along as `ParentId`, a member that the public operations do not have; CloudFormation heeds it only
from itself. How parent and child keep step in cleanups and rollbacks is `drivers/stacks/nested.py`'s.
"""

from __future__ import annotations

from typing import Any

from neargate.model.cloudformation import DELETED, Stack
from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.planners.template.nouns import UNKNOWN
from neargate.resources import waiting
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Failed,
    Identity,
    Naming,
    Readiness,
    Ready,
    ResourceType,
    Steps,
    Waiting,
    handler_code,
)

NO_UPDATES = "No updates are to be performed."
_CLEANING = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
_TAKEN_BACK = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
_TURNING_BACK = "UPDATE_ROLLBACK_IN_PROGRESS"
_STANDS = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"})
_ON_THE_WAY = frozenset({"REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"})


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return error.message, handler_code(error)


def _create(want: Desired) -> Steps[Identity]:
    answer = yield Call("cloudformation", "CreateStack", {"StackName": want.name, **_given(want)})
    return Identity(answer["StackId"])


def _update(old: Existing, want: Desired) -> Steps[None]:
    try:
        yield Call("cloudformation", "UpdateStack", {"StackName": old.id, **_given(want)})
    except AwsError as error:
        if error.message != NO_UPDATES:
            raise


def _given(want: Desired) -> Json:
    p = want.properties
    request: Json = {
        "TemplateURL": p["TemplateURL"],
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": parameter_text(value)}
            for name, value in (p.get("Parameters") or {}).items()
        ],
        "Tags": upper(want.tags),
        "ParentId": want.stack_id,
        "LogicalId": want.logical_id,
        "ClientRequestToken": want.token,
    }
    if "TimeoutInMinutes" in p:
        request["TimeoutInMinutes"] = int(p["TimeoutInMinutes"])
    if p.get("NotificationARNs"):
        request["NotificationARNs"] = p["NotificationARNs"]
    return request


def parameter_text(value: Any, unknown: str = "") -> str:
    """A parameter's value as its text: lists are joined by commas. `unknown` stands for what is not known yet."""
    if value is UNKNOWN:
        return unknown
    if isinstance(value, list):
        return ",".join(parameter_text(item, unknown) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _described(existing: Existing) -> Steps[Json]:
    answer = yield Call("cloudformation", "DescribeStacks", {"StackName": existing.id})
    stack: Json = answer["Stacks"][0]
    return stack


def _read(existing: Existing) -> Steps[Json]:
    stack = yield from _described(existing)
    return {"Outputs": {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", ())}}


def _delete(existing: Existing) -> Steps[None]:
    yield Call(
        "cloudformation",
        "DeleteStack",
        {"StackName": existing.id, "ParentId": existing.desired.stack_id},
    )


def _ready(existing: Existing) -> Steps[Readiness]:
    stack = yield from _described(existing)
    status = stack["StackStatus"]
    if status in _STANDS or status == (_TAKEN_BACK if existing.reverting else _CLEANING):
        return Ready()
    if status in _ON_THE_WAY or (existing.reverting and status in {_CLEANING, _TURNING_BACK}):
        return Waiting(f"waiting for stack {stack['StackName']}, which is in {status}")
    if status in {_TURNING_BACK, _TAKEN_BACK}:
        reason = yield from _why_it_turned_back(existing)
        return Failed(_not_updated(existing, _TURNING_BACK, reason))
    reason = stack.get("StackStatusReason") or ""
    if status.startswith("UPDATE"):
        return Failed(_not_updated(existing, status, reason))
    return Failed(f"Embedded stack {existing.id} was not successfully created: {reason}")


def _why_it_turned_back(existing: Existing) -> Steps[str]:
    answer = yield Call("cloudformation", "DescribeStackEvents", {"StackName": existing.id})
    for event in answer["StackEvents"]:
        if event["PhysicalResourceId"] == existing.id and event["ResourceStatus"] == _TURNING_BACK:
            return str(event.get("ResourceStatusReason", ""))
    return ""


def _not_updated(existing: Existing, status: str, reason: str) -> str:
    return f"Embedded stack {existing.id} was not successfully updated. Currently in {status} with reason: {reason}"


def _gone(existing: Existing) -> Steps[Readiness]:
    try:
        stack = yield from _described(existing)
    except AwsError:
        return Ready()  # deleted so long ago that its record has gone too
    if stack["StackStatus"] == DELETED:
        return Ready()
    if stack["StackStatus"] == "DELETE_FAILED":
        reason = stack.get("StackStatusReason") or ""
        return Failed(f"Embedded stack {existing.id} was not successfully deleted: {reason}")
    return Waiting(f"waiting for stack {stack['StackName']} to be deleted")


TYPES = {
    "AWS::CloudFormation::Stack": ResourceType(
        type="AWS::CloudFormation::Stack",
        honoured=frozenset({"TemplateURL", "Parameters", "Tags", "TimeoutInMinutes", "NotificationARNs"}),
        naming=Naming("StackName", max_length=128, style="legacy", taken="service"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        ready=_ready,
        gone=_gone,
        error=_error,
        watches=frozenset({Stack.KIND}),
        nested=True,
        handlerless=True,
        waits_always=True,
    ),
    **waiting.WAITING,
}
