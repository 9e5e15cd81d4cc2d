"""CloudFormation properties as API input: other capitals, and scalars that templates write as they please."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from neargate.wire import scalars, timestamps
from neargate.wire.aws_models import Shape


class UnknownMember(KeyError):
    """A property that the shape has no member for. `path` says where: `ContainerDefinitions.0.Imaage`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class WrongType(ValueError):
    """A property whose value is not what its member holds. `path` says where, `wanted` names the type."""

    def __init__(self, path: str, value: Any, wanted: str) -> None:
        super().__init__(f"{path}: {value!r} is not of type {wanted}")
        self.path = path
        self.value = value
        self.wanted = wanted


def recase(properties: Mapping[str, Any], shape: Shape | None) -> dict[str, Any]:
    """The members of `shape` that a tree of CloudFormation properties means.

    Names match whatever their case at structures; the keys of maps stay as they are. Scalars become what the member
    holds: 80 for an integer from "80", "256" for a string from 256, True from "true", JSON text from an object.
    Nulls are left out. Raises UnknownMember and WrongType.
    """
    if shape is None:
        if properties:
            raise UnknownMember(next(iter(properties)))
        return {}
    return _structure(shape, properties, "")


def _structure(shape: Shape, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    by_name = _names(tuple(shape.members))
    result = {}
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        member = name if name in shape.members else by_name.get(name.lower())
        if member is None:
            raise UnknownMember(where)
        if item is not None:
            result[member] = _value(shape.members[member], item, where)
    return result


@cache
def _names(members: tuple[str, ...]) -> dict[str, str]:
    return {name.lower(): name for name in members}


def _value(shape: Shape, value: Any, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, Mapping):
            raise WrongType(path, value, "Object")
        return value if shape.metadata.get("document") else _structure(shape, value, path)
    if kind == "list":
        if not isinstance(value, list | tuple):
            raise WrongType(path, value, "List")
        return [
            _value(shape.member, item, f"{path}.{index}")
            for index, item in enumerate(value)
            if item is not None
        ]
    if kind == "map":
        if not isinstance(value, Mapping):
            raise WrongType(path, value, "Object")
        return {
            str(key): _value(shape.value, item, f"{path}.{key}")
            for key, item in value.items()
            if item is not None
        }
    return _scalar(kind, shape, value, path)


def _scalar(kind: str, shape: Shape, value: Any, path: str) -> Any:
    wanted = kind.capitalize()
    try:
        if kind in {"string", "character"}:
            return _string(value)
        if kind == "blob":
            return value if isinstance(value, bytes) else _blob(_string(value))
        if isinstance(value, Mapping | list | tuple):
            raise ValueError("not a scalar")
        if kind == "timestamp":
            return timestamps.parse(value)
        if kind == "boolean" and isinstance(value, bool):
            return value
        if isinstance(value, bool):
            raise ValueError("a boolean is not a number")
        return scalars.read(shape, _string(value))
    except ValueError as error:
        raise WrongType(path, value, wanted) from error


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping | list | tuple):
        # A policy document, or any JSON that the API takes as text.
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()
