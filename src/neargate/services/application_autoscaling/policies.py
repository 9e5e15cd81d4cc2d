"""Scaling policies, and the alarms that target tracking makes for itself."""

from __future__ import annotations

import attrs

from neargate.model.application_autoscaling import ScalingPolicy
from neargate.model.cloudwatch import Alarm
from neargate.model.errors import not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.scaling import LOW_SHARE, STEP, TRACKING
from neargate.services.application_autoscaling.lookup import (
    check_place,
    key_of,
    missing,
    page,
    prefix_of,
    the_target,
)
from neargate.services.application_autoscaling.policy_checks import (
    check_steps,
    check_tracking,
    metric_members,
)

_CONFIGURATIONS = {
    TRACKING: "TargetTrackingScalingPolicyConfiguration",
    STEP: "StepScalingPolicyConfiguration",
}


@operation("application-autoscaling", "PutScalingPolicy")
def put_scaling_policy(cx: Context, request: Json) -> Json:
    """Create or change. A target tracking policy gets its alarms anew; step scaling's alarms are the user's."""
    check_place(request)
    kind = request.get("PolicyType") or STEP
    if kind == "PredictiveScaling":
        raise not_implemented("Predictive scaling (application-autoscaling)", "application-autoscaling")
    target = the_target(cx, request)
    configuration = request.get(_CONFIGURATIONS[kind])
    if kind == TRACKING:
        check_tracking(configuration, cx.tx.scan(ScalingPolicy, target.key + "\n"), request["PolicyName"])
    else:
        check_steps(configuration)
    before = cx.tx.get(ScalingPolicy, f"{target.key}\n{request['PolicyName']}")
    policy = attrs.evolve(
        before
        or ScalingPolicy(
            account=cx.account,
            region=cx.region,
            namespace=target.namespace,
            resource=target.resource,
            dimension=target.dimension,
            name=request["PolicyName"],
            id=cx.ids.uuid(),
            kind=kind,
            configuration={},
            created=cx.now,
        ),
        kind=kind,
        configuration=configuration or {},
    )
    wanted = _wanted_alarms(cx, policy) if kind == TRACKING else []
    for alarm in wanted:
        cx.invoke("cloudwatch", "PutMetricAlarm", alarm)
    names = tuple(alarm["AlarmName"] for alarm in wanted)
    remove_alarms(cx, attrs.evolve(policy, alarms=tuple(name for name in policy.alarms if name not in names)))
    policy = attrs.evolve(policy, alarms=names)
    cx.tx.put(policy)
    return {"PolicyARN": policy.arn, "Alarms": _alarms(cx, policy)}


@operation("application-autoscaling", "DeleteScalingPolicy")
def delete_scaling_policy(cx: Context, request: Json) -> Json:
    check_place(request)
    policy = cx.tx.get(ScalingPolicy, f"{key_of(cx, request)}\n{request['PolicyName']}")
    if policy is None:
        raise missing("No scaling policy found", request, policy_name=request["PolicyName"])
    remove_alarms(cx, policy)
    cx.tx.delete(ScalingPolicy, policy.key)
    return {}


@operation("application-autoscaling", "DescribeScalingPolicies", reads=True)
def describe_scaling_policies(cx: Context, request: Json) -> Json:
    if request["ServiceNamespace"] == "ecs":
        check_place(request)
    wanted = request.get("PolicyNames")
    found = [
        policy
        for policy in cx.tx.scan(ScalingPolicy, prefix_of(cx, request))
        if (not wanted or policy.name in wanted or policy.arn in wanted)
        and request.get("ResourceId") in {None, policy.resource}
    ]
    shown, token = page(found, lambda policy: policy.key, request)
    return {"ScalingPolicies": [_described(cx, policy) for policy in shown], **token}


def remove_alarms(cx: Context, policy: ScalingPolicy) -> None:
    """The alarms that a target tracking policy made go with it."""
    if policy.alarms:
        cx.invoke("cloudwatch", "DeleteAlarms", {"AlarmNames": list(policy.alarms)})


def triggering(alarm: Alarm, policy: ScalingPolicy) -> bool:
    """Whether the alarm's ALARM is to move the policy. A target tracking policy's ARN has `:createdBy/…` behind."""
    return any(arn == policy.arn or arn.startswith(policy.arn + ":") for arn in alarm.alarm_actions)


def _wanted_alarms(cx: Context, policy: ScalingPolicy) -> list[Json]:
    """AlarmHigh after three minutes above the target, AlarmLow after fifteen below nine tenths of it."""
    configuration = policy.configuration
    action = f"{policy.arn}:createdBy/{cx.ids.uuid()}"
    goal = float(configuration["TargetValue"])
    shared: Json = {
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {action}.",
        "AlarmActions": [action],
        **metric_members(policy.resource, configuration),
    }
    high = {
        "AlarmName": _alarm_name(cx, policy, "AlarmHigh"),
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 3,
        "Threshold": goal,
    }
    low = {
        "AlarmName": _alarm_name(cx, policy, "AlarmLow"),
        "ComparisonOperator": "LessThanThreshold",
        "EvaluationPeriods": 15,
        "Threshold": round(goal * LOW_SHARE, 10),
    }
    return [{**shared, **alarm} for alarm in ([high] if configuration.get("DisableScaleIn") else [high, low])]


def _alarm_name(cx: Context, policy: ScalingPolicy, side: str) -> str:
    """The name that the policy's alarm has, or a new one."""
    begin = f"TargetTracking-{policy.resource}-{side}-"
    return next((name for name in policy.alarms if name.startswith(begin)), begin + cx.ids.uuid())


def _alarms(cx: Context, policy: ScalingPolicy) -> list[Json]:
    """The policy's own alarms, or those of the user that name it."""
    scope = cx.caller.scope("")
    if policy.kind == TRACKING:
        found = [cx.tx.get(Alarm, f"{scope}{name}") for name in policy.alarms]
    else:
        found = [alarm for alarm in cx.tx.scan(Alarm, scope) if triggering(alarm, policy)]
    return [{"AlarmName": alarm.name, "AlarmARN": alarm.arn} for alarm in found if alarm is not None]


def _described(cx: Context, policy: ScalingPolicy) -> Json:
    return {
        "PolicyARN": policy.arn,
        "PolicyName": policy.name,
        "ServiceNamespace": policy.namespace,
        "ResourceId": policy.resource,
        "ScalableDimension": policy.dimension,
        "PolicyType": policy.kind,
        _CONFIGURATIONS[policy.kind]: policy.configuration,
        "Alarms": _alarms(cx, policy),
        "CreationTime": policy.created,
    }
