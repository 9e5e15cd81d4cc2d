"""Looking at stacks: descriptions, events, resources, exports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from neargate.model.cloudformation import DELETED, EVENTS, ResourceDrift, Stack, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.services.cloudformation.inputs import shown_parameters
from neargate.services.cloudformation.lookup import all_stacks, is_forgotten, required, resources

T = TypeVar("T")

EVENTS_PAGE = 100
RESOURCES_PAGE = 100


def page(items: Sequence[T], token: str | None, size: int) -> tuple[Sequence[T], str | None]:
    """One page and the token of the next. The token is the position, in AWS's opaque spirit."""
    if token is not None and not token.isdigit():
        raise AwsError("ValidationError", "NextToken is not valid")
    start = int(token or 0)
    end = start + size
    return items[start:end], str(end) if end < len(items) else None


@operation("cloudformation", "DescribeStacks", reads=True)
def describe_stacks(cx: Context, request: Json) -> Json:
    """One stack by name or id, or all that are not deleted."""
    if request.get("StackName"):
        return {"Stacks": [_description(required(cx, request["StackName"]))]}
    live = [s for s in all_stacks(cx) if s.status != DELETED]
    stacks, token = page(live, request.get("NextToken"), 100)
    return _with_token({"Stacks": [_description(s) for s in stacks]}, token)


def _with_token(answer: Json, token: str | None) -> Json:
    if token is not None:
        answer["NextToken"] = token
    return answer


