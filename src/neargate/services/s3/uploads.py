"""Writing objects: what a version keeps of its request, how it joins the versions before, PutObject."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import NULL_VERSION, BucketRecord, ObjectRecord, Version
from neargate.model.tags import Tags
from neargate.services.s3.access import object_acl
from neargate.services.s3.conditions import check_write
from neargate.services.s3.integrity import receive
from neargate.services.s3.lookup import invalid_argument, refuse, shown_version, the_bucket
from neargate.services.s3.notifications import publish
from neargate.services.s3.object_lock import protected
from neargate.services.s3.settings import checked_tags, default_encryption

HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "Expires",
    "WebsiteRedirectLocation",
)
MAX_OBJECT_TAGS = 10
_STORAGE_CLASSES = frozenset(
    "STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER GLACIER_IR "
    "DEEP_ARCHIVE".split()
)
_NOT_HONOURED = (
    "SSECustomerAlgorithm",
    "SSECustomerKey",
    "SSEKMSEncryptionContext",
    "ObjectLockEventHold",
    "WriteOffsetBytes",
)
_VERSION_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"


@operation("s3", "PutObject")
def put_object(cx: Context, request: Json) -> Json:
    """`Body` is bytes or an already stored Blob."""
    bucket, key = the_bucket(cx, request), request["Key"]
    check_write(request, key, cx.tx.get(ObjectRecord, f"{bucket.name}/{key}"))
    wanted = draft(cx, "PutObject", bucket, request)
    received = receive(cx, request)
    version = store(
        cx,
        bucket,
        key,
        attrs.evolve(
            wanted,
            blob=received.blob,
            etag=received.blob.md5,
            checksums=received.checksums,
            checksum_type="FULL_OBJECT" if received.checksums else None,
        ),
    )
    publish(cx, bucket, "ObjectCreated:Put", key, version)
    return {
        "ETag": f'"{version.etag}"',
        **version.checksums,
        "ChecksumType": version.checksum_type,
        "VersionId": shown_version(bucket, version),
        **encryption_of(version),
    }


def draft(cx: Context, name: str, bucket: BucketRecord, request: Json) -> Version:
    """The version that a write asks for, still without content and id. `name` is the operation's."""
    refuse(name, request, *_NOT_HONOURED)
    if len(request["Key"].encode()) > 1024:
        raise AwsError("KeyTooLongError", "Your key is too long", MaxSizeAllowed="1024")
    storage_class = request.get("StorageClass", "STANDARD")
    if storage_class not in _STORAGE_CLASSES:
        raise AwsError(
            "InvalidStorageClass",
            "The storage class you specified is not valid",
            StorageClassRequested=storage_class,
        )
    metadata = dict(request.get("Metadata") or {})
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > 2048:
        raise AwsError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    encryption, kms_key = default_encryption(bucket)
    if "ServerSideEncryption" in request:
        encryption, kms_key = request["ServerSideEncryption"], request.get("SSEKMSKeyId")
    version = Version(
        id="",
        modified=float(int(cx.now)),
        content_type=request.get("ContentType") or "binary/octet-stream",
        headers=_headers(request),
        metadata=metadata,
        tags=header_tags(request.get("Tagging")),
        storage_class=storage_class,
        encryption=encryption,
        kms_key=kms_key,
        acl=object_acl(name, bucket, request),
    )
    return protected(cx, bucket, request, version)


def store(cx: Context, bucket: BucketRecord, key: str, version: Version) -> Version:
    """Make `version` the newest one of `key`, as the bucket's versioning says; with the id it got."""
    record = cx.tx.get(ObjectRecord, f"{bucket.name}/{key}")
    older = () if record is None else record.versions
    if bucket.versioning == "Enabled":
        version = attrs.evolve(version, id=cx.ids.letters(32, _VERSION_ALPHABET))
    else:
        version = attrs.evolve(version, id=NULL_VERSION)
        older = tuple(one for one in older if one.id != NULL_VERSION)
    cx.tx.put(ObjectRecord(bucket=bucket.name, name=key, versions=(version, *older)))
    return version


def encryption_of(version: Version) -> Json:
    return {"ServerSideEncryption": version.encryption, "SSEKMSKeyId": version.kms_key}


def header_tags(header: str | None) -> Tags:
    """The tags of `x-amz-tagging`: a query string without a key twice."""
    if not header:
        return {}
    pairs = parse_qsl(header, keep_blank_values=True)
    if len(dict(pairs)) < len(pairs) or any("," in key + value for key, value in pairs):
        raise invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
            "tag name duplicates.",
            "x-amz-tagging",
            header,
        )
    return checked_tags([{"Key": key, "Value": value} for key, value in pairs], MAX_OBJECT_TAGS)


def _headers(request: Json) -> dict[str, str]:
    headers: dict[str, Any] = {name: request[name] for name in HEADERS if request.get(name)}
    if "ContentEncoding" in headers:
        encodings = [one.strip() for one in headers.pop("ContentEncoding").split(",")]
        kept = ",".join(one for one in encodings if one != "aws-chunked")  # how it was sent, not what it is
        if kept:
            headers["ContentEncoding"] = kept
    return headers
