"""The plain values that pass between the HTTP front and the codecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.errors import AwsError


@attrs.frozen
class HttpRequest:
    """A request as it came. `path` and `query` are still percent-encoded, header names are lower-case.

    `body` is bytes, or an already spooled blob, which only a streaming member can take.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any


@attrs.frozen
class HttpResponse:
    """A reply. `body` is bytes, or what the operation returned for a streaming member, untouched."""

    status: int
    headers: dict[str, str]
    body: Any


@attrs.frozen
class Target:
    """What a request asks for, and the protocol that it speaks and wants to be answered in.

    `service` is botocore's name of the service. `bucket` is the bucket that a virtual-hosted S3 request names in
    its Host header; it is not part of the request's path then.
    """

    service: str
    operation: str
    protocol: str  # query, ec2, json, rest-json, rest-xml or smithy-rpc-v2-cbor
    json_version: str = "1.1"
    bucket: str | None = None


class Unrecognised(AwsError):
    """The request names no known operation. `target` has an empty operation and says how to word the answer."""

    def __init__(self, target: Target, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(code, message, status=status)
        self.target = target
