"""Application Auto Scaling's API: what it answers, and AWS's words where it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

SERVICE = "application-autoscaling"
PLACE = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/default/web",
    "ScalableDimension": "ecs:service:DesiredCount",
}
CPU = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}
WHERE = (
    "service namespace: ecs, resource ID: service/default/web, scalable dimension: ecs:service:DesiredCount"
)


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("ecs", "CreateCluster", clusterName="default")
        made.call(
            "ecs",
            "RegisterTaskDefinition",
            family="web",
            cpu="256",
            memory="512",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[{"name": "app", "image": "public.ecr.aws/x/y:1"}],
        )
        subnets = made.call("ec2", "DescribeSubnets")["Subnets"]
        network = {"awsvpcConfiguration": {"subnets": [subnets[0]["SubnetId"]]}}
        made.call(
            "ecs",
            "CreateService",
            serviceName="web",
            taskDefinition="web",
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration=network,
        )
        yield made


def register(aws: Cloud, **members: Any) -> str:
    request = {**PLACE, "MinCapacity": 1, "MaxCapacity": 4, **members}
    return str(aws.call(SERVICE, "RegisterScalableTarget", **request)["ScalableTargetARN"])


def track(aws: Cloud, name: str = "cpu", **configuration: Any) -> dict[str, Any]:
    return aws.call(
        SERVICE,
        "PutScalingPolicy",
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 70.0, **(configuration or CPU)},
        **PLACE,
    )


def alarms(aws: Cloud) -> list[dict[str, Any]]:
    return list(aws.call("cloudwatch", "DescribeAlarms")["MetricAlarms"])


def refusal(aws: Cloud, operation: str, **request: Any) -> str:
    with pytest.raises(AwsError) as refused:
        aws.call(SERVICE, operation, **request)
    return f"{refused.value.code}: {refused.value.message}"


def test_a_target(aws: Cloud) -> None:
    arn = register(aws, RoleARN="arn:aws:iam::000000000000:role/mine")
    (found,) = aws.call(SERVICE, "DescribeScalableTargets", ServiceNamespace="ecs")["ScalableTargets"]
    role = "aws-service-role/ecs.application-autoscaling.amazonaws.com"
    assert found == {
        **PLACE,
        "MinCapacity": 1,
        "MaxCapacity": 4,
        "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/{role}/AWSServiceRoleForApplicationAutoScaling_ECSService",
        "CreationTime": aws.clock.at,
        "SuspendedState": {
            "DynamicScalingInSuspended": False,
            "DynamicScalingOutSuspended": False,
            "ScheduledScalingSuspended": False,
        },
        "ScalableTargetARN": arn,
    }
    assert aws.call("iam", "GetRole", RoleName="AWSServiceRoleForApplicationAutoScaling_ECSService")["Role"]
    assert register(aws, MaxCapacity=9) == arn
    (found,) = aws.call(SERVICE, "DescribeScalableTargets", ServiceNamespace="ecs")["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 9)


def test_refused_targets(aws: Cloud) -> None:
    request = {**PLACE, "MinCapacity": 1, "MaxCapacity": 4}
    assert refusal(aws, "RegisterScalableTarget", **{**request, "ResourceId": "service/default/nope"}) == (
        "ValidationException: ECS service doesn't exist: service/default/nope"
    )
    assert refusal(aws, "RegisterScalableTarget", **{**request, "MaxCapacity": 0}) == (
        "ValidationException: Maximum capacity cannot be less than minimum capacity"
    )
    assert refusal(aws, "RegisterScalableTarget", **{**request, "ResourceId": "web"}) == (
        "ValidationException: Unsupported service namespace, resource type or scalable dimension"
    )
    assert refusal(aws, "RegisterScalableTarget", **{**request, "ServiceNamespace": "dynamodb"}).startswith(
        "NotImplemented: Scaling of the service namespace dynamodb"
    )
    assert refusal(aws, "DeregisterScalableTarget", **PLACE) == (
        f"ObjectNotFoundException: No scalable target found for {WHERE}"
    )


def test_target_tracking_makes_its_alarms_as_aws_does(aws: Cloud) -> None:
    register(aws)
    made = track(aws)
    assert made["PolicyARN"].startswith(f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:")
    assert made["PolicyARN"].endswith(":resource/ecs/service/default/web:policyName/cpu")
    high, low = alarms(aws)
    assert [one["AlarmName"] for one in made["Alarms"]] == [high["AlarmName"], low["AlarmName"]]
    assert high["AlarmName"].startswith("TargetTracking-service/default/web-AlarmHigh-")
    assert low["AlarmName"].startswith("TargetTracking-service/default/web-AlarmLow-")
    members = ("ComparisonOperator", "EvaluationPeriods", "Threshold", "Period", "Statistic", "MetricName")
    assert [high[name] for name in members] == [
        "GreaterThanThreshold",
        3,
        70.0,
        60,
        "Average",
        "CPUUtilization",
    ]
    assert [low[name] for name in members] == ["LessThanThreshold", 15, 63.0, 60, "Average", "CPUUtilization"]
    assert high["Dimensions"] == [
        {"Name": "ClusterName", "Value": "default"},
        {"Name": "ServiceName", "Value": "web"},
    ]
    (action,) = high["AlarmActions"]
    assert action.startswith(f"{made['PolicyARN']}:createdBy/")
    assert high["AlarmDescription"] == f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {action}."

    again = track(aws, **CPU, DisableScaleIn=True)
    assert again["PolicyARN"] == made["PolicyARN"]
    assert [one["AlarmName"] for one in alarms(aws)] == [high["AlarmName"]]
    aws.call(SERVICE, "DeleteScalingPolicy", PolicyName="cpu", **PLACE)
    assert alarms(aws) == []


def test_requests_per_target_and_customized_metrics(aws: Cloud) -> None:
    register(aws)
    label = "app/lb/0123456789abcdef/targetgroup/tg/fedcba9876543210"
    predefined = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label}
    track(aws, "requests", PredefinedMetricSpecification=predefined)
    high = alarms(aws)[0]
    assert (high["Namespace"], high["MetricName"], high["Statistic"]) == (
        "AWS/ApplicationELB",
        "RequestCountPerTarget",
        "Sum",
    )
    assert high["Dimensions"] == [
        {"Name": "LoadBalancer", "Value": "app/lb/0123456789abcdef"},
        {"Name": "TargetGroup", "Value": "targetgroup/tg/fedcba9876543210"},
    ]
    metric = {"Namespace": "Shop", "MetricName": "Queue", "Dimensions": [{"Name": "n", "Value": "q"}]}
    backlog = {
        "Metrics": [
            {"Id": "m1", "MetricStat": {"Metric": metric, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "e1", "Expression": "m1 / 2"},
        ]
    }
    track(aws, "backlog", CustomizedMetricSpecification=backlog)
    found = [one for one in alarms(aws) if "Metrics" in one]
    assert found[0]["Metrics"][0]["MetricStat"]["Period"] == 60


def test_refused_policies(aws: Cloud) -> None:
    put = {"PolicyName": "p", "PolicyType": "TargetTrackingScaling", **PLACE}
    assert refusal(aws, "PutScalingPolicy", **put) == (
        f"ObjectNotFoundException: No scalable target registered for {WHERE}"
    )
    register(aws)
    track(aws)
    goal = {"TargetValue": 50.0, **CPU}
    assert refusal(aws, "PutScalingPolicy", **put, TargetTrackingScalingPolicyConfiguration=goal) == (
        "ValidationException: Only one TargetTrackingScaling policy for a given metric specification is allowed."
    )
    predictive = {**put, "PolicyType": "PredictiveScaling"}
    assert refusal(aws, "PutScalingPolicy", **predictive).startswith("NotImplemented: Predictive scaling")
    assert refusal(aws, "DeleteScalingPolicy", PolicyName="none", **PLACE) == (
        f"ObjectNotFoundException: No scaling policy found for {WHERE}, policy name: none"
    )

    def step(*bounds: tuple[float | None, float | None]) -> str:
        adjustments = []
        for low, high in bounds:
            one: dict[str, Any] = {"ScalingAdjustment": 1}
            one |= {} if low is None else {"MetricIntervalLowerBound": low}
            adjustments.append(one | ({} if high is None else {"MetricIntervalUpperBound": high}))
        configuration = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": adjustments}
        return refusal(
            aws, "PutScalingPolicy", PolicyName="s", StepScalingPolicyConfiguration=configuration, **PLACE
        )

    assert "overlap" in step((0, 20), (10, None))
    assert "gap" in step((0, 10), (20, None))
    assert "must have a lower bound or an upper bound" in step((None, None))


def test_step_scaling_names_the_users_alarms(aws: Cloud) -> None:
    register(aws)
    configuration = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        "Cooldown": 60,
    }
    made = aws.call(
        SERVICE, "PutScalingPolicy", PolicyName="s", StepScalingPolicyConfiguration=configuration, **PLACE
    )
    assert made["Alarms"] == []
    aws.call(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName="mine",
        AlarmActions=[made["PolicyARN"]],
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    (policy,) = aws.call(SERVICE, "DescribeScalingPolicies", ServiceNamespace="ecs")["ScalingPolicies"]
    assert policy["PolicyType"] == "StepScaling"
    assert policy["StepScalingPolicyConfiguration"] == configuration
    assert [one["AlarmName"] for one in policy["Alarms"]] == ["mine"]


def test_scheduled_actions(aws: Cloud) -> None:
    put = {"ScheduledActionName": "night", "Schedule": "cron(0 22 * * ? *)", **PLACE}
    band = {"MinCapacity": 0, "MaxCapacity": 0}
    assert refusal(aws, "PutScheduledAction", **put, ScalableTargetAction=band) == (
        f"ObjectNotFoundException: No scalable target registered for {WHERE}"
    )
    register(aws)
    assert refusal(aws, "PutScheduledAction", **put) == (
        "ValidationException: At least one of minimum capacity and maximum capacity should be provided"
    )
    aws.call(SERVICE, "PutScheduledAction", **put, Timezone="Europe/Berlin", ScalableTargetAction=band)
    (found,) = aws.call(SERVICE, "DescribeScheduledActions", ServiceNamespace="ecs")["ScheduledActions"]
    assert (found["Schedule"], found["Timezone"], found["ScalableTargetAction"]) == (
        "cron(0 22 * * ? *)",
        "Europe/Berlin",
        band,
    )
    wrong = {**put, "Schedule": "cron(0 22 * * * *)", "ScalableTargetAction": band}
    assert refusal(aws, "PutScheduledAction", **wrong) == (
        "ValidationException: Invalid schedule expression: cron(0 22 * * * *)"
    )
    aws.call(SERVICE, "DeleteScheduledAction", ScheduledActionName="night", **PLACE)
    assert refusal(aws, "DeleteScheduledAction", ScheduledActionName="night", **PLACE) == (
        f"ObjectNotFoundException: No scheduled action found for {WHERE}, scheduled action name: night"
    )


def test_deregistering_takes_everything_along(aws: Cloud) -> None:
    register(aws)
    track(aws)
    aws.call(SERVICE, "DeregisterScalableTarget", **PLACE)
    assert aws.call(SERVICE, "DescribeScalingPolicies", ServiceNamespace="ecs")["ScalingPolicies"] == []
    assert alarms(aws) == []


def test_tags(aws: Cloud) -> None:
    arn = register(aws, Tags={"team": "shop"})
    aws.call(SERVICE, "TagResource", ResourceARN=arn, Tags={"stage": "dev"})
    aws.call(SERVICE, "UntagResource", ResourceARN=arn, TagKeys=["team"])
    assert aws.call(SERVICE, "ListTagsForResource", ResourceARN=arn) == {"Tags": {"stage": "dev"}}
    other = arn[:-1] + ("a" if arn[-1] != "a" else "b")
    assert refusal(aws, "ListTagsForResource", ResourceARN=other).startswith("ResourceNotFoundException: ")
