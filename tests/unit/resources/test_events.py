"""AWS::Events: rules, buses, their policies, archives, connections and destinations, over the EventBridge of moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")

EVENTS = f"arn:aws:events:{REGION}:{ACCOUNT}"
DAILY = {"ScheduleExpression": "rate(1 day)"}
ORDERS: dict[str, Any] = {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def queue(aws: Cloud, name: str) -> str:
    aws.call("sqs", "CreateQueue", QueueName=name)
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def test_a_rule_and_its_targets(aws: Cloud) -> None:
    def targets(rule: Life) -> dict[str, str]:
        listed = aws.call("events", "ListTargetsByRule", Rule=rule.id)["Targets"]
        return {one["Id"]: one["Arn"] for one in listed}

    def tags(rule: Life) -> dict[str, str]:
        listed = aws.call("events", "ListTagsForResource", ResourceARN=rule.attributes["Arn"])["Tags"]
        return {one["Key"]: one["Value"] for one in listed}

    one, two = queue(aws, "one"), queue(aws, "two")
    rule = Life(aws, "AWS::Events::Rule", "Daily")
    both = [{"Id": "1", "Arn": one}, {"Id": "2", "Arn": two, "Input": '{"a": 1}'}]
    rule.create({"team": "shop"}, EventPattern=ORDERS, Description="orders", Targets=both)
    assert rule.ref == rule.attributes["RuleName"] == rule.id
    assert rule.id.startswith("shop-Daily-")
    assert rule.attributes["Arn"] == f"{EVENTS}:rule/{rule.id}"
    assert targets(rule) == {"1": one, "2": two}
    assert tags(rule)["team"] == "shop"

    rule.update(**DAILY, State="DISABLED", Targets=[{"Id": "2", "Arn": one}])
    seen = aws.call("events", "DescribeRule", Name=rule.id)
    assert (seen["ScheduleExpression"], seen["State"]) == ("rate(1 day)", "DISABLED")
    assert "EventPattern" not in seen
    assert "Description" not in seen
    assert targets(rule) == {"2": one}
    assert "team" not in tags(rule)

    rule.delete()
    with pytest.raises(AwsError) as missing:
        rule.delete()
    assert rule.declared.error("Delete", missing.value)[1] == "NotFound"


def test_a_rule_of_a_bus(aws: Cloud) -> None:
    bus = aws.call("events", "CreateEventBus", Name="orders")["EventBusArn"]
    rule = Life(aws, "AWS::Events::Rule")
    rule.create(Name="new", EventBusName=bus, EventPattern=ORDERS)
    assert rule.ref == "orders|new"
    assert rule.attributes == {"Arn": f"{EVENTS}:rule/orders/new", "RuleName": "new"}
    rule.update({"team": "shop"}, Name="new", EventBusName="orders", EventPattern={"source": ["a"]})
    seen = aws.call("events", "DescribeRule", Name="new", EventBusName="orders")
    assert json.loads(seen["EventPattern"]) == {"source": ["a"]}
    assert rule.replaced_by(Name="new", EventBusName="other", EventPattern=ORDERS)
    rule.delete()
    assert aws.call("events", "ListRules", EventBusName="orders")["Rules"] == []


def test_a_rule_that_exists_is_not_taken_over(aws: Cloud) -> None:
    aws.call("events", "PutRule", Name="mine", **DAILY)
    with pytest.raises(AwsError) as taken:
        Life(aws, "AWS::Events::Rule").create(Name="mine", **DAILY)
    assert taken.value.code == "AlreadyExists"


def test_a_rule_whose_target_is_refused_is_taken_away(aws: Cloud) -> None:
    with pytest.raises(AwsError, match="not in correct format"):
        Life(aws, "AWS::Events::Rule").create(Name="bad", **DAILY, Targets=[{"Id": "1", "Arn": "nowhere"}])
    assert aws.call("events", "ListRules")["Rules"] == []


def test_a_bus(aws: Cloud) -> None:
    def policy(bus: Life) -> Any:
        return json.loads(aws.call("events", "DescribeEventBus", Name=bus.id).get("Policy", "null"))

    allow = {"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}
    bus = Life(aws, "AWS::Events::EventBus")
    bus.create(Name="orders", Description="all", Policy={"Version": "2012-10-17", "Statement": [allow]})
    assert bus.ref == bus.attributes["Name"] == "orders"
    assert bus.attributes["Arn"] == f"{EVENTS}:event-bus/orders"
    assert policy(bus)["Statement"][0]["Sid"] == "a"
    bus.update({"team": "shop"}, Name="orders", Description="all")
    assert policy(bus) is None
    listed = aws.call("events", "ListTagsForResource", ResourceARN=bus.attributes["Arn"])["Tags"]
    assert {"Key": "team", "Value": "shop"} in listed
    letters = {"DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"}}
    bus.update(Name="orders", **letters)
    seen = aws.call("events", "DescribeEventBus", Name="orders")
    assert (seen.get("Description"), seen["DeadLetterConfig"]) == (None, letters["DeadLetterConfig"])
    with pytest.raises(AwsError, match="Event bus none does not exist"):
        aws.call("events", "UpdateEventBus", Name="none")
    bus.delete()
    bus.delete()


@pytest.mark.parametrize(
    "granted",
    [
        {"Action": "events:PutEvents", "Principal": "111122223333"},
        {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}},
    ],
)
def test_the_policy_of_a_bus(aws: Cloud, granted: dict[str, Any]) -> None:
    aws.call("events", "CreateEventBus", Name="orders")
    policy = Life(aws, "AWS::Events::EventBusPolicy")
    policy.create(EventBusName="orders", StatementId="partners", **granted)
    assert policy.ref == "orders|partners"
    seen = json.loads(aws.call("events", "DescribeEventBus", Name="orders")["Policy"])
    assert [(one["Sid"], one["Action"]) for one in seen["Statement"]] == [("partners", "events:PutEvents")]
    other = {"Action": "events:PutEvents", "Principal": "444455556666"}
    policy.update(EventBusName="orders", StatementId="partners", **other)
    assert "444455556666" in aws.call("events", "DescribeEventBus", Name="orders")["Policy"]
    policy.delete()
    policy.delete()
    assert "Policy" not in aws.call("events", "DescribeEventBus", Name="orders")


def test_an_archive(aws: Cloud) -> None:
    source = {"SourceArn": f"{EVENTS}:event-bus/default"}
    archive = Life(aws, "AWS::Events::Archive")
    archive.create(**source, ArchiveName="old", Description="mine", RetentionDays="7", EventPattern=ORDERS)
    assert archive.ref == "old"
    assert archive.attributes["Arn"] == f"{EVENTS}:archive/old"
    archive.update(**source, ArchiveName="old", EventPattern=ORDERS)
    seen = aws.call("events", "DescribeArchive", ArchiveName="old")
    assert (seen.get("Description"), seen["RetentionDays"]) == ("", 0)
    assert json.loads(seen["EventPattern"]) == ORDERS
    with pytest.raises(AwsError, match="EventPattern is not implemented"):
        archive.update(**source, ArchiveName="old")
    archive.delete()
    with pytest.raises(AwsError) as missing:
        archive.delete()
    assert archive.declared.error("Delete", missing.value)[1] == "NotFound"


def test_a_connection_and_its_destination(aws: Cloud) -> None:
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "secret"}}
    connection = Life(aws, "AWS::Events::Connection", "Shop")
    connection.create(AuthorizationType="API_KEY", AuthParameters=key, Description="mine")
    assert connection.ref == connection.id
    assert connection.id.startswith("shop-Shop-")
    assert connection.attributes["Arn"].startswith(f"{EVENTS}:connection/{connection.id}/")
    assert connection.attributes["ArnForPolicy"] == f"{EVENTS}:connection/{connection.id}"
    basic = {"BasicAuthParameters": {"Username": "me", "Password": "secret"}}
    connection.update(AuthorizationType="BASIC", AuthParameters=basic)
    seen = aws.call("events", "DescribeConnection", Name=connection.id)
    assert (seen["AuthorizationType"], seen.get("Description")) == ("BASIC", "")

    wanted = {
        "ConnectionArn": connection.attributes["Arn"],
        "HttpMethod": "POST",
        "InvocationEndpoint": "https://shop.example.com/",
    }
    destination = Life(aws, "AWS::Events::ApiDestination")
    destination.create(**wanted, Name="shop", InvocationRateLimitPerSecond="10", Description="mine")
    assert destination.ref == "shop"
    assert destination.attributes["Arn"].startswith(f"{EVENTS}:api-destination/shop/")
    assert destination.attributes["ArnForPolicy"] == f"{EVENTS}:api-destination/shop"
    destination.update(**{**wanted, "HttpMethod": "PUT"}, Name="shop")
    seen = aws.call("events", "DescribeApiDestination", Name="shop")
    assert (seen["HttpMethod"], seen["InvocationRateLimitPerSecond"]) == ("PUT", 300)
    for made in (destination, connection):
        with pytest.raises(AwsError) as taken:
            Life(aws, made.declared.type).create(
                **{**(made.made.properties if made.made else {}), "Name": made.id}
            )
        assert taken.value.code == "AlreadyExists"
        made.delete()
        with pytest.raises(AwsError) as missing:
            made.delete()
        assert made.declared.error("Delete", missing.value)[1] == "NotFound"
