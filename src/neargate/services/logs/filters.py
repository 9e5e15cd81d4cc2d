"""Metric filters and subscription filters of log groups.

Their patterns are checked as FilterLogEvents checks them. Metric filters publish to CloudWatch as events come in;
subscription filters are recorded: no event is delivered yet (docs/limits.md).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from neargate.model.errors import AwsError, not_implemented
from neargate.model.logs import LogFilter, LogGroup, filter_key
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.filter_pattern import InvalidPattern, Pattern, compile_pattern
from neargate.planners.metric_filters import Event, metric_data
from neargate.services.logs.lookup import filters_of, invalid, page, the_group

_METRIC, _SUBSCRIPTION = "metric", "subscription"
_QUOTA = {_METRIC: 100, _SUBSCRIPTION: 2}
_MOST_DATA = 1_000  # in one call of PutMetricData
_NOT_SETTINGS = frozenset({"logGroupName", "filterName", "filterPattern"})


@operation("logs", "PutMetricFilter")
def put_metric_filter(cx: Context, request: Json) -> Json:
    _refuse_transformed(request, "PutMetricFilter")
    for transformation in request["metricTransformations"]:
        if transformation.get("dimensions") and transformation.get("defaultValue") is not None:
            raise invalid(
                "Invalid metric transformation: dimensions and default value are mutually exclusive."
            )
    _put(cx, _METRIC, request)
    return {}


@operation("logs", "DescribeMetricFilters", reads=True)
def describe_metric_filters(cx: Context, request: Json) -> Json:
    name, namespace = request.get("metricName"), request.get("metricNamespace")
    if (name is None) != (namespace is None):
        raise invalid("Both metricName and metricNamespace must be specified together.")
    wanted = (
        one
        for one in _asked_for(cx, _METRIC, request)
        if name is None
        or any(
            (each["metricName"], each["metricNamespace"]) == (name, namespace)
            for each in one.settings["metricTransformations"]
        )
    )
    shown, token = page(wanted, _position, request.get("nextToken"), request.get("limit", 50))
    return {"metricFilters": [_described(one) for one in shown], "nextToken": token}


@operation("logs", "DeleteMetricFilter")
def delete_metric_filter(cx: Context, request: Json) -> Json:
    _delete(cx, _METRIC, request, "The specified metric filter does not exist.")
    return {}


@operation("logs", "TestMetricFilter", reads=True)
def test_metric_filter(cx: Context, request: Json) -> Json:
    """Which of the messages match, counted from 1, and the values of the fields that the pattern names."""
    pattern = _compiled(request["filterPattern"])
    return {
        "matches": [
            {"eventNumber": number, "eventMessage": message, "extractedValues": pattern.values(message)}
            for number, message in enumerate(request["logEventMessages"], 1)
            if pattern.matches(message)
        ]
    }


def publish(cx: Context, group: LogGroup, events: Sequence[Event]) -> None:
    """Put what the group's metric filters make of events into CloudWatch."""
    for one in filters_of(cx, _METRIC, group.name):
        pattern = compile_pattern(one.pattern)
        for transformation in one.settings["metricTransformations"]:
            data = metric_data(pattern, transformation, events)
            for begin in range(0, len(data), _MOST_DATA):
                request = {
                    "Namespace": transformation["metricNamespace"],
                    "MetricData": data[begin : begin + _MOST_DATA],
                }
                with contextlib.suppress(AwsError):  # a namespace or a time that CloudWatch does not take
                    cx.invoke("cloudwatch", "PutMetricData", request)


@operation("logs", "PutSubscriptionFilter")
def put_subscription_filter(cx: Context, request: Json) -> Json:
    _refuse_transformed(request, "PutSubscriptionFilter")
    _put(cx, _SUBSCRIPTION, {"distribution": "ByLogStream", **request})
    return {}


@operation("logs", "DescribeSubscriptionFilters", reads=True)
def describe_subscription_filters(cx: Context, request: Json) -> Json:
    wanted = _asked_for(cx, _SUBSCRIPTION, request)
    shown, token = page(wanted, _position, request.get("nextToken"), request.get("limit", 50))
    return {"subscriptionFilters": [_described(one) for one in shown], "nextToken": token}


@operation("logs", "DeleteSubscriptionFilter")
def delete_subscription_filter(cx: Context, request: Json) -> Json:
    _delete(cx, _SUBSCRIPTION, request, "The specified subscription filter does not exist.")
    return {}


def _refuse_transformed(request: Json, operation: str) -> None:
    """There are no log transformers here, nor the fields that those and the service itself would add."""
    for member in (
        "applyOnTransformedLogs",
        "fieldSelectionCriteria",
        "emitSystemFields",
        "emitSystemFieldDimensions",
    ):
        if request.get(member):
            raise not_implemented(f"logs:{operation} with {member}", "logs")


def _put(cx: Context, kind: str, request: Json) -> None:
    """A filter of the same name is replaced and keeps the time of its creation."""
    group, name = the_group(cx, request["logGroupName"]), request["filterName"]
    _compiled(request["filterPattern"])
    existing = cx.tx.get(LogFilter, filter_key(cx.account, cx.region, kind, group.name, name))
    if existing is None and len(filters_of(cx, kind, group.name)) >= _QUOTA[kind]:
        raise AwsError("LimitExceededException", "Resource limit exceeded.")
    cx.tx.put(
        LogFilter(
            account=cx.account,
            region=cx.region,
            group=group.name,
            kind=kind,
            name=name,
            pattern=request["filterPattern"],
            created=int(cx.now * 1000) if existing is None else existing.created,
            settings={member: value for member, value in request.items() if member not in _NOT_SETTINGS},
        )
    )


def _compiled(text: str) -> Pattern:
    try:
        return compile_pattern(text)
    except InvalidPattern as error:
        raise invalid(str(error)) from error


def _delete(cx: Context, kind: str, request: Json, missing: str) -> None:
    group = the_group(cx, request["logGroupName"])
    key = filter_key(cx.account, cx.region, kind, group.name, request["filterName"])
    if not cx.tx.delete(LogFilter, key):
        raise AwsError("ResourceNotFoundException", missing)


def _asked_for(cx: Context, kind: str, request: Json) -> list[LogFilter]:
    """Those of one group, if the request names one, whose name starts as asked for."""
    name = request.get("logGroupName")
    group = None if name is None else the_group(cx, name).name
    return filters_of(cx, kind, group, request.get("filterNamePrefix", ""))


def _position(one: LogFilter) -> str:
    return f"{one.group}\n{one.name}"


def _described(one: LogFilter) -> Json:
    return {
        "filterName": one.name,
        "filterPattern": one.pattern,
        "logGroupName": one.group,
        "creationTime": one.created,
        **one.settings,
    }
