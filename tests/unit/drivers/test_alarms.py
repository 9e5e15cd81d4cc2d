"""Alarms in virtual time: states follow the data, actions are executed once, composite alarms follow."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from neargate.model.cloudwatch import Alarm, AlarmTransition
from tests.scenarios.cloud import RunningCloud, running_cloud
from tests.scenarios.virtual_time import run

RULE: dict[str, Any] = {
    "MetricName": "Errors",
    "Namespace": "Shop",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 4.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


async def put(cloud: RunningCloud, value: float) -> None:
    data = [{"MetricName": "Errors", "Value": value, "Timestamp": cloud.clock.now()}]
    await cloud.aws("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=data)


def alarms(cloud: RunningCloud) -> dict[str, Alarm]:
    return {alarm.name: alarm for alarm in cloud.store.read(lambda view: view.scan(Alarm))}


async def until_state(cloud: RunningCloud, name: str, state: str) -> Alarm:
    await cloud.until(lambda: alarms(cloud)[name].state == state, within=600)
    return alarms(cloud)[name]


def test_an_alarm_follows_its_data_minute_by_minute() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await cloud.aws("cloudwatch", "PutMetricAlarm", AlarmName="errors", **RULE)
            begin = cloud.clock.now()
            await put(cloud, 9.0)
            await _pass(60)
            await put(cloud, 7.0)
            alarm = await until_state(cloud, "errors", "ALARM")
            assert cloud.clock.now() - begin < 123
            assert alarm.reason == (
                "Threshold Crossed: 2 datapoints [7.0 (01/01/26 00:01:00), 9.0 (01/01/26 00:00:00)] were greater "
                "than the threshold (4.0)."
            )
            await put(cloud, 1.0)
            alarm = await until_state(cloud, "errors", "OK")
            assert "was not greater than the threshold (4.0)" in alarm.reason
            alarm = await until_state(cloud, "errors", "INSUFFICIENT_DATA")
            assert alarm.reason == "Insufficient Data: 2 datapoints were unknown."
            history = await cloud.aws("cloudwatch", "DescribeAlarmHistory", HistoryItemType="StateUpdate")
            assert [item["HistorySummary"] for item in reversed(history["AlarmHistoryItems"])] == [
                "Alarm updated from INSUFFICIENT_DATA to ALARM",
                "Alarm updated from ALARM to OK",
                "Alarm updated from OK to INSUFFICIENT_DATA",
            ]

    run(story())


def test_data_that_comes_late_is_looked_at_at_once() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await cloud.aws(
                "cloudwatch", "PutMetricAlarm", AlarmName="errors", **{**RULE, "EvaluationPeriods": 1}
            )
            await _pass(90)
            data = [{"MetricName": "Errors", "Value": 9.0, "Timestamp": cloud.clock.now() - 60}]
            now = cloud.clock.now()
            await cloud.aws("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=data)
            await until_state(cloud, "errors", "ALARM")
            assert cloud.clock.now() - now < 1

    run(story())


def test_a_state_that_was_set_by_hand_stays_until_the_next_look() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await cloud.aws(
                "cloudwatch", "PutMetricAlarm", AlarmName="errors", **{**RULE, "EvaluationPeriods": 1}
            )
            await put(cloud, 1.0)
            await until_state(cloud, "errors", "OK")
            begin = cloud.clock.now()
            await cloud.aws(
                "cloudwatch", "SetAlarmState", AlarmName="errors", StateValue="ALARM", StateReason="t"
            )
            await _pass(20)
            assert alarms(cloud)["errors"].state == "ALARM"
            await until_state(cloud, "errors", "OK")
            assert 20 < cloud.clock.now() - begin <= 60

    run(story())


def test_metric_math_and_missing_data() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            stat = {"Metric": {"Namespace": "Shop", "MetricName": "Errors"}, "Period": 60, "Stat": "Sum"}
            rest = {"EvaluationPeriods": 1, "Threshold": 15.0, "ComparisonOperator": "GreaterThanThreshold"}
            queries = [
                {"Id": "e", "MetricStat": stat, "ReturnData": False},
                {"Id": "d", "Expression": "FILL(e, 8) * 2"},
            ]
            await cloud.aws("cloudwatch", "PutMetricAlarm", AlarmName="twice", Metrics=queries, **rest)
            alarm = await until_state(cloud, "twice", "ALARM")
            assert "[16.0 (31/12/25 23:59:00)]" in alarm.reason
            treated = {**RULE, "TreatMissingData": "breaching"}
            await cloud.aws("cloudwatch", "PutMetricAlarm", AlarmName="silent", **treated)
            alarm = await until_state(cloud, "silent", "ALARM")
            assert alarm.reason == (
                "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated "
                "as [Breaching]."
            )

    run(story())


def test_a_composite_alarm_follows_its_alarms() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            for name in ("a", "b"):
                await cloud.aws(
                    "cloudwatch", "PutMetricAlarm", AlarmName=name, **{**RULE, "TreatMissingData": "ignore"}
                )
            await cloud.aws(
                "cloudwatch", "PutCompositeAlarm", AlarmName="both", AlarmRule="ALARM(a) AND ALARM(b)"
            )
            alarm = await until_state(cloud, "both", "OK")
            assert alarm.reason == f"{alarm.arn} was created and its alarm rule evaluates to OK"
            for name in ("a", "b"):
                await _pass(5)
                await cloud.aws(
                    "cloudwatch", "SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="t"
                )
            alarm = await until_state(cloud, "both", "ALARM")
            child = alarms(cloud)["b"].arn
            assert alarm.reason == f"{child} transitioned to ALARM at Thursday 01 January, 2026 00:00:10 UTC"
            assert json.loads(alarm.reason_data or "") == {
                "triggeringAlarms": [
                    {"arn": child, "state": {"value": "ALARM", "timestamp": "2026-01-01T00:00:10.000+0000"}}
                ]
            }

    run(story())


def test_topics_are_told_and_failures_are_in_the_history() -> None:
    pytest.importorskip("moto")

    async def story() -> None:
        async with running_cloud() as cloud:
            topic = (await cloud.aws("sns", "CreateTopic", Name="pager"))["TopicArn"]
            queue = (await cloud.aws("sqs", "CreateQueue", QueueName="q"))["QueueUrl"]
            arn = {"QueueUrl": queue, "AttributeNames": ["QueueArn"]}
            target = (await cloud.aws("sqs", "GetQueueAttributes", **arn))["Attributes"]["QueueArn"]
            await cloud.aws("sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=target)
            nowhere = "arn:aws:lambda:us-east-1:000000000000:function:f"
            members = {
                **RULE,
                "AlarmActions": [topic, nowhere],
                "Dimensions": [{"Name": "Shop", "Value": "n"}],
            }
            await cloud.aws("cloudwatch", "PutMetricAlarm", AlarmName="errors", **members)
            await cloud.aws(
                "cloudwatch", "SetAlarmState", AlarmName="errors", StateValue="ALARM", StateReason="t"
            )
            await cloud.until(lambda: not cloud.store.read(lambda view: view.scan(AlarmTransition)))
            (received,) = (await cloud.aws("sqs", "ReceiveMessage", QueueUrl=queue))["Messages"]
            notification = json.loads(received["Body"])
            assert notification["Subject"] == 'ALARM: "errors" in US East (N. Virginia)'
            told = json.loads(notification["Message"])
            assert (told["NewStateValue"], told["OldStateValue"]) == ("ALARM", "INSUFFICIENT_DATA")
            assert told["Trigger"] == {
                "MetricName": "Errors",
                "Namespace": "Shop",
                "StatisticType": "Statistic",
                "Statistic": "SUM",
                "Unit": None,
                "Dimensions": [{"value": "n", "name": "Shop"}],
                "Period": 60,
                "EvaluationPeriods": 2,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 4.0,
                "TreatMissingData": "missing",
                "EvaluateLowSampleCountPercentile": "",
            }
            history = await cloud.aws("cloudwatch", "DescribeAlarmHistory", HistoryItemType="Action")
            summaries = sorted(item["HistorySummary"] for item in history["AlarmHistoryItems"])
            assert summaries[0].startswith(f"Failed to execute action {nowhere}. Received error:")
            assert summaries[1] == f"Successfully executed action {topic}"

    run(story())


def test_a_transition_is_an_event_for_whom_a_rule_matches() -> None:
    pytest.importorskip("moto")

    async def story() -> None:
        async with running_cloud() as cloud:
            queue = (await cloud.aws("sqs", "CreateQueue", QueueName="q"))["QueueUrl"]
            arn = {"QueueUrl": queue, "AttributeNames": ["QueueArn"]}
            target = (await cloud.aws("sqs", "GetQueueAttributes", **arn))["Attributes"]["QueueArn"]
            pattern = {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}}
            await cloud.aws("events", "PutRule", Name="r", EventPattern=json.dumps(pattern))
            await cloud.aws("events", "PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": target}])
            await cloud.aws("cloudwatch", "PutMetricAlarm", AlarmName="errors", **RULE)
            await cloud.aws(
                "cloudwatch", "SetAlarmState", AlarmName="errors", StateValue="ALARM", StateReason="t"
            )
            await cloud.until(lambda: not cloud.store.read(lambda view: view.scan(AlarmTransition)))
            (received,) = (await cloud.aws("sqs", "ReceiveMessage", QueueUrl=queue))["Messages"]
            event = json.loads(received["Body"])
            assert event["detail-type"] == "CloudWatch Alarm State Change"
            assert event["resources"] == [alarms(cloud)["errors"].arn]
            assert event["detail"]["state"]["value"] == "ALARM"
            assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
            assert event["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"] == {
                "namespace": "Shop",
                "name": "Errors",
                "dimensions": {},
            }

    run(story())


def test_actions_that_a_kill_cut_off_are_executed_after_the_next_start() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            policy = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:1:resource/ecs/service/c/w:policyName/p"
            members = {**RULE, "AlarmActions": [policy], "TreatMissingData": "ignore"}
            await cloud.aws("cloudwatch", "PutMetricAlarm", AlarmName="errors", **members)
            cloud.store.cut_after(1)
            setting = cloud.aws(
                "cloudwatch", "SetAlarmState", AlarmName="errors", StateValue="ALARM", StateReason="t"
            )

            cut = asyncio.create_task(setting)
            await cloud.store.cut.wait()
            cut.cancel()
            await cloud.kill()
            await cloud.start()
            await cloud.until(lambda: not cloud.store.read(lambda view: view.scan(AlarmTransition)))
            history = await cloud.aws("cloudwatch", "DescribeAlarmHistory", HistoryItemType="Action")
            assert [item["HistorySummary"] for item in history["AlarmHistoryItems"]] == [
                f"Successfully executed action {policy}"
            ]

    run(story())


async def _pass(seconds: float) -> None:

    await asyncio.sleep(seconds)
