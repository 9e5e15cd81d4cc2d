"""Taking one resource of a failed update back to what it was. Each function is one transaction."""

from __future__ import annotations

import attrs

from neargate.drivers.stacks import handlers, nested, references
from neargate.drivers.stacks.journal import resource_event
from neargate.model.cloudformation import REVERTED, Made, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.resources import evaluation, registry


def must_revert(resource: StackResource, operation: StackOperation) -> bool:
    """True for a resource that stood in the last stable state and that an operation since then has touched."""
    return (
        resource.base == operation.base
        and resource.before is not None
        and (
            resource.made != resource.before
            or resource.status.endswith("_FAILED")
            or nested.is_nested(resource)
        )
    )


def begin(
    cx: Context, stack: Stack, resource: StackResource, operation: StackOperation, place: evaluation.Place
) -> None:
    """Start to take it back. Raises HandlerFailed."""
    before, made = resource.before, resource.made
    assert before is not None
    resource = attrs.evolve(resource, started=cx.now, operation=REVERTED + operation.id)
    if resource.logical_id in operation.skip:
        _skip(cx, stack, resource, before)
        return
    resource = resource_event(cx, stack, resource, "UPDATE_IN_PROGRESS", about=before)
    if made is not None and made.physical_id != before.physical_id and handlers.makes_way(resource.type):
        back = _made_anew(cx, stack, resource, made, before, place)
        resource_event(cx, stack, attrs.evolve(resource, made=back), "UPDATE_COMPLETE")
        return
    if made is not None and made.physical_id != before.physical_id:
        # It was replaced: the old one still stands and the new one is what must go.
        resource_event(cx, stack, attrs.evolve(resource, made=before, leftover=made), "UPDATE_COMPLETE")
        return
    if nested.is_nested(resource):
        _begin_nested(cx, stack, resource, operation, place)
        return
    if made is not None and made != before:
        _update_back(cx, stack, resource, place)
        declared = registry.find(resource.type)
        resource = attrs.evolve(resource, made=before)
        if declared.ready is not None and (declared.waits_always or not operation.express):
            cx.tx.put(resource)
            return
    resource_event(cx, stack, attrs.evolve(resource, made=before), "UPDATE_COMPLETE")


def _made_anew(
    cx: Context, stack: Stack, resource: StackResource, made: Made, before: Made, place: evaluation.Place
) -> Made:
    """The old one had to go before the new one came: now the other way round."""
    declared = registry.find(resource.type)
    want = evaluation.existing(before, resource.logical_id, place).desired
    try:
        handlers.remove(declared, evaluation.existing(made, resource.logical_id, place), cx, stack.role_arn)
        anew = handlers.make(declared, want, before.needs, cx, stack.role_arn)
    except AwsError as error:
        raise handlers.failure(declared, "Update", error, resource.operation) from error
    return attrs.evolve(before, physical_id=anew.physical_id, attributes=anew.attributes, ref=anew.ref)


def _begin_nested(
    cx: Context, stack: Stack, resource: StackResource, operation: StackOperation, place: evaluation.Place
) -> None:
    """A child whose update still waits for its parent's turns back, one that is stuck tries again, and one that has
    ended well is updated once more."""
    before, made = resource.before, resource.made
    assert before is not None
    child = nested.child_of(cx.tx, resource)
    if child is not None and nested.is_led(child):
        nested.take_back(cx, child)
    elif child is not None and child.status in nested.STUCK:
        nested.try_again(cx, stack, child, operation.skip)
    elif made is not None and (made.properties, made.tags) != (before.properties, before.tags):
        _update_back(cx, stack, resource, place)
        nested.release_all(cx, [resource])
    cx.tx.put(attrs.evolve(resource, made=before))


def _skip(cx: Context, stack: Stack, resource: StackResource, before: Made) -> None:
    """Nothing is done to it. The stack takes it for what it was, which it may not be."""
    made = resource.made
    leftover = made if made is not None and made.physical_id != before.physical_id else resource.leftover
    resource_event(cx, stack, attrs.evolve(resource, made=before, leftover=leftover), "UPDATE_COMPLETE")


def _update_back(cx: Context, stack: Stack, resource: StackResource, place: evaluation.Place) -> None:
    made, before = resource.made, resource.before
    assert made is not None
    assert before is not None
    declared = registry.find(resource.type)
    if declared.update is None:
        return
    old = evaluation.existing(made, resource.logical_id, place)
    want = evaluation.existing(before, resource.logical_id, place).desired
    want = references.revealed(cx, want, stack.role_arn)
    try:
        handlers.carry_out(declared.update(old, want), cx, stack.role_arn)
    except AwsError as error:
        raise handlers.failure(declared, "Update", error, resource.operation) from error


def fail(cx: Context, stack: Stack, resource: StackResource, operation: StackOperation, reason: str) -> None:
    """It could not be taken back; `operation` is marked so that a continued rollback may skip it."""
    mark = REVERTED + operation.id
    if resource.operation != mark:
        resource = attrs.evolve(resource, operation=mark)
        resource = resource_event(cx, stack, resource, "UPDATE_IN_PROGRESS", about=resource.before)
    resource_event(cx, stack, resource, "UPDATE_FAILED", reason, about=resource.before)
