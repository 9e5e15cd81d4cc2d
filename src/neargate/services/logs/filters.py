"""Metric filters and subscription filters of log groups.

Their patterns are checked as FilterLogEvents checks them. They are recorded: no metric is published and no event
delivered yet (docs/limits.md).
"""

from __future__ import annotations

from neargate.model.errors import AwsError, not_implemented
from neargate.model.logs import LogFilter, filter_key
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.filter_pattern import InvalidPattern, compile_pattern
from neargate.services.logs.lookup import filters_of, invalid, page, the_group

_METRIC, _SUBSCRIPTION = "metric", "subscription"
_QUOTA = {_METRIC: 100, _SUBSCRIPTION: 2}
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
    try:
        compile_pattern(request["filterPattern"])
    except InvalidPattern as error:
        raise invalid(str(error)) from error
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
