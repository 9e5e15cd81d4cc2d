"""CloudWatch: composite alarms, and the state that an alarm is in after it was put."""

from __future__ import annotations

from typing import Any

from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Addition, Asked, Correction, Preparation

_METRIC, _COMPOSITE = "MetricAlarm", "CompositeAlarm"


def _put_composite_alarm(asked: Asked) -> Json:
    from moto.cloudwatch.models import cloudwatch_backends

    request = asked.request
    backend: Any = cloudwatch_backends[asked.account][asked.region]
    backend.put_metric_alarm(
        name=request["AlarmName"],
        namespace=None,
        metric_name=None,
        comparison_operator=None,
        evaluation_periods=None,
        period=None,
        threshold=None,
        statistic=None,
        description=request.get("AlarmDescription"),
        dimensions=[],
        alarm_actions=request.get("AlarmActions", []),
        ok_actions=request.get("OKActions", []),
        insufficient_data_actions=request.get("InsufficientDataActions", []),
        actions_enabled=request.get("ActionsEnabled", True),
        rule=request["AlarmRule"],
        tags=request.get("Tags", []),
    )
    return {}


def _alarm_before(asked: Asked) -> Json:
    asked.kept["alarm"] = _alarm(asked)
    return asked.request


def _alarm_put(asked: Asked, answer: Json) -> Json:
    """A new alarm knows nothing yet; a changed one stays in its state."""
    alarm, before = _alarm(asked), asked.kept["alarm"]
    if before is None:
        alarm.state_value = "INSUFFICIENT_DATA"
    else:
        for name in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp"):
            setattr(alarm, name, getattr(before, name))
    return answer


def _alarm(asked: Asked) -> Any:
    from moto.cloudwatch.models import cloudwatch_backends

    return cloudwatch_backends[asked.account][asked.region].alarms.get(asked.request["AlarmName"])


def _alarms(asked: Asked, answer: Json) -> Json:
    """Alarms of the kinds that were asked for, metric alarms where none was named."""
    kinds = asked.request.get("AlarmTypes") or [_METRIC]
    found = dict(answer)
    for kind in (_METRIC, _COMPOSITE):
        found[f"{kind}s"] = [_seen(each) for each in answer.get(f"{kind}s") or ()] if kind in kinds else []
    return found


def _seen(alarm: Json) -> Json:
    seen = {"StateTransitionedTimestamp": alarm["StateUpdatedTimestamp"], **alarm}
    if seen.get("StateReasonData") == "{}":
        del seen["StateReasonData"]
    if not seen.get("Metrics"):
        seen.pop("Metrics", None)
    return seen


ADDITIONS: dict[str, Addition] = {"PutCompositeAlarm": _put_composite_alarm}
PREPARATIONS: dict[str, Preparation] = {"PutMetricAlarm": _alarm_before}
CORRECTIONS: dict[str, Correction] = {"DescribeAlarms": _alarms, "PutMetricAlarm": _alarm_put}
