"""DeleteObject and DeleteObjects: removal, or a delete marker where versions are kept."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, ObjectRecord, Version
from neargate.services.s3.conditions import check_write
from neargate.services.s3.lookup import malformed, no_such_version, refuse, the_bucket, version_of
from neargate.services.s3.notifications import publish
from neargate.services.s3.object_lock import has_lock, refuse_removal
from neargate.services.s3.uploads import store

_MAX_KEYS = 1000


@operation("s3", "DeleteObject")
def delete_object(cx: Context, request: Json) -> Json:
    """What is not there is gone already: that is a success too."""
    bucket, key = the_bucket(cx, request), request["Key"]
    refuse("DeleteObject", request, "MFA", "IfMatchLastModifiedTime", "IfMatchSize")
    bypass = _bypass(bucket, request)
    if request.get("IfMatch") is not None:
        record = cx.tx.get(ObjectRecord, f"{bucket.name}/{key}")
        check_write({"IfMatch": request["IfMatch"]}, key, record)
    version_id = request.get("VersionId")
    if version_id is None:
        marker = _delete_current(cx, bucket, key)
        return {} if marker is None else {"DeleteMarker": True, "VersionId": marker.id}
    removed = _delete_version(cx, bucket, key, version_id, bypass)
    was_marker = removed is not None and removed.is_marker
    return {"VersionId": version_id, "DeleteMarker": was_marker or None}


@operation("s3", "DeleteObjects")
def delete_objects(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    refuse("DeleteObjects", request, "MFA")
    bypass = _bypass(bucket, request)
    wanted = request["Delete"].get("Objects") or []
    if not 1 <= len(wanted) <= _MAX_KEYS:
        raise malformed()
    deleted: list[Json] = []
    errors: list[Json] = []
    for one in wanted:
        refuse("DeleteObjects", one, "LastModifiedTime", "Size")
        try:
            deleted.append(_delete_one(cx, bucket, one, bypass))
        except AwsError as error:
            if error.status >= 500:
                raise
            shown = {"Key": one["Key"], "VersionId": one.get("VersionId")}
            errors.append({**shown, "Code": error.code, "Message": error.message})
    quiet = request["Delete"].get("Quiet", False)
    return {"Deleted": None if quiet else deleted, "Errors": errors or None}


def _delete_one(cx: Context, bucket: BucketRecord, one: Json, bypass: bool) -> Json:
    key, version_id = one["Key"], one.get("VersionId")
    if one.get("ETag") is not None:
        check_write({"IfMatch": one["ETag"]}, key, cx.tx.get(ObjectRecord, f"{bucket.name}/{key}"))
    if version_id is None:
        marker = _delete_current(cx, bucket, key)
        if marker is None:
            return {"Key": key}
        return {"Key": key, "DeleteMarker": True, "DeleteMarkerVersionId": marker.id}
    removed = _delete_version(cx, bucket, key, version_id, bypass)
    if removed is None:
        raise AwsError(
            "NoSuchVersion", "The specified version does not exist.", status=404, VersionId=version_id
        )
    if removed.is_marker:
        marked = {"DeleteMarker": True, "DeleteMarkerVersionId": version_id}
        return {"Key": key, "VersionId": version_id, **marked}
    return {"Key": key, "VersionId": version_id}


def _delete_current(cx: Context, bucket: BucketRecord, key: str) -> Version | None:
    """Remove the key, or put a delete marker before its versions; the marker."""
    if not bucket.versioning:
        if cx.tx.delete(ObjectRecord, f"{bucket.name}/{key}"):
            publish(cx, bucket, "ObjectRemoved:Delete", key, None)
        return None
    marker = store(cx, bucket, key, Version(id="", modified=float(int(cx.now))))
    publish(cx, bucket, "ObjectRemoved:DeleteMarkerCreated", key, marker)
    return marker


def _delete_version(
    cx: Context, bucket: BucketRecord, key: str, version_id: str, bypass: bool
) -> Version | None:
    """Remove one version for good; it, or None where there was none."""
    record = cx.tx.get(ObjectRecord, f"{bucket.name}/{key}")
    version = None if record is None else version_of(record, version_id)
    if record is None or version is None:
        missing = no_such_version(key, version_id)
        if missing.code == "InvalidArgument":
            raise missing
        return None
    refuse_removal(cx, version, bypass)
    rest = tuple(one for one in record.versions if one.id != version_id)
    if rest:
        cx.tx.put(attrs.evolve(record, versions=rest))
    else:
        cx.tx.delete(ObjectRecord, record.key)
    publish(cx, bucket, "ObjectRemoved:Delete", key, version)
    return version


def _bypass(bucket: BucketRecord, request: Json) -> bool:
    """Whether GOVERNANCE is passed over. Saying so of a bucket without a lock is an error."""
    asked = bool(request.get("BypassGovernanceRetention"))
    if asked and not has_lock(bucket):
        raise AwsError(
            "InvalidArgument",
            "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.",
            ArgumentName="x-amz-bypass-governance-retention",
        )
    return asked
