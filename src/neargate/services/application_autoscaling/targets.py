"""Scalable targets: ECS services whose desired count may be moved between two bounds."""

from __future__ import annotations

import attrs

from neargate.model.application_autoscaling import ScalableTarget, ScalingPolicy, ScheduledAction
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.application_autoscaling.lookup import (
    check_place,
    find_target,
    invalid,
    missing,
    page,
    prefix_of,
    service_of,
)
from neargate.services.application_autoscaling.policies import remove_alarms

SERVICE = "ecs.application-autoscaling.amazonaws.com"
ROLE = "AWSServiceRoleForApplicationAutoScaling_ECSService"
_SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def role_arn(account: str) -> str:
    """The service-linked role under which services are scaled."""
    return f"arn:aws:iam::{account}:role/aws-service-role/{SERVICE}/{ROLE}"


@operation("application-autoscaling", "RegisterScalableTarget")
def register_scalable_target(cx: Context, request: Json) -> Json:
    """Register, or change what is given. A new band moves the count into it. `RoleARN` is not used, as on AWS: ECS
    services are scaled under the service-linked role."""
    check_place(request)
    before = find_target(cx, request)
    minimum, maximum = _band(request, before)
    if before is None:
        _check_service(cx, request["ResourceId"])
        _ensure_role(cx)
        before = ScalableTarget(
            account=cx.account,
            region=cx.region,
            namespace=request["ServiceNamespace"],
            resource=request["ResourceId"],
            dimension=request["ScalableDimension"],
            id="0" + cx.ids.letters(35, "0123456789abcdefghijklmnopqrstuvwxyz"),
            minimum=-1,
            maximum=-1,
            role=role_arn(cx.account),
            created=cx.now,
            suspended=dict.fromkeys(_SUSPENSIONS, False),
            tags=dict(request.get("Tags") or {}),
        )
    elif request.get("Tags"):
        raise invalid(
            "Tags cannot be specified for a scalable target that is registered already. Use TagResource."
        )
    after = attrs.evolve(
        before,
        minimum=minimum,
        maximum=maximum,
        suspended={**before.suspended, **(request.get("SuspendedState") or {})},
    )
    cx.tx.put(attrs.evolve(after, band_cause=_band_cause(before, after)))
    return {"ScalableTargetARN": after.arn}


@operation("application-autoscaling", "DeregisterScalableTarget")
def deregister_scalable_target(cx: Context, request: Json) -> Json:
    """With it go its policies, their alarms, and its scheduled actions."""
    check_place(request)
    target = find_target(cx, request)
    if target is None:
        raise missing("No scalable target found", request)
    for policy in cx.tx.scan(ScalingPolicy, target.key + "\n"):
        remove_alarms(cx, policy)
        cx.tx.delete(ScalingPolicy, policy.key)
    for action in cx.tx.scan(ScheduledAction, target.key + "\n"):
        cx.tx.delete(ScheduledAction, action.key)
    cx.tx.delete(ScalableTarget, target.key)
    return {}


@operation("application-autoscaling", "DescribeScalableTargets", reads=True)
def describe_scalable_targets(cx: Context, request: Json) -> Json:
    wanted = request.get("ResourceIds")
    if request.get("ScalableDimension") and not wanted:
        raise invalid("Scalable dimension cannot be specified without a resource ID")
    found = [
        target
        for target in cx.tx.scan(
            ScalableTarget, prefix_of(cx, {"ServiceNamespace": request["ServiceNamespace"]})
        )
        if (not wanted or target.resource in wanted)
        and request.get("ScalableDimension") in {None, target.dimension}
    ]
    shown, token = page(found, lambda target: target.key, request)
    return {"ScalableTargets": [_described(target) for target in shown], **token}


def _described(target: ScalableTarget) -> Json:
    return {
        "ServiceNamespace": target.namespace,
        "ResourceId": target.resource,
        "ScalableDimension": target.dimension,
        "MinCapacity": target.minimum,
        "MaxCapacity": target.maximum,
        "RoleARN": target.role,
        "CreationTime": target.created,
        "SuspendedState": target.suspended,
        "ScalableTargetARN": target.arn,
    }


def _band(request: Json, before: ScalableTarget | None) -> tuple[int, int]:
    """The band that is wanted; what is not given stays as it is."""
    minimum = request.get("MinCapacity", before.minimum if before else None)
    maximum = request.get("MaxCapacity", before.maximum if before else None)
    if minimum is None or maximum is None:
        raise invalid("Both minimum capacity and maximum capacity are required to register a scalable target")
    if minimum < 0 or maximum < 0:
        raise invalid("Minimum capacity and maximum capacity must be greater than or equal to 0")
    if maximum < minimum:
        raise invalid("Maximum capacity cannot be less than minimum capacity")
    return minimum, maximum


def _band_cause(before: ScalableTarget, after: ScalableTarget) -> str:
    """Why the count may have to move, in AWS's words; what was still to be done stays to be done."""
    if after.minimum != before.minimum:
        return f"minimum capacity was set to {after.minimum}"
    if after.maximum != before.maximum:
        return f"maximum capacity was set to {after.maximum}"
    return before.band_cause


def _check_service(cx: Context, resource: str) -> None:
    cluster, service = service_of(resource)
    try:
        answer = cx.invoke("ecs", "DescribeServices", {"cluster": cluster, "services": [service]})
    except AwsError:
        answer = {}
    if not any(one["status"] == "ACTIVE" for one in answer.get("services") or ()):
        raise invalid(f"ECS service doesn't exist: {resource}")


def _ensure_role(cx: Context) -> None:
    try:
        cx.invoke("iam", "GetRole", {"RoleName": ROLE})
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        cx.invoke("iam", "CreateServiceLinkedRole", {"AWSServiceName": SERVICE})
