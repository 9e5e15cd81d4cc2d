"""AWS::KMS: keys, replica keys and aliases, over the KMS that moto answers."""

from __future__ import annotations

import json
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


def policy(action: str = "kms:*") -> dict[str, Any]:
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    allow = {"Effect": "Allow", "Principal": root, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [allow]}


def metadata(aws: Cloud, key: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.call("kms", "DescribeKey", KeyId=key)["KeyMetadata"]
    return found


def rotates(aws: Cloud, key: str) -> bool:
    return bool(aws.call("kms", "GetKeyRotationStatus", KeyId=key)["KeyRotationEnabled"])


def test_a_key(aws: Cloud) -> None:
    key = Life(aws, "AWS::KMS::Key")
    key.create({"team": "shop"}, Description="mine", EnableKeyRotation="true", KeyPolicy=policy())
    assert key.ref == key.attributes["KeyId"] == key.id
    assert key.attributes["Arn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key.id}"
    assert metadata(aws, key.id)["Description"] == "mine"
    assert rotates(aws, key.id)
    tags = aws.call("kms", "ListResourceTags", KeyId=key.id)["Tags"]
    assert tags == [{"TagKey": "team", "TagValue": "shop"}]

    key.update(Enabled=False, KeyPolicy=policy("kms:Describe*"))
    assert metadata(aws, key.id)["Description"] == ""
    assert metadata(aws, key.id)["KeyState"] == "Disabled"
    assert not rotates(aws, key.id)
    assert aws.call("kms", "ListResourceTags", KeyId=key.id)["Tags"] == []
    stored = aws.call("kms", "GetKeyPolicy", KeyId=key.id, PolicyName="default")["Policy"]
    assert json.loads(stored) == policy("kms:Describe*")

    key.update()
    assert metadata(aws, key.id)["KeyState"] == "Enabled"


def test_a_deleted_key_waits_for_its_end(aws: Cloud) -> None:
    key = Life(aws, "AWS::KMS::Key")
    key.create(PendingWindowInDays=7)
    key.delete()
    assert metadata(aws, key.id)["KeyState"] == "PendingDeletion"
    key.delete()


@pytest.mark.parametrize(
    "change", [{"KeySpec": "RSA_2048"}, {"KeyUsage": "SIGN_VERIFY"}, {"MultiRegion": True}]
)
def test_what_a_key_is_does_not_change(aws: Cloud, change: dict[str, Any]) -> None:
    key = Life(aws, "AWS::KMS::Key")
    key.create()
    with pytest.raises(AwsError, match="You cannot change the") as refused:
        key.update(**change)
    assert key.declared.error("Update", refused.value)[1] == "NotUpdatable"


def test_an_alias(aws: Cloud) -> None:
    one, two = (aws.call("kms", "CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
    alias = Life(aws, "AWS::KMS::Alias")
    alias.create(AliasName="alias/shop", TargetKeyId=one)
    assert alias.ref == alias.id == "alias/shop"
    assert metadata(aws, "alias/shop")["KeyId"] == one
    alias.update(AliasName="alias/shop", TargetKeyId=two)
    assert metadata(aws, "alias/shop")["KeyId"] == two
    with pytest.raises(AwsError) as taken:
        Life(aws, "AWS::KMS::Alias").create(AliasName="alias/shop", TargetKeyId=one)
    assert alias.declared.error("Create", taken.value)[1] == "AlreadyExists"
    alias.delete()
    alias.delete()
    with pytest.raises(AwsError):
        metadata(aws, "alias/shop")


def test_a_replica_of_another_regions_key(aws: Cloud) -> None:
    primary = aws.call_in("eu-west-1", "kms", "CreateKey", MultiRegion=True)["KeyMetadata"]
    replica = Life(aws, "AWS::KMS::ReplicaKey")
    replica.create({"team": "shop"}, PrimaryKeyArn=primary["Arn"], KeyPolicy=policy(), Description="near")
    assert replica.id == primary["KeyId"]
    assert replica.attributes["Arn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{primary['KeyId']}"
    assert metadata(aws, replica.id)["Description"] == "near"
    tags = aws.call("kms", "ListResourceTags", KeyId=replica.id)["Tags"]
    assert tags == [{"TagKey": "team", "TagValue": "shop"}]
    replica.update(PrimaryKeyArn=primary["Arn"], KeyPolicy=policy(), Enabled=False)
    assert metadata(aws, replica.id)["KeyState"] == "Disabled"
    replica.delete()
    assert metadata(aws, replica.id)["KeyState"] == "PendingDeletion"
    there = aws.call_in("eu-west-1", "kms", "DescribeKey", KeyId=primary["KeyId"])["KeyMetadata"]
    assert there["KeyState"] == "Enabled"
