"""Messages of `application/vnd.amazon.eventstream`: a length, headers, a payload, and sums of both.

    total length │ headers' length │ CRC-32 of these │ headers │ payload │ CRC-32 of all before

A header is a name behind its length in a byte, a type (7: text) and the text behind its length in two bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from neargate.wire import documents, results
from neargate.wire.aws_models import Shape, operation
from neargate.wire.messages import Target

EVENT_STREAM = "application/vnd.amazon.eventstream"
"""The content type."""

_PRELUDE = struct.Struct(">II")
_SUM = struct.Struct(">I")
_TEXT = 7


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message."""
    head = b"".join(_header(name, text) for name, text in headers.items())
    total = _PRELUDE.size + _SUM.size + len(head) + len(payload) + _SUM.size
    prelude = _PRELUDE.pack(total, len(head))
    body = prelude + _SUM.pack(zlib.crc32(prelude)) + head + payload
    return body + _SUM.pack(zlib.crc32(body))


def _header(name: str, text: str) -> bytes:
    named, said = name.encode(), text.encode()
    return struct.pack(f">B{len(named)}sBH", len(named), named, _TEXT, len(said)) + said


def initial_response() -> bytes:
    """What comes first in the protocols whose answers have a body besides the stream: nothing is in it here."""
    return _event("initial-response", {})


def encode_event(target: Target, name: str, value: Mapping[str, Any]) -> bytes:
    """An event of the operation's stream, or one of its exceptions, by its member's name.

    Raises TypeError where the stream has no such member, or the value does not fit it.
    """
    shape = _stream(target).members.get(name)
    if shape is None:
        raise TypeError(f"the stream of {target.service}:{target.operation} has no event {name}")
    try:
        plain = results.checked(shape, value)
    except results.WrongResult as error:
        raise TypeError(f"{target.service}:{target.operation} sent {name} with {error}") from error
    tree = documents.encode_json(shape, plain)
    if not shape.metadata.get("exception"):
        return _event(name, tree)
    headers = {":exception-type": name, ":content-type": _type(target), ":message-type": "exception"}
    return message(headers, documents.write_json(tree))


def _event(name: str, tree: Any) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, documents.write_json(tree))


def _type(target: Target) -> str:
    return (
        f"application/x-amz-json-{target.json_version}" if target.protocol == "json" else "application/json"
    )


def _stream(target: Target) -> Shape:
    output = operation(target.service, target.operation).output
    for member in output.members.values() if output is not None else ():
        if member.serialization.get("eventstream"):
            return member
    raise TypeError(f"{target.service}:{target.operation} has no event stream")
