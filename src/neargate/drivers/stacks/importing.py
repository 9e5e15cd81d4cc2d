"""Taking existing resources over into a stack. Each function is one transaction; none makes or removes a resource."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from neargate.drivers.stacks import handlers
from neargate.drivers.stacks.journal import resource_event, stack_event
from neargate.model.cloudformation import Made, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.resources import evaluation, registry
from neargate.resources.declaration import Desired, Existing
from neargate.resources.identifiers import physical_id

STARTED = "Resource import started."
COMPLETED = "Resource import completed."
TAGGING = "Apply stack-level tags to imported resource if applicable."


def adopt(
    cx: Context,
    stack: Stack,
    resource: StackResource,
    want: Desired,
    needs: list[str],
    identifier: Mapping[str, str],
) -> tuple[StackResource, Made]:
    """Find the resource, and give it the stack's tags; its events but the last. Raises HandlerFailed."""
    declared = registry.find(resource.type)
    identity = physical_id(resource.type, identifier)
    naming = declared.naming
    name = None if naming is None else str(want.properties.get(naming.property) or identity)
    made = Made(identity, want.properties, name, needs=needs)
    resource = resource_event(cx, stack, resource, "IMPORT_IN_PROGRESS", STARTED, about=made)
    wanted = attrs.evolve(want, name=name)
    try:
        made = handlers.read(declared, made, Existing(identity, wanted), cx, stack.role_arn)
    except AwsError as error:
        if declared.error("Read", error)[1] != "NotFound":
            raise handlers.failure(declared, "Read", error, want.token) from error
        named = {f"/properties/{key}": value for key, value in identifier.items()}
        shown = json.dumps(named, separators=(",", ":"))
        text = f"Resource of type '{resource.type}' with identifier '{shown}' was not found."
        raise handlers.failure_text(declared, text, "NotFound", want.token) from error
    resource = resource_event(cx, stack, attrs.evolve(resource, made=made), "IMPORT_COMPLETE", COMPLETED)
    resource = resource_event(cx, stack, resource, "UPDATE_IN_PROGRESS", TAGGING)
    if declared.update is not None and evaluation.is_taggable(resource.type):
        untagged = Existing(identity, attrs.evolve(wanted, tags={}, system_tags={}))
        try:
            handlers.carry_out(declared.update(untagged, wanted), cx, stack.role_arn)
        except AwsError as error:
            raise handlers.failure(declared, "Update", error, want.token) from error
    return resource, attrs.evolve(made, tags=want.tags, system_tags=want.system_tags)


def turn_back(cx: Context, stack: Stack, operation: StackOperation, reason: str) -> None:
    """Let go of what was imported; the resources themselves stay as they are."""
    stack_event(cx, stack, "IMPORT_ROLLBACK_IN_PROGRESS", reason)
    for resource in cx.tx.scan(StackResource, stack.key + "/"):
        if resource.logical_id not in operation.adopts or resource.operation != operation.id:
            continue
        if resource.made is not None:
            resource = resource_event(cx, stack, resource, "IMPORT_ROLLBACK_IN_PROGRESS")
            resource_event(cx, stack, resource, "IMPORT_ROLLBACK_COMPLETE")
        cx.tx.delete(StackResource, resource.key)
    back = stack if operation.before is None else attrs.evolve(stack, input=operation.before)
    stack_event(cx, back, "IMPORT_ROLLBACK_COMPLETE")
