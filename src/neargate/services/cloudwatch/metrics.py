"""Data points in, and which metrics there are."""

from __future__ import annotations

import math
from collections.abc import Iterator

from neargate.model.cloudwatch import Metric, MetricPoint, metric_of, point, series_key
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.cloudwatch.lookup import invalid_combination, invalid_value, page

_MOST_METRICS = 1000
_MOST_VALUES = 150
_MOST_DIMENSIONS = 30
_PAST = 14 * 86_400.0
_FUTURE = 2 * 3600.0
_LISTED = 14 * 86_400.0  # seconds for which a metric without new data is still listed
_RECENT = 3 * 3600.0
_PAGE = 500
_LARGEST = 2.0**360


@operation("cloudwatch", "PutMetricData")
def put_metric_data(cx: Context, request: Json) -> Json:
    """A data point is kept with its values, in a bucket of a minute or, at StorageResolution 1, of a second."""
    if request.get("EntityMetricData"):
        raise not_implemented("cloudwatch:PutMetricData with EntityMetricData", "cloudwatch")
    namespace, data = request["Namespace"], request.get("MetricData") or ()
    if namespace.startswith("AWS/"):
        raise invalid_value("The value AWS/ for parameter Namespace is invalid.")
    if not data:
        raise AwsError("MissingRequiredParameterException", "The parameter MetricData is required.")
    if len(data) > _MOST_METRICS:
        raise _too_many("MetricData", _MOST_METRICS)
    series: dict[str, list[MetricPoint]] = {}
    for number, datum in enumerate(data, 1):
        where = f"MetricData.member.{number}"
        metric = Metric.of(namespace, datum["MetricName"], _dimensions(datum, where))
        made = _point(datum, where, cx.now)
        series.setdefault(series_key(cx.account, cx.region, metric), []).append(made)
    for key, points in series.items():
        cx.tx.add_metric_points(key, points)
    return {}


@operation("cloudwatch", "ListMetrics", reads=True)
def list_metrics(cx: Context, request: Json) -> Json:
    """Metrics with data in the last two weeks, or in the last three hours."""
    owner = request.get("OwningAccount")
    if request.get("IncludeLinkedAccounts") or owner not in {None, cx.account}:
        raise not_implemented("metrics of linked accounts (cloudwatch)", "cloudwatch")
    recent = request.get("RecentlyActive")
    oldest = cx.now - (_RECENT if recent else _LISTED)
    namespace = request.get("Namespace")
    prefix = cx.caller.scope("") if namespace is None else cx.caller.scope(f"{namespace}\n")
    found = [
        key
        for key, last in cx.tx.metric_series(prefix)
        if last >= oldest and _asked_for(metric_of(key), request)
    ]
    shown, token = page(found, lambda key: key, request.get("NextToken"), _PAGE)
    answer: Json = {"Metrics": [metric_of(key).described() for key in shown]}
    if token:
        answer["NextToken"] = token
    return answer


def _asked_for(metric: Metric, request: Json) -> bool:
    if request.get("MetricName") not in {None, metric.name}:
        return False
    dimensions = dict(metric.dimensions)
    wanted = request.get("Dimensions") or ()
    return all(
        one["Name"] in dimensions and one.get("Value") in {None, dimensions[one["Name"]]} for one in wanted
    )


def _dimensions(datum: Json, where: str) -> list[Json]:
    dimensions = datum.get("Dimensions") or []
    if len(dimensions) > _MOST_DIMENSIONS:
        raise _too_many(f"{where}.Dimensions", _MOST_DIMENSIONS)
    if len({one["Name"] for one in dimensions}) < len(dimensions):
        raise invalid_value(f"The parameter {where}.Dimensions contains duplicate dimension names.")
    return dimensions


def _point(datum: Json, where: str, now: float) -> MetricPoint:
    at = datum.get("Timestamp", now)
    if at > now + _FUTURE:
        raise invalid_value(
            f"The parameter {where}.Timestamp must specify a time no more than two hours in the future."
        )
    if at < now - _PAST:
        raise invalid_value(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
    resolution = datum.get("StorageResolution", 60)
    if resolution not in {1, 60}:
        raise invalid_value(f"The parameter {where}.StorageResolution must be a value in the set [1, 60].")
    values = list(_values(datum, where))
    statistics = None if values else datum["StatisticValues"]
    if statistics is not None and statistics["Minimum"] > statistics["Maximum"]:
        raise invalid_value(
            f"The parameter {where}.StatisticValues.Maximum must be greater than "
            f"{where}.StatisticValues.Minimum."
        )
    return point(int(at), resolution, datum.get("Unit", "None"), values, statistics)


def _values(datum: Json, where: str) -> Iterator[tuple[float, float]]:
    """The (value, count) pairs of a datum; none where it is a statistic set."""
    alone, many, statistics = datum.get("Value"), datum.get("Values"), datum.get("StatisticValues")
    for member in ("Values", "StatisticValues"):
        if alone is not None and datum.get(member):
            raise invalid_combination(
                f"The parameters {where}.Value and {where}.{member} are mutually exclusive and you have "
                "specified both."
            )
    if alone is not None:
        yield _finite(alone, f"{where}.Value"), 1.0
        return
    if not many:
        if not statistics:
            raise AwsError(
                "MissingRequiredParameterException",
                f"At least one of the parameters must be specified. The parameters are {where}.Value, "
                f"{where}.Values and {where}.StatisticValues.",
            )
        for name, value in statistics.items():
            _finite(value, f"{where}.StatisticValues.{name}")
        return
    if len(many) > _MOST_VALUES:
        raise _too_many(f"{where}.Values", _MOST_VALUES)
    counts = datum.get("Counts") or [1.0] * len(many)
    if len(counts) != len(many):
        raise invalid_value(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    for number, (value, count) in enumerate(zip(many, counts, strict=True), 1):
        if _finite(count, f"{where}.Counts.member.{number}") > 0:
            yield _finite(value, f"{where}.Values.member.{number}"), float(count)


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise invalid_value(f"The value {value} for parameter {where} is invalid.")
    if abs(value) > _LARGEST:
        raise invalid_value(f"The value {value} for parameter {where} is out of range.")
    return float(value)


def _too_many(where: str, most: int) -> AwsError:
    return invalid_value(f"The collection {where} must not have a size greater than {most}.")
