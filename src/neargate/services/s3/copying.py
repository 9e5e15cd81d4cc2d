"""CopyObject: the content is shared, nothing is read or written."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, ObjectRecord, Version
from neargate.services.s3.conditions import check_copy_source, check_write
from neargate.services.s3.lookup import (
    invalid_argument,
    no_such_version,
    refuse,
    shown_version,
    the_bucket,
    the_object,
    version_of,
)
from neargate.services.s3.notifications import publish
from neargate.services.s3.uploads import draft, encryption_of, store

_CHANGES = ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption")


@operation("s3", "CopyObject")
def copy_object(cx: Context, request: Json) -> Json:
    refuse("CopyObject", request, "CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey")
    bucket, key = the_bucket(cx, request), request["Key"]
    source_bucket, source_key, source_id = _source(cx, request)
    source = _source_version(cx, source_bucket, source_key, source_id)
    check_copy_source(request, source)
    check_write(request, key, cx.tx.get(ObjectRecord, f"{bucket.name}/{key}"))
    replaces = request.get("MetadataDirective") == "REPLACE"
    in_place = (source_bucket.name, source_key, source_id) == (bucket.name, key, None)
    changes = replaces or bucket.encryption is not None or any(request.get(change) for change in _CHANGES)
    if in_place and not changes:
        raise AwsError(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes.",
        )
    wanted = draft(cx, "CopyObject", bucket, request)
    version = store(cx, bucket, key, _copied(source, wanted, request, replaces))
    publish(cx, bucket, "ObjectCreated:Copy", key, version)
    return {
        "CopyObjectResult": {
            "ETag": f'"{version.etag}"',
            "LastModified": version.modified,
            **version.checksums,
            "ChecksumType": version.checksum_type,
        },
        "CopySourceVersionId": shown_version(source_bucket, source),
        "VersionId": shown_version(bucket, version),
        **encryption_of(version),
    }


def _copied(source: Version, wanted: Version, request: Json, replaces: bool) -> Version:
    """The source's content with the headers, metadata and tags that the directives choose."""
    version = attrs.evolve(
        wanted,
        blob=source.blob,
        etag=source.etag,
        checksums=source.checksums,
        checksum_type=source.checksum_type,
    )
    if not replaces:
        headers = {**source.headers, **_redirect(wanted)}
        version = attrs.evolve(
            version, content_type=source.content_type, headers=headers, metadata=source.metadata
        )
    if request.get("TaggingDirective") != "REPLACE":
        version = attrs.evolve(version, tags=source.tags)
    return version


def _redirect(wanted: Version) -> dict[str, str]:
    name = "WebsiteRedirectLocation"
    return {name: wanted.headers[name]} if name in wanted.headers else {}


def _source(cx: Context, request: Json) -> tuple[BucketRecord, str, str | None]:
    """`/bucket/key?versionId=id`, URL-encoded, the first slash optional: (bucket, key, version id)."""
    path, _, query = request["CopySource"].partition("?versionId=")
    name, _, key = unquote(path).removeprefix("/").partition("/")
    if not name or not key:
        raise invalid_argument("Invalid copy source object key", "x-amz-copy-source", "x-amz-copy-source")
    source = {"Bucket": name, "ExpectedBucketOwner": request.get("ExpectedSourceBucketOwner")}
    version_id = parse_qs(f"versionId={query}").get("versionId", [None])[0] if query else None
    return the_bucket(cx, source), key, version_id


def _source_version(cx: Context, bucket: BucketRecord, key: str, version_id: str | None) -> Version:
    record = the_object(cx, bucket, key)
    version = record.current if version_id is None else version_of(record, version_id)
    if version is None:
        if version_id is not None:
            raise no_such_version(key, version_id)
        raise AwsError("NoSuchKey", "The specified key does not exist.", status=404, Key=key)
    if version.is_marker:
        raise AwsError(
            "InvalidRequest",
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        )
    return version
