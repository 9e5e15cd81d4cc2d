"""Stack events: the journal entries that DescribeStackEvents reads, and the records they go with."""

from __future__ import annotations

import attrs

from neargate.model.cloudformation import EVENTS, Made, Stack, StackResource
from neargate.model.operations import Context
from neargate.model.records import Json

VALIDATION_FAILED = "VALIDATION_FAILED"  # the DetailedStatus of a resource whose properties do not fit
_STACK_TYPE = "AWS::CloudFormation::Stack"


def stack_event(cx: Context, stack: Stack, status: str, reason: str | None = None) -> Stack:
    """Move a stack to a status: its record and its event. Returns the stack as it now stands."""
    moved = attrs.evolve(stack, status=status, reason=reason, waiting_for=None)
    cx.tx.put(moved)
    body: Json = {
        "EventId": cx.ids.uuid(),
        "LogicalResourceId": stack.name,
        "PhysicalResourceId": stack.id,
        "ResourceType": _STACK_TYPE,
        "ResourceStatus": status,
    }
    _append(cx, moved, body, reason)
    return moved


def resource_event(
    cx: Context,
    stack: Stack,
    resource: StackResource,
    status: str,
    reason: str | None = None,
    *,
    about: Made | None = None,
    properties: str | None = None,
    detailed: str | None = None,
    quiet: bool = False,
) -> StackResource:
    """Record a resource's status with its event. `about` is the real one meant where it is not `made`.

    `quiet` leaves the resource's own status alone (the removal of a leftover).
    """
    meant = about or resource.made
    body: Json = {
        "EventId": f"{resource.logical_id}-{cx.ids.uuid()}",
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": meant.physical_id if meant else "",
        "ResourceType": resource.type,
        "ResourceStatus": status,
    }
    if properties is not None:
        body["ResourceProperties"] = properties
    if detailed is not None:
        body["DetailedStatus"] = detailed
    _append(cx, stack, body, reason)
    if quiet:
        return resource
    moved = attrs.evolve(
        resource, status=status, reason=reason, detailed=detailed, at=cx.now, waiting_for=None
    )
    cx.tx.put(moved)
    return moved


def _append(cx: Context, stack: Stack, body: Json, reason: str | None) -> None:
    if reason is not None:
        body["ResourceStatusReason"] = reason
    if stack.operation is not None:
        body["OperationId"] = stack.operation.id
        if stack.operation.token:
            body["ClientRequestToken"] = stack.operation.token
    cx.tx.append(EVENTS, stack.key, body)
