"""Statistics of a metric's data points over periods, as CloudWatch has them.

A statistic is SampleCount, Average, Sum, Minimum, Maximum, or an extended one: `p95`, `p(99.5)`, `tm90`, `TM(10%:90%)`,
`wm`, `tc`, `ts`, `pr` in the same forms, `IQM`. Extended ones need the values; of data points that are only known as
sums none can be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from neargate.model.cloudwatch import MetricPoint, combined

SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")

# Where data points have several units and the request names none, CloudWatch answers with the first of these
# (LocalStack's recordings of AWS).
_UNITS = (
    "Megabits Terabits Gigabits Count Bytes Gigabytes Gigabytes/Second Kilobytes Kilobits/Second Terabytes "
    "Terabits/Second Bytes/Second Percent Megabytes Megabits/Second Milliseconds Microseconds Kilobytes/Second "
    "Gigabits/Second Megabytes/Second Bits Bits/Second Count/Second Seconds Kilobits Terabytes/Second None"
).split()

_SHORT = re.compile(r"(?i)(p|tm|wm|tc|ts)\(?(\d{1,2}(?:\.\d{1,10})?|100)\)?")
_RANGE = re.compile(r"(?i)(tm|wm|tc|ts|pr)\((-?[\d.]*)(%?):(-?[\d.]*)(%?)\)")


@attrs.frozen
class Extended:
    """A statistic of the values between two bounds: percentiles (0–100), or the values themselves."""

    kind: str
    low: float | None
    high: float | None
    percent: bool


def extended(statistic: str) -> Extended | None:
    """What an extended statistic says, or None where it is none."""
    if statistic.upper() == "IQM":
        return Extended("tm", 25.0, 75.0, percent=True)
    if match := _SHORT.fullmatch(statistic):
        return Extended(match[1].lower(), None, float(match[2]), percent=True)
    if match := _RANGE.fullmatch(statistic):
        kind, low, low_percent, high, high_percent = match.groups()
        bounds = [_bound(low), _bound(high)]
        if "bad" in bounds or (low and high and low_percent != high_percent) or not (low or high):
            return None
        lower, upper = (None if each in ("", "bad") else float(each) for each in bounds)
        percent = bool(low_percent or high_percent)
        if kind.lower() == "pr" and percent:
            return None
        return Extended(kind.lower(), lower, upper, percent)
    return None


def _bound(text: str) -> str:
    if not text:
        return ""
    try:
        float(text)
    except ValueError:
        return "bad"
    return text


def known(statistic: str) -> bool:
    """Whether CloudWatch has such a statistic."""
    return statistic in SIMPLE or extended(statistic) is not None


def first_unit(units: Iterable[str]) -> str:
    """The unit whose data points answer a request that names none. There is at least one."""
    return min(units, key=lambda unit: _UNITS.index(unit) if unit in _UNITS else len(_UNITS))


def periods(points: Iterable[MetricPoint], period: int, anchor: int = 0) -> dict[int, MetricPoint]:
    """Data points of one unit, combined by periods that begin `anchor` seconds after a multiple; by their begin."""
    grouped: dict[int, list[MetricPoint]] = {}
    for one in points:
        grouped.setdefault(one.at - (one.at - anchor) % period, []).append(one)
    return {
        at: combined(each, at=at, resolution=period) if len(each) > 1 else each[0]
        for at, each in sorted(grouped.items())
    }


def values(combined_points: Mapping[int, MetricPoint], statistic: str) -> dict[int, float]:
    """The statistic of each period that has one."""
    found = ((at, value_of(one, statistic)) for at, one in combined_points.items())
    return {at: value for at, value in found if value is not None}


def value_of(one: MetricPoint, statistic: str) -> float | None:
    """The statistic of a data point; None where it cannot be told."""
    if statistic in SIMPLE:
        return {
            "SampleCount": one.count,
            "Average": one.total / one.count if one.count else 0.0,
            "Sum": one.total,
            "Minimum": one.low,
            "Maximum": one.high,
        }[statistic]
    asked = extended(statistic)
    if asked is None or one.values is None:
        return None
    if asked.kind == "p":
        return _percentile(one.values, asked.high or 0.0)
    return _trimmed(one.values, asked)


def _percentile(spread: Iterable[tuple[float, float]], percentile: float) -> float:
    """The smallest value that so many percent of the samples do not exceed."""
    pairs = sorted(spread)
    wanted = sum(count for _, count in pairs) * percentile / 100
    seen = 0.0
    for value, count in pairs:
        seen += count
        if seen >= wanted - 1e-9:
            return value
    return pairs[-1][0]


def _trimmed(spread: tuple[tuple[float, float], ...], asked: Extended) -> float | None:
    everything = sum(count for _, count in spread)
    inside = _between(spread, asked, everything)
    count = sum(number for _, number in inside)
    total = sum(value * number for value, number in inside)
    if asked.kind == "tc":
        return count
    if asked.kind == "ts":
        return total
    if asked.kind == "pr":
        return 100 * count / everything
    if not count:
        return None
    if asked.kind == "tm":
        return total / count
    return _winsorized(spread, inside)


def _between(
    spread: tuple[tuple[float, float], ...], asked: Extended, everything: float
) -> list[tuple[float, float]]:
    """The values with their counts that lie within the bounds; at a percentile a value may be in by a part."""
    if not asked.percent:
        low = float("-inf") if asked.low is None else asked.low
        high = float("inf") if asked.high is None else asked.high
        return [(value, count) for value, count in spread if low < value <= high]
    low = everything * (asked.low or 0.0) / 100
    high = everything * (100.0 if asked.high is None else asked.high) / 100
    inside, seen = [], 0.0
    for value, count in spread:
        part = min(seen + count, high) - max(seen, low)
        if part > 0:
            inside.append((value, part))
        seen += count
    return inside


def _winsorized(spread: tuple[tuple[float, float], ...], inside: list[tuple[float, float]]) -> float:
    """The mean of all values, those outside taken as the nearest one inside."""
    low, high = inside[0][0], inside[-1][0]
    everything = sum(count for _, count in spread)
    return sum(min(max(value, low), high) * count for value, count in spread) / everything
