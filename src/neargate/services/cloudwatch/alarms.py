"""Metric alarms as they are wanted: put, deleted, set, enabled and disabled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import attrs

from neargate.model import tags
from neargate.model.cloudwatch import ALARM_HISTORY, Alarm, AlarmTransition
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.alarm_evaluation import COMPARISONS
from neargate.planners.metric_statistics import extended
from neargate.services.cloudwatch.alarm_views import described
from neargate.services.cloudwatch.checks import check_queries
from neargate.services.cloudwatch.lookup import find_alarm, invalid, the_alarm
from neargate.services.cloudwatch.states import history_item, move

_SETTINGS = (
    "MetricName Namespace Statistic ExtendedStatistic Dimensions Period Unit EvaluationPeriods DatapointsToAlarm "
    "Threshold ComparisonOperator TreatMissingData EvaluateLowSampleCountPercentile Metrics"
).split()
_NOT_YET = (
    "ThresholdMetricId EvaluationWindow WarmUpConfiguration EvaluationCriteria EvaluationInterval "
    "ActionConfiguration"
).split()
_SIMPLE = "MetricName Namespace Statistic ExtendedStatistic Dimensions Period Unit".split()
_ARN = re.compile(r"arn:[a-z-]+:([a-z0-9-]+):([a-z0-9-]*):([0-9]*):.+")
_MOST_DELETED = 100
_WEEK = 7 * 86_400
_DAY = 86_400
ACTION_MEMBERS = ("OKActions", "AlarmActions", "InsufficientDataActions")


@operation("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(cx: Context, request: Json) -> Json:
    """A new alarm is in INSUFFICIENT_DATA; one that is put again stays in its state and keeps its tags."""
    for member in _NOT_YET:
        if request.get(member):
            raise not_implemented(f"cloudwatch:PutMetricAlarm with {member}", "cloudwatch")
    _check(cx, request)
    settings = {name: request[name] for name in _SETTINGS if request.get(name) is not None}
    if "Metrics" not in settings:
        settings.setdefault("Dimensions", [])
    save(cx, request, settings, None)
    return {}


@operation("cloudwatch", "DeleteAlarms")
def delete_alarms(cx: Context, request: Json) -> Json:
    """Names of alarms that do not exist are passed over."""
    names = request["AlarmNames"]
    if len(names) > _MOST_DELETED:
        raise invalid(f"The collection AlarmNames must not have a size greater than {_MOST_DELETED}.")
    found = [alarm for alarm in (find_alarm(cx, name) for name in names) if alarm is not None]
    if sum(1 for alarm in found if alarm.composite) > 1:
        raise invalid("Only one composite alarm can be deleted at a time.")
    for alarm in found:
        cx.tx.delete(Alarm, alarm.key)
        for transition in cx.tx.scan(AlarmTransition, cx.caller.scope("")):
            if transition.alarm_key == alarm.key:
                cx.tx.delete(AlarmTransition, transition.key)
        data = {"version": "1.0", "type": "Delete", "deletedAlarm": _as_history(alarm)}
        summary = f'Alarm "{alarm.name}" deleted'
        cx.tx.append(ALARM_HISTORY, alarm.key, history_item(alarm, "ConfigurationUpdate", summary, data))
    return {}


@operation("cloudwatch", "SetAlarmState")
def set_alarm_state(cx: Context, request: Json) -> Json:
    """For the time being: the next evaluation may find another state."""
    alarm = the_alarm(cx, request["AlarmName"])
    data = request.get("StateReasonData")
    if data:
        try:
            json.loads(data)
        except ValueError:
            raise AwsError("InvalidFormatFault", "StateReasonData was not syntactically valid JSON") from None
    move(cx.tx, alarm, request["StateValue"], request["StateReason"], data, cx.now, cx.ids.uuid)
    return {}


@operation("cloudwatch", "EnableAlarmActions")
def enable_alarm_actions(cx: Context, request: Json) -> Json:
    _enable(cx, request["AlarmNames"], enabled=True)
    return {}


@operation("cloudwatch", "DisableAlarmActions")
def disable_alarm_actions(cx: Context, request: Json) -> Json:
    _enable(cx, request["AlarmNames"], enabled=False)
    return {}


def save(cx: Context, request: Json, settings: Json, rule: str | None) -> None:
    """Record a wanted alarm, of either kind, and say so in its history."""
    for member in ACTION_MEMBERS:
        _check_actions(cx, request.get(member) or ())
    before = find_alarm(cx, request["AlarmName"])
    if before is not None and before.composite != (rule is not None):
        kind = "composite" if before.composite else "metric"
        raise invalid(f"A {kind} alarm with the name {before.name} already exists.")
    wanted = attrs.evolve(
        before
        or Alarm(
            account=cx.account,
            region=cx.region,
            name=request["AlarmName"],
            updated=cx.now,
            state_at=cx.now,
            transitioned=cx.now,
            tags=tags.from_list(request.get("Tags")),
        ),
        updated=cx.now,
        settings=settings,
        rule=rule,
        description=request.get("AlarmDescription"),
        actions_enabled=request.get("ActionsEnabled", True),
        ok_actions=tuple(request.get("OKActions") or ()),
        alarm_actions=tuple(request.get("AlarmActions") or ()),
        insufficient_data_actions=tuple(request.get("InsufficientDataActions") or ()),
    )
    cx.tx.put(wanted)
    kind, member, verb = ("Create", "createdAlarm", "created")
    if before is not None:
        kind, member, verb = ("Update", "updatedAlarm", "updated")
    data = {"version": "1.0", "type": kind, member: _as_history(wanted)}
    item = history_item(wanted, "ConfigurationUpdate", f'Alarm "{wanted.name}" {verb}', data)
    cx.tx.append(ALARM_HISTORY, wanted.key, item)


def _enable(cx: Context, names: Iterable[str], *, enabled: bool) -> None:
    for name in names:
        alarm = find_alarm(cx, name)
        if alarm is not None and alarm.actions_enabled != enabled:
            cx.tx.put(attrs.evolve(alarm, actions_enabled=enabled, updated=cx.now))


def _check_actions(cx: Context, arns: Iterable[str]) -> None:
    for arn in arns:
        found = _ARN.fullmatch(arn)
        if found is None:
            raise invalid(f"Invalid arn syntax: {arn}")
        if found[2] and found[2] != cx.region:
            raise invalid(f"Invalid region {found[2]} specified. Only {cx.region} is supported.")


def _check(cx: Context, request: Json) -> None:
    if request.get("EvaluationPeriods") is None:
        raise AwsError("MissingRequiredParameterException", "The parameter EvaluationPeriods is required.")
    if request.get("ComparisonOperator") is None:
        raise AwsError("MissingRequiredParameterException", "The parameter ComparisonOperator is required.")
    if request["ComparisonOperator"] not in COMPARISONS:
        raise not_implemented("Alarms on anomaly detection models (cloudwatch)", "cloudwatch")
    if request.get("Threshold") is None:
        raise AwsError("MissingRequiredParameterException", "The parameter Threshold is required.")
    period = _check_metrics(cx, request) if request.get("Metrics") else _check_metric(request)
    periods = request["EvaluationPeriods"]
    if (request.get("DatapointsToAlarm") or 1) > periods:
        raise invalid("Datapoints to alarm must be less than or equal to the number of evaluation periods.")
    if periods * period > (_DAY if period < 3600 else _WEEK):
        longest = "a day (EvaluationPeriods * Period must be <= 86400)"
        if period >= 3600:
            longest = "a week (EvaluationPeriods * Period must be <= 604800)"
        raise invalid(f"Metrics cannot be checked across more than {longest}.")
    missing = request.get("TreatMissingData")
    if missing not in {None, "breaching", "notBreaching", "ignore", "missing"}:
        raise invalid(f"Unknown option for missing data: {missing}")
    low = request.get("EvaluateLowSampleCountPercentile")
    if low not in {None, "evaluate", "ignore"}:
        raise invalid(
            f"Option {low} is not supported. Supported options for EvaluateLowSampleCountPercentile are "
            "evaluate and ignore."
        )
    if low is not None and not request.get("ExtendedStatistic"):
        raise invalid("Option EvaluateLowSampleCountPercentile is only supported for percentile statistics.")


def _check_metric(request: Json) -> int:
    """A single metric: its period."""
    for member in ("MetricName", "Namespace", "Period"):
        if request.get(member) is None:
            raise AwsError("MissingRequiredParameterException", f"The parameter {member} is required.")
    simple, percentile = request.get("Statistic"), request.get("ExtendedStatistic")
    if simple and percentile:
        raise AwsError(
            "InvalidParameterCombinationException",
            "The parameters Statistic and ExtendedStatistic are mutually exclusive and you have specified both.",
        )
    if not simple and not percentile:
        raise AwsError(
            "MissingRequiredParameterException",
            "One of the parameters Statistic and ExtendedStatistic must be specified.",
        )
    if percentile and extended(percentile) is None:
        raise invalid(f"The value {percentile} for parameter ExtendedStatistic is not supported.")
    return _period(request["Period"])


def _check_metrics(cx: Context, request: Json) -> int:
    """Several metrics and expressions: the period that they share."""
    for member in _SIMPLE:
        if request.get(member):
            raise AwsError(
                "InvalidParameterCombinationException",
                f"The parameters Metrics and {member} are mutually exclusive and you have specified both.",
            )
    queries = request["Metrics"]
    check_queries(queries, cx.account)
    if sum(1 for query in queries if query.get("ReturnData", True)) != 1:
        raise invalid("Exactly one element of the metrics list should return data.")
    found = {query["MetricStat"]["Period"] for query in queries if query.get("MetricStat")}
    found |= {query["Period"] for query in queries if query.get("Period")}
    if len(found) > 1:
        raise invalid("Period must not be different for the metrics of an alarm.")
    if not any(query.get("MetricStat") for query in queries):
        raise invalid("Invalid metrics list")
    return _period(found.pop())


def _period(period: int) -> int:
    if period not in {10, 20, 30} and (period <= 0 or period % 60):
        raise invalid("Period must be 10, 20, 30 or a multiple of 60")
    return period


def _as_history(alarm: Alarm) -> Json:
    """The alarm as its history shows it: names that begin in lower case, no state."""
    shown = {
        name[0].lower() + name[1:]: value
        for name, value in described(alarm).items()
        if not name.startswith("State") and not name.endswith("Timestamp")
    }
    return {**shown, "stateValue": alarm.state}
