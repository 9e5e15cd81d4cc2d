"""The status of a resource and the event that shows it: recorded together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import Made, Stack, StackResource
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.cloudformation import events

VALIDATION_FAILED = "VALIDATION_FAILED"  # the DetailedStatus of a resource whose properties do not fit

stack_event = events.stack_event


def resource_event(
    cx: Context,
    stack: Stack,
    resource: StackResource,
    status: str,
    reason: str | None = None,
    *,
    about: Made | None = None,
    properties: Mapping[str, Any] | None = None,
    detailed: str | None = None,
    quiet: bool = False,
) -> StackResource:
    """Record a resource's status with its event. `about` is the real one meant where it is not `made`.

    `properties` are shown where they are not those that the real one was made from. `quiet` leaves the resource's
    own status alone (the removal of a leftover).
    """
    meant = about or resource.made
    shown = properties if properties is not None else meant.shown if meant else None
    body: Json = {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": meant.physical_id if meant else "",
        "ResourceType": resource.type,
        "ResourceStatus": status,
    }
    if shown:
        body["ResourceProperties"] = json.dumps(shown, separators=(",", ":"))
    if detailed is not None:
        body["DetailedStatus"] = detailed
    events.append(cx, stack, body, reason)
    if quiet:
        return resource
    moved = attrs.evolve(
        resource, status=status, reason=reason, detailed=detailed, at=cx.now, waiting_for=None
    )
    cx.tx.put(moved)
    return moved
