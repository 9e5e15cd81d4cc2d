"""What CloudWatch tells of an alarm's transition: the notification, and why a composite alarm changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from neargate.model.cloudwatch import Alarm, AlarmTransition
from neargate.model.records import Json
from neargate.planners.alarm_evaluation import stamp

_REGIONS = {
    "af-south-1": "Africa (Cape Town)",
    "ap-east-1": "Asia Pacific (Hong Kong)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-northeast-3": "Asia Pacific (Osaka)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ca-central-1": "Canada (Central)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-north-1": "EU (Stockholm)",
    "eu-south-1": "EU (Milan)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-west-3": "EU (Paris)",
    "me-south-1": "Middle East (Bahrain)",
    "sa-east-1": "South America (Sao Paulo)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
}


def subject(alarm: Alarm, transition: AlarmTransition) -> str:
    """The subject of a notification; SNS takes 100 characters."""
    return f'{transition.new_state}: "{alarm.name}" in {_region(alarm.region)}'[:100]


def message(alarm: Alarm, transition: AlarmTransition, child: Alarm | None) -> str:
    """The JSON document that goes to a topic (LocalStack's recordings of AWS)."""
    told: Json = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.account,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.updated),
        "NewStateValue": transition.new_state,
        "NewStateReason": transition.reason,
        "StateChangeTime": stamp(transition.at),
        "Region": _region(alarm.region),
        "AlarmArn": alarm.arn,
        "OldStateValue": transition.old_state,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_data_actions),
    }
    if alarm.rule is not None:
        told["AlarmRule"] = alarm.rule
        if child is not None:
            state = {"Value": child.state, "Timestamp": stamp(child.transitioned)}
            told["TriggeringChildren"] = [{"Arn": child.arn, "State": state}]
    else:
        told["Trigger"] = _trigger(alarm.settings)
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def composite_reason(alarm: Alarm, state: str, child: Alarm | None) -> str:
    """Which of its alarms changed, or that it is new."""
    if child is None or child.transitioned <= alarm.updated:
        return f"{alarm.arn} was created and its alarm rule evaluates to {state}"
    at = datetime.fromtimestamp(child.transitioned, UTC).strftime("%A %d %B, %Y %H:%M:%S UTC")
    return f"{child.arn} transitioned to {child.state} at {at}"


def composite_data(child: Alarm | None) -> str | None:
    """A composite alarm's StateReasonData."""
    if child is None:
        return None
    state = {"value": child.state, "timestamp": stamp(child.transitioned)}
    return json.dumps({"triggeringAlarms": [{"arn": child.arn, "state": state}]}, separators=(",", ":"))


def event_detail(alarm: Alarm, transition: AlarmTransition) -> Json:
    """The detail of the event `CloudWatch Alarm State Change`."""
    configuration: Json = {"description": alarm.description} if alarm.description else {}
    if alarm.rule is not None:
        configuration["alarmRule"] = alarm.rule
    else:
        configuration["metrics"] = _event_metrics(alarm.settings)
    return {
        "alarmName": alarm.name,
        "state": _event_state(transition.new_state, transition.reason, transition.reason_data, transition.at),
        "previousState": _event_state(
            transition.old_state, transition.old_reason, transition.old_reason_data, transition.at
        ),
        "configuration": configuration,
    }


def _event_state(value: str, reason: str, data: str | None, at: float) -> Json:
    state: Json = {"value": value, "reason": reason, "timestamp": stamp(at)}
    return {**state, "reasonData": data} if data else state


def _event_metrics(settings: Json) -> list[Json]:
    queries = settings.get("Metrics") or [
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": {name: settings.get(name) for name in ("Namespace", "MetricName", "Dimensions")},
                "Period": settings.get("Period"),
                "Stat": settings.get("Statistic") or settings.get("ExtendedStatistic"),
            },
        }
    ]
    found = []
    for query in queries:
        told: Json = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
        if query.get("Expression"):
            told["expression"] = query["Expression"]
        else:
            stat = query["MetricStat"]
            dimensions = {one["Name"]: one["Value"] for one in stat["Metric"].get("Dimensions") or ()}
            metric = {
                "namespace": stat["Metric"]["Namespace"],
                "name": stat["Metric"]["MetricName"],
                "dimensions": dimensions,
            }
            told["metricStat"] = {"metric": metric, "period": stat["Period"], "stat": stat["Stat"]}
        found.append(told)
    return found


def _trigger(settings: Json) -> Json:
    shared: Json = {
        "Period": settings.get("Period"),
        "EvaluationPeriods": settings.get("EvaluationPeriods"),
        "DatapointsToAlarm": settings.get("DatapointsToAlarm"),
        "ComparisonOperator": settings.get("ComparisonOperator"),
        "Threshold": settings.get("Threshold"),
        "TreatMissingData": settings.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": settings.get("EvaluateLowSampleCountPercentile") or "",
    }
    shared = {name: value for name, value in shared.items() if value is not None}
    if "Metrics" in settings:
        return {**shared, "Metrics": settings["Metrics"]}
    statistic = settings.get("Statistic")
    dimensions = [{"value": one["Value"], "name": one["Name"]} for one in settings.get("Dimensions") or ()]
    return {
        "MetricName": settings.get("MetricName"),
        "Namespace": settings.get("Namespace"),
        "StatisticType": "Statistic" if statistic else "ExtendedStatistic",
        **(
            {"Statistic": statistic.upper()}
            if statistic
            else {"ExtendedStatistic": settings.get("ExtendedStatistic")}
        ),
        "Unit": settings.get("Unit"),
        "Dimensions": dimensions,
        **shared,
    }


def _region(region: str) -> str:
    return _REGIONS.get(region, region)
