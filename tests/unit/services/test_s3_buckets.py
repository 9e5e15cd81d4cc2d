from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from neargate.model.errors import AwsError
from neargate.model.s3 import canonical_id
from tests.unit.services.cloud import ACCOUNT, Cloud, cloud


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def s3(aws: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    answer = aws.call("s3", operation, **({"Bucket": "web"} if operation != "ListBuckets" else {}) | request)
    return {name: value for name, value in answer.items() if value is not None}


def refused(aws: Cloud, operation: str, code: str, message: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError, match=f"^{re.escape(message)}$") as caught:
        s3(aws, operation, **request)
    assert caught.value.code == code
    return caught.value


def elsewhere(aws: Cloud, region: str, account: str = ACCOUNT) -> None:
    aws.caller = attrs.evolve(aws.caller, region=region, account=account)


def test_a_bucket_is_made_found_and_removed(aws: Cloud) -> None:
    assert s3(aws, "CreateBucket") == {"Location": "/web", "BucketArn": "arn:aws:s3:::web"}
    found = {"BucketArn": "arn:aws:s3:::web", "BucketRegion": "us-east-1", "AccessPointAlias": False}
    assert s3(aws, "HeadBucket") == found
    assert s3(aws, "GetBucketLocation") == {}
    assert s3(aws, "ListBuckets") == {
        "Buckets": [
            {
                "Name": "web",
                "CreationDate": aws.clock.now(),
                "BucketRegion": "us-east-1",
                "BucketArn": "arn:aws:s3:::web",
            }
        ],
        "Owner": {"ID": canonical_id(ACCOUNT)},
    }
    s3(aws, "DeleteBucket")
    error = refused(aws, "DeleteBucket", "NoSuchBucket", "The specified bucket does not exist")
    assert (error.status, error.members) == (404, {"BucketName": "web"})
    assert refused(aws, "HeadBucket", "404", "Not Found").status == 404


@pytest.mark.parametrize(
    "name",
    [
        *("ab", "Web", "web_1", "-web", "web-", "a..b", "10.0.0.1", "xn--web", "web-s3alias", "web--x-s3"),
        "a" * 64,
    ],
)
def test_bucket_names_have_rules(aws: Cloud, name: str) -> None:
    refused(aws, "CreateBucket", "InvalidBucketName", "The specified bucket is not valid.", Bucket=name)


def test_a_name_is_taken_once_in_all_accounts(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    s3(aws, "PutBucketTagging", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3(aws, "CreateBucket")["Location"] == "/web"  # us-east-1's old leniency
    assert s3(aws, "GetBucketTagging")["TagSet"] == [{"Key": "a", "Value": "1"}]
    elsewhere(aws, "eu-west-1")
    owned = "Your previous request to create the named bucket succeeded and you already own it."
    located = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    assert refused(aws, "CreateBucket", "BucketAlreadyOwnedByYou", owned, **located).status == 409
    elsewhere(aws, "us-east-1", "111111111111")
    taken = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )
    assert refused(aws, "CreateBucket", "BucketAlreadyExists", taken).status == 409
    assert s3(aws, "ListBuckets")["Buckets"] == []


def test_the_location_fits_the_endpoint(aws: Cloud) -> None:
    def located(region: str) -> dict[str, Any]:
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}

    wrong = "The specified location-constraint is not valid"
    refused(aws, "CreateBucket", "InvalidLocationConstraint", wrong, **located("us-east-1"))
    refused(aws, "CreateBucket", "InvalidLocationConstraint", wrong, **located("nowhere"))
    assert s3(aws, "CreateBucket", **located("eu-west-1"))["Location"] == "http://web.s3.amazonaws.com/"
    assert s3(aws, "GetBucketLocation") == {"LocationConstraint": "eu-west-1"}
    elsewhere(aws, "eu-central-1")
    for region, named in [("us-west-2", "us-west-2"), (None, "unspecified")]:
        message = (
            f"The {named} location constraint is incompatible for the region specific endpoint this request was "
            "sent to."
        )
        request = located(region) if region else {}
        refused(aws, "CreateBucket", "IllegalLocationConstraintException", message, Bucket="other", **request)
    s3(aws, "CreateBucket", Bucket="other", **located("eu-central-1"))
    assert [one["Name"] for one in s3(aws, "ListBuckets", BucketRegion="eu-central-1")["Buckets"]] == [
        "other"
    ]


def test_buckets_are_listed_in_pages(aws: Cloud) -> None:
    for name in ("web", "app-2", "app-1"):
        s3(aws, "CreateBucket", Bucket=name)
    first = s3(aws, "ListBuckets", MaxBuckets=2)
    assert [one["Name"] for one in first["Buckets"]] == ["app-1", "app-2"]
    rest = s3(aws, "ListBuckets", MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [one["Name"] for one in rest["Buckets"]] == ["web"]
    assert "ContinuationToken" not in rest
    assert len(s3(aws, "ListBuckets", Prefix="app-")["Buckets"]) == 2
    message = "The continuation token provided is incorrect"
    refused(aws, "ListBuckets", "InvalidArgument", message, ContinuationToken="~")


def test_a_bucket_with_objects_stays(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    s3(aws, "PutObject", Key="k", Body=b"")
    s3(aws, "CreateMultipartUpload", Key="never-completed")
    message = "The bucket you tried to delete is not empty"
    error = refused(aws, "DeleteBucket", "BucketNotEmpty", message)
    assert (error.status, error.members) == (409, {"BucketName": "web"})
    s3(aws, "PutBucketVersioning", VersioningConfiguration={"Status": "Enabled"})
    s3(aws, "DeleteObject", Key="k")
    versions = message + ". You must delete all versions in the bucket."
    refused(aws, "DeleteBucket", "BucketNotEmpty", versions)
    listed = s3(aws, "ListObjectVersions")
    for one in (*listed["Versions"], *listed["DeleteMarkers"]):
        s3(aws, "DeleteObject", Key=one["Key"], VersionId=one["VersionId"])
    s3(aws, "DeleteBucket")


def test_the_expected_owner_is_checked(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    s3(aws, "GetBucketAcl", ExpectedBucketOwner=ACCOUNT)
    error = refused(aws, "GetBucketAcl", "AccessDenied", "Access Denied", ExpectedBucketOwner="1" * 12)
    assert error.status == 403
    message = "The value of the expected bucket owner parameter must be an AWS Account ID... [me]"
    refused(aws, "GetBucketAcl", "InvalidBucketOwnerAWSAccountID", message, ExpectedBucketOwner="me")


# -- what a bucket says that was not configured --------------------------------------------------------------

NOT_CONFIGURED = [
    ("GetBucketPolicy", "NoSuchBucketPolicy", "The bucket policy does not exist"),
    ("GetBucketCors", "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    (
        "GetBucketWebsite",
        "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration",
    ),
    (
        "GetBucketLifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
        "The lifecycle configuration does not exist",
    ),
    (
        "GetBucketReplication",
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
    ),
    (
        "GetObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
    ("GetBucketTagging", "NoSuchTagSet", "The TagSet does not exist"),
]


@pytest.mark.parametrize(("operation", "code", "message"), NOT_CONFIGURED)
def test_not_configured_is_said_in_s3s_words(aws: Cloud, operation: str, code: str, message: str) -> None:
    s3(aws, "CreateBucket")
    error = refused(aws, operation, code, message)
    assert (error.status, error.members) == (404, {"BucketName": "web"})


def test_defaults(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    blocked = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    owner = {"ID": canonical_id(ACCOUNT)}
    grant = {"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    for operation, expected in {
        "GetBucketVersioning": {},
        "GetBucketEncryption": {"ServerSideEncryptionConfiguration": {"Rules": [encryption]}},
        "GetPublicAccessBlock": {"PublicAccessBlockConfiguration": dict.fromkeys(blocked, True)},
        "GetBucketOwnershipControls": {
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        },
        "GetBucketAcl": {"Owner": owner, "Grants": [grant]},
        "GetBucketLogging": {},
        "GetBucketNotificationConfiguration": {},
        "GetBucketAccelerateConfiguration": {},
        "GetBucketRequestPayment": {"Payer": "BucketOwner"},
    }.items():
        assert s3(aws, operation) == expected, operation


# -- settings ------------------------------------------------------------------------------------------------


def test_versioning_is_set(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    for status in ("Enabled", "Suspended"):
        s3(aws, "PutBucketVersioning", VersioningConfiguration={"Status": status})
        assert s3(aws, "GetBucketVersioning") == {"Status": status}
    message = "The Versioning element must be specified"
    code = "IllegalVersioningConfigurationException"
    refused(aws, "PutBucketVersioning", code, message, VersioningConfiguration={})


def test_encryption_is_recorded_and_given_to_objects(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:1:key/k"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    s3(aws, "PutBucketEncryption", ServerSideEncryptionConfiguration=rules)
    assert s3(aws, "GetBucketEncryption") == {"ServerSideEncryptionConfiguration": rules}
    put = s3(aws, "PutObject", Key="k", Body=b"")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", default["KMSMasterKeyID"])
    s3(aws, "DeleteBucketEncryption")
    assert s3(aws, "PutObject", Key="k", Body=b"")["ServerSideEncryption"] == "AES256"
    default["SSEAlgorithm"] = "AES256"
    message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
    request = {"ServerSideEncryptionConfiguration": rules}
    refused(aws, "PutBucketEncryption", "InvalidArgument", message, **request)


def test_the_public_access_block_can_go(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    s3(aws, "PutPublicAccessBlock", PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    block = s3(aws, "GetPublicAccessBlock")["PublicAccessBlockConfiguration"]
    assert (block["BlockPublicAcls"], block["BlockPublicPolicy"]) == (True, False)
    s3(aws, "DeletePublicAccessBlock")
    code, message = (
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    )
    refused(aws, "GetPublicAccessBlock", code, message)


def test_acls_need_ownership_that_allows_them(aws: Cloud) -> None:
    code = "InvalidBucketAclWithObjectOwnership"
    message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    refused(aws, "CreateBucket", code, message, ACL="public-read")
    s3(aws, "CreateBucket")
    unsupported = ("AccessControlListNotSupported", "The bucket does not allow ACLs")
    refused(aws, "PutBucketAcl", *unsupported, ACL="public-read")
    refused(aws, "PutObject", *unsupported, Key="k", Body=b"", ACL="public-read")
    s3(aws, "PutObject", Key="k", Body=b"", ACL="bucket-owner-full-control")
    s3(aws, "PutBucketOwnershipControls", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    assert refused(aws, "PutBucketAcl", "AccessDenied", "Access Denied", ACL="public-read").status == 403
    s3(aws, "DeletePublicAccessBlock")
    s3(aws, "PutBucketAcl", ACL="public-read")
    everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
    assert s3(aws, "GetBucketAcl")["Grants"][1] == {"Grantee": everybody, "Permission": "READ"}
    s3(aws, "PutObject", Key="k", Body=b"", ACL="public-read")
    assert s3(aws, "GetObjectAcl", Key="k")["Grants"][1] == {"Grantee": everybody, "Permission": "READ"}
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    refused(aws, "PutBucketOwnershipControls", code, message, OwnershipControls=enforced)
    s3(aws, "PutBucketAcl", AccessControlPolicy={"Grants": s3(aws, "GetBucketAcl")["Grants"][:1]})
    s3(aws, "DeleteBucketOwnershipControls")
    gone = ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
    refused(aws, "GetBucketOwnershipControls", *gone)


def test_policies_are_json_and_not_public(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    public = json.dumps({"Statement": [statement]})
    private = json.dumps({"Statement": {**statement, "Principal": {"AWS": ACCOUNT}}})
    not_json = "Policies must be valid JSON and the first byte must be '{'"
    for text in ("x", " {}", "[]", "{"):
        refused(aws, "PutBucketPolicy", "MalformedPolicy", not_json, Policy=text)
    missing = "Missing required field Statement"
    refused(aws, "PutBucketPolicy", "MalformedPolicy", missing, Policy="{}")
    denied = (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: s3:PutBucketPolicy on resource: "
        '"arn:aws:s3:::web" because public policies are blocked by the BlockPublicPolicy block public access '
        "setting."
    )
    assert refused(aws, "PutBucketPolicy", "AccessDenied", denied, Policy=public).status == 403
    s3(aws, "PutBucketPolicy", Policy=private)
    assert s3(aws, "GetBucketPolicy") == {"Policy": private}
    assert s3(aws, "GetBucketPolicyStatus") == {"PolicyStatus": {"IsPublic": False}}
    s3(aws, "DeletePublicAccessBlock")
    s3(aws, "PutBucketPolicy", Policy=public)
    assert s3(aws, "GetBucketPolicyStatus") == {"PolicyStatus": {"IsPublic": True}}
    s3(aws, "DeleteBucketPolicy")
    refused(aws, "GetBucketPolicy", "NoSuchBucketPolicy", "The bucket policy does not exist")


def test_system_tags_are_for_services(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    system = {"Key": "aws:cloudformation:stack-name", "Value": "S"}
    message = "System tags cannot be added/updated by requester"
    refused(aws, "PutBucketTagging", "InvalidTag", message, Tagging={"TagSet": [system]})
    person = aws.caller
    aws.caller = attrs.evolve(person, via="cloudformation.amazonaws.com")
    s3(aws, "PutBucketTagging", Tagging={"TagSet": [system]})
    aws.caller = person
    own = {"Key": "own", "Value": ""}
    s3(aws, "PutBucketTagging", Tagging={"TagSet": [own]})
    assert s3(aws, "GetBucketTagging") == {"TagSet": [own, system]}
    s3(aws, "DeleteBucketTagging")
    assert s3(aws, "GetBucketTagging") == {"TagSet": [system]}
    twice = "Cannot provide multiple Tags with the same key"
    refused(aws, "PutBucketTagging", "InvalidTag", twice, Tagging={"TagSet": [own, own]})


def test_configurations_are_recorded_as_given(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    website = {"IndexDocument": {"Suffix": "index.html"}}
    logging = {"LoggingEnabled": {"TargetBucket": "web", "TargetPrefix": "log/"}}
    rule = {"ID": "old", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    topic = aws.call("sns", "CreateTopic", Name="t")["TopicArn"]
    events = {"TopicConfigurations": [{"Id": "t", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    s3(aws, "PutBucketCors", CORSConfiguration=cors)
    s3(aws, "PutBucketWebsite", WebsiteConfiguration=website)
    s3(aws, "PutBucketLogging", BucketLoggingStatus=logging)
    s3(aws, "PutBucketLifecycleConfiguration", LifecycleConfiguration={"Rules": [rule]})
    s3(
        aws,
        "PutBucketNotificationConfiguration",
        NotificationConfiguration={**events, "EventBridgeConfiguration": {}},
    )
    assert s3(aws, "GetBucketCors") == cors
    assert s3(aws, "GetBucketWebsite") == website
    assert s3(aws, "GetBucketLogging") == logging
    assert s3(aws, "GetBucketLifecycleConfiguration") == {
        "Rules": [rule],
        "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K",
    }
    assert s3(aws, "GetBucketNotificationConfiguration") == {**events, "EventBridgeConfiguration": {}}
    for operation in ("DeleteBucketCors", "DeleteBucketWebsite", "DeleteBucketLifecycle"):
        s3(aws, operation)
    s3(aws, "PutBucketLogging", BucketLoggingStatus={})
    s3(aws, "PutBucketNotificationConfiguration", NotificationConfiguration={})
    emptied = ("GetBucketLogging", "GetBucketNotificationConfiguration")
    assert [s3(aws, operation) for operation in emptied] == [{}, {}]
    for operation, code, message in NOT_CONFIGURED[1:4]:
        refused(aws, operation, code, message)


def test_wrong_configurations_are_refused(aws: Cloud) -> None:
    s3(aws, "CreateBucket")
    method = {"CORSRules": [{"AllowedMethods": ["MYMETHOD"], "AllowedOrigins": ["*"]}]}
    message = "Found unsupported HTTP method in CORS config. Unsupported method is MYMETHOD"
    refused(aws, "PutBucketCors", "InvalidRequest", message, CORSConfiguration=method)
    malformed = "The XML you provided was not well-formed or did not validate against our published schema"
    refused(aws, "PutBucketCors", "MalformedXML", malformed, CORSConfiguration={"CORSRules": []})
    for website, message in [
        ({}, "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"),
        ({"IndexDocument": {"Suffix": "/i"}}, "The IndexDocument Suffix is not well formed"),
        (
            {"RedirectAllRequestsTo": {"HostName": "h"}, "IndexDocument": {"Suffix": "i"}},
            "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
        ),
    ]:
        refused(aws, "PutBucketWebsite", "InvalidArgument", message, WebsiteConfiguration=website)
    target = {"LoggingEnabled": {"TargetBucket": "none", "TargetPrefix": ""}}
    message = "The target bucket for logging does not exist"
    refused(aws, "PutBucketLogging", "InvalidTargetBucketForLogging", message, BucketLoggingStatus=target)
