"""Client request tokens: a call that is repeated does not begin a second operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import Stack, StackOperation
from neargate.model.errors import AwsError

_SHOWN = 1  # operations in LastOperations, as recorded on AWS


def repeated(stack: Stack, request: Mapping[str, Any], kind: str) -> str | None:
    """The id of the operation that this very call began before; None where it is a new one.

    Raises TokenAlreadyExistsException where the token belongs to another kind of operation.
    """
    known = stack.tokens.get(request.get("ClientRequestToken") or "")
    if known is None:
        return None
    if known[0] != kind:
        raise AwsError("TokenAlreadyExistsException", "A client request token already exists.")
    return known[1]


def begun(stack: Stack, operation: StackOperation) -> Stack:
    """The stack with `operation` under way."""
    tokens = stack.tokens
    if operation.token:
        tokens = {**tokens, operation.token: (operation.type, operation.id)}
    operations = [(operation.type, operation.id), *stack.last_operations]
    return attrs.evolve(stack, operation=operation, tokens=tokens, last_operations=operations[:_SHOWN])
