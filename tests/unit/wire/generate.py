"""Plain values that fit a model's shape, from any source of choices: a seeded Random, or hypothesis."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

_PLAIN = "abcXYZ019-_"
_TEXT = "abcXYZ019 -_./:+&=%?#<>\"'é☃𝒳\n"
_HEADER = "abcXYZ019-_./:+="
_DEEPEST = 4


class Choices(Protocol):
    def among(self, options: Sequence[T]) -> T: ...

    def between(self, low: int, high: int) -> int: ...


class RandomChoices:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def among(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def between(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


class DrawnChoices:
    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def among(self, options: Sequence[T]) -> T:
        drawn: T = self._draw(st.sampled_from(options))
        return drawn

    def between(self, low: int, high: int) -> int:
        drawn: int = self._draw(st.integers(low, high))
        return drawn


def structure(shape: Any, choices: Choices, required_only: bool = False) -> dict[str, Any]:
    """A value for an operation's input or output: its required members and some others."""
    result = _structure(shape, choices, 0, required_only)
    for name, member in shape.members.items():
        if member.serialization.get("location") == "statusCode":
            result[name] = 202  # every reply has one
    return result


def _structure(shape: Any, choices: Choices, depth: int, required_only: bool = False) -> dict[str, Any]:
    names = list(shape.members)
    if shape.metadata.get("union"):
        chosen = {choices.among(names)}
    else:
        chosen = {name for name in names if not required_only and choices.between(0, 2) > depth // 2}
        chosen |= set(shape.metadata.get("required", ()))
        if not chosen and names and depth:
            chosen = {names[0]}
    result = {}
    for name in names:
        if name in chosen:
            value = _value(shape.members[name], choices, depth + 1)
            if value is not None:
                result[name] = value
    return result


def _value(shape: Any, choices: Choices, depth: int) -> Any:
    """A value; None where the tree is deep enough and the shape is not a scalar."""
    kind = shape.type_name
    if kind == "structure":
        if shape.metadata.get("document"):
            return {"a": 1}
        if shape.serialization.get("eventstream") or depth > _DEEPEST:
            return None
        return _structure(shape, choices, depth) or None
    if kind == "list" and shape.serialization.get("location") == "header":
        return [text(choices, _HEADER + ',"') for _ in range(choices.between(1, 2))]
    if kind == "list":
        items = (_value(shape.member, choices, depth + 1) for _ in range(choices.between(1, 2)))
        return [item for item in items if item is not None] or None
    if kind == "map":
        value = _value(shape.value, choices, depth + 1)
        location = shape.serialization.get("location")
        if location == "headers":
            return {"key": text(choices, _HEADER)}
        return None if value is None else {text(choices, _PLAIN): value}
    return _scalar(shape, kind, choices)


def _scalar(shape: Any, kind: str, choices: Choices) -> Any:
    if kind in {"integer", "long"}:
        return choices.between(-1000, 2**31 - 1)
    if kind in {"float", "double"}:
        return choices.between(-1000, 1000) / 4
    if kind == "boolean":
        return choices.among([True, False])
    if kind == "timestamp":
        whole = shape.serialization.get("location") == "header" or (
            shape.serialization.get("timestampFormat") == "rfc822"
        )
        seconds = choices.between(0, 4_000_000_000)
        return float(seconds) if whole else seconds + choices.among([0.0, 0.5, 0.125])
    if kind == "blob":
        return text(choices, _TEXT).encode()
    if shape.name == "BucketName" or shape.serialization.get("hostLabel"):
        return "bucket-" + text(choices, "abc019")
    place = shape.serialization.get("location")
    alphabet = _HEADER if place == "header" or shape.serialization.get("xmlAttribute") else _TEXT
    return text(choices, _PLAIN if place == "uri" else alphabet)


def text(choices: Choices, alphabet: str) -> str:
    return "".join(choices.among(alphabet) for _ in range(choices.between(1, 6)))
