"""What moto answers otherwise than AWS, as it leaves Neargate."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.runtimes import moto_services
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def table(aws: Cloud, **more: Any) -> dict[str, Any]:
    names = ("sk", "pk")
    request = {
        "TableName": "items",
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        **more,
    }
    aws.call("dynamodb", "CreateTable", **request)
    described: dict[str, Any] = aws.call("dynamodb", "DescribeTable", TableName="items")["Table"]
    return described


def test_a_provisioned_table(aws: Cloud) -> None:
    described = table(aws, ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    assert "BillingModeSummary" not in described
    assert "GlobalSecondaryIndexes" not in described
    assert [each["AttributeName"] for each in described["AttributeDefinitions"]] == ["pk", "sk"]
    assert len(described["TableId"]) == 36
    again = aws.call("dynamodb", "DescribeTable", TableName="items")["Table"]
    assert again["TableId"] == described["TableId"]


def test_a_table_that_goes_over_to_on_demand_has_no_throughput_left(aws: Cloud) -> None:
    table(aws, ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    updated = aws.call("dynamodb", "UpdateTable", TableName="items", BillingMode="PAY_PER_REQUEST")
    none = {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
    assert updated["TableDescription"]["ProvisionedThroughput"] == none
    back = {"ReadCapacityUnits": 2, "WriteCapacityUnits": 1}
    aws.call(
        "dynamodb", "UpdateTable", TableName="items", BillingMode="PROVISIONED", ProvisionedThroughput=back
    )
    described = aws.call("dynamodb", "DescribeTable", TableName="items")["Table"]
    assert described["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, **back}


def test_a_table_on_demand_and_its_index(aws: Cloud) -> None:
    index = {
        "IndexName": "by-sk",
        "KeySchema": [{"AttributeName": "sk", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    described = table(aws, BillingMode="PAY_PER_REQUEST", GlobalSecondaryIndexes=[index])
    assert described["BillingModeSummary"].keys() == {"BillingMode", "LastUpdateToPayPerRequestDateTime"}
    (seen,) = described["GlobalSecondaryIndexes"]
    assert seen["IndexArn"] == f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/items/index/by-sk"
    assert seen["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0


def streamed(aws: Cloud, stream: str) -> list[dict[str, Any]]:
    asked = {"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    place = aws.call("kinesis", "GetShardIterator", **asked)["ShardIterator"]
    return [
        json.loads(one["Data"]) for one in aws.call("kinesis", "GetRecords", ShardIterator=place)["Records"]
    ]


@pytest.mark.parametrize("own_stream", [False, True])
def test_a_tables_changes_reach_a_kinesis_stream(aws: Cloud, own_stream: bool) -> None:
    view = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
    described = table(aws, BillingMode="PAY_PER_REQUEST", **(view if own_stream else {}))
    aws.call("kinesis", "CreateStream", StreamName="changes", ShardCount=1)
    target = {"TableName": "items", "StreamArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/changes"}
    aws.call("dynamodb", "EnableKinesisStreamingDestination", **target)
    with pytest.raises(AwsError, match="must be DISABLED or ENABLE_FAILED"):
        aws.call("dynamodb", "EnableKinesisStreamingDestination", **target)
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    aws.call("dynamodb", "PutItem", TableName="items", Item={**key, "n": {"N": "1"}})
    aws.call("dynamodb", "PutItem", TableName="items", Item={**key, "n": {"N": "2"}})
    aws.call("dynamodb", "DeleteItem", TableName="items", Key=key)
    changes = streamed(aws, "changes")
    assert [one["eventName"] for one in changes] == ["INSERT", "MODIFY", "REMOVE"]
    first, second = (one["dynamodb"] for one in changes[:2])
    assert first["Keys"] == key
    assert "OldImage" not in first
    assert (second["OldImage"]["n"], second["NewImage"]["n"]) == ({"N": "1"}, {"N": "2"})
    assert changes[0]["tableName"] == "items"
    if own_stream:
        stream = aws.call("dynamodbstreams", "DescribeStream", StreamArn=described["LatestStreamArn"])
        shard = stream["StreamDescription"]["Shards"][0]["ShardId"]
        asked = {"ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        place = aws.call(
            "dynamodbstreams", "GetShardIterator", StreamArn=described["LatestStreamArn"], **asked
        )
        records = aws.call("dynamodbstreams", "GetRecords", ShardIterator=place["ShardIterator"])["Records"]
        assert [one["eventName"] for one in records] == ["INSERT", "MODIFY", "REMOVE"]

    aws.call("dynamodb", "DisableKinesisStreamingDestination", **target)
    aws.call("dynamodb", "PutItem", TableName="items", Item=key)
    assert len(streamed(aws, "changes")) == 3
    with pytest.raises(AwsError, match="must be ACTIVE to perform DISABLE"):
        aws.call("dynamodb", "DisableKinesisStreamingDestination", **target)


def test_a_table_whose_stream_was_switched_off_takes_items(aws: Cloud) -> None:
    view = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    table(aws, BillingMode="PAY_PER_REQUEST", StreamSpecification=view)
    off = {"StreamEnabled": False}
    aws.call("dynamodb", "UpdateTable", TableName="items", StreamSpecification=off)
    aws.call("dynamodb", "PutItem", TableName="items", Item={"pk": {"S": "a"}, "sk": {"S": "b"}})
    assert aws.call("dynamodb", "DescribeTable", TableName="items")["Table"]["ItemCount"] == 1


def test_moto_answers_in_this_process_whatever_endpoint_the_shell_names(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    moto_services._session.cache_clear()
    assert aws.call("sns", "CreateTopic", Name="news")["TopicArn"].endswith(":news")
    moto_services._session.cache_clear()


def test_a_topic_gives_back_what_it_was_given(aws: Cloud) -> None:
    attributes = {"FifoTopic": "true", "ArchivePolicy": '{"MessageRetentionPeriod":"30"}'}
    arn = aws.call("sns", "CreateTopic", Name="news.fifo", Attributes=attributes)["TopicArn"]
    seen = aws.call("sns", "GetTopicAttributes", TopicArn=arn)["Attributes"]
    assert json.loads(seen["ArchivePolicy"]) == {"MessageRetentionPeriod": "30"}
    assert "DeliveryPolicy" not in seen


def test_nobody_confirms_a_mail(aws: Cloud) -> None:
    arn = aws.call("sns", "CreateTopic", Name="news")["TopicArn"]
    mail = aws.call("sns", "Subscribe", TopicArn=arn, Protocol="email", Endpoint="a@example.com")
    (seen,) = aws.call("sns", "ListSubscriptionsByTopic", TopicArn=arn)["Subscriptions"]
    assert seen["SubscriptionArn"] == "PendingConfirmation"
    asked = aws.call("sns", "GetSubscriptionAttributes", SubscriptionArn=mail["SubscriptionArn"])
    assert asked["Attributes"]["PendingConfirmation"] == "true"
    assert asked["Attributes"]["SubscriptionPrincipal"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_setting_one_attribute_of_a_queue_keeps_its_policy(aws: Cloud) -> None:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    url = aws.call("sqs", "CreateQueue", QueueName="jobs", Attributes={"Policy": policy})["QueueUrl"]
    aws.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"DelaySeconds": "3"})
    seen = aws.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(seen["Policy"]) == json.loads(policy)
    assert seen["CreatedTimestamp"].isdigit()


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ({"redrivePermission": "allowAll"}, True),
        ({"redrivePermission": "denyAll"}, False),
        ({"redrivePermission": "byQueue", "sourceQueueArns": [f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"]}, True),
        (
            {"redrivePermission": "byQueue", "sourceQueueArns": [f"arn:aws:sqs:{REGION}:{ACCOUNT}:other"]},
            False,
        ),
    ],
)
def test_who_may_send_dead_letters(aws: Cloud, policy: dict[str, Any], allowed: bool) -> None:
    text = json.dumps(policy)
    dead = aws.call("sqs", "CreateQueue", QueueName="dead", Attributes={"RedriveAllowPolicy": text})[
        "QueueUrl"
    ]
    asked = {"QueueUrl": dead, "AttributeNames": ["RedriveAllowPolicy"]}
    assert aws.call("sqs", "GetQueueAttributes", **asked)["Attributes"] == {"RedriveAllowPolicy": text}
    target = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead", "maxReceiveCount": 3}
    redrive = {"RedrivePolicy": json.dumps(target)}
    if allowed:
        jobs = aws.call("sqs", "CreateQueue", QueueName="jobs", Attributes=redrive)["QueueUrl"]
        aws.call("sqs", "SetQueueAttributes", QueueUrl=jobs, Attributes=redrive)
        return
    jobs = aws.call("sqs", "CreateQueue", QueueName="plain")["QueueUrl"]
    for operation, named in (
        ("CreateQueue", {"QueueName": "jobs"}),
        ("SetQueueAttributes", {"QueueUrl": jobs}),
    ):
        with pytest.raises(AwsError, match="does not have permission to use the dead letter queue"):
            aws.call("sqs", operation, **named, Attributes=redrive)


def test_a_redrive_policy_that_is_no_json(aws: Cloud) -> None:
    with pytest.raises(AwsError, match=r"Reason: Redrive policy is not a valid JSON map\."):
        aws.call("sqs", "CreateQueue", QueueName="jobs", Attributes={"RedrivePolicy": "{"})


def test_a_queue_without_a_redrive_allow_policy_shows_none(aws: Cloud) -> None:
    url = aws.call("sqs", "CreateQueue", QueueName="jobs")["QueueUrl"]
    assert aws.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["RedriveAllowPolicy"]) == {}


# -- streams -----------------------------------------------------------------------------------------------


def test_sequence_numbers_are_as_long_as_those_of_kinesis(aws: Cloud) -> None:
    aws.call("kinesis", "CreateStream", StreamName="orders", ShardCount=1)
    described = aws.call("kinesis", "DescribeStream", StreamName="orders")["StreamDescription"]
    (shard,) = described["Shards"]
    assert described["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert len(shard["SequenceNumberRange"]["StartingSequenceNumber"]) == 56
    put = [
        aws.call("kinesis", "PutRecord", StreamName="orders", PartitionKey="a", Data=data)["SequenceNumber"]
        for data in (b"one", b"two")
    ]

    def read(kind: str, number: str) -> list[tuple[str, bytes]]:
        place = {"StreamName": "orders", "ShardId": shard["ShardId"], "ShardIteratorType": kind}
        asked = aws.call("kinesis", "GetShardIterator", **place, StartingSequenceNumber=number)
        records = aws.call("kinesis", "GetRecords", ShardIterator=asked["ShardIterator"])["Records"]
        return [(one["SequenceNumber"], one["Data"]) for one in records]

    assert read("AT_SEQUENCE_NUMBER", put[0]) == [(put[0], b"one"), (put[1], b"two")]
    assert read("AFTER_SEQUENCE_NUMBER", put[0]) == [(put[1], b"two")]


def test_a_consumer_is_found_by_its_arn(aws: Cloud) -> None:
    aws.call("kinesis", "CreateStream", StreamName="orders", ShardCount=1)
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders"
    made = aws.call("kinesis", "RegisterStreamConsumer", StreamARN=stream, ConsumerName="reader")
    arn = made["Consumer"]["ConsumerARN"]
    assert re.fullmatch(rf"{stream}/consumer/reader:\d{{10}}", arn)
    seen = aws.call("kinesis", "DescribeStreamConsumer", ConsumerARN=arn)["ConsumerDescription"]
    assert seen["ConsumerName"] == "reader"


def test_a_delivery_stream_tells_when_it_began(aws: Cloud) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    source = {"KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders", "RoleARN": role}
    aws.call(
        "firehose",
        "CreateDeliveryStream",
        DeliveryStreamName="out",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration=source,
        S3DestinationConfiguration={"BucketARN": "arn:aws:s3:::b", "RoleARN": role},
    )
    answer = aws.call("firehose", "DescribeDeliveryStream", DeliveryStreamName="out")
    seen = answer["DeliveryStreamDescription"]
    began = seen["Source"]["KinesisStreamSourceDescription"]["DeliveryStartTimestamp"]
    assert began == seen["CreateTimestamp"]
    assert "LastUpdateTimestamp" not in seen


# -- state machines ----------------------------------------------------------------------------------------


def test_a_state_machines_revisions_and_that_nothing_runs_it(aws: Cloud) -> None:
    definition = json.dumps({"StartAt": "S", "States": {"S": {"Type": "Succeed"}}})
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    made = aws.call("stepfunctions", "CreateStateMachine", name="m", definition=definition, roleArn=role)
    arn = made["stateMachineArn"]
    seen = aws.call("stepfunctions", "DescribeStateMachine", stateMachineArn=arn)
    assert "revisionId" not in seen
    assert seen["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
    updated = aws.call("stepfunctions", "UpdateStateMachine", stateMachineArn=arn, definition=definition)
    seen = aws.call("stepfunctions", "DescribeStateMachine", stateMachineArn=arn)
    assert seen["revisionId"] == updated["revisionId"]
    with pytest.raises(AwsError, match="execution of a state machine is not implemented"):
        aws.call("stepfunctions", "StartExecution", stateMachineArn=arn)
