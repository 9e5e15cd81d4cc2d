"""Values inside JSON and CBOR bodies: the tree a parser gives, checked and turned into plain data by the model."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.wire import scalars, timestamps
from neargate.wire.aws_models import Shape


def read_json(body: bytes) -> Any:
    """The value of a JSON body; {} for an empty one. Raises SerializationException."""
    if not body.strip():
        return {}
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise serialization_error("The request body is not valid JSON.") from error


def write_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def decode(shape: Shape, value: Any) -> Any:
    """Plain data from a parsed body. Members that the model does not have, and nulls, are dropped.

    Raises SerializationException where a value is not of its member's type.
    """
    try:
        return _decode(shape, value)
    except RecursionError as error:
        raise serialization_error("The request body is nested too deeply.") from error


def _decode(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if shape.metadata.get("document"):
            return value
        _require(value, Mapping, "Expected null")
        return {
            name: _decode(member, value[wire_name])
            for name, member in shape.members.items()
            if value.get(wire_name := member.serialization.get("name", name)) is not None
        }
    if kind == "list":
        _require(value, list, "Expected list or null")
        return [None if item is None else _decode(shape.member, item) for item in value]
    if kind == "map":
        _require(value, Mapping, "Expected map or null")
        return {
            _decode(shape.key, key): None if item is None else _decode(shape.value, item)
            for key, item in value.items()
        }
    if isinstance(value, Mapping):
        raise serialization_error("Start of structure or map found where not expected.")
    if isinstance(value, list):
        raise serialization_error("Start of list found where not expected.")
    return _SCALARS.get(kind, _string)(value, kind)


def _require(value: Any, wanted: type, otherwise: str) -> None:
    if isinstance(value, wanted):
        return
    if isinstance(value, Mapping):
        raise serialization_error("Start of structure or map found where not expected.")
    if isinstance(value, list):
        raise serialization_error("Start of list found where not expected.")
    raise serialization_error(otherwise)


def _string(value: Any, kind: str) -> str:
    if not isinstance(value, str):
        raise _mistyped(value, "String")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise serialization_error("A string in the request is not valid Unicode.") from error
    return value


def _integer(value: Any, kind: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    limit = scalars.LIMITS[kind]
    if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
        raise _mistyped(value, kind.capitalize())
    return value


def _float(value: Any, kind: str) -> float:
    if isinstance(value, str):
        try:
            return float({"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}[value])
        except KeyError as error:
            raise _mistyped(value, kind.capitalize()) from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mistyped(value, kind.capitalize())
    try:
        return float(value)
    except OverflowError as error:
        raise _mistyped(value, kind.capitalize()) from error


def _boolean(value: Any, kind: str) -> bool:
    if not isinstance(value, bool):
        raise _mistyped(value, "Boolean")
    return value


def _timestamp(value: Any, kind: str) -> float:
    try:
        return timestamps.parse(value)
    except ValueError as error:
        raise _mistyped(value, "Timestamp") from error


def _blob(value: Any, kind: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise _mistyped(value, "Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise serialization_error("A blob in the request is not valid base64.") from error


_SCALARS = {
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}


def encode_json(shape: Shape, value: Any) -> Any:
    """The tree that json.dumps writes, from plain data that `results.checked` has passed."""
    kind = shape.type_name
    if kind == "structure":
        if shape.metadata.get("document"):
            return value
        members = shape.members
        return {
            members[name].serialization.get("name", name): encode_json(members[name], item)
            for name, item in value.items()
        }
    if kind == "list":
        if shape.member.plain is not None:
            return value
        return [None if item is None else encode_json(shape.member, item) for item in value]
    if kind == "map":
        return {key: None if item is None else encode_json(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return timestamps.written(value, shape.serialization.get("timestampFormat", "unixTimestamp"))
    if kind == "blob":
        return base64.b64encode(value).decode("ascii")
    if kind in {"float", "double"} and not math.isfinite(value):
        return scalars.write_float(value)
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _mistyped(value: Any, wanted: str) -> AwsError:
    article = "an" if wanted[0] in "AEIOU" else "a"
    if isinstance(value, bool):
        found = "TRUE_VALUE" if value else "FALSE_VALUE"
    else:
        found = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    return serialization_error(f"{found} can not be converted to {article} {wanted}")


def serialization_error(message: str) -> AwsError:
    return AwsError("SerializationException", message)
