"""Requests whose body came compressed: SDKs do so with PutMetricData above 10 KiB."""

from __future__ import annotations

import zlib

import attrs

from neargate.model.errors import AwsError
from neargate.wire.messages import HttpRequest

_LONGEST = 64 << 20  # bytes of a body, unpacked
_GZIP = 16 + zlib.MAX_WBITS


def unpacked(request: HttpRequest) -> HttpRequest:
    """The request with a plain body. Objects of S3 keep their encoding: do not call it for those.

    Raises SerializationException where the body is not what its Content-Encoding says.
    """
    encodings = request.headers.get("content-encoding", "").lower().replace(" ", "")
    if encodings != "gzip" or not isinstance(request.body, bytes):
        return request
    reader = zlib.decompressobj(_GZIP)
    try:
        body = reader.decompress(request.body, _LONGEST)
    except zlib.error:
        raise AwsError("SerializationException", "The request body is not gzip.") from None
    if reader.unconsumed_tail or not reader.eof:
        raise AwsError("SerializationException", "The request body is not gzip, or it is too long.")
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return attrs.evolve(request, body=body, headers=headers)
