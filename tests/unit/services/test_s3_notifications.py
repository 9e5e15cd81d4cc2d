"""Event notifications: what a bucket's queue and topic hear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.model.operations import Context, Operation, Settings
from neargate.model.records import Json
from neargate.services.dispatch import Dispatcher
from tests.unit.services.cloud import ACCOUNT, Cloud, cloud

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:events"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("s3", "CreateBucket", Bucket="files")
        made.call("sqs", "CreateQueue", QueueName="events")
        yield made


def notify(aws: Cloud, *events: str, rules: dict[str, str] | None = None) -> None:
    target: dict[str, Any] = {"QueueArn": QUEUE, "Events": list(events)}
    if rules:
        named = [{"Name": name, "Value": value} for name, value in rules.items()]
        target["Filter"] = {"Key": {"FilterRules": named}}
    configuration = {"QueueConfigurations": [target]}
    aws.call(
        "s3", "PutBucketNotificationConfiguration", Bucket="files", NotificationConfiguration=configuration
    )
    (test,) = heard(aws)
    assert (test["Event"], test["Bucket"]) == ("s3:TestEvent", "files")


def heard(aws: Cloud) -> list[dict[str, Any]]:
    """The bodies of all messages, which are gone then."""
    url = aws.call("sqs", "GetQueueUrl", QueueName="events")["QueueUrl"]
    found = aws.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10).get("Messages") or []
    for message in found:
        aws.call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in found]


def names(aws: Cloud) -> list[str]:
    return [record["eventName"] for body in heard(aws) for record in body["Records"]]


def test_a_new_object_is_told_of(aws: Cloud) -> None:
    notify(aws, "s3:ObjectCreated:*")
    aws.call("s3", "PutObject", Bucket="files", Key="a b/ü.txt", Body=b"hello")
    ((record,),) = (body["Records"] for body in heard(aws))
    assert (record["eventSource"], record["eventName"]) == ("aws:s3", "ObjectCreated:Put")
    assert record["eventTime"].startswith("2026-01-01T00:00:00")
    assert record["s3"]["bucket"]["arn"] == "arn:aws:s3:::files"
    described = record["s3"]["object"]
    assert (described["key"], described["size"]) == ("a+b/%C3%BC.txt", 5)
    assert described["eTag"] == "5d41402abc4b2a76b9719d911017c592"
    assert "versionId" not in described


def test_only_what_was_asked_for_is_told(aws: Cloud) -> None:
    notify(aws, "s3:ObjectRemoved:*", "s3:ObjectCreated:Copy", rules={"prefix": "in/", "suffix": ".txt"})
    for key in ("in/a.txt", "in/a.jpg", "out/a.txt"):
        aws.call("s3", "PutObject", Bucket="files", Key=key, Body=b"1")
        aws.call("s3", "DeleteObject", Bucket="files", Key=key)
        aws.call("s3", "DeleteObject", Bucket="files", Key=key)
    assert names(aws) == ["ObjectRemoved:Delete"]
    aws.call("s3", "PutObject", Bucket="files", Key="x", Body=b"1")
    aws.call("s3", "CopyObject", Bucket="files", Key="in/b.txt", CopySource="files/x")
    assert names(aws) == ["ObjectCreated:Copy"]


def test_a_delete_marker_is_an_event_of_its_own(aws: Cloud) -> None:
    aws.call("s3", "PutBucketVersioning", Bucket="files", VersioningConfiguration={"Status": "Enabled"})
    notify(aws, "s3:ObjectRemoved:DeleteMarkerCreated")
    aws.call("s3", "PutObject", Bucket="files", Key="a", Body=b"1")
    marker = aws.call("s3", "DeleteObject", Bucket="files", Key="a")
    ((record,),) = (body["Records"] for body in heard(aws))
    assert record["s3"]["object"]["versionId"] == marker["VersionId"]


def test_a_topic_hears_too(aws: Cloud) -> None:
    topic = aws.call("sns", "CreateTopic", Name="news")["TopicArn"]
    aws.call("sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)
    configuration = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:Put"]}]}
    request = {"Bucket": "files", "NotificationConfiguration": configuration}
    aws.call("s3", "PutBucketNotificationConfiguration", **request)
    aws.call("s3", "PutObject", Bucket="files", Key="a", Body=b"1")
    test, made = heard(aws)
    assert (test["Subject"], json.loads(test["Message"])["Event"]) == (
        "Amazon S3 Notification",
        "s3:TestEvent",
    )
    assert json.loads(made["Message"])["Records"][0]["s3"]["object"]["key"] == "a"


class EventBridge:
    """Answers PutEvents and remembers the entries."""

    def __init__(self) -> None:
        self.heard: list[Json] = []

    def offers(self, service: str) -> bool:
        return service == "events"

    def operation(self, service: str, name: str) -> Operation:
        def put_events(cx: Context, request: Json) -> Json:
            self.heard += request["Entries"]
            return {"FailedEntryCount": 0}

        assert name == "PutEvents"
        return Operation(service, name, put_events, reads=True, heavy=True)


def test_eventbridge_hears_of_everything(aws: Cloud) -> None:
    bridge = EventBridge()
    aws.dispatcher = Dispatcher(aws.store, aws.clock, aws.ids, aws.blobs, Settings(), bridge)
    request = {"Bucket": "files", "NotificationConfiguration": {"EventBridgeConfiguration": {}}}
    aws.call("s3", "PutBucketNotificationConfiguration", **request)
    aws.call("s3", "PutObject", Bucket="files", Key="a", Body=b"12")
    aws.call("s3", "DeleteObject", Bucket="files", Key="a")
    created, deleted = bridge.heard
    assert (created["Source"], created["DetailType"]) == ("aws.s3", "Object Created")
    assert created["Resources"] == ["arn:aws:s3:::files"]
    made, removed = json.loads(created["Detail"]), json.loads(deleted["Detail"])
    assert (made["object"]["key"], made["object"]["size"], made["reason"]) == ("a", 2, "PutObject")
    assert deleted["DetailType"] == "Object Deleted"
    assert (removed["reason"], removed["deletion-type"]) == ("DeleteObject", "Permanently Deleted")


def test_a_queue_that_has_gone_is_passed_over(aws: Cloud) -> None:
    notify(aws, "s3:ObjectCreated:*")
    url = aws.call("sqs", "GetQueueUrl", QueueName="events")["QueueUrl"]
    aws.call("sqs", "DeleteQueue", QueueUrl=url)
    aws.call("s3", "PutObject", Bucket="files", Key="a", Body=b"1")
    aws.call("s3", "HeadObject", Bucket="files", Key="a")


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (
            {"QueueConfigurations": [{"QueueArn": f"{QUEUE}-not", "Events": ["s3:ObjectCreated:*"]}]},
            "Unable to validate the following destination configurations",
        ),
        (
            {"QueueConfigurations": [{"QueueArn": "arn:aws:sns:us-east-1:1:a", "Events": []}]},
            "The ARN could not be parsed",
        ),
        (
            {
                "QueueConfigurations": [
                    {
                        "QueueArn": QUEUE,
                        "Events": [],
                        "Filter": {"Key": {"FilterRules": [{"Name": "infix", "Value": "a"}]}},
                    }
                ]
            },
            "filter rule name must be either prefix or suffix",
        ),
        (
            {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "arn", "Events": []}]},
            "s3:PutBucketNotificationConfiguration with LambdaFunctionConfigurations is not implemented by "
            "Neargate yet (docs/coverage.md#s3)",
        ),
    ],
)
def test_destinations_that_cannot_be_told_are_refused(
    aws: Cloud, configuration: dict[str, Any], message: str
) -> None:
    request = {"Bucket": "files", "NotificationConfiguration": configuration}
    with pytest.raises(AwsError) as error:
        aws.call("s3", "PutBucketNotificationConfiguration", **request)
    assert error.value.message == message
    assert aws.call("s3", "GetBucketNotificationConfiguration", Bucket="files") == {}
