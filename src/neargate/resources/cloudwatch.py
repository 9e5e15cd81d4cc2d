"""AWS::CloudWatch::Alarm, CompositeAlarm, Dashboard."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, errors_of, must_not_exist, pick
from neargate.resources.tagging import Tagging

_TAGGING = Tagging("cloudwatch", "ResourceARN")
_error = errors_of("CloudWatch", {"ResourceNotFound": "NotFound"})
_ACTIONS = ("ActionsEnabled", "AlarmActions", "AlarmDescription", "InsufficientDataActions", "OKActions")
_METRIC = (
    "ComparisonOperator DatapointsToAlarm Dimensions EvaluateLowSampleCountPercentile EvaluationPeriods "
    "ExtendedStatistic MetricName Metrics Namespace Period Statistic Threshold ThresholdMetricId TreatMissingData Unit"
).split()


# -- alarms ------------------------------------------------------------------------------------------------


def _described(name: str) -> Steps[Json]:
    """What CloudWatch says of an alarm, of either kind. Raises AwsError (ResourceNotFound)."""
    asked = {"AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    answer = yield Call("cloudwatch", "DescribeAlarms", asked)
    for kind in ("MetricAlarms", "CompositeAlarms"):
        for alarm in answer.get(kind) or ():
            found: Json = alarm
            return found
    raise AwsError("ResourceNotFound", f"Unknown alarm {name}", status=404)


def _must_be_new(name: str) -> Steps[None]:
    """PutMetricAlarm would take an existing alarm over."""
    try:
        yield from _described(name)
    except AwsError as error:
        if error.code != "ResourceNotFound":
            raise
        return
    raise AwsError("AlreadyExists", f"The alarm {name} already exists")


def _put_metric_alarm(want: Desired, tags: Json) -> Call:
    members = pick(want.properties, (*_ACTIONS, *_METRIC))
    return call("cloudwatch", "PutMetricAlarm", {"AlarmName": want.name, **members, **tags})


def _put_composite(want: Desired, tags: Json) -> Call:
    members = pick(want.properties, (*_ACTIONS, "AlarmRule"))
    return call("cloudwatch", "PutCompositeAlarm", {"AlarmName": want.name, **members, **tags})


def _create_alarm(want: Desired) -> Steps[Identity]:
    yield from _must_be_new(want.name or "")
    yield _put_metric_alarm(want, _TAGGING.at_create(want))
    return Identity(want.name or "")


def _update_alarm(old: Existing, want: Desired) -> Steps[None]:
    yield _put_metric_alarm(want, {})
    yield from _retag(old, want)


def _create_composite(want: Desired) -> Steps[Identity]:
    yield from _must_be_new(want.name or "")
    yield _put_composite(want, _TAGGING.at_create(want))
    return Identity(want.name or "")


def _update_composite(old: Existing, want: Desired) -> Steps[None]:
    yield _put_composite(want, {})
    yield from _retag(old, want)


def _retag(old: Existing, want: Desired) -> Steps[None]:
    yield from _TAGGING.change(old, want, f"arn:aws:cloudwatch:{want.region}:{want.account}:alarm:{old.id}")


def _read_alarm(existing: Existing) -> Steps[Json]:
    alarm = yield from _described(existing.id)
    return {"Arn": alarm["AlarmArn"]}


def _delete_alarm(existing: Existing) -> Steps[None]:
    yield Call("cloudwatch", "DeleteAlarms", {"AlarmNames": [existing.id]})


# -- dashboard ---------------------------------------------------------------------------------------------


def _put_dashboard(want: Desired) -> Call:
    body = pick(want.properties, ("DashboardBody",))
    return call("cloudwatch", "PutDashboard", {"DashboardName": want.name, **body})


def _create_dashboard(want: Desired) -> Steps[Identity]:
    look = Call("cloudwatch", "GetDashboard", {"DashboardName": want.name})
    yield from must_not_exist(look, "ResourceNotFound", "DashboardNotFoundError")
    yield _put_dashboard(want)
    return Identity(want.name or "")


def _update_dashboard(old: Existing, want: Desired) -> Steps[None]:
    yield _put_dashboard(want)


def _read_dashboard(existing: Existing) -> Steps[Json]:
    yield Call("cloudwatch", "GetDashboard", {"DashboardName": existing.id})
    return {}


def _delete_dashboard(existing: Existing) -> Steps[None]:
    yield Call("cloudwatch", "DeleteDashboards", {"DashboardNames": [existing.id]})


TYPES = by_name(
    ResourceType(
        type="AWS::CloudWatch::Alarm",
        honoured=frozenset({*_ACTIONS, *_METRIC, "AlarmName", "Tags"}),
        naming=Naming("AlarmName"),
        create=_create_alarm,
        read=_read_alarm,
        update=_update_alarm,
        delete=_delete_alarm,
        error=_error,
    ),
    ResourceType(
        type="AWS::CloudWatch::CompositeAlarm",
        honoured=frozenset({*_ACTIONS, "AlarmName", "AlarmRule", "Tags"}),
        naming=Naming("AlarmName"),
        create=_create_composite,
        read=_read_alarm,
        update=_update_composite,
        delete=_delete_alarm,
        error=_error,
    ),
    ResourceType(
        type="AWS::CloudWatch::Dashboard",
        honoured=frozenset({"DashboardBody", "DashboardName"}),
        naming=Naming("DashboardName"),
        create=_create_dashboard,
        read=_read_dashboard,
        update=_update_dashboard,
        delete=_delete_dashboard,
        error=_error,
    ),
)