def _description(stack: Stack) -> Json:
    gone = stack.status == DELETED
    shown: Json = {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": None if stack.deleted is not None else stack.change_set_id,
        "Description": stack.description,
        "Parameters": _parameters(stack) or None,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "RollbackConfiguration": stack.rollback_configuration,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DisableRollback": stack.disable_rollback,
        "NotificationARNs": stack.notification_arns,
        "TimeoutInMinutes": stack.timeout_minutes,
        "Capabilities": stack.input.capabilities or None,
        "Outputs": stack.outputs or None,
        "RoleARN": stack.role_arn,
        "Tags": upper(stack.input.tags),
        "EnableTerminationProtection": None if gone else stack.termination_protection,
        "DriftInformation": _drift(stack),
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "RetainExceptOnCreate": stack.retain_except_on_create or None,
        "DeploymentConfig": stack.deployment_config,
        "DeletionMode": stack.deletion_mode,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _parameters(stack: Stack) -> list[Json]:
    return shown_parameters(stack.input)


@operation("cloudformation", "ListStacks", reads=True)
def list_stacks(cx: Context, request: Json) -> Json:
    """Summaries of all stacks, deleted ones of the last 90 days included."""
    wanted = set(request.get("StackStatusFilter") or ())
    stacks = [s for s in all_stacks(cx) if (not wanted or s.status in wanted) and not is_forgotten(cx, s)]
    shown, token = page(stacks, request.get("NextToken"), 100)
    return _with_token({"StackSummaries": [_summary(s) for s in shown]}, token)


def _drift(stack: Stack) -> Json:
    """What drift detection last found, unless the stack has changed since."""
    if stack.drift_checked is None or stack.drift_checked < (stack.updated or stack.created):
        return {"StackDriftStatus": "NOT_CHECKED"}
    return {"StackDriftStatus": stack.drift, "LastCheckTimestamp": stack.drift_checked}


def _resource_drift(cx: Context, resource: StackResource) -> Json:
    found = cx.tx.get(ResourceDrift, resource.key)
    if found is None or found.at < resource.at:
        return {"StackResourceDriftStatus": "NOT_CHECKED"}
    return {"StackResourceDriftStatus": found.status, "LastCheckTimestamp": found.at}


def _summary(stack: Stack) -> Json:
    shown: Json = {
        "StackId": stack.id,
        "StackName": stack.name,
        "TemplateDescription": stack.description,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DriftInformation": _drift(stack),
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
    }
    return {name: value for name, value in shown.items() if value is not None}


@operation("cloudformation", "DescribeStackEvents", reads=True)
def describe_stack_events(cx: Context, request: Json) -> Json:
    """What happened to a stack, newest first."""
    stack = required(cx, request["StackName"], "Stack [{}] does not exist")
    token = request.get("NextToken")
    if token is not None and not token.isdigit():
        raise AwsError("ValidationError", "NextToken is not valid")
    entries = cx.tx.entries(
        EVENTS,
        stack.key,
        before=None if token is None else int(token),
        limit=EVENTS_PAGE + 1,
        newest_first=True,
    )
    shown = entries[:EVENTS_PAGE]
    events = [{"StackId": stack.id, "StackName": stack.name, **entry.body} for entry in shown]
    more = str(shown[-1].seq) if len(entries) > EVENTS_PAGE else None
    return _with_token({"StackEvents": events}, more)


@operation("cloudformation", "DescribeStackResources", reads=True)
def describe_stack_resources(cx: Context, request: Json) -> Json:
    """The resources of a stack, or of the stack that a physical id belongs to."""
    name, physical_id = request.get("StackName"), request.get("PhysicalResourceId")
    if name and physical_id:
        raise AwsError(
            "ValidationError", "You must specify either StackName or PhysicalResourceId, but not both"
        )
    if name:
        stack = required(cx, name)
    elif physical_id:
        stack = _stack_of(cx, physical_id)
    else:
        raise AwsError("ValidationError", "Either StackName or PhysicalResourceId must be specified")
    logical_id = request.get("LogicalResourceId")
    found = [r for r in resources(cx, stack) if logical_id in (None, r.logical_id)]
    if logical_id and not found:
        raise AwsError("ValidationError", f"Resource {logical_id} does not exist for stack {name}")
    return {"StackResources": [_resource(cx, stack, r, "Timestamp") for r in found[:RESOURCES_PAGE]]}


def _stack_of(cx: Context, physical_id: str) -> Stack:
    for stack in all_stacks(cx):
        if any(r.made is not None and r.made.physical_id == physical_id for r in resources(cx, stack)):
            return stack
    raise AwsError("ValidationError", f"Stack for {physical_id} does not exist")


def _resource(cx: Context, stack: Stack, resource: StackResource, time_member: str) -> Json:
    shown: Json = {
        "StackName": stack.name,
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.made.physical_id if resource.made else resource.last_id or None,
        "ResourceType": resource.type,
        time_member: resource.at,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason,
        "DriftInformation": _resource_drift(cx, resource),
    }
    return {name: value for name, value in shown.items() if value is not None}


@operation("cloudformation", "DescribeStackResource", reads=True)
def describe_stack_resource(cx: Context, request: Json) -> Json:
    """One resource."""
    stack = required(cx, request["StackName"], "Stack '{}' does not exist")
    logical_id = request["LogicalResourceId"]
    for resource in resources(cx, stack):
        if resource.logical_id == logical_id:
            detail = _resource(cx, stack, resource, "LastUpdatedTimestamp")
            metadata = resource.made.metadata if resource.made is not None else None
            detail["Metadata"] = json.dumps(metadata or {})
            return {"StackResourceDetail": detail}
    raise AwsError(
        "ValidationError", f"Resource {logical_id} does not exist for stack {request['StackName']}"
    )


@operation("cloudformation", "ListStackResources", reads=True)
def list_stack_resources(cx: Context, request: Json) -> Json:
    """Summaries of a stack's resources."""
    stack = required(cx, request["StackName"])
    shown, token = page(resources(cx, stack), request.get("NextToken"), RESOURCES_PAGE)
    summaries = []
    for resource in shown:
        summary = _resource(cx, stack, resource, "LastUpdatedTimestamp")
        del summary["StackName"], summary["StackId"]
        summaries.append(summary)
    return _with_token({"StackResourceSummaries": summaries}, token)


@operation("cloudformation", "ListExports", reads=True)
def list_exports(cx: Context, request: Json) -> Json:
    """Everything that stacks of this account and region export."""
    exports: list[dict[str, Any]] = [
        {"ExportingStackId": stack.id, "Name": name, "Value": value}
        for stack in all_stacks(cx)
        for name, value in sorted(stack.exports.items())
    ]
    shown, token = page(exports, request.get("NextToken"), 100)
    return _with_token({"Exports": list(shown)}, token)


@operation("cloudformation", "ListImports", reads=True)
def list_imports(cx: Context, request: Json) -> Json:
    """The stacks that import an export."""
    name = request["ExportName"]
    users = [stack.name for stack in all_stacks(cx) if name in stack.imports]
    if not users:
        raise AwsError("ValidationError", f"Export '{name}' is not imported by any stack.")
    shown, token = page(users, request.get("NextToken"), 100)
    return _with_token({"Imports": list(shown)}, token)
