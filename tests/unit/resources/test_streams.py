"""AWS::Kinesis and AWS::KinesisFirehose: streams, their consumers and delivery streams, over moto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def summary(aws: Cloud, stream: str) -> dict[str, Any]:
    answer = aws.call("kinesis", "DescribeStreamSummary", StreamName=stream)
    found: dict[str, Any] = answer["StreamDescriptionSummary"]
    return found


def tags(aws: Cloud, stream: str) -> dict[str, str]:
    listed = aws.call("kinesis", "ListTagsForStream", StreamName=stream)["Tags"]
    return {one["Key"]: one["Value"] for one in listed}


def test_a_stream(aws: Cloud) -> None:
    encrypted = {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    metrics = ["IncomingBytes", "OutgoingBytes"]
    stream = Life(aws, "AWS::Kinesis::Stream", "Orders")
    stream.create(
        {"team": "shop"},
        ShardCount="2",
        RetentionPeriodHours=48,
        StreamEncryption=encrypted,
        DesiredShardLevelMetrics=metrics,
    )
    assert stream.ref == stream.id
    assert stream.id.startswith("shop-Orders-")
    assert stream.attributes["Arn"] == f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream.id}"
    seen = summary(aws, stream.id)
    assert (seen["OpenShardCount"], seen["RetentionPeriodHours"]) == (2, 48)
    assert (seen["EncryptionType"], seen["KeyId"]) == ("KMS", "alias/aws/kinesis")
    assert sorted(seen["EnhancedMonitoring"][0]["ShardLevelMetrics"]) == metrics
    assert tags(aws, stream.id)["team"] == "shop"

    stream.update(ShardCount=4, DesiredShardLevelMetrics=metrics[:1])
    seen = summary(aws, stream.id)
    assert (seen["OpenShardCount"], seen["RetentionPeriodHours"]) == (4, 24)
    assert seen["EncryptionType"] == "NONE"
    assert seen["EnhancedMonitoring"][0]["ShardLevelMetrics"] == metrics[:1]
    assert "team" not in tags(aws, stream.id)

    stream.update(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert summary(aws, stream.id)["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}

    stream.delete()
    with pytest.raises(AwsError) as missing:
        stream.delete()
    assert stream.declared.error("Delete", missing.value)[1] == "NotFound"


def test_a_stream_of_one_shard_where_nobody_says_more(aws: Cloud) -> None:
    stream = Life(aws, "AWS::Kinesis::Stream")
    stream.create(Name="orders")
    assert summary(aws, "orders")["OpenShardCount"] == 1
    with pytest.raises(AwsError) as taken:
        Life(aws, "AWS::Kinesis::Stream").create(Name="orders")
    assert stream.declared.error("Create", taken.value)[1] == "AlreadyExists"


def test_a_consumer(aws: Cloud) -> None:
    aws.call("kinesis", "CreateStream", StreamName="orders", ShardCount=1)
    arn = summary(aws, "orders")["StreamARN"]
    consumer = Life(aws, "AWS::Kinesis::StreamConsumer")
    consumer.create(StreamARN=arn, ConsumerName="reader")
    assert consumer.ref == consumer.attributes["ConsumerARN"] == consumer.id
    assert consumer.attributes["ConsumerStatus"] == "ACTIVE"
    assert consumer.attributes["StreamARN"] == arn
    assert consumer.attributes["ConsumerCreationTimestamp"].isdigit()
    consumer.delete()
    assert aws.call("kinesis", "ListStreamConsumers", StreamARN=arn)["Consumers"] == []


# -- delivery streams --------------------------------------------------------------------------------------

BUCKET = {"BucketARN": "arn:aws:s3:::orders", "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/firehose"}


def delivery(aws: Cloud, name: str) -> dict[str, Any]:
    answer = aws.call("firehose", "DescribeDeliveryStream", DeliveryStreamName=name)
    found: dict[str, Any] = answer["DeliveryStreamDescription"]
    return found


def test_a_delivery_stream(aws: Cloud) -> None:
    stream = Life(aws, "AWS::KinesisFirehose::DeliveryStream", "Out")
    hints = {"BufferingHints": {"IntervalInSeconds": "60", "SizeInMBs": 5}}
    stream.create({"team": "shop"}, ExtendedS3DestinationConfiguration={**BUCKET, **hints, "Prefix": "a/"})
    assert stream.ref == stream.id
    assert stream.id.startswith("shop-Out-")
    assert stream.attributes["Arn"] == f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{stream.id}"
    described = delivery(aws, stream.id)["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert (described["Prefix"], described["BufferingHints"]["IntervalInSeconds"]) == ("a/", 60)
    listed = aws.call("firehose", "ListTagsForDeliveryStream", DeliveryStreamName=stream.id)["Tags"]
    assert listed == [{"Key": "team", "Value": "shop"}]

    key = {"DeliveryStreamEncryptionConfigurationInput": {"KeyType": "AWS_OWNED_CMK"}}
    stream.update(ExtendedS3DestinationConfiguration={**BUCKET, "Prefix": "b/"}, **key)
    described = delivery(aws, stream.id)["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert described["Prefix"] == "b/"
    assert delivery(aws, stream.id)["DeliveryStreamEncryptionConfiguration"]["Status"] == "ENABLED"
    stream.update(ExtendedS3DestinationConfiguration={**BUCKET, "Prefix": "b/"})
    assert delivery(aws, stream.id)["DeliveryStreamEncryptionConfiguration"]["Status"] == "DISABLED"

    with pytest.raises(AwsError, match="cannot be removed"):
        stream.update(S3DestinationConfiguration=BUCKET)
    stream.delete()
    with pytest.raises(AwsError) as missing:
        stream.delete()
    assert stream.declared.error("Delete", missing.value)[1] == "NotFound"


def test_a_delivery_stream_that_reads_a_stream(aws: Cloud) -> None:
    source = {
        "KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders",
        "RoleARN": BUCKET["RoleARN"],
    }
    stream = Life(aws, "AWS::KinesisFirehose::DeliveryStream")
    stream.create(
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration=source,
        S3DestinationConfiguration=BUCKET,
    )
    read = delivery(aws, stream.id)["Source"]["KinesisStreamSourceDescription"]
    assert read["KinesisStreamARN"] == source["KinesisStreamARN"]
