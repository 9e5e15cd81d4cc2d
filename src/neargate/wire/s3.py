"""What S3 does that no other service does: buckets in the Host header, aws-chunked bodies, names of reply roots."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from neargate.model.errors import AwsError
from neargate.wire.messages import HttpRequest

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

_REGION = r"(?:[.-](?:dualstack\.|fips\.)?[a-z]{2}(?:-[a-z]+)+-\d)?"
_HOST = re.compile(
    rf"(?:(?P<bucket>.+)\.)?s3(?:-fips|-accelerate|express-[a-z0-9-]+)?(?:\.dualstack)?{_REGION}"
    r"\.(?:amazonaws\.com(?:\.cn)?|localhost(?:\.[a-z0-9.-]+)?)",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]+)\.localhost", re.IGNORECASE)

# The root elements that S3 sends; the model does not name them, and clients that check are few but real.
ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "ListParts": "ListPartsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}


def bucket_in_host(host: str) -> str | None:
    """The bucket that a Host header names, virtual-hosted style; None where it names none."""
    name = re.sub(r":\d+\Z", "", host)
    found = _HOST.fullmatch(name)
    if found is None and name.lower() != "s3.localhost":
        found = _LOCAL.fullmatch(name)
    return found["bucket"] if found else None


def path_style(path: str, bucket: str | None) -> str:
    """The path that the same request has path-style; a bucket's trailing slash is dropped (it is no key)."""
    if bucket is not None:
        path = f"/{bucket}{path}"
    if path.count("/") == 2 and path.endswith("/") and path != "//":
        return path[:-1]
    return path


def is_chunked(headers: Mapping[str, str]) -> bool:
    """Whether the body is in the aws-chunked encoding."""
    return "aws-chunked" in headers.get("content-encoding", "") or headers.get(
        "x-amz-content-sha256", ""
    ).startswith("STREAMING-")


def unchunk(body: bytes) -> bytes:
    """The content of an aws-chunked body: sizes, chunk signatures and trailers are removed, nothing is verified.

    Raises IncompleteBody where the body ends within a chunk or its framing is broken.
    """
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = body.find(b"\r\n", at)
        size_text = body[at:line_end].partition(b";")[0].strip() if line_end >= 0 else b""
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size_text):
            raise _incomplete()
        size = int(size_text, 16)
        if size == 0:
            return b"".join(parts)  # what follows are trailers
        start = line_end + 2
        end = start + size
        if body[end : end + 2] != b"\r\n":
            raise _incomplete()
        parts.append(body[start:end])
        at = end + 2


def content(request: HttpRequest) -> HttpRequest:
    """The request as the client meant it: an aws-chunked body unchunked, its headers telling of the content.

    A spooled blob stays as it is.
    """
    if not isinstance(request.body, bytes) or not is_chunked(request.headers):
        return request
    body = unchunk(request.body)
    headers = {**request.headers, "content-length": str(len(body))}
    encodings = [part.strip() for part in headers.pop("content-encoding", "").split(",")]
    kept = [part for part in encodings if part not in {"", "aws-chunked"}]
    if kept:
        headers["content-encoding"] = ",".join(kept)
    return attrs.evolve(request, headers=headers, body=body)


def _incomplete() -> AwsError:
    return AwsError(
        "IncompleteBody",
        "The request body terminated unexpectedly: its aws-chunked framing does not end as it says.",
    )
