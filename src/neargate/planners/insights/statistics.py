"""The aggregates of `stats`, each a running total over the records of one group."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from neargate.planners.insights.expressions import Expression
from neargate.planners.insights.records import Record, Value, number_of, order_of, text_of
from neargate.planners.insights.tokens import MalformedQuery, Reader


class Total(Protocol):
    def add(self, record: Record) -> None: ...

    def value(self) -> Value: ...


class _Count:
    def __init__(self, argument: Expression | None) -> None:
        self._argument = argument
        self._count = 0

    def add(self, record: Record) -> None:
        self._count += self._argument is None or self._argument(record) is not None

    def value(self) -> Value:
        return self._count


class _Distinct:
    def __init__(self, argument: Expression) -> None:
        self._argument = argument
        self._seen: set[str] = set()

    def add(self, record: Record) -> None:
        value = self._argument(record)
        if value is not None:
            self._seen.add(text_of(value))

    def value(self) -> Value:
        return len(self._seen)


class _Numbers:
    """All numbers of the argument, and what is made of them at the end. Of none, nothing."""

    def __init__(self, argument: Expression, work: Callable[[list[float]], Value]) -> None:
        self._argument = argument
        self._work = work
        self._numbers: list[float] = []

    def add(self, record: Record) -> None:
        number = number_of(self._argument(record))
        if number is not None:
            self._numbers.append(number)

    def value(self) -> Value:
        return self._work(self._numbers) if self._numbers else None


class _Chosen:
    """The value of one record: the one that comes first by `key`, or last."""

    def __init__(self, argument: Expression, key: Callable[[Record, Value], Any], last: bool) -> None:
        self._argument = argument
        self._key = key
        self._last = last
        self._best: Any = None
        self._value: Value = None

    def add(self, record: Record) -> None:
        value = self._argument(record)
        if value is None:
            return
        key = self._key(record, value)
        if self._best is None or (key > self._best if self._last else key < self._best):
            self._best, self._value = key, value

    def value(self) -> Value:
        return self._value


class _Sorted(_Chosen):
    """`min`, `max`, `sortsFirst`, `sortsLast`: by number, or by text where it is none."""

    def __init__(self, argument: Expression, last: bool) -> None:
        super().__init__(argument, lambda record, value: order_of(value), last)


def _time(record: Record, value: Value) -> float:
    return number_of(record.get("@timestamp")) or 0.0


def _average(numbers: list[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _total(numbers: list[float]) -> float | int:
    return sum(numbers) if all(isinstance(number, int) for number in numbers) else math.fsum(numbers)


def _deviation(numbers: list[float]) -> float:
    mean = _average(numbers)
    return math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))


def _percentile(numbers: list[float], percent: float) -> float:
    """By linear interpolation between the two nearest."""
    ordered = sorted(numbers)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


_OF_NUMBERS: dict[str, Callable[[list[float]], Value]] = {
    "sum": _total,
    "avg": _average,
    "stddev": _deviation,
}
NAMES = frozenset(
    "count count_distinct sum avg stddev pct min max earliest latest sortsfirst sortslast".split()
)


def aggregate(reader: Reader, read: Callable[[Reader], Expression]) -> Callable[[], Total]:
    """What makes a new total of one aggregate, which is read from here on."""
    token = reader.of("name")
    name = token.text.lower()
    if name not in NAMES:
        if reader.peek().text == "(":
            raise MalformedQuery(f"unknown function: {token.text}", token.start, token.end)
        raise reader.unexpected(token)
    reader.require("(")
    if name == "count" and (reader.took("*") or reader.sees(")")):
        reader.require(")")
        return lambda: _Count(None)
    argument = read(reader)
    percent = 0.0
    if name == "pct":
        reader.require(",")
        percent = float(reader.of("number").text)
    reader.require(")")
    return _maker(name, argument, percent)


def _maker(name: str, argument: Expression, percent: float) -> Callable[[], Total]:
    if name == "count":
        return lambda: _Count(argument)
    if name == "count_distinct":
        return lambda: _Distinct(argument)
    if name == "pct":
        return lambda: _Numbers(argument, lambda numbers: _percentile(numbers, percent))
    if name in {"earliest", "latest"}:
        return lambda: _Chosen(argument, _time, name == "latest")
    if name in {"min", "max", "sortsfirst", "sortslast"}:
        return lambda: _Sorted(argument, name in {"max", "sortslast"})
    return lambda: _Numbers(argument, _OF_NUMBERS[name])
