"""Object Lock: what keeps versions, and who may pass over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud

DAY = 86400.0
PROTECTED = ("AccessDenied", "Access Denied because object protected by object lock.", 403)


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("s3", "CreateBucket", Bucket="vault", ObjectLockEnabledForBucket=True)
        yield made


def put(aws: Cloud, **more: Any) -> str:
    return str(aws.call("s3", "PutObject", Bucket="vault", Key="a", Body=b"1", **more)["VersionId"])


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str, int]:
    with pytest.raises(AwsError) as error:
        aws.call("s3", operation, Bucket="vault", **request)
    return error.value.code, error.value.message, error.value.status


def default(aws: Cloud, **retention: Any) -> None:
    rule = {"DefaultRetention": retention}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    aws.call("s3", "PutObjectLockConfiguration", Bucket="vault", ObjectLockConfiguration=configuration)


def test_a_bucket_with_a_lock_keeps_versions(aws: Cloud) -> None:
    assert aws.call("s3", "GetObjectLockConfiguration", Bucket="vault") == {
        "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}
    }
    suspended = {"Status": "Suspended"}
    assert refused(aws, "PutBucketVersioning", VersioningConfiguration=suspended) == (
        "InvalidBucketState",
        "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        409,
    )


def test_the_default_retention_keeps_a_version_until_its_day(aws: Cloud) -> None:
    default(aws, Mode="COMPLIANCE", Days=2)
    version = put(aws)
    got = aws.call("s3", "GetObject", Bucket="vault", Key="a")
    assert (got["ObjectLockMode"], got["ObjectLockRetainUntilDate"]) == (
        "COMPLIANCE",
        aws.clock.now() + 2 * DAY,
    )
    for bypass in (False, True):
        request = {"Key": "a", "VersionId": version, "BypassGovernanceRetention": bypass}
        assert refused(aws, "DeleteObject", **request) == PROTECTED
    marker = aws.call("s3", "DeleteObject", Bucket="vault", Key="a")
    assert marker["DeleteMarker"] is True
    aws.clock.advance(2 * DAY)
    aws.call("s3", "DeleteObject", Bucket="vault", Key="a", VersionId=version)


def test_governance_is_passed_over_by_who_says_so(aws: Cloud) -> None:
    until = aws.clock.now() + DAY
    version = put(aws, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    answer = aws.call(
        "s3", "DeleteObjects", Bucket="vault", Delete={"Objects": [{"Key": "a", "VersionId": version}]}
    )
    assert [(error["Code"], error["Message"]) for error in answer["Errors"]] == [PROTECTED[:2]]
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": until - 1}
    assert refused(aws, "PutObjectRetention", Key="a", Retention=shorter)[0] == "AccessDenied"
    longer = {"Mode": "GOVERNANCE", "RetainUntilDate": until + DAY}
    aws.call("s3", "PutObjectRetention", Bucket="vault", Key="a", Retention=longer)
    assert aws.call("s3", "GetObjectRetention", Bucket="vault", Key="a")["Retention"] == longer
    request = {"Key": "a", "VersionId": version, "BypassGovernanceRetention": True}
    aws.call("s3", "DeleteObject", Bucket="vault", **request)


def test_a_legal_hold_is_lifted_before_the_version_goes(aws: Cloud) -> None:
    version = put(aws, ObjectLockLegalHoldStatus="ON")
    assert (
        refused(aws, "DeleteObject", Key="a", VersionId=version, BypassGovernanceRetention=True) == PROTECTED
    )
    assert aws.call("s3", "GetObjectLegalHold", Bucket="vault", Key="a") == {"LegalHold": {"Status": "ON"}}
    aws.call("s3", "PutObjectLegalHold", Bucket="vault", Key="a", LegalHold={"Status": "OFF"})
    assert refused(aws, "GetObjectLegalHold", Key="a") == (
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
        404,
    )
    aws.call("s3", "DeleteObject", Bucket="vault", Key="a", VersionId=version)


@pytest.mark.parametrize(
    ("retention", "code"),
    [
        ({"Mode": "SOFT", "Days": 1}, "MalformedXML"),
        ({"Mode": "GOVERNANCE"}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 0}, "InvalidArgument"),
    ],
)
def test_a_wrong_default_is_refused(aws: Cloud, retention: dict[str, Any], code: str) -> None:
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
    assert refused(aws, "PutObjectLockConfiguration", ObjectLockConfiguration=configuration)[0] == code


def test_a_lock_needs_mode_and_a_day_to_come(aws: Cloud) -> None:
    request = {"Key": "a", "Body": b"1"}
    both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
    assert refused(aws, "PutObject", **request, ObjectLockMode="GOVERNANCE")[1] == both
    past = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": aws.clock.now()}
    assert refused(aws, "PutObject", **request, **past)[1] == "The retain until date must be in the future!"


def test_a_bucket_without_a_lock_has_none_of_it(aws: Cloud) -> None:
    aws.call("s3", "CreateBucket", Bucket="plain")
    aws.call("s3", "PutObject", Bucket="plain", Key="a", Body=b"1")
    configuration = {"ObjectLockEnabled": "Enabled"}
    for operation, request, code in (
        ("PutObject", {"Key": "a", "Body": b"1", "ObjectLockLegalHoldStatus": "ON"}, "InvalidRequest"),
        ("PutObjectLegalHold", {"Key": "a", "LegalHold": {"Status": "ON"}}, "InvalidRequest"),
        ("PutObjectLockConfiguration", {"ObjectLockConfiguration": configuration}, "InvalidBucketState"),
        ("GetObjectLockConfiguration", {}, "ObjectLockConfigurationNotFoundError"),
    ):
        with pytest.raises(AwsError) as error:
            aws.call("s3", operation, Bucket="plain", **request)
        assert error.value.code == code
    aws.call("s3", "PutBucketVersioning", Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    aws.call("s3", "PutObjectLockConfiguration", Bucket="plain", ObjectLockConfiguration=configuration)
