"""Metric data queries over the stored data points: what GetMetricData answers and alarms look at."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from neargate.model.cloudwatch import Metric, MetricPoint, series_key
from neargate.model.records import Json, Reader
from neargate.planners import metric_math
from neargate.planners.metric_math import Scope, Series, Value
from neargate.planners.metric_statistics import first_unit, periods, values


@attrs.frozen
class Range:
    """The data points that are asked for: periods that begin in [start, end), `anchor` s after a multiple."""

    start: int
    end: int
    anchor: int = 0

    def begin(self, period: int) -> int:
        """The begin of the first period that reaches into it."""
        return self.start - (self.start - self.anchor) % period


@attrs.frozen
class Measured:
    """The data of one metric: combined data points by the begin of their period, in the one unit that is shown."""

    points: dict[int, MetricPoint]
    units: tuple[str, ...]


@attrs.frozen
class Answer:
    """The result of one query: time series (several for an expression that gives a list)."""

    series: tuple[Series, ...]
    units: tuple[str, ...] = ()
    error: str = ""


def measured(
    view: Reader, account: str, region: str, metric: Metric, period: int, asked: Range, unit: str | None
) -> Measured:
    """The data of a metric, in `unit` or, where none is named, in the first one that it has."""
    points = view.metric_points(series_key(account, region, metric), asked.begin(period), asked.end)
    units = tuple(sorted({one.unit for one in points}))
    chosen = unit or (first_unit(units) if units else None)
    fitting = (one for one in points if one.unit == chosen)
    return Measured(periods(fitting, period, asked.anchor), units if unit is None else ())


def answers(
    view: Reader, account: str, region: str, queries: Sequence[Json], asked: Range
) -> dict[str, Answer]:
    """The results of MetricDataQueries by id. Expressions may read each other; whoever checked them knows that
    they are acyclic. An expression that cannot be calculated has an `error`."""
    by_id = {query["Id"]: query for query in queries}
    found: dict[str, Answer] = {}
    results: dict[str, Value] = {}
    metrics = tuple(query["Id"] for query in queries if query.get("MetricStat"))
    labels = {query["Id"]: query.get("Label") or query["Id"] for query in queries}
    for name in metrics:
        stat = by_id[name]["MetricStat"]
        data = measured(
            view, account, region, metric_from(stat["Metric"]), stat["Period"], asked, stat.get("Unit")
        )
        series = values(data.points, stat["Stat"])
        found[name], results[name] = Answer((series,), data.units), series

    def calculate(name: str) -> None:
        query = by_id[name]
        node = metric_math.parse(query["Expression"])
        for other in metric_math.names(node):
            if other in by_id and other not in found:
                calculate(other)
        period = period_of(query, by_id)
        timeline = tuple(range(asked.begin(period), asked.end, period))
        try:
            value = metric_math.evaluate(node, Scope(results, metrics, labels, timeline, period))
        except metric_math.MathError as error:
            found[name], results[name] = Answer((), error=str(error)), {}
            return
        results[name] = value
        found[name] = Answer(_as_series(value, timeline))

    for query in queries:
        if query["Id"] not in found:
            calculate(query["Id"])
    return found


def metric_from(described: Json) -> Metric:
    """The metric of a `Metric` structure."""
    return Metric.of(
        described.get("Namespace") or "",
        described.get("MetricName") or "",
        described.get("Dimensions") or (),
    )


def period_of(query: Json, by_id: dict[str, Json]) -> int:
    """The period of a query: its own, or the longest of the metrics that its expression reads."""
    if query.get("MetricStat"):
        return int(query["MetricStat"]["Period"])
    if query.get("Period"):
        return int(query["Period"])
    node = metric_math.parse(query["Expression"])
    below = [by_id[name] for name in metric_math.names(node) if name in by_id and by_id[name] is not query]
    if "METRICS" in metric_math.calls(node):
        below += [each for each in by_id.values() if each.get("MetricStat")]
    return max((period_of(each, by_id) for each in below), default=60)


def _as_series(value: Value, timeline: tuple[int, ...]) -> tuple[Series, ...]:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, (int, float)):
        return (dict.fromkeys(timeline, float(value)),)
    return () if isinstance(value, str) else (value,)
