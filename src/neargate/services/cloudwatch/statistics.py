"""GetMetricStatistics."""

from __future__ import annotations

from neargate.model.cloudwatch import Metric, series_key
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.metric_statistics import known, periods, value_of
from neargate.services.cloudwatch.checks import valid_period
from neargate.services.cloudwatch.lookup import invalid_combination, invalid_value

_MOST_POINTS = 1440


@operation("cloudwatch", "GetMetricStatistics", heavy=True)
def get_metric_statistics(cx: Context, request: Json) -> Json:
    """Periods begin at StartTime, rounded down to the period where that is below an hour; units stay apart."""
    period = request["Period"]
    start, end = _range(request)
    simple, extended = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if not simple and not extended:
        raise invalid_combination("Must specify either Statistics or ExtendedStatistics")
    if simple and extended:
        raise invalid_combination(
            "The parameters Statistics and ExtendedStatistics are mutually exclusive and you have specified both."
        )
    for each in extended:
        if not known(each):
            raise invalid_value(f"The value {each} for parameter ExtendedStatistics is not supported.")
    metric = Metric.of(request["Namespace"], request["MetricName"], request.get("Dimensions") or ())
    points = cx.tx.metric_points(series_key(cx.account, cx.region, metric), start, end)
    units = [request["Unit"]] if request.get("Unit") else sorted({one.unit for one in points})
    datapoints: list[Json] = []
    for unit in units:
        own = (one for one in points if one.unit == unit)
        for at, one in periods(own, period, start % period).items():
            datapoint: Json = {"Timestamp": float(at), "Unit": unit}
            datapoint |= {name: value_of(one, name) for name in simple}
            known_ones = ((name, value_of(one, name)) for name in extended)
            told = {name: value for name, value in known_ones if value is not None}
            datapoints.append({**datapoint, "ExtendedStatistics": told} if extended else datapoint)
    return {"Label": metric.name, "Datapoints": datapoints}


def _range(request: Json) -> tuple[int, int]:
    period, start, end = request["Period"], request["StartTime"], request["EndTime"]
    if not valid_period(period):
        raise invalid_value("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    if start >= end:
        raise invalid_value("The parameter StartTime must be less than the parameter EndTime.")
    count = int((end - start) // period)
    if count > _MOST_POINTS:
        raise invalid_combination(
            f"You have requested up to {count} datapoints, which exceeds the limit of {_MOST_POINTS}. You may "
            "reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
    coarse = min(period, 60)
    return int(start - start % coarse), int(-(-end // 1))
