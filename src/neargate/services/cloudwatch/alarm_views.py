"""Alarms as they are described."""

from __future__ import annotations

from neargate.model.cloudwatch import Alarm, Metric
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import alarm_rule
from neargate.services.cloudwatch.lookup import find_alarm, invalid, page
from neargate.services.cloudwatch.reading import metric_from

_PAGE = 50
_METRIC, _COMPOSITE = "MetricAlarm", "CompositeAlarm"


@operation("cloudwatch", "DescribeAlarms", reads=True)
def describe_alarms(cx: Context, request: Json) -> Json:
    """Metric alarms only, where no type is asked for."""
    names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix")
    if names and prefix:
        raise invalid("AlarmNamePrefix and AlarmNames cannot be specified together.")
    kinds = request.get("AlarmTypes") or [_METRIC]
    relation = next(
        (name for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if request.get(name)), None
    )
    if relation is not None:
        return _related(cx, relation, request)
    if names:
        found = [
            alarm for alarm in (find_alarm(cx, name) for name in sorted(set(names))) if alarm is not None
        ]
    else:
        found = cx.tx.scan(Alarm, cx.caller.scope(prefix or ""))
    fitting = [
        alarm
        for alarm in found
        if (_COMPOSITE if alarm.composite else _METRIC) in kinds
        and request.get("StateValue") in {None, alarm.state}
        and _acts(alarm, request.get("ActionPrefix"))
    ]
    shown, token = page(
        fitting, lambda alarm: alarm.name, request.get("NextToken"), request.get("MaxRecords") or _PAGE
    )
    answer: Json = {
        "MetricAlarms": [described(alarm) for alarm in shown if not alarm.composite],
        "CompositeAlarms": [described(alarm) for alarm in shown if alarm.composite],
    }
    if token:
        answer["NextToken"] = token
    return answer


@operation("cloudwatch", "DescribeAlarmsForMetric", reads=True)
def describe_alarms_for_metric(cx: Context, request: Json) -> Json:
    """Alarms on this very metric; those with expressions where one of their metrics is it."""
    metric = Metric.of(request["Namespace"], request["MetricName"], request.get("Dimensions") or ())
    members = ("Statistic", "ExtendedStatistic", "Period", "Unit")
    asked = {name: request[name] for name in members if request.get(name) is not None}
    found = [
        described(alarm)
        for alarm in cx.tx.scan(Alarm, cx.caller.scope(""))
        if any(metric_from(one) == metric for one in watched(alarm))
        and all(alarm.settings.get(name) == value for name, value in asked.items())
    ]
    return {"MetricAlarms": found}


def described(alarm: Alarm) -> Json:
    """A MetricAlarm or CompositeAlarm structure."""
    shown: Json = {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmDescription": alarm.description,
        "AlarmConfigurationUpdatedTimestamp": alarm.updated,
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_data_actions),
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data,
        "StateUpdatedTimestamp": alarm.state_at,
        "StateTransitionedTimestamp": alarm.transitioned,
        **alarm.settings,
    }
    if alarm.rule is not None:
        shown["AlarmRule"] = alarm.rule
    if "Metrics" in shown:
        shown["Metrics"] = [{"ReturnData": True, **query} for query in shown["Metrics"]]
    return {name: value for name, value in shown.items() if value is not None}


def watched(alarm: Alarm) -> list[Json]:
    """The `Metric` structures that a metric alarm looks at."""
    if "Metrics" in alarm.settings:
        stats = (query.get("MetricStat") for query in alarm.settings["Metrics"])
        return [stat["Metric"] for stat in stats if stat]
    return [alarm.settings] if alarm.settings.get("MetricName") else []


def children(cx: Context, alarm: Alarm) -> list[Alarm]:
    """The alarms that a composite alarm's rule names."""
    if alarm.rule is None:
        return []
    named = dict.fromkeys(alarm_rule.alarms(alarm_rule.parse(alarm.rule)))
    return [found for found in (find_alarm(cx, name) for name in named) if found is not None]


def _acts(alarm: Alarm, prefix: str | None) -> bool:
    every = (*alarm.ok_actions, *alarm.alarm_actions, *alarm.insufficient_data_actions)
    return prefix is None or any(arn.startswith(prefix) for arn in every)


def _related(cx: Context, relation: str, request: Json) -> Json:
    """The children or parents of a composite alarm, with little more than their states."""
    others = set(request) - {relation, "AlarmTypes", "MaxRecords", "NextToken"}
    if any(request[name] for name in others):
        raise invalid(f"{relation} can only be specified together with AlarmTypes, MaxRecords and NextToken.")
    named = find_alarm(cx, request[relation])
    if named is None:
        raise AwsError("ResourceNotFound", f"Alarm {request[relation]} does not exist", status=404)
    if relation == "ChildrenOfAlarmName":
        found = children(cx, named)
    else:
        every = cx.tx.scan(Alarm, cx.caller.scope(""))
        found = [alarm for alarm in every if any(child.key == named.key for child in children(cx, alarm))]
    kinds = request.get("AlarmTypes") or [_METRIC, _COMPOSITE]
    members = "AlarmName AlarmArn StateValue StateUpdatedTimestamp".split()
    if relation == "ParentsOfAlarmName":
        members = ["AlarmName", "AlarmArn"]
    shown, token = page(
        sorted(found, key=lambda alarm: alarm.name),
        lambda alarm: alarm.name,
        request.get("NextToken"),
        request.get("MaxRecords") or _PAGE,
    )
    answer: Json = {"MetricAlarms": [], "CompositeAlarms": []}
    for alarm in shown:
        kind = _COMPOSITE if alarm.composite else _METRIC
        if kind in kinds:
            everything = described(alarm)
            answer[f"{kind}s"].append({name: everything[name] for name in members})
    return {**answer, "NextToken": token} if token else answer
