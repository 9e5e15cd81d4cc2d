"""AWS::ApplicationAutoScaling: what CDK's autoScaleTaskCount and templates by hand declare."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.resources.life import Life
from tests.unit.services.cloud import Cloud
from tests.unit.services.test_application_autoscaling import PLACE, SERVICE, alarms
from tests.unit.services.test_application_autoscaling import aws as _aws

TARGET, POLICY = "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"
CPU = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}
NIGHT = {
    "ScheduledActionName": "night",
    "Schedule": "cron(0 22 * * ? *)",
    "Timezone": "Europe/Berlin",
    "ScalableTargetAction": {"MinCapacity": 0},
}
aws = _aws


@pytest.fixture
def target(aws: Cloud) -> Life:
    made = Life(aws, TARGET)
    made.create({"team": "shop"}, **PLACE, MinCapacity=1, MaxCapacity=4, ScheduledActions=[NIGHT])
    return made


def described(aws: Cloud, operation: str, member: str) -> list[dict[str, Any]]:
    return list(aws.call(SERVICE, operation, ServiceNamespace="ecs")[member])


def test_a_scalable_target(aws: Cloud, target: Life) -> None:
    assert target.ref == target.attributes["Id"] == "service/default/web|ecs:service:DesiredCount|ecs"
    (found,) = described(aws, "DescribeScalableTargets", "ScalableTargets")
    arn = {"ResourceARN": found["ScalableTargetARN"]}
    assert aws.call(SERVICE, "ListTagsForResource", **arn) == {"Tags": {"team": "shop"}}
    (action,) = described(aws, "DescribeScheduledActions", "ScheduledActions")
    assert action["Timezone"] == "Europe/Berlin"

    suspended = {"DynamicScalingInSuspended": "true"}
    noon = {
        "ScheduledActionName": "noon",
        "Schedule": "cron(0 12 * * ? *)",
        "ScalableTargetAction": {"MaxCapacity": 9},
    }
    target.update(**PLACE, MinCapacity="2", MaxCapacity=8, SuspendedState=suspended, ScheduledActions=[noon])
    (found,) = described(aws, "DescribeScalableTargets", "ScalableTargets")
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 8)
    assert found["SuspendedState"]["DynamicScalingInSuspended"]
    names = [
        one["ScheduledActionName"] for one in described(aws, "DescribeScheduledActions", "ScheduledActions")
    ]
    assert names == ["noon"]
    assert aws.call(SERVICE, "ListTagsForResource", **arn) == {"Tags": {}}
    target.update(**PLACE, MinCapacity=2, MaxCapacity=8)
    (found,) = described(aws, "DescribeScalableTargets", "ScalableTargets")
    assert not any(found["SuspendedState"].values())
    assert target.replaced_by(
        **{**PLACE, "ResourceId": "service/default/other"}, MinCapacity=2, MaxCapacity=8
    )
    target.delete()
    assert described(aws, "DescribeScalableTargets", "ScalableTargets") == []


def test_a_target_tracking_policy(aws: Cloud, target: Life) -> None:
    policy = Life(aws, POLICY)
    configuration = {"TargetValue": "60", "ScaleInCooldown": 120, **CPU}
    shared = {"PolicyName": "cpu", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": target.ref}
    policy.create(**shared, TargetTrackingScalingPolicyConfiguration=configuration)
    (found,) = described(aws, "DescribeScalingPolicies", "ScalingPolicies")
    assert policy.ref == policy.attributes["Arn"] == found["PolicyARN"]
    assert [one["Threshold"] for one in alarms(aws)] == [60.0, 54.0]
    policy.update(**shared, TargetTrackingScalingPolicyConfiguration={**configuration, "TargetValue": 80})
    assert [one["Threshold"] for one in alarms(aws)] == [80.0, 72.0]
    policy.delete()
    assert alarms(aws) == []


def test_a_step_scaling_policy(aws: Cloud, target: Life) -> None:
    policy = Life(aws, POLICY)
    steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}]
    configuration = {"AdjustmentType": "ChangeInCapacity", "Cooldown": 60, "StepAdjustments": steps}
    policy.create(
        **PLACE, PolicyName="s", PolicyType="StepScaling", StepScalingPolicyConfiguration=configuration
    )
    (found,) = described(aws, "DescribeScalingPolicies", "ScalingPolicies")
    assert found["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}
    ]
    policy.delete()
    assert described(aws, "DescribeScalingPolicies", "ScalingPolicies") == []
