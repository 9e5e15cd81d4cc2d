"""Tags of object versions."""

from __future__ import annotations

import attrs

from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, Version
from neargate.model.tags import Tags, upper
from neargate.services.s3.lookup import shown_version, the_bucket, the_object, the_version
from neargate.services.s3.settings import checked_tags
from neargate.services.s3.uploads import MAX_OBJECT_TAGS


@operation("s3", "GetObjectTagging", reads=True)
def get_object_tagging(cx: Context, request: Json) -> Json:
    bucket, version = _found(cx, request, "GET")
    return {"TagSet": upper(version.tags), "VersionId": shown_version(bucket, version)}


@operation("s3", "PutObjectTagging")
def put_object_tagging(cx: Context, request: Json) -> Json:
    bucket, version = _found(cx, request, "PUT")
    _retag(cx, bucket, request, version, checked_tags(request["Tagging"]["TagSet"], MAX_OBJECT_TAGS))
    return {"VersionId": shown_version(bucket, version)}


@operation("s3", "DeleteObjectTagging")
def delete_object_tagging(cx: Context, request: Json) -> Json:
    bucket, version = _found(cx, request, "DELETE")
    _retag(cx, bucket, request, version, {})
    return {"VersionId": shown_version(bucket, version)}


def _found(cx: Context, request: Json, method: str) -> tuple[BucketRecord, Version]:
    bucket = the_bucket(cx, request)
    return bucket, the_version(cx, bucket, request["Key"], request.get("VersionId"), method)


def _retag(cx: Context, bucket: BucketRecord, request: Json, version: Version, tags: Tags) -> None:
    record = the_object(cx, bucket, request["Key"])
    versions = tuple(attrs.evolve(one, tags=tags) if one.id == version.id else one for one in record.versions)
    cx.tx.put(attrs.evolve(record, versions=versions))
