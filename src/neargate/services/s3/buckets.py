"""Buckets: made, listed, found, removed."""

from __future__ import annotations

import re

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, ObjectRecord, PartRecord, UploadRecord
from neargate.model.tags import from_list
from neargate.services.s3.lookup import access_denied, invalid_argument, owner, refuse, the_bucket
from neargate.services.s3.object_lock import locked
from neargate.services.s3.positions import read_position, token_of

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d\Z", re.ASCII)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+\Z")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_ALL_BUCKETS = 10_000


@operation("s3", "CreateBucket")
def create_bucket(cx: Context, request: Json) -> Json:
    """In us-east-1, and only there, making one's own bucket again succeeds and changes nothing."""
    grants = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
    refuse("CreateBucket", request, *grants)
    if request.get("BucketNamespace", "global") != "global":
        refuse("CreateBucket", request, "BucketNamespace")
    name = request["Bucket"]
    if not _is_valid_name(name):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)
    configuration = request.get("CreateBucketConfiguration") or {}
    refuse("CreateBucket", configuration, "Location", "Bucket")
    region = _region(cx, configuration.get("LocationConstraint"))
    ownership = request.get("ObjectOwnership", "BucketOwnerEnforced")
    acl = request.get("ACL", "private")
    if acl != "private":
        if ownership != "BucketOwnerEnforced":
            raise access_denied()  # a new bucket blocks public access
        raise AwsError(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
    location = {
        "Location": f"/{name}" if region == "us-east-1" else f"http://{name}.s3.amazonaws.com/",
        "BucketArn": f"arn:aws:s3:::{name}",
    }
    existing = cx.tx.get(BucketRecord, name)
    if existing is not None:
        _refuse_existing(cx, existing)
        return location
    bucket = BucketRecord(
        name=name,
        account=cx.account,
        region=region,
        created=float(int(cx.now)),
        ownership=ownership,
        public_access_block=_BLOCKED,
        tags=from_list(configuration.get("Tags")) or None,
    )
    cx.tx.put(locked(bucket) if request.get("ObjectLockEnabledForBucket") else bucket)
    return location


def _refuse_existing(cx: Context, existing: BucketRecord) -> None:
    if existing.account != cx.account:
        raise AwsError(
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the "
            "system. Please select a different name and try again.",
            status=409,
            BucketName=existing.name,
        )
    if (cx.region, existing.region) != ("us-east-1", "us-east-1"):
        raise AwsError(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            status=409,
            BucketName=existing.name,
        )


def _is_valid_name(name: str) -> bool:
    return (
        _NAME.match(name) is not None
        and ".." not in name
        and not _ADDRESS.match(name)
        and not name.startswith(_RESERVED_STARTS)
        and not name.endswith(_RESERVED_ENDS)
    )


def _region(cx: Context, constraint: str | None) -> str:
    """Where the bucket will be. Another region's endpoint than us-east-1 makes buckets of its own region only."""
    if (
        constraint is not None
        and constraint != "EU"
        and (not _REGION.match(constraint) or constraint == "us-east-1")
    ):
        raise AwsError(
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
            LocationConstraint=constraint,
        )
    wanted = "eu-west-1" if constraint == "EU" else constraint
    if cx.region != "us-east-1" and wanted != cx.region:
        raise AwsError(
            "IllegalLocationConstraintException",
            f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific "
            "endpoint this request was sent to.",
        )
    return wanted or "us-east-1"


@operation("s3", "HeadBucket", reads=True)
def head_bucket(cx: Context, request: Json) -> Json:
    """Errors of HEAD requests have no body: code and text are HTTP's."""
    try:
        bucket = the_bucket(cx, request)
    except AwsError as error:
        raise headless(error) from None
    return {"BucketArn": bucket.arn, "BucketRegion": bucket.region, "AccessPointAlias": False}


def headless(error: AwsError) -> AwsError:
    """An error as the client of a HEAD request sees it: `404`, `Not Found`."""
    phrases = {
        304: "Not Modified",
        400: "Bad Request",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        412: "Precondition Failed",
        416: "Requested Range Not Satisfiable",
    }
    if error.status not in phrases:
        return error
    return AwsError(str(error.status), phrases[error.status], status=error.status)


@operation("s3", "ListBuckets", reads=True)
def list_buckets(cx: Context, request: Json) -> Json:
    prefix, region = request.get("Prefix"), request.get("BucketRegion")
    if region is not None and not _REGION.match(region):
        raise invalid_argument(f"Argument value {region} is not a valid AWS Region", "bucket-region", region)
    after = read_position(request.get("ContinuationToken"))
    buckets = [
        bucket
        for bucket in cx.tx.scan(BucketRecord, prefix or "")
        if bucket.account == cx.account
        and (region is None or bucket.region == region)
        and (after is None or bucket.name > after)
    ]
    limit = request.get("MaxBuckets", _ALL_BUCKETS)
    if not 1 <= limit <= _ALL_BUCKETS:
        raise AwsError(
            "InvalidArgument",
            f"Argument max-buckets must be an integer between 1 and {_ALL_BUCKETS}.",
            ArgumentName="max-buckets",
            ArgumentValue=str(limit),
        )
    shown = buckets[:limit]
    return {
        "Buckets": [
            {
                "Name": bucket.name,
                "CreationDate": bucket.created,
                "BucketRegion": bucket.region,
                "BucketArn": bucket.arn,
            }
            for bucket in shown
        ],
        "Owner": owner(cx.account),
        "Prefix": prefix,
        "ContinuationToken": token_of(shown[-1].name) if len(buckets) > limit else None,
    }


@operation("s3", "GetBucketLocation", reads=True)
def get_bucket_location(cx: Context, request: Json) -> Json:
    """us-east-1 is the location without a name."""
    region = the_bucket(cx, request).region
    return {"LocationConstraint": None if region == "us-east-1" else region}


@operation("s3", "DeleteBucket")
def delete_bucket(cx: Context, request: Json) -> Json:
    """Uploads that were never completed go with the bucket; objects and their versions forbid it."""
    bucket = the_bucket(cx, request)
    if cx.tx.scan(ObjectRecord, f"{bucket.name}/"):
        message = "The bucket you tried to delete is not empty"
        if bucket.versioning:
            message += ". You must delete all versions in the bucket."
        raise AwsError("BucketNotEmpty", message, status=409, BucketName=bucket.name)
    for part in cx.tx.scan(PartRecord, f"{bucket.name}/"):
        cx.tx.delete(PartRecord, part.key)
    for upload in cx.tx.scan(UploadRecord, f"{bucket.name}/"):
        cx.tx.delete(UploadRecord, upload.key)
    cx.tx.delete(BucketRecord, bucket.key)
    return {}
