"""AWS::S3::Bucket, as stacks make, change and remove it."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.stacks import Stacks

pytestmark = pytest.mark.anyio


def bucket(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "files", **properties}}


async def settings(stacks: Stacks, operation: str) -> dict[str, Any] | str:
    """What an operation says of the bucket, or the code of its error."""
    try:
        return await stacks.call("s3", operation, Bucket="files")
    except AwsError as error:
        return error.code


FULL = bucket(
    AccessControl="PublicRead",
    BucketEncryption={
        "ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "key"}}
        ]
    },
    CorsConfiguration={
        "CorsRules": [
            {
                "AllowedMethods": ["GET"],
                "AllowedOrigins": ["*"],
                "ExposedHeaders": ["Date"],
                "Id": "a",
                "MaxAge": "60",
            }
        ]
    },
    LifecycleConfiguration={
        "Rules": [{"Id": "old", "Status": "Enabled", "Prefix": "tmp/", "ExpirationInDays": "3"}]
    },
    LoggingConfiguration={"LogFilePrefix": "logs/"},
    OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
    PublicAccessBlockConfiguration={"BlockPublicAcls": "false"},
    Tags=[{"Key": "team", "Value": "shop"}],
    VersioningConfiguration={"Status": "Enabled"},
    WebsiteConfiguration={
        "IndexDocument": "index.html",
        "ErrorDocument": "error.html",
        "RoutingRules": [
            {
                "RoutingRuleCondition": {"HttpErrorCodeReturnedEquals": 404},
                "RedirectRule": {"ReplaceKeyWith": "x.html"},
            }
        ],
    },
)


async def check_full(stacks: Stacks) -> None:
    cors = {
        "AllowedMethods": ["GET"],
        "AllowedOrigins": ["*"],
        "ExposeHeaders": ["Date"],
        "ID": "a",
        "MaxAgeSeconds": 60,
    }
    assert await settings(stacks, "GetBucketCors") == {"CORSRules": [cors]}
    assert await settings(stacks, "GetBucketWebsite") == {
        "IndexDocument": {"Suffix": "index.html"},
        "ErrorDocument": {"Key": "error.html"},
        "RoutingRules": [
            {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"ReplaceKeyWith": "x.html"}}
        ],
    }
    assert await settings(stacks, "GetBucketLogging") == {
        "LoggingEnabled": {"TargetBucket": "files", "TargetPrefix": "logs/"}
    }
    lifecycle = await stacks.call("s3", "GetBucketLifecycleConfiguration", Bucket="files")
    assert lifecycle["Rules"] == [
        {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    ]
    assert await settings(stacks, "GetBucketVersioning") == {"Status": "Enabled"}
    encryption = await stacks.call("s3", "GetBucketEncryption", Bucket="files")
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "key"}
    acl = await stacks.call("s3", "GetBucketAcl", Bucket="files")
    assert acl["Grants"][1]["Grantee"]["URI"] == "http://acs.amazonaws.com/groups/global/AllUsers"


async def test_a_buckets_configurations_come_and_go(stacks: Stacks) -> None:
    await stacks.make(Files=FULL)
    await check_full(stacks)
    tags = {tag["Key"] for tag in (await stacks.call("s3", "GetBucketTagging", Bucket="files"))["TagSet"]}
    assert tags == {
        "team",
        "aws:cloudformation:stack-name",
        "aws:cloudformation:stack-id",
        "aws:cloudformation:logical-id",
    }

    await stacks.change(Files=bucket(OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}))

    assert await settings(stacks, "GetBucketCors") == "NoSuchCORSConfiguration"
    assert await settings(stacks, "GetBucketWebsite") == "NoSuchWebsiteConfiguration"
    assert await settings(stacks, "GetBucketLifecycleConfiguration") == "NoSuchLifecycleConfiguration"
    assert await settings(stacks, "GetBucketLogging") == {}
    assert await settings(stacks, "GetBucketVersioning") == {"Status": "Suspended"}
    assert await settings(stacks, "GetPublicAccessBlock") == "NoSuchPublicAccessBlockConfiguration"
    assert len((await stacks.call("s3", "GetBucketAcl", Bucket="files"))["Grants"]) == 1

    await stacks.change(Files=FULL)
    await check_full(stacks)
    await stacks.remove()
    assert await settings(stacks, "GetBucketCors") == "NoSuchBucket"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"ExpirationInDays": 1}, {"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}),
        (
            {"TagFilters": [{"Key": "a", "Value": "b"}], "ExpirationInDays": 1},
            {"Filter": {"Tag": {"Key": "a", "Value": "b"}}, "Expiration": {"Days": 1}},
        ),
        (
            {"Prefix": "p", "ObjectSizeGreaterThan": "5", "ExpiredObjectDeleteMarker": "true"},
            {
                "Filter": {"And": {"Prefix": "p", "ObjectSizeGreaterThan": 5}},
                "Expiration": {"ExpiredObjectDeleteMarker": True},
            },
        ),
        (
            {"Transition": {"StorageClass": "GLACIER", "TransitionInDays": 9}},
            {"Filter": {"Prefix": ""}, "Transitions": [{"StorageClass": "GLACIER", "Days": 9}]},
        ),
        (
            {
                "NoncurrentVersionExpirationInDays": 365,
                "NoncurrentVersionTransitions": [{"StorageClass": "GLACIER", "TransitionInDays": 9}],
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            },
            {
                "Filter": {"Prefix": ""},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 365},
                "NoncurrentVersionTransitions": [{"StorageClass": "GLACIER", "NoncurrentDays": 9}],
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            },
        ),
    ],
)
async def test_lifecycle_rules_in_s3s_words(
    stacks: Stacks, rule: dict[str, Any], expected: dict[str, Any]
) -> None:
    rules = [{"Id": "one", "Status": "Enabled", **rule}]
    await stacks.make(Files=bucket(LifecycleConfiguration={"Rules": rules}))
    got = await stacks.call("s3", "GetBucketLifecycleConfiguration", Bucket="files")
    assert got["Rules"] == [{"ID": "one", "Status": "Enabled", **expected}]


async def test_an_acl_without_ownership_fails_as_on_s3(stacks: Stacks) -> None:
    stack = await stacks.carry_out("CreateStack", Files=bucket(AccessControl="LogDeliveryWrite"))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any(
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting" in reason
        for reason in await stacks.reasons()
    )


async def test_a_lock_with_and_without_a_default(stacks: Stacks) -> None:
    await stacks.make(Files=bucket(ObjectLockEnabled="true"))
    enabled = {"ObjectLockEnabled": "Enabled"}
    assert await settings(stacks, "GetObjectLockConfiguration") == {"ObjectLockConfiguration": enabled}
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}
    configuration = {**enabled, "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": "2"}}}
    await stacks.change(Files=bucket(ObjectLockEnabled=True, ObjectLockConfiguration=configuration))
    assert await settings(stacks, "GetObjectLockConfiguration") == {
        "ObjectLockConfiguration": {**enabled, "Rule": rule}
    }
    await stacks.change(Files=bucket(ObjectLockEnabled=True))
    assert await settings(stacks, "GetObjectLockConfiguration") == {"ObjectLockConfiguration": enabled}


async def test_notifications_go_to_a_queue_of_the_same_template(stacks: Stacks) -> None:
    await stacks.call("sqs", "CreateQueue", QueueName="events")
    arn = "arn:aws:sqs:us-east-1:000000000000:events"
    rules = [{"Name": "prefix", "Value": "in/"}]
    queue = {"Queue": arn, "Event": "s3:ObjectCreated:*", "Filter": {"S3Key": {"Rules": rules}}}
    await stacks.make(Files=bucket(NotificationConfiguration={"QueueConfigurations": [queue]}))
    got = await stacks.call("s3", "GetBucketNotificationConfiguration", Bucket="files")
    (one,) = got["QueueConfigurations"]
    assert (one["QueueArn"], one["Events"]) == (arn, ["s3:ObjectCreated:*"])
    assert one["Filter"] == {"Key": {"FilterRules": rules}}
    await stacks.change(Files=bucket())
    assert await settings(stacks, "GetBucketNotificationConfiguration") == {}


@pytest.mark.parametrize("name", ["ReplicationConfiguration", "InventoryConfigurations"])
async def test_what_would_have_no_effect_is_refused(stacks: Stacks, name: str) -> None:
    with pytest.raises(AwsError, match=name):
        await stacks.carry_out("CreateStack", Files=bucket(**{name: {}}))


async def test_website_addresses_differ_by_the_regions_age(stacks: Stacks) -> None:
    await stacks.make(Files=bucket())
    said = await stacks.outputs({"Files": bucket()}, Site={"Fn::GetAtt": ["Files", "WebsiteURL"]})
    assert said["Site"] == "http://files.s3-website-us-east-1.amazonaws.com"
