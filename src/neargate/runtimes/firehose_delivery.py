"""Records of delivery streams become objects in Neargate's S3, each put at once: there is nothing to save by waiting.

moto keeps the streams, but would write to buckets of its own. Other destinations are moto's to serve.
"""

from __future__ import annotations

import datetime
import gzip
from typing import Any

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json

_COMPRESSIONS = ("UNCOMPRESSED", "GZIP")


def destination(backend: Any, name: str) -> Json | None:
    """The S3 destination of a stream; None for a stream of another kind, or none. `backend` is moto's Firehose."""
    stream = backend.delivery_streams.get(name)
    for kind in ("ExtendedS3", "S3"):
        if stream is not None and kind in stream.destinations[0]:
            found: Json = stream.destinations[0][kind]
            return found
    return None


def put(cx: Context, backend: Any, to: Json, operation: str, request: Json) -> Json:
    """`firehose:PutRecord` or `firehose:PutRecordBatch` for a stream with an S3 destination."""
    name = request["DeliveryStreamName"]
    stream = backend.delivery_streams[name]
    if stream.delivery_stream_type == "KinesisStreamAsSource":
        raise AwsError(
            "InvalidArgumentException",
            "This operation is not permitted on KinesisStreamAsSource delivery stream type.",
        )
    records = request["Records"] if operation == "PutRecordBatch" else [request["Record"]]
    _write(cx, name, stream.version_id, to, b"".join(record["Data"] for record in records))
    answers = [{"RecordId": cx.ids.uuid()} for _ in records]
    if operation == "PutRecord":
        return {**answers[0], "Encrypted": False}
    return {"FailedPutCount": 0, "Encrypted": False, "RequestResponses": answers}


def _write(cx: Context, name: str, version: str, to: Json, data: bytes) -> None:
    compression = to.get("CompressionFormat") or "UNCOMPRESSED"
    if compression not in _COMPRESSIONS:
        raise not_implemented(f"firehose: CompressionFormat {compression}", "firehose")
    prefix = str(to.get("Prefix") or "")
    if "!{" in prefix:
        raise not_implemented("firehose: expressions in Prefix", "firehose")
    now = datetime.datetime.fromtimestamp(cx.now, datetime.UTC)
    key = f"{prefix}{now:%Y/%m/%d/%H/}{name}-{version}-{now:%Y-%m-%d-%H-%M-%S}-{cx.ids.uuid()}"
    body = gzip.compress(data, mtime=0) if compression == "GZIP" else data
    ending = ".gz" if compression == "GZIP" else ""
    bucket = str(to["BucketARN"]).rpartition(":")[2]
    cx.invoke("s3", "PutObject", {"Bucket": bucket, "Key": key + ending, "Body": body})
