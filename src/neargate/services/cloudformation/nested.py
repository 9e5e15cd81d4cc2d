"""What a stack has from its parent: who it acts for, what it may do, and how it fails.

A parent's id comes with a call as `ParentId`. The public operations have no such member; CloudFormation heeds it only
in calls that it makes itself for an `AWS::CloudFormation::Stack`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import Shown, Stack
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.cloudformation.lookup import by_name, required

_CLOUDFORMATION = "cloudformation.amazonaws.com"


def parent_of(cx: Context, request: Mapping[str, Any]) -> Stack | None:
    """The parent that CloudFormation itself names in a call; None for everybody else's calls."""
    parent = request.get("ParentId")
    if not parent or cx.caller.via != _CLOUDFORMATION:
        return None
    return required(cx, parent)


def inherit(parent: Stack, request: Mapping[str, Any]) -> Json:
    """A call on a child with what the parent's own call said: its capabilities, its role, whether to roll back.

    A child that cannot be created stays as it is: the parent, when it rolls back, deletes it.
    """
    leading = parent.operation
    given = leading.wanted if leading is not None else None
    return {
        **request,
        "Capabilities": list((given or parent.input).capabilities),
        "RoleARN": parent.role_arn,
        "OnFailure": "DO_NOTHING",
        "DisableRollback": leading is not None and leading.disable_rollback,
    }


def adopted(parent: Stack, child: Stack) -> Stack:
    """A new stack in its parent's family."""
    return attrs.evolve(
        child,
        principal=parent.principal,
        parent_id=parent.id,
        root_id=parent.root_id or parent.id,
        disable_rollback=parent.disable_rollback,
    )


def shown(stack: Stack) -> Shown:
    """What the stack shows now, for the case that its parent takes an update back."""
    return Shown(stack.description, stack.outputs, stack.exports, stack.imports)


def protected(cx: Context, stack: Stack) -> bool:
    """True where termination protection is on; a nested stack's is its root's."""
    if stack.root_id is None:
        return stack.termination_protection
    root = by_name(cx, stack.root_id)
    return root is not None and root.deleted is None and root.termination_protection
