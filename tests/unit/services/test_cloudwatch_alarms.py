"""Alarms and dashboards as they are put, described and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:pager"
SIMPLE: dict[str, Any] = {
    "MetricName": "Errors",
    "Namespace": "Shop",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 4.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def put(aws: Cloud, name: str = "errors", **members: Any) -> None:
    aws.call("cloudwatch", "PutMetricAlarm", AlarmName=name, **{**SIMPLE, **members})


def described(aws: Cloud, **request: Any) -> list[str]:
    answer = aws.call("cloudwatch", "DescribeAlarms", **request)
    return [alarm["AlarmName"] for kind in ("MetricAlarms", "CompositeAlarms") for alarm in answer[kind]]


def refusal(aws: Cloud, operation: str, **request: Any) -> str:
    with pytest.raises(AwsError) as refused:
        aws.call("cloudwatch", operation, **request)
    return f"{refused.value.code}: {refused.value.message}"


def test_a_new_alarm_is_described_as_aws_does(aws: Cloud) -> None:
    put(aws)
    at = aws.clock.at
    assert aws.call("cloudwatch", "DescribeAlarms", AlarmNames=["errors"]) == {
        "CompositeAlarms": [],
        "MetricAlarms": [
            {
                "ActionsEnabled": True,
                "AlarmActions": [],
                "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors",
                "AlarmConfigurationUpdatedTimestamp": at,
                "AlarmName": "errors",
                "Dimensions": [],
                "InsufficientDataActions": [],
                "OKActions": [],
                "StateReason": "Unchecked: Initial alarm creation",
                "StateTransitionedTimestamp": at,
                "StateUpdatedTimestamp": at,
                "StateValue": "INSUFFICIENT_DATA",
                **SIMPLE,
            }
        ],
    }


def test_an_alarm_that_is_put_again_keeps_its_state(aws: Cloud) -> None:
    put(aws, AlarmDescription="first", Tags=[{"Key": "team", "Value": "shop"}])
    aws.call("cloudwatch", "SetAlarmState", AlarmName="errors", StateValue="ALARM", StateReason="a test")
    put(aws, Threshold=9.0)
    (alarm,) = aws.call("cloudwatch", "DescribeAlarms")["MetricAlarms"]
    assert (alarm["StateValue"], alarm["StateReason"], alarm["Threshold"]) == ("ALARM", "a test", 9.0)
    assert "AlarmDescription" not in alarm
    arn = {"ResourceARN": alarm["AlarmArn"]}
    assert aws.call("cloudwatch", "ListTagsForResource", **arn)["Tags"] == [{"Key": "team", "Value": "shop"}]


def test_alarms_are_found_by_what_they_are(aws: Cloud) -> None:
    for name in ("a1", "a2", "b1"):
        put(aws, name, AlarmActions=[TOPIC] if name == "a2" else [])
    aws.call("cloudwatch", "PutCompositeAlarm", AlarmName="all", AlarmRule="ALARM(a1) OR ALARM(a2)")
    aws.call("cloudwatch", "SetAlarmState", AlarmName="b1", StateValue="OK", StateReason="fine")
    assert described(aws) == ["a1", "a2", "b1"]
    assert described(aws, AlarmNamePrefix="a") == ["a1", "a2"]
    assert described(aws, AlarmNamePrefix="a", AlarmTypes=["MetricAlarm", "CompositeAlarm"]) == [
        "a1",
        "a2",
        "all",
    ]
    assert described(aws, StateValue="OK") == ["b1"]
    assert described(aws, ActionPrefix="arn:aws:sns") == ["a2"]
    assert described(aws, ChildrenOfAlarmName="all") == ["a1", "a2"]
    assert described(aws, ParentsOfAlarmName="a1") == ["all"]
    first = aws.call("cloudwatch", "DescribeAlarms", MaxRecords=2)
    assert described(aws, MaxRecords=2, NextToken=first["NextToken"]) == ["b1"]
    assert (
        refusal(aws, "DescribeAlarms", NextToken="?")
        == "InvalidNextToken: The next token specified is invalid."
    )


def test_alarms_of_a_metric(aws: Cloud) -> None:
    put(aws, "one")
    put(aws, "other", MetricName="Latency")
    stat = {"Metric": {"Namespace": "Shop", "MetricName": "Errors"}, "Period": 60, "Stat": "Sum"}
    queries = [{"Id": "e", "MetricStat": stat, "ReturnData": False}, {"Id": "d", "Expression": "e * 2"}]
    rest = {name: SIMPLE[name] for name in ("EvaluationPeriods", "Threshold", "ComparisonOperator")}
    aws.call("cloudwatch", "PutMetricAlarm", AlarmName="twice", Metrics=queries, **rest)
    found = aws.call("cloudwatch", "DescribeAlarmsForMetric", Namespace="Shop", MetricName="Errors")
    assert [alarm["AlarmName"] for alarm in found["MetricAlarms"]] == ["one", "twice"]


def test_history_tells_what_happened(aws: Cloud) -> None:
    put(aws)
    aws.call("cloudwatch", "SetAlarmState", AlarmName="errors", StateValue="ALARM", StateReason="a test")
    put(aws, Threshold=5.0)
    aws.call("cloudwatch", "DeleteAlarms", AlarmNames=["errors", "never-was"])
    items = aws.call("cloudwatch", "DescribeAlarmHistory", AlarmName="errors")["AlarmHistoryItems"]
    assert [(item["HistoryItemType"], item["HistorySummary"]) for item in items] == [
        ("ConfigurationUpdate", 'Alarm "errors" deleted'),
        ("ConfigurationUpdate", 'Alarm "errors" updated'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("ConfigurationUpdate", 'Alarm "errors" created'),
    ]
    assert json.loads(items[2]["HistoryData"]) == {
        "version": "1.0",
        "oldState": {"stateValue": "INSUFFICIENT_DATA", "stateReason": "Unchecked: Initial alarm creation"},
        "newState": {"stateValue": "ALARM", "stateReason": "a test"},
    }
    page = aws.call("cloudwatch", "DescribeAlarmHistory", HistoryItemType="ConfigurationUpdate", MaxRecords=2)
    rest = aws.call("cloudwatch", "DescribeAlarmHistory", MaxRecords=9, NextToken=page["NextToken"])
    assert [item["HistorySummary"] for item in rest["AlarmHistoryItems"]][-1] == 'Alarm "errors" created'
    assert described(aws) == []


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"Period": 45}, "ValidationError: Period must be 10, 20, 30 or a multiple of 60"),
        (
            {"Period": 300, "EvaluationPeriods": 300},
            "ValidationError: Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be "
            "<= 86400).",
        ),
        (
            {"ExtendedStatistic": "p90"},
            "InvalidParameterCombinationException: The parameters Statistic and ExtendedStatistic are mutually "
            "exclusive and you have specified both.",
        ),
        ({"AlarmActions": ["pager"]}, "ValidationError: Invalid arn syntax: pager"),
        (
            {"AlarmActions": ["arn:aws:sns:eu-west-1:000000000000:t"]},
            "ValidationError: Invalid region eu-west-1 specified. Only us-east-1 is supported.",
        ),
        ({"TreatMissingData": "maybe"}, "ValidationError: Unknown option for missing data: maybe"),
        (
            {"Metrics": [{"Id": "e", "Expression": "1"}]},
            "InvalidParameterCombinationException: The parameters Metrics and MetricName are mutually exclusive and "
            "you have specified both.",
        ),
    ],
)
def test_refused_alarms(aws: Cloud, members: dict[str, Any], words: str) -> None:
    assert refusal(aws, "PutMetricAlarm", AlarmName="x", **{**SIMPLE, **members}) == words


def test_what_is_not_honoured_is_refused_by_name(aws: Cloud) -> None:
    band = {**SIMPLE, "ComparisonOperator": "GreaterThanUpperThreshold", "ThresholdMetricId": "band"}
    assert "PutMetricAlarm with ThresholdMetricId is not" in refusal(
        aws, "PutMetricAlarm", AlarmName="x", **band
    )
    for operation in ("PutAnomalyDetector", "PutMetricStream", "PutInsightRule", "GetMetricWidgetImage"):
        assert f"cloudwatch:{operation} is not implemented" in refusal(aws, operation)


def test_rules_of_composite_alarms(aws: Cloud) -> None:
    put(aws, "a")
    rule = {"AlarmRule": 'NOT (OK(a) AND TRUE) OR INSUFFICIENT_DATA("a")'}
    aws.call("cloudwatch", "PutCompositeAlarm", AlarmName="c", **rule)
    assert refusal(aws, "PutCompositeAlarm", AlarmName="d", AlarmRule="ALARM(a) AND") == (
        "ValidationError: AlarmRule expression is invalid: unexpected 'its end'."
    )
    assert refusal(aws, "PutCompositeAlarm", AlarmName="d", AlarmRule="ALARM(nobody)") == (
        "ValidationError: Could not save the composite alarm because alarms [nobody] in the alarm rule do not exist."
    )
    aws.call("cloudwatch", "PutCompositeAlarm", AlarmName="d", AlarmRule="ALARM(c)")
    assert "cycle" in refusal(aws, "PutCompositeAlarm", AlarmName="c", AlarmRule="ALARM(d)")
    assert "cycle" in refusal(aws, "PutCompositeAlarm", AlarmName="c", AlarmRule="ALARM(c)")
    assert refusal(aws, "PutMetricAlarm", AlarmName="c", **SIMPLE) == (
        "ValidationError: A composite alarm with the name c already exists."
    )


def test_a_state_cannot_be_set_of_an_alarm_that_is_not_there(aws: Cloud) -> None:
    request = {"AlarmName": "nobody", "StateValue": "OK", "StateReason": ""}
    assert refusal(aws, "SetAlarmState", **request) == "ResourceNotFound: "


def test_dashboards(aws: Cloud) -> None:
    body = json.dumps({"widgets": []})
    aws.call("cloudwatch", "PutDashboard", DashboardName="shop", DashboardBody=body)
    assert aws.call("cloudwatch", "GetDashboard", DashboardName="shop") == {
        "DashboardArn": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/shop",
        "DashboardBody": body,
        "DashboardName": "shop",
    }
    (entry,) = aws.call("cloudwatch", "ListDashboards", DashboardNamePrefix="sh")["DashboardEntries"]
    assert (entry["DashboardName"], entry["Size"]) == ("shop", len(body))
    assert refusal(aws, "DeleteDashboards", DashboardNames=["shop", "none"]) == (
        "DashboardNotFoundError: Dashboard none does not exist"
    )
    aws.call("cloudwatch", "DeleteDashboards", DashboardNames=["shop"])
    assert aws.call("cloudwatch", "ListDashboards")["DashboardEntries"] == []
    assert refusal(aws, "PutDashboard", DashboardName="a b", DashboardBody=body) == (
        "InvalidParameterValueException: The value for field DashboardName contains invalid characters. It can only "
        "contain alphanumerics, dash (-) and underscore (_).\n"
    )
    assert refusal(aws, "PutDashboard", DashboardName="x", DashboardBody="{").startswith(
        "DashboardInvalidInputError: The dashboard body is invalid, there are 1 validation errors:"
    )


def test_tags(aws: Cloud) -> None:
    put(aws)
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors"
    aws.call(
        "cloudwatch",
        "TagResource",
        ResourceARN=arn,
        Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
    )
    aws.call("cloudwatch", "UntagResource", ResourceARN=arn, TagKeys=["a"])
    assert aws.call("cloudwatch", "ListTagsForResource", ResourceARN=arn)["Tags"] == [
        {"Key": "b", "Value": "2"}
    ]
    aws.call("cloudwatch", "DeleteAlarms", AlarmNames=["errors"])
    assert aws.call("cloudwatch", "ListTagsForResource", ResourceARN=arn)["Tags"] == []
    assert (
        refusal(aws, "TagResource", ResourceARN=arn, Tags=[])
        == f"ResourceNotFoundException: Unknown resource: {arn}"
    )
