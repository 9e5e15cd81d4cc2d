"""Bucket settings that have a default of their own: versioning, encryption, public access, ownership, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord
from neargate.model.tags import Tags, from_list, upper
from neargate.services.s3.lookup import malformed, refuse, the_bucket
from neargate.services.s3.object_lock import refuse_suspension

_SSE_S3: Json = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}
_PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_MAX_TAGS = 50


@operation("s3", "PutBucketVersioning")
def put_bucket_versioning(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    wanted = request["VersioningConfiguration"]
    if wanted.get("MFADelete") == "Enabled":
        refuse("PutBucketVersioning", wanted, "MFADelete")
    status = wanted.get("Status")
    if not status:
        raise AwsError("IllegalVersioningConfigurationException", "The Versioning element must be specified")
    if status not in {"Enabled", "Suspended"}:
        raise malformed()
    if status == "Suspended":
        refuse_suspension(bucket)
    cx.tx.put(attrs.evolve(bucket, versioning=status))
    return {}


@operation("s3", "GetBucketVersioning", reads=True)
def get_bucket_versioning(cx: Context, request: Json) -> Json:
    return {"Status": the_bucket(cx, request).versioning or None}


# -- encryption ----------------------------------------------------------------------------------------------


@operation("s3", "PutBucketEncryption")
def put_bucket_encryption(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    configuration = request["ServerSideEncryptionConfiguration"]
    rules = configuration.get("Rules") or []
    if len(rules) != 1 or not rules[0].get("ApplyServerSideEncryptionByDefault"):
        raise malformed()
    default = rules[0]["ApplyServerSideEncryptionByDefault"]
    if default.get("KMSMasterKeyID") and not default["SSEAlgorithm"].startswith("aws:kms"):
        raise AwsError(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            ArgumentName="ApplyServerSideEncryptionByDefault",
        )
    rule = {"BucketKeyEnabled": False, **rules[0]}
    cx.tx.put(attrs.evolve(bucket, encryption={"Rules": [rule]}))
    return {}


@operation("s3", "GetBucketEncryption", reads=True)
def get_bucket_encryption(cx: Context, request: Json) -> Json:
    """A bucket without a setting encrypts with SSE-S3 and says so."""
    return {"ServerSideEncryptionConfiguration": the_bucket(cx, request).encryption or _SSE_S3}


@operation("s3", "DeleteBucketEncryption")
def delete_bucket_encryption(cx: Context, request: Json) -> Json:
    cx.tx.put(attrs.evolve(the_bucket(cx, request), encryption=None))
    return {}


def default_encryption(bucket: BucketRecord) -> tuple[str, str | None]:
    """(algorithm, KMS key) that an object gets where the request names none."""
    default = (bucket.encryption or _SSE_S3)["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    return default["SSEAlgorithm"], default.get("KMSMasterKeyID")


# -- public access and ownership -----------------------------------------------------------------------------


@operation("s3", "PutPublicAccessBlock")
def put_public_access_block(cx: Context, request: Json) -> Json:
    """What the request leaves out is off."""
    wanted = request["PublicAccessBlockConfiguration"]
    block = {name: bool(wanted.get(name)) for name in _PUBLIC_ACCESS}
    cx.tx.put(attrs.evolve(the_bucket(cx, request), public_access_block=block))
    return {}


@operation("s3", "GetPublicAccessBlock", reads=True)
def get_public_access_block(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    if bucket.public_access_block is None:
        raise AwsError(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
            status=404,
            BucketName=bucket.name,
        )
    return {"PublicAccessBlockConfiguration": bucket.public_access_block}


@operation("s3", "DeletePublicAccessBlock")
def delete_public_access_block(cx: Context, request: Json) -> Json:
    cx.tx.put(attrs.evolve(the_bucket(cx, request), public_access_block=None))
    return {}


@operation("s3", "PutBucketOwnershipControls")
def put_bucket_ownership_controls(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    rules = request["OwnershipControls"].get("Rules") or []
    if len(rules) != 1:
        raise malformed()
    ownership = rules[0]["ObjectOwnership"]
    if ownership == "BucketOwnerEnforced" and bucket.acl != "private":
        raise AwsError(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
    cx.tx.put(attrs.evolve(bucket, ownership=ownership))
    return {}


@operation("s3", "GetBucketOwnershipControls", reads=True)
def get_bucket_ownership_controls(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    if bucket.ownership is None:
        raise AwsError(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
            status=404,
            BucketName=bucket.name,
        )
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


@operation("s3", "DeleteBucketOwnershipControls")
def delete_bucket_ownership_controls(cx: Context, request: Json) -> Json:
    cx.tx.put(attrs.evolve(the_bucket(cx, request), ownership=None))
    return {}


# -- tags ----------------------------------------------------------------------------------------------------


@operation("s3", "PutBucketTagging")
def put_bucket_tagging(cx: Context, request: Json) -> Json:
    """Replaces the tags; the aws: ones that AWS put there stay, unless AWS itself (a service) writes."""
    bucket = the_bucket(cx, request)
    tags = checked_tags(request["Tagging"]["TagSet"], _MAX_TAGS, system=bool(cx.caller.via))
    kept = {} if cx.caller.via else _system_tags(bucket)
    cx.tx.put(attrs.evolve(bucket, tags={**tags, **kept} or None))
    return {}


@operation("s3", "GetBucketTagging", reads=True)
def get_bucket_tagging(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    if not bucket.tags:
        raise AwsError("NoSuchTagSet", "The TagSet does not exist", status=404, BucketName=bucket.name)
    return {"TagSet": upper(bucket.tags)}


@operation("s3", "DeleteBucketTagging")
def delete_bucket_tagging(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    cx.tx.put(attrs.evolve(bucket, tags=_system_tags(bucket) or None))
    return {}


def _system_tags(bucket: BucketRecord) -> Tags:
    return {key: value for key, value in (bucket.tags or {}).items() if key.startswith("aws:")}


def checked_tags(tag_set: Iterable[Mapping[str, str]], limit: int, *, system: bool = False) -> Tags:
    """The tags of a TagSet. Raises InvalidTag, or BadRequest for too many."""
    given = list(tag_set)
    tags = from_list(given)
    if len(tags) < len(given):
        keys = [tag["Key"] for tag in given]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise AwsError("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=twice)
    if len(tags) > limit:
        kind = "Object" if limit == 10 else "Bucket"
        raise AwsError("BadRequest", f"{kind} tags cannot be greater than {limit}")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128:
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256:
            raise AwsError(
                "InvalidTag", "The TagValue you have provided is invalid", TagKey=key, TagValue=value
            )
        if key.startswith("aws:") and not system:
            raise AwsError("InvalidTag", "System tags cannot be added/updated by requester", TagKey=key)
    return tags
