"""AWS::CloudWatch: alarms and dashboards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

ERRORS: dict[str, Any] = {
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": "1",
    "MetricName": "Errors",
    "Namespace": "Shop",
    "Period": 60,
    "Statistic": "Sum",
    "Threshold": "2.5",
}


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def seen(aws: Cloud, name: str, kind: str = "MetricAlarm") -> dict[str, Any]:
    (found,) = aws.call("cloudwatch", "DescribeAlarms", AlarmNames=[name], AlarmTypes=[kind])[f"{kind}s"]
    return dict(found)


def tags(aws: Cloud, arn: str) -> dict[str, str]:
    listed = aws.call("cloudwatch", "ListTagsForResource", ResourceARN=arn)["Tags"]
    return {one["Key"]: one["Value"] for one in listed if not one["Key"].startswith("aws:")}


def test_an_alarm(aws: Cloud) -> None:
    alarm = Life(aws, "AWS::CloudWatch::Alarm", "Errors")
    dimension = [{"Name": "Shop", "Value": "north"}]
    alarm.create({"team": "shop"}, **ERRORS, AlarmDescription="too many", Dimensions=dimension)
    assert alarm.ref == alarm.id
    assert alarm.id.startswith("shop-Errors-")
    assert alarm.attributes["Arn"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm.id}"
    found = seen(aws, alarm.id)
    assert (found["Threshold"], found["Dimensions"], found["AlarmDescription"]) == (
        2.5,
        dimension,
        "too many",
    )
    assert (found["StateValue"], found["ActionsEnabled"]) == ("INSUFFICIENT_DATA", True)
    assert "StateReasonData" not in found
    assert tags(aws, alarm.attributes["Arn"]) == {"team": "shop"}

    aws.call("cloudwatch", "SetAlarmState", AlarmName=alarm.id, StateValue="ALARM", StateReason="test")
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:pager"
    alarm.update(**{**ERRORS, "Threshold": 3}, ActionsEnabled="false", AlarmActions=[topic])
    found = seen(aws, alarm.id)
    assert (found["Threshold"], found["AlarmActions"], found["ActionsEnabled"]) == (3.0, [topic], False)
    assert (found["StateValue"], found["StateReason"]) == ("ALARM", "test")
    assert "AlarmDescription" not in found
    assert tags(aws, alarm.attributes["Arn"]) == {}

    alarm.delete()
    alarm.delete()
    assert aws.call("cloudwatch", "DescribeAlarms")["MetricAlarms"] == []


def test_an_alarm_of_alarms(aws: Cloud) -> None:
    Life(aws, "AWS::CloudWatch::Alarm").create(**ERRORS, AlarmName="errors")
    both = Life(aws, "AWS::CloudWatch::CompositeAlarm")
    both.create(AlarmName="both", AlarmRule="ALARM(errors)", AlarmDescription="all")
    assert both.ref == "both"
    assert both.attributes["Arn"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:both"
    found = seen(aws, "both", "CompositeAlarm")
    assert (found["AlarmRule"], found["AlarmDescription"]) == ("ALARM(errors)", "all")
    both.update({"team": "shop"}, AlarmName="both", AlarmRule="NOT ALARM(errors)")
    assert seen(aws, "both", "CompositeAlarm")["AlarmRule"] == "NOT ALARM(errors)"
    assert tags(aws, both.attributes["Arn"]) == {"team": "shop"}
    assert aws.call("cloudwatch", "DescribeAlarms")["CompositeAlarms"] == []  # they are asked for by type
    both.delete()
    assert aws.call("cloudwatch", "DescribeAlarms", AlarmTypes=["CompositeAlarm"])["CompositeAlarms"] == []


@pytest.mark.parametrize("kind", ["Alarm", "CompositeAlarm"])
def test_an_alarm_that_exists_is_not_taken_over(aws: Cloud, kind: str) -> None:
    aws.call("cloudwatch", "PutCompositeAlarm", AlarmName="mine", AlarmRule="TRUE")
    wanted = ERRORS if kind == "Alarm" else {"AlarmRule": "TRUE"}
    with pytest.raises(AwsError) as taken:
        Life(aws, f"AWS::CloudWatch::{kind}").create(**wanted, AlarmName="mine")
    assert taken.value.code == "AlreadyExists"


def test_a_dashboard(aws: Cloud) -> None:
    def body() -> Any:
        return json.loads(aws.call("cloudwatch", "GetDashboard", DashboardName="shop")["DashboardBody"])

    dashboard = Life(aws, "AWS::CloudWatch::Dashboard")
    dashboard.create(DashboardName="shop", DashboardBody='{"widgets": []}')
    assert dashboard.ref == "shop"
    dashboard.update(DashboardName="shop", DashboardBody='{"widgets": [{"type": "text"}]}')
    assert body() == {"widgets": [{"type": "text"}]}
    with pytest.raises(AwsError) as taken:
        Life(aws, "AWS::CloudWatch::Dashboard").create(DashboardName="shop", DashboardBody="{}")
    assert taken.value.code == "AlreadyExists"
    dashboard.delete()
    with pytest.raises(AwsError) as missing:
        dashboard.delete()
    assert dashboard.declared.error("Delete", missing.value)[1] == "NotFound"
