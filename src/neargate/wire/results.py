"""A guard between operations and encoders: a result that its model does not describe is a bug, named as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neargate.wire.aws_models import Shape


class WrongResult(TypeError):
    """What an operation returned does not fit its output shape. `path` is filled on the way up."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def __str__(self) -> str:
        return f"{'.'.join(self.path) or 'result'}: {self.reason}"


def checked(shape: Shape, value: Any) -> Any:
    """The value without its None members. Raises WrongResult for a type or a member that the shape does not have."""
    kind = shape.type_name
    if kind == "structure":
        if shape.metadata.get("document"):
            return value
        return _structure(shape, value)
    if kind == "list":
        if not isinstance(value, list | tuple):
            raise WrongResult(f"list wanted, not {type(value).__name__}")
        if shape.member.plain is not None and _all_plain(shape.member.plain, value):
            return list(value)
        return [_at(str(index), shape.member, item) for index, item in enumerate(value) if item is not None]
    if kind == "map":
        if not isinstance(value, Mapping):
            raise WrongResult(f"map wanted, not {type(value).__name__}")
        return {
            checked(shape.key, key): _at(str(key), shape.value, item)
            for key, item in value.items()
            if item is not None
        }
    return _scalar(kind, value)


def _structure(shape: Shape, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise WrongResult(f"structure wanted, not {type(value).__name__}")
    result = {}
    for name, item in value.items():
        if name not in shape.members:
            raise WrongResult(f"{shape.name} has no member {name}")
        member = shape.members[name]
        if item is None:
            continue
        untouched = member.serialization.get("streaming") or member.serialization.get("eventstream")
        result[name] = item if untouched else _at(name, member, item)
    return result


def _all_plain(types: Mapping[str, type], items: Iterable[Any]) -> bool:
    """Whether nothing has to be changed in any of these structures. Pages of ten thousand pass here."""
    fitting: tuple[Any, ...] = ()  # names and types of the item before: most are like it
    for item in items:
        if type(item) is not dict:
            return False
        made = (*item, *map(type, item.values()))
        if made != fitting and not all(type(value) is types.get(name) for name, value in item.items()):
            return False
        fitting = made
    return True


def _at(step: str, shape: Shape, value: Any) -> Any:
    try:
        return checked(shape, value)
    except WrongResult as error:
        error.path.insert(0, step)
        raise


def _scalar(kind: str, value: Any) -> Any:
    if kind == "boolean":
        right = isinstance(value, bool)
    elif kind in {"integer", "long"}:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        right = isinstance(value, int) and not isinstance(value, bool)
    elif kind in {"float", "double", "timestamp"}:
        right = isinstance(value, int | float) and not isinstance(value, bool)
    elif kind == "blob":
        value = value.encode() if isinstance(value, str) else value
        right = True  # bytes, or the object that a streaming payload carries
    else:
        right = isinstance(value, str)
    if not right:
        raise WrongResult(f"{kind} wanted, not {value!r}")
    return value
