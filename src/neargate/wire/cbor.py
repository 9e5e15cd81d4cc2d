"""CBOR bodies, of requests in Smithy's rpc-v2-cbor. The only importer of cbor2: such requests are rare."""

from __future__ import annotations

from typing import Any

import cbor2

from neargate.wire import timestamps
from neargate.wire.aws_models import Shape
from neargate.wire.documents import serialization_error


def read(body: bytes) -> Any:
    """The value of a CBOR body; {} for an empty one. Raises SerializationException."""
    if not body:
        return {}
    try:
        return cbor2.loads(body)
    except (
        ValueError,
        RecursionError,
        cbor2.CBORDecodeError,
        TypeError,
        OverflowError,
        ArithmeticError,
    ) as error:
        raise serialization_error("The request body is not valid CBOR.") from error


def write(value: Any) -> bytes:
    encoded: bytes = cbor2.dumps(value)
    return encoded


def tree(shape: Shape, value: Any) -> Any:
    """What `write` takes, from plain data that `results.checked` has passed."""
    kind = shape.type_name
    if kind == "structure":
        members = shape.members
        return {name: tree(members[name], item) for name, item in value.items()}
    if kind == "list":
        return [None if item is None else tree(shape.member, item) for item in value]
    if kind == "map":
        return {key: None if item is None else tree(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return cbor2.CBORTag(1, timestamps.number(value))
    if kind in {"float", "double"}:
        return float(value)
    return value
