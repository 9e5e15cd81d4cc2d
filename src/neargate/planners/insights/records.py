"""Events as the language sees them: fields by name, a JSON message's own among them; and values as it writes them."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import attrs

Value = str | int | float | bool | None

_MOST_FIELDS = 200  # that are found in one message
_DEEPEST = 20


class Event(NamedTuple):
    """Times in epoch milliseconds. `log` is `account:group`; `pointer` finds the event again."""

    timestamp: int
    ingested: int
    message: str
    stream: str
    log: str
    pointer: str


class Moment(int):
    """Epoch milliseconds that are written as a date."""


class Record:
    """The fields of one event, or of one line of a result. Fields of the message are found when one is asked for."""

    __slots__ = ("_discovered", "_message", "fields")

    def __init__(self, fields: dict[str, Value], message: str | None = None) -> None:
        self.fields = fields
        self._message = message
        self._discovered: dict[str, Value] | None = None

    @classmethod
    def of(cls, event: Event) -> Record:
        fields: dict[str, Value] = {
            "@timestamp": Moment(event.timestamp),
            "@ingestionTime": Moment(event.ingested),
            "@message": event.message,
            "@logStream": event.stream,
            "@log": event.log,
            "@ptr": event.pointer,
        }
        return cls(fields, event.message)

    def get(self, name: str) -> Value:
        """None where there is no such field."""
        if name in self.fields or self._message is None:
            return self.fields.get(name)
        if self._discovered is None:
            self._discovered = dict(discovered(self._message))
        return self._discovered.get(name)


def discovered(message: str) -> Iterator[tuple[str, Value]]:
    """The fields of a message that is a JSON object: `a.b` for what is inside, `a.0` for what a list holds."""
    if not message.lstrip().startswith("{"):
        return
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        for count, found in enumerate(_leaves("", document, 0)):
            if count == _MOST_FIELDS:
                return
            yield found


def _leaves(prefix: str, value: Any, depth: int) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict | list) and depth < _DEEPEST:
        items = value.items() if isinstance(value, dict) else ((str(n), item) for n, item in enumerate(value))
        for name, item in items:
            yield from _leaves(f"{prefix}.{name}" if prefix else name, item, depth + 1)
    elif isinstance(value, bool):
        yield prefix, int(value)
    elif isinstance(value, str | int | float):
        yield prefix, value


@attrs.frozen
class Field:
    """One cell of a result."""

    name: str
    text: str


def text_of(value: Value) -> str:
    """As results show it."""
    if isinstance(value, Moment):
        moment = datetime.datetime.fromtimestamp(value // 1000, tz=datetime.UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{value % 1000:03d}"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else repr(value)
    return "" if value is None else str(value)


def number_of(value: Value) -> float | int | None:
    """The number that a value is or spells."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def truth(value: Value) -> bool:
    """What a filter takes for true."""
    if isinstance(value, str):
        return value.lower() not in {"", "0", "false"}
    return bool(value)


def order_of(value: Value) -> tuple[int, float, str]:
    """A key that sorts: what is missing, numbers, texts."""
    if value is None:
        return (0, 0.0, "")
    number = number_of(value)
    return (1, float(number), "") if number is not None else (2, 0.0, str(value))
