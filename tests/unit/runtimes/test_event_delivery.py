"""Events on a bus, and where the rules send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def queue(aws: Cloud, name: str, **attributes: str) -> str:
    return str(aws.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"])


def bodies(aws: Cloud, url: str) -> list[Any]:
    got = aws.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in got.get("Messages", [])]


def rule(aws: Cloud, *targets: dict[str, Any], bus: str = "default", **pattern: Any) -> None:
    name = f"rule-{len(aws.call('events', 'ListRules')['Rules'])}"
    asked = {"source": ["shop"], **pattern}
    aws.call("events", "PutRule", Name=name, EventBusName=bus, EventPattern=json.dumps(asked))
    numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    aws.call("events", "PutTargets", Rule=name, EventBusName=bus, Targets=numbered)


def put(aws: Cloud, bus: str | None = None, **detail: Any) -> dict[str, Any]:
    entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail)}
    named = {"EventBusName": bus} if bus else {}
    (answer,) = aws.call("events", "PutEvents", Entries=[{**entry, **named}])["Entries"]
    return dict(answer)


def test_an_event_reaches_the_queues_of_the_rules_that_match(aws: Cloud) -> None:
    large, small = queue(aws, "large"), queue(aws, "small")
    rule(aws, {"Arn": arn("sqs", "large")}, detail={"total": [{"numeric": [">", 10]}]})
    rule(
        aws,
        {"Arn": arn("sqs", "small"), "InputPath": "$.detail"},
        detail={"total": [{"numeric": ["<=", 10]}]},
    )
    answer = put(aws, total=12)
    (event,) = bodies(aws, large)
    assert event == {
        "version": "0",
        "id": answer["EventId"],
        "detail-type": "order",
        "source": "shop",
        "account": ACCOUNT,
        "time": "2026-01-01T00:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": {"total": 12},
    }
    assert bodies(aws, small) == []
    put(aws, total=3)
    assert bodies(aws, small) == [{"total": 3}]


def test_a_disabled_rule_sends_nothing(aws: Cloud) -> None:
    jobs = queue(aws, "jobs")
    rule(aws, {"Arn": arn("sqs", "jobs")})
    aws.call("events", "DisableRule", Name="rule-0")
    put(aws)
    assert bodies(aws, jobs) == []


def test_a_pattern_that_aws_would_refuse_matches_nothing(aws: Cloud) -> None:
    jobs = queue(aws, "jobs")
    rule(aws, {"Arn": arn("sqs", "jobs")}, detail={"total": [{"numeric": [">", "10"]}]})
    assert "EventId" in put(aws, total=12)
    assert bodies(aws, jobs) == []


def test_a_log_group_gets_the_event_in_a_stream_of_its_own(aws: Cloud) -> None:
    aws.call("logs", "CreateLogGroup", logGroupName="/shop/events")
    rule(aws, {"Arn": arn("logs", "log-group:/shop/events:*")})
    event = put(aws, total=1)["EventId"]
    place = {"logGroupName": "/shop/events", "logStreamName": event}
    (line,) = aws.call("logs", "GetLogEvents", **place)["events"]
    assert json.loads(line["message"])["detail"] == {"total": 1}


def test_a_topic_and_a_bus_pass_it_on(aws: Cloud) -> None:
    jobs, far = queue(aws, "jobs"), queue(aws, "far")
    topic = aws.call("sns", "CreateTopic", Name="news")["TopicArn"]
    subscription = aws.call("sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", "jobs"))
    aws.call(
        "sns",
        "SetSubscriptionAttributes",
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="RawMessageDelivery",
        AttributeValue="true",
    )
    aws.call("events", "CreateEventBus", Name="far")
    rule(aws, {"Arn": topic, "Input": '{"constant": 1}'}, {"Arn": arn("events", "event-bus/far")})
    rule(aws, {"Arn": arn("sqs", "far"), "InputPath": "$.detail"}, bus="far")
    put(aws, total=1)
    assert bodies(aws, jobs) == [{"constant": 1}]
    assert bodies(aws, far) == [{"total": 1}]


def test_streams(aws: Cloud) -> None:
    aws.call("kinesis", "CreateStream", StreamName="orders", ShardCount=1)
    rule(aws, {"Arn": arn("kinesis", "stream/orders"), "InputPath": "$.detail.total"})
    put(aws, total=5)
    asked = {"StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    place = aws.call("kinesis", "GetShardIterator", **asked)["ShardIterator"]
    assert [
        record["Data"] for record in aws.call("kinesis", "GetRecords", ShardIterator=place)["Records"]
    ] == [b"5"]


def test_a_fifo_queue_gets_it_in_a_group(aws: Cloud) -> None:
    jobs = queue(aws, "jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    rule(aws, {"Arn": arn("sqs", "jobs.fifo"), "SqsParameters": {"MessageGroupId": "g"}})
    put(aws, total=1)
    assert [event["detail"] for event in bodies(aws, jobs)] == [{"total": 1}]


def test_what_a_target_does_not_take_goes_to_the_dead_letters(aws: Cloud) -> None:
    dead = queue(aws, "dead")
    letters = {"DeadLetterConfig": {"Arn": arn("sqs", "dead")}}
    rule(aws, {"Arn": arn("sqs", "nowhere"), **letters}, {"Arn": arn("lambda", "function:f"), **letters})
    assert "EventId" in put(aws, total=1)
    assert [event["detail"] for event in bodies(aws, dead)] == [{"total": 1}, {"total": 1}]


def test_a_cluster_runs_a_task(aws: Cloud) -> None:
    aws.call("ecs", "CreateCluster", clusterName="shop")
    container = {"name": "web", "image": "web:1", "essential": True}
    definition = aws.call(
        "ecs",
        "RegisterTaskDefinition",
        family="web",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[container],
    )["taskDefinition"]["taskDefinitionArn"]
    subnet = aws.call("ec2", "DescribeSubnets")["Subnets"][0]["SubnetId"]
    parameters = {
        "TaskDefinitionArn": definition,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": [subnet]}},
    }
    override = json.dumps({"containerOverrides": [{"name": "web", "command": ["true"]}]})
    rule(aws, {"Arn": arn("ecs", "cluster/shop"), "EcsParameters": parameters, "Input": override})
    put(aws)
    (task,) = aws.call("ecs", "ListTasks", cluster="shop")["taskArns"]
    (seen,) = aws.call("ecs", "DescribeTasks", cluster="shop", tasks=[task])["tasks"]
    assert seen["taskDefinitionArn"] == definition
    assert seen["overrides"]["containerOverrides"][0]["command"] == ["true"]


def test_an_archive_keeps_it(aws: Cloud) -> None:
    bus = arn("events", "event-bus/default")
    aws.call("events", "CreateArchive", ArchiveName="old", EventSourceArn=bus)
    put(aws, total=1)
    assert aws.call("events", "DescribeArchive", ArchiveName="old")["EventCount"] == 1


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"DetailType": "order", "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "shop", "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "shop", "DetailType": "order"}, "InvalidArgument"),
        ({"Source": "shop", "DetailType": "order", "Detail": "{"}, "MalformedDetail"),
    ],
)
def test_an_event_that_is_none(aws: Cloud, entry: dict[str, str], code: str) -> None:
    answer = aws.call("events", "PutEvents", Entries=[entry])
    assert (answer["FailedEntryCount"], answer["Entries"][0]["ErrorCode"]) == (1, code)
