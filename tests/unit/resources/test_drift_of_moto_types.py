"""Drift of resources whose services moto answers: what somebody changed by hand. `Life` sees none in a fresh one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")

KEY = [{"AttributeName": "id", "KeyType": "HASH"}]
ALARM = {
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 1,
    "MetricName": "Errors",
    "Namespace": "Shop",
    "Period": 60,
    "Statistic": "Sum",
    "Threshold": 2,
}
MACHINE = {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


TABLE = {
    "TableName": "t",
    "KeySchema": KEY,
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
}


@pytest.mark.parametrize(
    ("kind", "properties", "change", "paths"),
    [
        (
            "SQS::Queue",
            {"QueueName": "q", "DelaySeconds": 5},
            (
                "sqs",
                "SetQueueAttributes",
                {"QueueUrl": f"http://x/{ACCOUNT}/q", "Attributes": {"DelaySeconds": "6"}},
            ),
            ["/DelaySeconds"],
        ),
        (
            "DynamoDB::Table",
            TABLE,
            (
                "dynamodb",
                "UpdateContinuousBackups",
                {"TableName": "t", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}},
            ),
            ["/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled"],
        ),
        (
            "Events::Rule",
            {"Name": "r", "EventPattern": {"source": ["a"]}, "State": "ENABLED"},
            ("events", "PutRule", {"Name": "r", "EventPattern": '{"source":["b"]}', "State": "DISABLED"}),
            ["/EventPattern/source/0", "/EventPattern/source/0", "/State"],
        ),
        (
            "Kinesis::Stream",
            {"Name": "s", "RetentionPeriodHours": 48},
            ("kinesis", "DecreaseStreamRetentionPeriod", {"StreamName": "s", "RetentionPeriodHours": 24}),
            ["/RetentionPeriodHours"],
        ),
        (
            "StepFunctions::StateMachine",
            {"StateMachineName": "m", "RoleArn": ROLE, "Definition": MACHINE},
            (
                "stepfunctions",
                "UpdateStateMachine",
                {"stateMachineArn": arn("states", "stateMachine:m"), "roleArn": f"{ROLE}2"},
            ),
            ["/RoleArn"],
        ),
        (
            "CloudWatch::Alarm",
            {"AlarmName": "a", **ALARM},
            ("cloudwatch", "PutMetricAlarm", {"AlarmName": "a", **ALARM, "Threshold": 3.0}),
            ["/Threshold"],
        ),
        (
            "Scheduler::Schedule",
            {
                "Name": "d",
                "ScheduleExpression": "rate(1 day)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": arn("sqs", "q"), "RoleArn": ROLE},
            },
            (
                "scheduler",
                "UpdateSchedule",
                {
                    "Name": "d",
                    "ScheduleExpression": "rate(2 days)",
                    "FlexibleTimeWindow": {"Mode": "OFF"},
                    "Target": {"Arn": arn("sqs", "q"), "RoleArn": ROLE},
                },
            ),
            ["/ScheduleExpression"],
        ),
    ],
)
def test_what_somebody_changed(
    aws: Cloud,
    kind: str,
    properties: dict[str, Any],
    change: tuple[str, str, dict[str, Any]],
    paths: list[str],
) -> None:
    resource = Life(aws, f"AWS::{kind}")
    resource.create(**properties)
    service, operation, request = change
    aws.call(service, operation, **request)
    assert sorted(resource.drift()) == paths


def test_a_key_with_another_policy(aws: Cloud) -> None:
    key = Life(aws, "AWS::KMS::Key")
    key.create(Description="mine", EnableKeyRotation=True)
    aws.call("kms", "DisableKeyRotation", KeyId=key.id)
    aws.call("kms", "UpdateKeyDescription", KeyId=key.id, Description="yours")
    assert sorted(key.drift()) == ["/Description", "/EnableKeyRotation"]


@pytest.mark.parametrize(
    ("kind", "properties", "delete"),
    [
        ("SQS::Queue", {"QueueName": "q"}, ("sqs", "DeleteQueue", {"QueueUrl": f"http://x/{ACCOUNT}/q"})),
        ("DynamoDB::Table", TABLE, ("dynamodb", "DeleteTable", {"TableName": "t"})),
        ("Kinesis::Stream", {"Name": "s"}, ("kinesis", "DeleteStream", {"StreamName": "s"})),
        (
            "CloudWatch::Alarm",
            {"AlarmName": "a", **ALARM},
            ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["a"]}),
        ),
        (
            "CloudWatch::Dashboard",
            {"DashboardName": "d", "DashboardBody": "{}"},
            ("cloudwatch", "DeleteDashboards", {"DashboardNames": ["d"]}),
        ),
        ("Events::EventBus", {"Name": "b"}, ("events", "DeleteEventBus", {"Name": "b"})),
    ],
)
def test_what_somebody_deleted(
    aws: Cloud, kind: str, properties: dict[str, Any], delete: tuple[str, str, dict[str, Any]]
) -> None:
    resource = Life(aws, f"AWS::{kind}")
    resource.create(**properties)
    service, operation, request = delete
    aws.call(service, operation, **request)
    with pytest.raises(AwsError) as gone:
        resource.drift()
    assert resource.declared.error("Read", gone.value)[1] == "NotFound"


def test_an_alias_of_another_key_and_none(aws: Cloud) -> None:
    one, two = (aws.call("kms", "CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
    alias = Life(aws, "AWS::KMS::Alias")
    alias.create(AliasName="alias/shop", TargetKeyId=f"{arn('kms', 'key/')}{one}")
    aws.call("kms", "UpdateAlias", AliasName="alias/shop", TargetKeyId=two)
    assert alias.drift() == ["/TargetKeyId"]
    aws.call("kms", "DeleteAlias", AliasName="alias/shop")
    with pytest.raises(AwsError, match="is not found"):
        alias.drift()
