"""Conditional requests and ranges, as HTTP and S3 read them."""

from __future__ import annotations

import re

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.s3 import ObjectRecord, Version
from neargate.services.s3.lookup import no_such_key

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z", re.ASCII)


def check_read(request: Json, version: Version) -> None:
    """Raises PreconditionFailed (412), or 304 where the client's copy is still good."""
    if_match, unmodified_since = request.get("IfMatch"), request.get("IfUnmodifiedSince")
    if if_match is not None and not _names(if_match, version.etag):
        raise failed("If-Match")
    if if_match is None and unmodified_since is not None and version.modified > unmodified_since:
        raise failed("If-Unmodified-Since")
    if_none_match, modified_since = request.get("IfNoneMatch"), request.get("IfModifiedSince")
    if if_none_match is not None:
        unchanged = _names(if_none_match, version.etag)
    else:
        unchanged = modified_since is not None and version.modified <= modified_since
    if unchanged:
        raise AwsError("304", "Not Modified", status=304)


def check_copy_source(request: Json, version: Version) -> None:
    """The same for a copy's source, where everything unmet is a PreconditionFailed."""
    if_match, unmodified_since = (
        request.get("CopySourceIfMatch"),
        request.get("CopySourceIfUnmodifiedSince"),
    )
    if if_match is not None and not _names(if_match, version.etag):
        raise failed("x-amz-copy-source-If-Match")
    if if_match is None and unmodified_since is not None and version.modified > unmodified_since:
        raise failed("x-amz-copy-source-If-Unmodified-Since")
    if_none_match, modified_since = (
        request.get("CopySourceIfNoneMatch"),
        request.get("CopySourceIfModifiedSince"),
    )
    if if_none_match is not None and _names(if_none_match, version.etag):
        raise failed("x-amz-copy-source-If-None-Match")
    if if_none_match is None and modified_since is not None and version.modified <= modified_since:
        raise failed("x-amz-copy-source-If-Modified-Since")


def check_write(request: Json, key: str, record: ObjectRecord | None) -> None:
    """`If-None-Match: *` and `If-Match: etag` of a write to `key`."""
    if_match, if_none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if if_match is not None and if_none_match is not None:
        raise _unsupported(
            "If-Match,If-None-Match", "Multiple conditional request headers present in the request"
        )
    if if_none_match is not None and if_none_match != "*":
        raise _unsupported(
            "If-None-Match", "We don't accept the provided value of If-None-Match header for this API"
        )
    current = None if record is None else record.current
    if if_none_match is not None and current is not None:
        raise failed("If-None-Match")
    if if_match is not None:
        if current is None:
            raise no_such_key(key)
        if not _names(if_match, current.etag):
            raise failed("If-Match")


def failed(condition: str) -> AwsError:
    return AwsError(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        status=412,
        Condition=condition,
    )


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """`bytes=a-b` as (start, end) with the end excluded; None for the whole content, which a range that makes
    no sense means too. Raises InvalidRange where nothing of it lies inside."""
    found = None if text is None else _RANGE.match(text)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise AwsError(
            "InvalidRange",
            "The requested range is not satisfiable",
            status=416,
            ActualObjectSize=str(size),
            RangeRequested=text,
        )
    return start, end


def part_range(part: int, version: Version) -> tuple[int, int]:
    """Where a part of a multipart object lies; an object put whole has one part."""
    sizes = version.part_sizes or (version.size,)
    if not 1 <= part <= len(sizes):
        raise AwsError(
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
            status=416,
            PartNumberRequested=str(part),
            ActualPartCount=str(len(sizes)),
        )
    start = sum(sizes[: part - 1])
    return start, start + sizes[part - 1]


def _names(header: str, etag: str) -> bool:
    return any(one.strip().removeprefix("W/").strip('"') in {"*", etag} for one in header.split(","))


def _unsupported(header: str, reason: str) -> AwsError:
    return AwsError(
        "NotImplemented",
        "A header you provided implies functionality that is not implemented",
        status=501,
        Header=header,
        additionalMessage=reason,
    )
