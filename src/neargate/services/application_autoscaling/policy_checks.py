"""What PutScalingPolicy refuses, and the metric that a target tracking policy follows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from neargate.model.application_autoscaling import ScalingPolicy
from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.planners.scaling import TRACKING
from neargate.services.application_autoscaling.lookup import invalid, service_of

_CPU, _MEMORY = "ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization"
_REQUESTS = "ALBRequestCountPerTarget"
_LABEL = re.compile(r"(app/[^/]+/[0-9a-f]+)/(targetgroup/[^/]+/[0-9a-f]+)")
_MOST_STEPS = 20


def check_tracking(configuration: Json | None, others: Iterable[ScalingPolicy], name: str) -> None:
    """Raises ValidationException. `others` are the target's policies, the one that is put again included."""
    if not configuration:
        raise invalid(
            "TargetTrackingScalingPolicyConfiguration is required for policy type TargetTrackingScaling"
        )
    predefined = configuration.get("PredefinedMetricSpecification")
    customized = configuration.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(customized):
        raise invalid(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified"
        )
    if configuration["TargetValue"] <= 0:
        raise invalid("Target value must be greater than 0")
    for member in ("ScaleOutCooldown", "ScaleInCooldown"):
        if configuration.get(member, 0) < 0:
            raise invalid(f"{member} must be greater than or equal to 0")
    if predefined:
        _check_predefined(predefined)
    else:
        _check_customized(customized or {})
    for other in others:
        if other.kind == TRACKING and other.name != name and _same_metric(other.configuration, configuration):
            raise invalid(
                "Only one TargetTrackingScaling policy for a given metric specification is allowed."
            )


def check_steps(configuration: Json | None) -> None:
    """Raises ValidationException: steps must cover all values on one side of the threshold, without a gap."""
    if not configuration:
        raise invalid("StepScalingPolicyConfiguration is required for policy type StepScaling")
    steps = configuration.get("StepAdjustments") or []
    if not steps:
        raise invalid("At least one step adjustment is required")
    if not configuration.get("AdjustmentType"):
        raise invalid("Adjustment type is required for step scaling policies")
    if len(steps) > _MOST_STEPS:
        raise invalid(f"Step scaling policies cannot have more than {_MOST_STEPS} step adjustments")
    if (
        configuration.get("MinAdjustmentMagnitude")
        and configuration["AdjustmentType"] != "PercentChangeInCapacity"
    ):
        raise invalid(
            "MinAdjustmentMagnitude is only supported for the adjustment type PercentChangeInCapacity"
        )
    bounds = sorted(
        (
            one.get("MetricIntervalLowerBound", float("-inf")),
            one.get("MetricIntervalUpperBound", float("inf")),
        )
        for one in steps
    )
    for low, high in bounds:
        if low >= high:
            raise invalid("The lower bound of a step adjustment must be less than its upper bound")
        if low == float("-inf") and high == float("inf"):
            raise invalid("A step adjustment must have a lower bound or an upper bound")
    for (_, high), (low, _) in itertools.pairwise(bounds):
        if high > low:
            raise invalid("Step adjustment intervals can't overlap")
        if high < low:
            raise invalid("There can't be a gap between step adjustment intervals")


def metric_members(resource: str, configuration: Json) -> Json:
    """What PutMetricAlarm takes of the metric that a target tracking policy follows."""
    predefined = configuration.get("PredefinedMetricSpecification")
    if not predefined:
        return _customized_members(configuration["CustomizedMetricSpecification"])
    kind = predefined["PredefinedMetricType"]
    if kind == _REQUESTS:
        balancer, group = _label(predefined["ResourceLabel"])
        return {
            "Namespace": "AWS/ApplicationELB",
            "MetricName": "RequestCountPerTarget",
            "Dimensions": [
                {"Name": "LoadBalancer", "Value": balancer},
                {"Name": "TargetGroup", "Value": group},
            ],
            "Statistic": "Sum",
            "Period": 60,
        }
    cluster, service = service_of(resource)
    return {
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization" if kind == _CPU else "MemoryUtilization",
        "Dimensions": [
            {"Name": "ClusterName", "Value": cluster},
            {"Name": "ServiceName", "Value": service},
        ],
        "Statistic": "Average",
        "Period": 60,
    }


def _customized_members(given: Json) -> Json:
    if not given.get("Metrics"):
        members = {
            name: given[name] for name in ("Namespace", "MetricName", "Statistic", "Unit") if given.get(name)
        }
        return {**members, "Dimensions": given.get("Dimensions") or [], "Period": 60}
    queries = []
    for query in given["Metrics"]:
        stat = query.get("MetricStat")
        if stat:
            query = {**query, "MetricStat": {**stat, "Period": stat.get("Period", 60)}}
        queries.append(query)
    return {"Metrics": queries}


def _check_predefined(given: Json) -> None:
    kind, label = given["PredefinedMetricType"], given.get("ResourceLabel")
    if kind.endswith("HighResolution"):
        raise not_implemented(f"The metric {kind} (application-autoscaling)", "application-autoscaling")
    if kind not in {_CPU, _MEMORY, _REQUESTS}:
        raise invalid(
            f"Unsupported predefined metric type {kind} for the scalable dimension ecs:service:DesiredCount"
        )
    if kind == _REQUESTS:
        if not label:
            raise invalid(
                "Resource label must be specified for the predefined metric type ALBRequestCountPerTarget"
            )
        _label(label)
    elif label:
        raise invalid(f"Resource label must not be specified for the predefined metric type {kind}")


def _check_customized(given: Json) -> None:
    simple = [name for name in ("MetricName", "Namespace", "Statistic") if given.get(name)]
    if given.get("Metrics"):
        if simple:
            raise invalid("Metrics cannot be specified together with MetricName, Namespace or Statistic")
    elif len(simple) < 3:
        raise invalid(
            "MetricName, Namespace and Statistic are required for a customized metric specification"
        )


def _label(label: str) -> tuple[str, str]:
    """`app/NAME/ID/targetgroup/NAME/ID` as the two dimensions of the metric."""
    found = _LABEL.fullmatch(label)
    if found is None:
        raise invalid(f"Invalid resource label: {label}")
    return found[1], found[2]


def _same_metric(one: Json, other: Json) -> bool:
    members = ("PredefinedMetricSpecification", "CustomizedMetricSpecification")
    return all(one.get(name) == other.get(name) for name in members)
