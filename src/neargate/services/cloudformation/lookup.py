"""Finding stacks by name or id, with the error text of the operation that asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.cloudformation import DELETED, REMEMBERED, ChangeSet, ChangeSetName, Stack, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context


def by_name(cx: Context, name: str) -> Stack | None:
    """The stack of that name that is not deleted, or the one of that id whatever its state."""
    if name.startswith("arn:"):
        parts = name.split("/")
        if len(parts) != 3:
            return None
        found = cx.tx.get(Stack, cx.caller.scope(parts[1], parts[2]))
        return None if found is None or is_forgotten(cx, found) else found
    for stack in cx.tx.scan(Stack, cx.caller.scope(name) + "/"):
        if stack.status != DELETED:
            return stack
    return None


def is_forgotten(cx: Context, stack: Stack) -> bool:
    """Deleted for so long that not even its id is known any more."""
    return stack.status == DELETED and cx.now - (stack.deleted or 0.0) > REMEMBERED


def all_stacks(cx: Context) -> list[Stack]:
    """Every stack of this account and region, newest first."""
    stacks = cx.tx.scan(Stack, cx.caller.scope() + "/")
    return sorted(stacks, key=lambda stack: stack.created, reverse=True)


def required(cx: Context, name: str, text: str = "Stack with id {} does not exist") -> Stack:
    """The stack, or ValidationError with the operation's own wording of "does not exist"."""
    found = by_name(cx, name)
    if found is None:
        raise AwsError("ValidationError", text.format(name))
    return found


def resources(cx: Context, stack: Stack) -> list[StackResource]:
    """Its resources in the order of their logical ids."""
    return [r for r in cx.tx.scan(StackResource, stack.key + "/") if r.status]


def change_set(cx: Context, request: Mapping[str, Any]) -> ChangeSet:
    """The change set that a request names by its ARN, or by its name and its stack's."""
    name, stack_name = request["ChangeSetName"], request.get("StackName")
    if name.startswith("arn:"):
        found = cx.tx.get(ChangeSet, cx.caller.scope(*name.split("/")[1:]))
        if found is None or found.id != name:
            raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", status=404)
        return found
    if not stack_name:
        raise AwsError(
            "ValidationError", "StackName must be specified if ChangeSetName is not specified as an ARN."
        )
    stack = by_name(cx, stack_name)
    if stack is None:
        raise AwsError("ValidationError", f"Stack [{stack_name}] does not exist")
    named = cx.tx.get(ChangeSetName, f"{stack.key}/{name}")
    found = None if named is None else cx.tx.get(ChangeSet, named.key_of_set)
    if found is None:
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", status=404)
    return found


def change_sets_of(cx: Context, stack: Stack) -> list[ChangeSet]:
    """The change sets that a stack's change set names stand for, oldest first."""
    names = cx.tx.scan(ChangeSetName, stack.key + "/")
    found = [
        change_set for each in names if (change_set := cx.tx.get(ChangeSet, each.key_of_set)) is not None
    ]
    return sorted(found, key=lambda change_set: change_set.created)
