"""Records that are put into delivery streams, and the objects that they become."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")

ROLE = f"arn:aws:iam::{ACCOUNT}:role/firehose"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("s3", "CreateBucket", Bucket="lake")
        yield made


def stream(aws: Cloud, kind: str = "ExtendedS3", bucket: str = "lake", **settings: Any) -> None:
    to = {"BucketARN": f"arn:aws:s3:::{bucket}", "RoleARN": ROLE, **settings}
    aws.call(
        "firehose",
        "CreateDeliveryStream",
        DeliveryStreamName="out",
        **{f"{kind}DestinationConfiguration": to},
    )


def objects(aws: Cloud) -> dict[str, bytes]:
    listed = aws.call("s3", "ListObjectsV2", Bucket="lake").get("Contents", [])
    everything = "bytes=0-99999"
    return {
        one["Key"]: aws.call("s3", "GetObject", Bucket="lake", Key=one["Key"], Range=everything)["Body"]
        for one in listed
    }


@pytest.mark.parametrize("kind", ["S3", "ExtendedS3"])
def test_a_record_becomes_an_object(aws: Cloud, kind: str) -> None:
    stream(aws, kind, Prefix="raw/")
    answer = aws.call("firehose", "PutRecord", DeliveryStreamName="out", Record={"Data": b"one\n"})
    assert answer["RecordId"]
    ((key, body),) = objects(aws).items()
    assert key.startswith("raw/2026/01/01/00/out-1-2026-01-01-00-00-00-")
    assert body == b"one\n"


def test_records_that_come_together_become_one_object(aws: Cloud) -> None:
    stream(aws, CompressionFormat="GZIP")
    records = [{"Data": b"one\n"}, {"Data": b"two\n"}]
    answer = aws.call("firehose", "PutRecordBatch", DeliveryStreamName="out", Records=records)
    assert (answer["FailedPutCount"], len(answer["RequestResponses"])) == (0, 2)
    ((key, body),) = objects(aws).items()
    assert key.endswith(".gz")
    assert gzip.decompress(body) == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"CompressionFormat": "Snappy"}, "CompressionFormat Snappy is not implemented"),
        ({"Prefix": "!{timestamp:yyyy}/"}, "expressions in Prefix is not implemented"),
        ({"bucket": "nowhere"}, "bucket does not exist"),
    ],
)
def test_what_cannot_be_delivered(aws: Cloud, settings: dict[str, str], text: str) -> None:
    stream(aws, **settings)
    with pytest.raises(AwsError, match=text):
        aws.call("firehose", "PutRecord", DeliveryStreamName="out", Record={"Data": b"x"})
    assert objects(aws) == {}


def test_a_stream_that_reads_another_takes_no_records(aws: Cloud) -> None:
    source = {"KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s", "RoleARN": ROLE}
    aws.call(
        "firehose",
        "CreateDeliveryStream",
        DeliveryStreamName="out",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration=source,
        S3DestinationConfiguration={"BucketARN": "arn:aws:s3:::lake", "RoleARN": ROLE},
    )
    with pytest.raises(AwsError, match="not permitted on KinesisStreamAsSource"):
        aws.call("firehose", "PutRecord", DeliveryStreamName="out", Record={"Data": b"x"})


def test_a_stream_that_is_not_there(aws: Cloud) -> None:
    with pytest.raises(AwsError) as missing:
        aws.call("firehose", "PutRecord", DeliveryStreamName="none", Record={"Data": b"x"})
    assert missing.value.code == "ResourceNotFoundException"
