"""Finding what a request names, and refusing what is not honoured."""

from __future__ import annotations

import re

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.s3 import NULL_VERSION, BucketRecord, ObjectRecord, Version, canonical_id

_VERSION_ID = re.compile(r"[A-Za-z0-9._]{32}\Z")


def the_bucket(cx: Context, request: Json) -> BucketRecord:
    """The bucket of the request, if it is whose the caller expects."""
    expected = request.get("ExpectedBucketOwner")
    if expected is not None and not re.fullmatch(r"\d{12}", expected, re.ASCII):
        raise AwsError(
            "InvalidBucketOwnerAWSAccountID",
            f"The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]",
        )
    bucket = cx.tx.get(BucketRecord, request["Bucket"])
    if bucket is None:
        raise AwsError(
            "NoSuchBucket", "The specified bucket does not exist", status=404, BucketName=request["Bucket"]
        )
    if expected is not None and expected != bucket.account:
        raise access_denied()
    return bucket


def the_object(cx: Context, bucket: BucketRecord, key: str) -> ObjectRecord:
    """The key with all its versions. Raises NoSuchKey."""
    record = cx.tx.get(ObjectRecord, f"{bucket.name}/{key}")
    if record is None:
        raise no_such_key(key)
    return record


def the_version(cx: Context, bucket: BucketRecord, key: str, version_id: str | None, method: str) -> Version:
    """The version that a read finds: the current one, or the one named. `method` is the HTTP method."""
    if version_id is None:
        current = the_object(cx, bucket, key).current
        if current is None:
            raise no_such_key(key)
        return current
    record = cx.tx.get(ObjectRecord, f"{bucket.name}/{key}")
    version = None if record is None else version_of(record, version_id)
    if version is None:
        raise no_such_version(key, version_id)
    if version.is_marker:
        raise AwsError(
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
            status=405,
            Method=method,
            ResourceType="DeleteMarker",
        )
    return version


def version_of(record: ObjectRecord, version_id: str) -> Version | None:
    return next((version for version in record.versions if version.id == version_id), None)


def no_such_key(key: str) -> AwsError:
    return AwsError("NoSuchKey", "The specified key does not exist.", status=404, Key=key)


def no_such_version(key: str, version_id: str) -> AwsError:
    """For an id that S3 might have given; another one is an invalid argument."""
    if version_id != NULL_VERSION and not _VERSION_ID.match(version_id):
        return invalid_argument("Invalid version id specified", "versionId", version_id)
    return AwsError(
        "NoSuchVersion",
        "The specified version does not exist.",
        status=404,
        Key=key,
        VersionId=version_id,
    )


def invalid_argument(message: str, name: str, value: str) -> AwsError:
    return AwsError("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def access_denied() -> AwsError:
    return AwsError("AccessDenied", "Access Denied", status=403)


def malformed() -> AwsError:
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def owner(account: str) -> Json:
    return {"ID": canonical_id(account)}


def shown_version(bucket: BucketRecord, version: Version) -> str | None:
    """A version id is spoken of only once versioning was set."""
    return version.id if bucket.versioning else None


def refuse(operation: str, request: Json, *members: str) -> None:
    """NotImplemented for a member whose effect Neargate has not."""
    for member in members:
        if request.get(member):
            raise not_implemented(f"s3:{operation} with {member}", "s3")
