"""Object Lock: versions that nobody may remove until a date (retention) or until somebody lifts it (legal hold).

A bucket with a lock keeps versions for good. GOVERNANCE may be bypassed by whoever says so, COMPLIANCE by nobody.
"""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, ObjectRecord, Version
from neargate.services.s3.lookup import access_denied, malformed, the_bucket, the_version

_RECORD = "object-lock"
ENABLED: Json = {"ObjectLockEnabled": "Enabled"}
_MODES = frozenset({"GOVERNANCE", "COMPLIANCE"})
_DAY = 86400.0
_PROTECTED = "Access Denied because object protected by object lock."


def locked(bucket: BucketRecord, configuration: Json = ENABLED) -> BucketRecord:
    """The bucket with Object Lock, which needs versions."""
    configurations = {**bucket.configurations, _RECORD: configuration}
    return attrs.evolve(bucket, versioning="Enabled", configurations=configurations)


def has_lock(bucket: BucketRecord) -> bool:
    return _RECORD in bucket.configurations


def refuse_suspension(bucket: BucketRecord) -> None:
    """Versioning cannot be suspended in a bucket with a lock."""
    if has_lock(bucket):
        raise AwsError(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            status=409,
        )


@operation("s3", "PutObjectLockConfiguration")
def put_object_lock_configuration(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    configuration = request.get("ObjectLockConfiguration") or {}
    if configuration.get("ObjectLockEnabled") != "Enabled":
        raise malformed()
    if bucket.versioning != "Enabled":
        raise AwsError(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            status=409,
        )
    if "Rule" in configuration:
        _check_default(configuration["Rule"].get("DefaultRetention") or {})
    cx.tx.put(locked(bucket, configuration))
    return {}


def _check_default(retention: Json) -> None:
    periods = [name for name in ("Days", "Years") if retention.get(name) is not None]
    if retention.get("Mode") not in _MODES or len(periods) != 1:
        raise malformed()
    if retention[periods[0]] < 1:
        raise AwsError("InvalidArgument", "Default retention period must be a positive integer value.")


@operation("s3", "GetObjectLockConfiguration", reads=True)
def get_object_lock_configuration(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    if not has_lock(bucket):
        raise AwsError(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
            status=404,
            BucketName=bucket.name,
        )
    return {"ObjectLockConfiguration": bucket.configurations[_RECORD]}


# -- what a new version gets ---------------------------------------------------------------------------------


def protected(cx: Context, bucket: BucketRecord, request: Json, version: Version) -> Version:
    """A version that is written, with the retention and hold of the request or of the bucket's default rule."""
    mode, until = request.get("ObjectLockMode"), request.get("ObjectLockRetainUntilDate")
    hold = request.get("ObjectLockLegalHoldStatus")
    if not has_lock(bucket):
        if mode or until or hold:
            raise _no_configuration()
        return version
    if (mode is None) != (until is None):
        raise AwsError(
            "InvalidArgument",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )
    if until is not None:
        _check_date(cx, until)
    else:
        mode, until = _default(bucket, cx.now)
    return attrs.evolve(version, lock_mode=mode, retain_until=until, legal_hold=hold == "ON")


def _default(bucket: BucketRecord, now: float) -> tuple[str | None, float | None]:
    retention = bucket.configurations[_RECORD].get("Rule", {}).get("DefaultRetention")
    if not retention:
        return None, None
    days = retention["Days"] if "Days" in retention else 365 * retention["Years"]
    return retention["Mode"], now + days * _DAY


def _check_date(cx: Context, until: float) -> None:
    if until <= cx.now:
        raise AwsError("InvalidArgument", "The retain until date must be in the future!")


def _no_configuration() -> AwsError:
    return AwsError("InvalidRequest", "Bucket is missing Object Lock Configuration")


def shown(version: Version) -> Json:
    """What GetObject and HeadObject say of it."""
    described: Json = {}
    if version.lock_mode is not None:
        described = {
            "ObjectLockMode": version.lock_mode,
            "ObjectLockRetainUntilDate": version.retain_until,
        }
    if version.legal_hold:
        described["ObjectLockLegalHoldStatus"] = "ON"
    return described


def refuse_removal(cx: Context, version: Version, bypass: bool) -> None:
    """AccessDenied for a version that must stay. `bypass` is the request's wish to pass over GOVERNANCE."""
    if version.legal_hold or _is_retained(cx, version, bypass):
        raise AwsError("AccessDenied", _PROTECTED, status=403)


def _is_retained(cx: Context, version: Version, bypass: bool) -> bool:
    if version.retain_until is None or version.retain_until <= cx.now:
        return False
    return version.lock_mode == "COMPLIANCE" or not bypass


# -- of one version ------------------------------------------------------------------------------------------


def _one(cx: Context, request: Json) -> tuple[BucketRecord, Version]:
    bucket = the_bucket(cx, request)
    version = the_version(cx, bucket, request["Key"], request.get("VersionId"), "GET")
    if not has_lock(bucket):
        raise _no_configuration()
    return bucket, version


def _put(cx: Context, bucket: BucketRecord, key: str, version: Version) -> None:
    record = cx.tx.get(ObjectRecord, f"{bucket.name}/{key}")
    assert record is not None
    versions = tuple(version if one.id == version.id else one for one in record.versions)
    cx.tx.put(attrs.evolve(record, versions=versions))


@operation("s3", "PutObjectRetention")
def put_object_retention(cx: Context, request: Json) -> Json:
    """A longer retention is always allowed; a shorter or none needs GOVERNANCE and the bypass."""
    bucket, version = _one(cx, request)
    wanted = request.get("Retention") or {}
    mode, until = wanted.get("Mode"), wanted.get("RetainUntilDate")
    if (mode is None) != (until is None) or (mode is not None and mode not in _MODES):
        raise malformed()
    if until is not None:
        _check_date(cx, until)
    weaker = until is None or until < (version.retain_until or 0.0) or mode != (version.lock_mode or mode)
    if weaker and _is_retained(cx, version, bool(request.get("BypassGovernanceRetention"))):
        raise access_denied()
    _put(cx, bucket, request["Key"], attrs.evolve(version, lock_mode=mode, retain_until=until))
    return {}


@operation("s3", "GetObjectRetention", reads=True)
def get_object_retention(cx: Context, request: Json) -> Json:
    _, version = _one(cx, request)
    if version.lock_mode is None:
        raise _none_on_object(request["Key"])
    return {"Retention": {"Mode": version.lock_mode, "RetainUntilDate": version.retain_until}}


@operation("s3", "PutObjectLegalHold")
def put_object_legal_hold(cx: Context, request: Json) -> Json:
    bucket, version = _one(cx, request)
    status = (request.get("LegalHold") or {}).get("Status")
    if status not in {"ON", "OFF"}:
        raise malformed()
    _put(cx, bucket, request["Key"], attrs.evolve(version, legal_hold=status == "ON"))
    return {}


@operation("s3", "GetObjectLegalHold", reads=True)
def get_object_legal_hold(cx: Context, request: Json) -> Json:
    _, version = _one(cx, request)
    if not version.legal_hold:
        raise _none_on_object(request["Key"])
    return {"LegalHold": {"Status": "ON"}}


def _none_on_object(key: str) -> AwsError:
    return AwsError(
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
        status=404,
        Key=key,
    )
