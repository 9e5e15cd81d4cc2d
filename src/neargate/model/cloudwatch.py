"""CloudWatch's nouns: metrics and their data points, alarms, dashboards.

The data points lie in the store's metric table, under a series' key (`series_key`); everything else is a record.
Times are epoch seconds. What happened to an alarm lives in the journal under `ALARM_HISTORY`; the subject is the
alarm's key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

ALARM_HISTORY = "cloudwatch.alarm-history"
HISTORY_KEPT = 30 * 86_400.0
"""Seconds for which an alarm's history can be read."""

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

RETENTION = ((1, 3 * 3600), (60, 15 * 86_400), (300, 63 * 86_400), (3600, 455 * 86_400))
"""(resolution of a data point, for how long it is kept), both in seconds. At its end it goes into the next one."""

Dimensions = tuple[tuple[str, str], ...]

_DISTINCT = 200  # values of one data point that are kept apart; more go into classes one percent wide
_CLASS = 0.01


@attrs.frozen
class Metric:
    """What a series of data points measures. `dimensions` are sorted by name."""

    namespace: str
    name: str
    dimensions: Dimensions = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Iterable[Json] = ()) -> Metric:
        """From the API's list of `{Name, Value}`."""
        return cls(namespace, name, tuple(sorted((one["Name"], one["Value"]) for one in dimensions)))

    def described(self) -> Json:
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


def series_key(account: str, region: str, metric: Metric) -> str:
    """`account/region/NAMESPACE\\nNAME\\nDIMENSIONS`."""
    dimensions = json.dumps(metric.dimensions, separators=(",", ":"), ensure_ascii=False)
    return f"{account}/{region}/{metric.namespace}\n{metric.name}\n{dimensions}"


def metric_of(key: str) -> Metric:
    """The metric of a series' key."""
    namespace, name, dimensions = key.split("/", 2)[2].split("\n")
    return Metric(namespace, name, tuple((one, value) for one, value in json.loads(dimensions)))


@attrs.frozen
class MetricPoint:
    """What was measured in the `resolution` seconds from `at` on, in one unit.

    `spread` has the values with their counts, by value; it is empty where all are the same, and None where only
    the sums are known: no percentile can be told then.
    """

    at: int
    resolution: int
    unit: str
    count: float
    total: float
    low: float
    high: float
    spread: tuple[tuple[float, float], ...] | None = ()

    @property
    def values(self) -> tuple[tuple[float, float], ...] | None:
        """The values with their counts, or None where they are not known."""
        return ((self.low, self.count),) if self.spread == () else self.spread


def point(
    at: int, resolution: int, unit: str, values: Iterable[tuple[float, float]], statistics: Json | None = None
) -> MetricPoint:
    """A data point from (value, count) pairs, or from a statistic set."""
    start = at - at % resolution
    if statistics is not None:
        low, high = statistics["Minimum"], statistics["Maximum"]
        spread: tuple[tuple[float, float], ...] | None = () if low == high else None
        count, total = statistics["SampleCount"], statistics["Sum"]
        return MetricPoint(start, resolution, unit, count, total, low, high, spread)
    counted: dict[float, float] = {}
    for value, count in values:
        counted[value] = counted.get(value, 0.0) + count
    return MetricPoint(
        start,
        resolution,
        unit,
        sum(counted.values()),
        sum(value * count for value, count in counted.items()),
        min(counted),
        max(counted),
        _spread(counted),
    )


def combined(points: Iterable[MetricPoint], *, at: int, resolution: int) -> MetricPoint:
    """Data points of one unit as one. There is at least one."""
    each = list(points)
    counted: dict[float, float] | None = {}
    for one in each:
        if one.values is None or counted is None:
            counted = None
            continue
        for value, count in one.values:
            counted[value] = counted.get(value, 0.0) + count
    return MetricPoint(
        at,
        resolution,
        each[0].unit,
        sum(one.count for one in each),
        sum(one.total for one in each),
        min(one.low for one in each),
        max(one.high for one in each),
        None if counted is None else _spread(counted),
    )


def _spread(counted: dict[float, float]) -> tuple[tuple[float, float], ...]:
    if len(counted) <= 1:
        return ()
    if len(counted) > _DISTINCT:
        counted = _in_classes(counted)
    return tuple(sorted(counted.items()))


def _in_classes(counted: dict[float, float]) -> dict[float, float]:
    """Neighbours less than a class apart become one; the lowest and the highest value stay as they are."""
    classes: dict[float, float] = {}
    ordered = sorted(counted)
    width = max((ordered[-1] - ordered[0]) / _DISTINCT, 0.0)
    representative = ordered[0]
    for value in ordered:
        apart = value - representative > max(_CLASS * abs(representative), width)
        if apart or value == ordered[-1]:
            representative = value
        classes[representative] = classes.get(representative, 0.0) + counted[value]
    return classes


@attrs.frozen(kw_only=True)
class Alarm:
    """A metric alarm, or a composite one (`rule` is set).

    `settings` holds the members of PutMetricAlarm or PutCompositeAlarm that say what is watched. `state` is OK,
    ALARM or INSUFFICIENT_DATA; `state_at` when that state or its reason last changed, `transitioned` when the state
    did. `suppressed` is why a composite alarm's actions are held back ("" where they are not).
    """

    KIND: ClassVar[str] = "cloudwatch.alarm"
    account: str
    region: str
    name: str
    updated: float
    settings: Json = attrs.field(factory=dict)
    rule: str | None = None
    description: str | None = None
    actions_enabled: bool = True
    ok_actions: tuple[str, ...] = ()
    alarm_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    state: str = INSUFFICIENT_DATA
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str | None = None
    state_at: float = 0.0
    transitioned: float = 0.0
    suppressed: str = ""
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch:{self.region}:{self.account}:alarm:{self.name}"

    @property
    def composite(self) -> bool:
        return self.rule is not None

    def actions(self, state: str) -> tuple[str, ...]:
        """The ARNs of what is to happen in that state; none while actions are disabled."""
        if not self.actions_enabled:
            return ()
        return {
            OK: self.ok_actions,
            ALARM: self.alarm_actions,
            INSUFFICIENT_DATA: self.insufficient_data_actions,
        }[state]


@attrs.frozen(kw_only=True)
class Dashboard:
    """A dashboard: its body, a JSON document as it was given. Dashboards belong to an account, not to a region."""

    KIND: ClassVar[str] = "cloudwatch.dashboard"
    account: str
    name: str
    body: str
    modified: float
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch::{self.account}:dashboard/{self.name}"


@attrs.frozen(kw_only=True)
class AlarmTransition:
    """An alarm went to another state and its actions are still to be executed. Gone once they were."""

    KIND: ClassVar[str] = "cloudwatch.alarm-transition"
    account: str
    region: str
    name: str
    id: str
    at: float
    old_state: str
    new_state: str
    reason: str
    reason_data: str | None = None
    old_reason: str = ""
    old_reason_data: str | None = None
    actions: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"

    @property
    def alarm_key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"
