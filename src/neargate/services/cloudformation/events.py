"""Stack events: the journal entries that DescribeStackEvents and DescribeEvents read.

Event ids and times are as in recorded answers: a stack's own events have a UUID, a resource's `LOGICAL-STATUS-TIME`.
No two events of a stack have the same time, so that clients that sort by it, or know events by their id, see each
one in its place.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

import attrs

from neargate.model.cloudformation import EVENTS, NOTIFICATIONS, Stack
from neargate.model.operations import Context
from neargate.model.records import Json

STACK_TYPE = "AWS::CloudFormation::Stack"
INITIATED = "User Initiated"


def stack_event(cx: Context, stack: Stack, status: str, reason: str | None = None) -> Stack:
    """Move a stack to a status: its record and its event. Returns the stack as it now stands."""
    moved = attrs.evolve(stack, status=status, reason=reason, waiting_for=None)
    cx.tx.put(moved)
    body: Json = {
        "LogicalResourceId": stack.name,
        "PhysicalResourceId": stack.id,
        "ResourceType": STACK_TYPE,
        "ResourceStatus": status,
    }
    append(cx, moved, body, reason, identity=cx.ids.uuid())
    return moved


def append(cx: Context, stack: Stack, body: Json, reason: str | None, *, identity: str | None = None) -> None:
    """Add an event of the stack's current operation. `body` has botocore's members; `identity` the event's id."""
    at = _next_time(cx, stack)
    if identity is None:
        shown = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        identity = f"{body['LogicalResourceId']}-{body['ResourceStatus']}-{shown}"
    event: Json = {"EventId": identity, "Timestamp": at, **body}
    if reason is not None:
        event["ResourceStatusReason"] = reason
    operation = stack.operation
    if operation is not None:
        event["OperationId"] = operation.id
        if operation.token:
            event["ClientRequestToken"] = operation.token
    cx.tx.append(EVENTS, stack.key, event)
    if stack.notification_arns:
        message: Json = {"TopicArns": stack.notification_arns, "Principal": stack.principal, "Event": event}
        cx.tx.append(NOTIFICATIONS, stack.key, message)


def _next_time(cx: Context, stack: Stack) -> float:
    """Now in whole milliseconds, later than the stack's last event."""
    now = math.floor(cx.now * 1000)
    last = cx.tx.entries(EVENTS, stack.key, limit=1, newest_first=True)
    if last:
        now = max(now, round(last[0].body["Timestamp"] * 1000) + 1)
    return now / 1000
