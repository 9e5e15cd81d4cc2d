"""Removing resources: for a delete, a rollback, and the cleanup after an update. Each function is one transaction."""

from __future__ import annotations

import attrs

from neargate.drivers.stacks import handlers
from neargate.drivers.stacks.journal import resource_event
from neargate.model.cloudformation import Made, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.resources import evaluation, registry
from neargate.resources.declaration import Failed, Waiting

REMOVE_WITHIN = 30 * 60.0  # seconds


def is_kept(resource: StackResource, operation: StackOperation) -> bool:
    """True where the template, or the caller, wants it to outlive the stack."""
    assert resource.made is not None
    undone = resource.base == operation.base and not resource.existed  # what made it is being taken back
    if resource.logical_id in operation.retain or (undone and resource.logical_id in operation.adopts):
        return True
    policy = resource.made.deletion_policy
    if policy == "RetainExceptOnCreate" or operation.retain_except_on_create:
        return policy != "Delete" and not undone
    return policy == "Retain"


def begin(
    cx: Context, stack: Stack, resource: StackResource, operation: StackOperation, place: evaluation.Place
) -> None:
    """Start to remove the resource that stands. Raises HandlerFailed."""
    made = resource.made
    assert made is not None
    kept = is_kept(resource, operation)
    resource = attrs.evolve(resource, operation=operation.id, started=cx.now)
    if kept:
        leave(cx, stack, resource, made)
        return
    resource = resource_event(cx, stack, resource, "DELETE_IN_PROGRESS")
    _delete(cx, stack, resource, made, place)
    if _is_gone(cx, stack, resource, made, place):
        finish(cx, stack, resource, made)


def check(cx: Context, stack: Stack, resource: StackResource, place: evaluation.Place) -> bool:
    """Is the one under removal gone? True where it is now. Raises HandlerFailed."""
    made = resource.made
    assert made is not None
    if not _is_gone(cx, stack, resource, made, place):
        return False
    finish(cx, stack, resource, made)
    return True


def finish(cx: Context, stack: Stack, resource: StackResource, made: Made) -> None:
    gone = attrs.evolve(resource, made=None, last_id=made.physical_id)
    resource_event(cx, stack, gone, "DELETE_COMPLETE", about=made)


def leave(cx: Context, stack: Stack, resource: StackResource, made: Made, reason: str | None = None) -> None:
    """It stays; the stack knows it no longer."""
    left = attrs.evolve(resource, made=None, last_id=made.physical_id)
    resource_event(cx, stack, left, "DELETE_SKIPPED", reason, about=made)


def fail(cx: Context, stack: Stack, resource: StackResource, operation: StackOperation, reason: str) -> None:
    """It could not be removed. A forced deletion leaves it behind."""
    if resource.status != "DELETE_IN_PROGRESS" or resource.operation != operation.id:
        resource = attrs.evolve(resource, operation=operation.id)
        resource = resource_event(cx, stack, resource, "DELETE_IN_PROGRESS")
    if operation.force and resource.made is not None:
        leave(cx, stack, resource, resource.made, reason)
        return
    resource_event(cx, stack, resource, "DELETE_FAILED", reason)


def clean(cx: Context, stack: Stack, resource: StackResource, place: evaluation.Place) -> bool:
    """Take one step in removing a leftover; True where something changed.

    A cleanup never fails the stack: what cannot be removed is left, with the reason in an event.
    """
    made = resource.leftover
    assert made is not None
    if resource.leftover_status == "":
        if made.update_replace_policy == "Retain":
            resource_event(cx, stack, resource, "DELETE_SKIPPED", about=made, quiet=True)
            cx.tx.put(attrs.evolve(resource, leftover=None))
            return True
        resource_event(cx, stack, resource, "DELETE_IN_PROGRESS", about=made, quiet=True)
        resource = attrs.evolve(resource, leftover_status="DELETE_IN_PROGRESS", started=cx.now)
        _delete(cx, stack, resource, made, place)
        cx.tx.put(resource)
    if not _is_gone(cx, stack, resource, made, place):
        return False
    resource_event(cx, stack, resource, "DELETE_COMPLETE", about=made, quiet=True)
    cx.tx.put(attrs.evolve(resource, leftover=None, leftover_status=""))
    return True


def give_up_cleaning(cx: Context, stack: Stack, resource: StackResource, reason: str) -> None:
    """What was replaced cannot be removed: it is left, and the update is complete all the same."""
    _remember_failed(cx, stack, resource)
    resource_event(cx, stack, resource, "DELETE_FAILED", reason, about=resource.leftover, quiet=True)
    cx.tx.put(attrs.evolve(resource, leftover=None, leftover_status=""))


def abandon(
    cx: Context, stack: Stack, resource: StackResource, operation: StackOperation, reason: str
) -> None:
    """What left the template cannot be removed: it is left, and the update is complete all the same."""
    _remember_failed(cx, stack, resource)
    fail(cx, stack, resource, operation, reason)


def _remember_failed(cx: Context, stack: Stack, resource: StackResource) -> None:
    operation = stack.operation
    assert operation is not None
    failed = [*operation.failed, resource.logical_id]
    cx.tx.put(attrs.evolve(stack, operation=attrs.evolve(operation, failed=failed)))


def _delete(cx: Context, stack: Stack, resource: StackResource, made: Made, place: evaluation.Place) -> None:
    declared = registry.find(resource.type)
    existing = evaluation.existing(made, resource.logical_id, place)
    try:
        handlers.carry_out(declared.delete(existing), cx, stack.role_arn)
    except AwsError as error:
        if declared.error("Delete", error)[1] == "NotFound":
            return  # somebody removed it before us: that is what was wanted
        raise handlers.failure(
            declared, "Delete", error, f"{resource.operation}-{resource.logical_id}"
        ) from error


def _is_gone(cx: Context, stack: Stack, resource: StackResource, made: Made, place: evaluation.Place) -> bool:
    declared = registry.find(resource.type)
    existing = evaluation.existing(made, resource.logical_id, place)
    token = f"{resource.operation}-{resource.logical_id}"
    try:
        seen = handlers.absence(declared, existing, cx, stack.role_arn)
    except AwsError as error:
        if declared.error("Delete", error)[1] == "NotFound":
            return True  # even what it stood on is gone
        raise handlers.failure(declared, "Delete", error, token) from error
    if isinstance(seen, Failed):
        raise handlers.not_stabilised(declared, seen, token)
    if isinstance(seen, Waiting):
        if not declared.nested and cx.now - resource.started > REMOVE_WITHIN:
            raise handlers.failure_text(declared, "Exceeded attempts to wait", "NotStabilized", token)
        if seen.reason != resource.waiting_for and resource.leftover_status == "":
            cx.tx.put(attrs.evolve(resource, waiting_for=seen.reason))
        return False
    return True
