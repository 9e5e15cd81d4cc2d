"""What a metric filter makes of log events: data points, as PutMetricData takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from neargate.planners.filter_pattern import Pattern, json_value

Json = dict[str, Any]
Event = tuple[int, str]
"""Timestamp in epoch milliseconds, message."""

_MINUTE = 60_000
_MOST_VALUES = 150  # in a datum
_Series = tuple[int, tuple[tuple[str, str], ...]]
"""A minute and the dimensions."""


def metric_data(pattern: Pattern, transformation: Json, events: Sequence[Event]) -> list[Json]:
    """The data of one transformation: matched events by minute and dimensions, the default for minutes without any."""
    found: dict[_Series, Counter[float]] = {}
    minutes: set[int] = set()
    for timestamp, message in events:
        minute = timestamp // _MINUTE
        minutes.add(minute)
        if not pattern.matches(message):
            continue
        value = _number(transformation["metricValue"], pattern, message)
        dimensions = _dimensions(transformation.get("dimensions") or {}, pattern, message)
        if value is not None and dimensions is not None:
            found.setdefault((minute, dimensions), Counter())[value] += 1
    default = transformation.get("defaultValue")
    if default is not None:
        for minute in minutes - {minute for minute, _ in found}:
            found[minute, ()] = Counter({float(default): 1})
    return [
        datum
        for (minute, dimensions), values in sorted(found.items(), key=lambda item: item[0])
        for datum in _data(transformation, minute, dimensions, values)
    ]


def _data(
    transformation: Json, minute: int, dimensions: Iterable[tuple[str, str]], values: Counter[float]
) -> Iterator[Json]:
    counted = sorted(values.items())
    for begin in range(0, len(counted), _MOST_VALUES):
        portion = counted[begin : begin + _MOST_VALUES]
        yield {
            "MetricName": transformation["metricName"],
            "Timestamp": minute * _MINUTE / 1000,
            "Values": [value for value, _ in portion],
            "Counts": [float(count) for _, count in portion],
            "Unit": transformation.get("unit", "None"),
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
        }


def _number(written: str, pattern: Pattern, message: str) -> float | None:
    """A number, or that of a field (`$.latency`, `$bytes`); None where the event has none."""
    text = _field(written, pattern, message) if written.startswith("$") else written
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _dimensions(wanted: Json, pattern: Pattern, message: str) -> tuple[tuple[str, str], ...] | None:
    """None where the event lacks the field of one of them."""
    found = [(name, _field(field, pattern, message)) for name, field in wanted.items()]
    complete = tuple((name, value) for name, value in found if value)
    return complete if len(complete) == len(found) else None


def _field(selector: str, pattern: Pattern, message: str) -> str | None:
    if selector.startswith(("$.", "$[")):
        value = json_value(selector, message)
        return None if value is None or isinstance(value, bool) else str(value)
    return pattern.values(message).get(selector)
