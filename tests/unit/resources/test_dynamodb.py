"""AWS::DynamoDB: tables and global tables, over the DynamoDB that moto answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")

KEY = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
ON_DEMAND = {**KEY, "BillingMode": "PAY_PER_REQUEST"}
FIVE = {"ReadCapacityUnits": "5", "WriteCapacityUnits": 5}


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def seen(aws: Cloud, table: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.call("dynamodb", "DescribeTable", TableName=table)["Table"]
    return found


def index(name: str, attribute: str, projection: str = "ALL") -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": projection},
    }


def test_a_table(aws: Cloud) -> None:
    table = Life(aws, "AWS::DynamoDB::Table", "Items")
    table.create({"team": "shop"}, **KEY, ProvisionedThroughput=FIVE)
    assert table.ref == table.id
    assert table.id.startswith("shop-Items-")
    assert table.attributes["Arn"] == f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table.id}"
    assert "StreamArn" not in table.attributes
    assert seen(aws, table.id)["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    tags = aws.call("dynamodb", "ListTagsOfResource", ResourceArn=table.attributes["Arn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "shop"}]  # DynamoDB's schema wants no aws:cloudformation tags

    table.update(**ON_DEMAND, DeletionProtectionEnabled=True)
    assert seen(aws, table.id)["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert aws.call("dynamodb", "ListTagsOfResource", ResourceArn=table.attributes["Arn"])["Tags"] == []
    with pytest.raises(AwsError, match="DeletionProtectionEnabled is set to True"):
        table.delete()
    table.update(**ON_DEMAND)
    table.delete()
    with pytest.raises(AwsError) as missing:
        table.delete()
    assert table.declared.error("Delete", missing.value)[1] == "NotFound"


def test_the_stream_of_a_table(aws: Cloud) -> None:
    table = Life(aws, "AWS::DynamoDB::Table")
    table.create(**ON_DEMAND, StreamSpecification={"StreamViewType": "NEW_IMAGE"})
    assert table.attributes["StreamArn"].startswith(f"{table.attributes['Arn']}/stream/")
    assert seen(aws, table.id)["StreamSpecification"] == {
        "StreamEnabled": True,
        "StreamViewType": "NEW_IMAGE",
    }
    table.update(**ON_DEMAND, StreamSpecification={"StreamViewType": "KEYS_ONLY"})
    assert seen(aws, table.id)["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
    table.update(**ON_DEMAND)
    assert "StreamArn" not in table.attributes


def test_time_to_live_recovery_and_policy(aws: Cloud) -> None:
    def expiry(table: Life) -> tuple[str, str | None]:
        found = aws.call("dynamodb", "DescribeTimeToLive", TableName=table.id)["TimeToLiveDescription"]
        return found["TimeToLiveStatus"], found.get("AttributeName")

    def recovery(table: Life) -> str:
        found = aws.call("dynamodb", "DescribeContinuousBackups", TableName=table.id)
        described = found["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        return str(described["PointInTimeRecoveryStatus"])

    on = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": "true"}}
    ends = {"TimeToLiveSpecification": {"AttributeName": "ends", "Enabled": True}}
    dies = {"TimeToLiveSpecification": {"AttributeName": "dies", "Enabled": True}}
    policy = {"ResourcePolicy": {"PolicyDocument": {"Version": "2012-10-17", "Statement": []}}}
    table = Life(aws, "AWS::DynamoDB::Table")
    table.create(**ON_DEMAND, **on, **ends, **policy)
    assert (expiry(table), recovery(table)) == (("ENABLED", "ends"), "ENABLED")
    arn = table.attributes["Arn"]
    assert "2012-10-17" in aws.call("dynamodb", "GetResourcePolicy", ResourceArn=arn)["Policy"]

    table.update(**ON_DEMAND, **dies)
    assert (expiry(table), recovery(table)) == (("ENABLED", "dies"), "DISABLED")
    with pytest.raises(AwsError):
        aws.call("dynamodb", "GetResourcePolicy", ResourceArn=arn)
    table.update(**ON_DEMAND)
    assert expiry(table)[0] == "DISABLED"


def test_indexes_come_change_and_go(aws: Cloud) -> None:
    def definitions(*names: str) -> list[dict[str, str]]:
        return [{"AttributeName": name, "AttributeType": "S"} for name in ("id", *names)]

    def indexes(table: Life) -> dict[str, str]:
        found = seen(aws, table.id).get("GlobalSecondaryIndexes") or []
        return {one["IndexName"]: one["Projection"]["ProjectionType"] for one in found}

    table = Life(aws, "AWS::DynamoDB::Table")
    wanted = {**ON_DEMAND, "AttributeDefinitions": definitions("a")}
    table.create(**wanted, GlobalSecondaryIndexes=[index("AAA", "a")])
    assert indexes(table) == {"AAA": "ALL"}

    wanted = {**ON_DEMAND, "AttributeDefinitions": definitions("a", "b")}
    table.update(**wanted, GlobalSecondaryIndexes=[index("AAA", "a", "KEYS_ONLY"), index("BBB", "b")])
    assert indexes(table) == {"AAA": "KEYS_ONLY", "BBB": "ALL"}

    table.update(**ON_DEMAND)
    assert indexes(table) == {}


def test_other_keys_replace_the_table(aws: Cloud) -> None:
    other = {
        "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    table = Life(aws, "AWS::DynamoDB::Table")
    table.create(**ON_DEMAND)
    assert table.replaced_by(**other)
    assert not table.replaced_by(**ON_DEMAND, DeletionProtectionEnabled=True)


def test_contributor_insights(aws: Cloud) -> None:
    def status(table: Life, **index: str) -> str:
        seen = aws.call("dynamodb", "DescribeContributorInsights", TableName=table.id, **index)
        return str(seen["ContributorInsightsStatus"])

    on = {"ContributorInsightsSpecification": {"Enabled": "true"}}
    table = Life(aws, "AWS::DynamoDB::Table")
    table.create(**ON_DEMAND, **on, GlobalSecondaryIndexes=[{**index("AAA", "id"), **on}])
    assert status(table) == status(table, IndexName="AAA") == "ENABLED"
    table.update(**ON_DEMAND, GlobalSecondaryIndexes=[index("AAA", "id")])
    assert status(table) == status(table, IndexName="AAA") == "DISABLED"
    with pytest.raises(AwsError, match="Table: none not found"):
        aws.call("dynamodb", "DescribeContributorInsights", TableName="none")


def test_a_kinesis_stream_of_a_table(aws: Cloud) -> None:
    def destinations(table: Life) -> dict[str, str]:
        seen = aws.call("dynamodb", "DescribeKinesisStreamingDestination", TableName=table.id)
        return {one["StreamArn"]: one["DestinationStatus"] for one in seen["KinesisDataStreamDestinations"]}

    one, two = (f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}" for name in ("one", "two"))
    table = Life(aws, "AWS::DynamoDB::Table")
    table.create(**ON_DEMAND, KinesisStreamSpecification={"StreamArn": one})
    assert destinations(table) == {one: "ACTIVE"}
    table.update(**ON_DEMAND, KinesisStreamSpecification={"StreamArn": two})
    assert destinations(table) == {one: "DISABLED", two: "ACTIVE"}
    table.update(**ON_DEMAND)
    assert destinations(table) == {one: "DISABLED", two: "DISABLED"}


def test_encryption(aws: Cloud) -> None:
    table = Life(aws, "AWS::DynamoDB::Table")
    table.create(**ON_DEMAND, SSESpecification={"SSEEnabled": True, "SSEType": "KMS"})
    assert seen(aws, table.id)["SSEDescription"]["Status"] == "ENABLED"
    with pytest.raises(AwsError, match="change of SSESpecification is not implemented"):
        table.update(**ON_DEMAND)


def test_what_dynamodb_refuses_leaves_nothing(aws: Cloud) -> None:
    gone = {"TimeToLiveSpecification": {"AttributeName": "ends", "Enabled": True}}
    other = [{"AttributeName": "other", "AttributeType": "S"}]
    with pytest.raises(AwsError, match="AttributeDefinitions"):
        Life(aws, "AWS::DynamoDB::Table").create(**{**ON_DEMAND, **gone, "AttributeDefinitions": other})
    assert aws.call("dynamodb", "ListTables")["TableNames"] == []


def test_a_name_that_is_taken(aws: Cloud) -> None:
    first, second = Life(aws, "AWS::DynamoDB::Table"), Life(aws, "AWS::DynamoDB::Table")
    first.create(**ON_DEMAND, TableName="items")
    with pytest.raises(AwsError) as taken:
        second.create(**ON_DEMAND, TableName="items")
    assert second.declared.error("Create", taken.value)[1] == "AlreadyExists"


def test_an_index_property_without_effect_is_refused(aws: Cloud) -> None:
    limited = {**index("AAA", "id"), "OnDemandThroughput": {"MaxReadRequestUnits": 1}}
    with pytest.raises(AwsError, match="GlobalSecondaryIndexes: OnDemandThroughput is not implemented"):
        Life(aws, "AWS::DynamoDB::Table").create(**ON_DEMAND, GlobalSecondaryIndexes=[limited])


def test_a_global_table_of_one_region(aws: Cloud) -> None:
    replica: dict[str, Any] = {"Region": REGION, "TableClass": "STANDARD"}
    recovery = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    tagged = {**replica, **recovery, "Tags": [{"Key": "a", "Value": "1"}]}
    table = Life(aws, "AWS::DynamoDB::GlobalTable", "Items")
    table.create(**ON_DEMAND, Replicas=[tagged])
    assert table.id.startswith("shop-Items-")
    arn = table.attributes["Arn"]
    assert aws.call("dynamodb", "ListTagsOfResource", ResourceArn=arn)["Tags"] == tagged["Tags"]

    table.update(**ON_DEMAND, Replicas=[replica])
    assert aws.call("dynamodb", "ListTagsOfResource", ResourceArn=arn)["Tags"] == []
    backups = aws.call("dynamodb", "DescribeContinuousBackups", TableName=table.id)
    described = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert described["PointInTimeRecoveryStatus"] == "DISABLED"
    table.delete()
    assert aws.call("dynamodb", "ListTables")["TableNames"] == []


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({**ON_DEMAND, "Replicas": [{"Region": "eu-west-1"}]}, "in another region than the stack's"),
        ({**KEY, "Replicas": [{"Region": REGION}]}, "BillingMode PROVISIONED"),
        (
            {**ON_DEMAND, "Replicas": [{"Region": REGION, "TableClass": "STANDARD_INFREQUENT_ACCESS"}]},
            "TableClass STANDARD_INFREQUENT_ACCESS is not implemented",
        ),
    ],
)
def test_what_a_global_table_does_not_do(aws: Cloud, properties: dict[str, Any], text: str) -> None:
    with pytest.raises(AwsError, match=text):
        Life(aws, "AWS::DynamoDB::GlobalTable").create(**properties)
