"""Parent and nested stacks in step: who cleans up when, and who takes whom back. Each function is one transaction.

A parent's update updates every nested stack. A child that is done stays in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: its old
resources stand until the root is done, so that the parent can still take it back ("Initiated by parent stack"). A child
that turned back waits likewise in UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS. When the parent cleans up, its children
may; each shows a second UPDATE_COMPLETE among the parent's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from neargate.drivers.stacks.handlers import HandlerFailed
from neargate.drivers.stacks.journal import resource_event, stack_event
from neargate.model.cloudformation import REVERTED, Stack, StackOperation, StackResource, key_of
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json, Reader
from neargate.resources import registry

BY_PARENT = "Initiated by parent stack"
STUCK = {"UPDATE_FAILED": "RollbackStack", "UPDATE_ROLLBACK_FAILED": "ContinueUpdateRollback"}


def is_nested(resource: StackResource) -> bool:
    declared = registry.find_or_none(resource.type)
    return declared is not None and declared.nested


def child_of(view: Reader, resource: StackResource) -> Stack | None:
    """The stack that a resource of type AWS::CloudFormation::Stack stands for."""
    made = resource.made
    return None if made is None else view.get(Stack, key_of(made.physical_id))


def parent_key(view: Reader, key: str) -> str | None:
    """The key of the stack that must hear of a change of this one."""
    stack = view.get(Stack, key)
    return None if stack is None or stack.parent_id is None else key_of(stack.parent_id)


# -- taking back -------------------------------------------------------------------------------------------


def take_back(cx: Context, child: Stack) -> None:
    """Turn a child's led update around, wherever it is."""
    led = child.operation
    assert led is not None
    if led.phase == "cleanup":
        turned = attrs.evolve(child, operation=attrs.evolve(led, phase="revert"))
        stack_event(cx, turned, "UPDATE_ROLLBACK_IN_PROGRESS", BY_PARENT)
    elif led.phase in {"validate", "apply"}:
        stopped = attrs.evolve(led, cancelled=True, disable_rollback=False)
        cx.tx.put(attrs.evolve(child, operation=stopped))


def try_again(cx: Context, stack: Stack, child: Stack, skip: Iterable[str]) -> None:
    """Roll a child back that stands still after a failure. `skip` names its resources as `CHILD.RESOURCE`."""
    request: Json = {"StackName": child.id}
    own = [name.removeprefix(f"{child.name}.") for name in skip if name.startswith(f"{child.name}.")]
    if own and child.status == "UPDATE_ROLLBACK_FAILED":
        request["ResourcesToSkip"] = own
    try:
        cx.invoke("cloudformation", STUCK[child.status], request, role=stack.role_arn)
    except AwsError as error:
        raise HandlerFailed(error.message, error.code) from error


def is_led(child: Stack | None) -> bool:
    return child is not None and child.operation is not None and child.operation.led


# -- the cleanup -------------------------------------------------------------------------------------------


def following(resources: Mapping[str, StackResource], operation: StackOperation) -> dict[str, StackResource]:
    """The nested stacks that this operation updated or took back and that have not finished with it yet."""
    return {
        name: r
        for name, r in resources.items()
        if r.operation in {operation.id, REVERTED + operation.id}
        and r.status == "UPDATE_COMPLETE"
        and r.followed != operation.id
        and is_nested(r)
    }


def follow(cx: Context, stack: Stack, resource: StackResource, operation: StackOperation) -> bool:
    """Let a child clean up, and say so when it has; True where something changed."""
    child = child_of(cx.tx, resource)
    if child is not None and child.operation is not None:
        return _release(cx, child)
    done = attrs.evolve(resource, followed=operation.id)
    resource_event(cx, stack, done, "UPDATE_COMPLETE")
    return True


def release_all(cx: Context, resources: Iterable[StackResource]) -> None:
    """The parent's operation is over: no child waits for it any longer."""
    for resource in resources:
        child = child_of(cx.tx, resource) if is_nested(resource) else None
        if child is not None:
            _release(cx, child)


def _release(cx: Context, child: Stack) -> bool:
    if child.operation is None or not child.operation.led:
        return False
    cx.tx.put(attrs.evolve(child, operation=attrs.evolve(child.operation, led=False)))
    return True
