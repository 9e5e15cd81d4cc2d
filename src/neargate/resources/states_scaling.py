"""Readers for drift detection, as in `states`, of Application Auto Scaling's types."""

from __future__ import annotations

from collections.abc import Callable

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import Call, Existing, Steps
from neargate.resources.drift import spelled

State = Callable[[Existing], Steps[Json]]
_SERVICE = "application-autoscaling"
_ACTION = ("ScheduledActionName", "Schedule", "Timezone", "ScalableTargetAction")


def _target(existing: Existing) -> Steps[Json]:
    resource, _, namespace = existing.id.split("|")
    asked = {"ServiceNamespace": namespace, "ResourceIds": [resource]}
    found = (yield Call(_SERVICE, "DescribeScalableTargets", asked))["ScalableTargets"]
    if not found:
        raise AwsError("ObjectNotFoundException", f"No scalable target found for {existing.id}")
    asked = {"ServiceNamespace": namespace, "ResourceId": resource}
    actions = (yield Call(_SERVICE, "DescribeScheduledActions", asked))["ScheduledActions"]
    tags = yield Call(_SERVICE, "ListTagsForResource", {"ResourceARN": found[0]["ScalableTargetARN"]})
    names = ("ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity")
    state = spelled("AWS::ApplicationAutoScaling::ScalableTarget", found[0], *names)
    if "SuspendedState" in existing.desired.properties:
        state["SuspendedState"] = found[0]["SuspendedState"]
    if not any("StartTime" in one or "EndTime" in one for one in actions):  # a time has several spellings
        state["ScheduledActions"] = [{name: one[name] for name in _ACTION if name in one} for one in actions]
    return {**state, "Tags": upper(tags["Tags"])}


def _policy(existing: Existing) -> Steps[Json]:
    name = existing.desired.properties["PolicyName"]
    asked = {"ServiceNamespace": "ecs", "PolicyNames": [existing.id]}
    found = (yield Call(_SERVICE, "DescribeScalingPolicies", asked))["ScalingPolicies"]
    if not found:
        raise AwsError("ObjectNotFoundException", f"No scaling policy found: {name}")
    names = (
        "PolicyName",
        "PolicyType",
        "TargetTrackingScalingPolicyConfiguration",
        "StepScalingPolicyConfiguration",
    )
    return spelled("AWS::ApplicationAutoScaling::ScalingPolicy", found[0], *names)


STATES: dict[str, State] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _target,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _policy,
}
