"""Reading objects: GetObject, HeadObject, GetObjectAttributes."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Blob, Json
from neargate.model.s3 import BucketRecord, Version
from neargate.services.s3.buckets import headless
from neargate.services.s3.conditions import byte_range, check_read, part_range
from neargate.services.s3.lookup import refuse, shown_version, the_bucket, the_version
from neargate.services.s3.object_lock import shown
from neargate.services.s3.uploads import encryption_of

_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


@operation("s3", "GetObject", heavy=True)
def get_object(cx: Context, request: Json) -> Json:
    """`Body` is the content's Blob; of a range or part, which `ContentRange` tells, its bytes."""
    bucket = the_bucket(cx, request)
    version, blob = _found(cx, "GetObject", bucket, request, "GET")
    if version.storage_class in _ARCHIVED:
        raise AwsError(
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            status=403,
            StorageClass=version.storage_class,
        )
    wanted = _wanted_range(request, version)
    described = _described(bucket, version, request, wanted)
    if wanted is None or wanted == (0, version.size) == (0, 0):
        return {**described, "Body": blob}
    return {**described, "Body": cx.blobs.read(blob, *wanted)}


@operation("s3", "HeadObject", reads=True)
def head_object(cx: Context, request: Json) -> Json:
    """Errors of HEAD requests have no body: code and text are HTTP's."""
    try:
        bucket = the_bucket(cx, request)
        version, _ = _found(cx, "HeadObject", bucket, request, "HEAD")
        wanted = _wanted_range(request, version)
    except AwsError as error:
        raise headless(error) from None
    return _described(bucket, version, request, wanted)


@operation("s3", "GetObjectAttributes", reads=True)
def get_object_attributes(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    version, _ = _found(cx, "GetObjectAttributes", bucket, request, "GET")
    wanted = {name.strip() for entry in request["ObjectAttributes"] for name in entry.split(",")}
    answer: Json = {"LastModified": version.modified, "VersionId": shown_version(bucket, version)}
    if "ETag" in wanted:
        answer["ETag"] = version.etag
    if "Checksum" in wanted and version.checksums:
        answer["Checksum"] = {**version.checksums, "ChecksumType": version.checksum_type}
    if "ObjectParts" in wanted and version.part_sizes:
        answer["ObjectParts"] = {"TotalPartsCount": len(version.part_sizes)}
    if "StorageClass" in wanted:
        answer["StorageClass"] = version.storage_class
    if "ObjectSize" in wanted:
        answer["ObjectSize"] = version.size
    return answer


def _found(cx: Context, name: str, bucket: BucketRecord, request: Json, method: str) -> tuple[Version, Blob]:
    """The version to read, after the request's conditions, and its content."""
    refuse(name, request, "SSECustomerAlgorithm", "SSECustomerKey")
    version = the_version(cx, bucket, request["Key"], request.get("VersionId"), method)
    if version.blob is None:
        raise TypeError(f"a delete marker was found as {request['Key']}")
    check_read(request, version)
    return version, version.blob


def _wanted_range(request: Json, version: Version) -> tuple[int, int] | None:
    """(start, end) of the bytes asked for, the end excluded; None for all of them."""
    part = request.get("PartNumber")
    if part is None:
        return byte_range(request.get("Range"), version.size)
    if request.get("Range") is not None:
        raise AwsError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    return part_range(part, version)


def _described(bucket: BucketRecord, version: Version, request: Json, wanted: tuple[int, int] | None) -> Json:
    """All members but the Body."""
    described: Json = {
        "AcceptRanges": "bytes",
        "LastModified": version.modified,
        "ContentLength": version.size,
        "ETag": f'"{version.etag}"',
        "ContentType": version.content_type,
        **version.headers,
        "Metadata": dict(version.metadata),
        "VersionId": shown_version(bucket, version),
        "StorageClass": None if version.storage_class == "STANDARD" else version.storage_class,
        "TagCount": len(version.tags) or None,
        **shown(version),
        **encryption_of(version),
    }
    if wanted is not None and version.size:
        start, end = wanted
        described["ContentLength"] = end - start
        described["ContentRange"] = f"bytes {start}-{end - 1}/{version.size}"
    elif request.get("ChecksumMode") == "ENABLED":
        described.update(version.checksums, ChecksumType=version.checksum_type)
    if request.get("PartNumber") is not None and version.part_sizes:
        described["PartsCount"] = len(version.part_sizes)
    for override, member in _OVERRIDES.items():
        if request.get(override) is not None:
            described[member] = request[override]
    return described
