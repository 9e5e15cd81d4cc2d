"""One message of the data channel: a binary header of 120 bytes, then the payload.

    header length 116 | type, 32 bytes | schema version | created (ms) | sequence number | flags | id, 16 bytes |
    SHA-256 of the payload | payload type | payload length

All numbers are big-endian. The id's halves change places on the wire.
"""

from __future__ import annotations

import hashlib
import json
import struct
from enum import IntEnum
from typing import Any

import attrs

INPUT = "input_stream_data"
OUTPUT = "output_stream_data"
ACKNOWLEDGE = "acknowledge"
CHANNEL_CLOSED = "channel_closed"
START_PUBLICATION = "start_publication"
PAUSE_PUBLICATION = "pause_publication"

SYN, FIN = 1, 2
"""Flags: the first message of a stream, the last one."""

LONGEST_PAYLOAD = 1024
"""Bytes that the agent and the plugin put into one streamed message."""

_HEADER = struct.Struct(">I32sIQqQ16s32sII")
_HEADER_LENGTH = 116  # what the header says of itself: it does not count the payload's length


class PayloadType(IntEnum):
    """What a streamed message carries."""

    OUTPUT = 1
    """Bytes to or from the terminal, in either direction."""
    ERROR = 2
    SIZE = 3
    """`{"cols": …, "rows": …}` of the terminal."""
    PARAMETER = 4
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    ENCRYPTION_CHALLENGE_REQUEST = 8
    ENCRYPTION_CHALLENGE_RESPONSE = 9
    FLAG = 10
    """A `Flag`, as four bytes."""
    STDERR = 11
    EXIT_CODE = 12
    """The command's exit code in decimal digits."""


class Flag(IntEnum):
    """The payload of a FLAG message."""

    DISCONNECT_TO_PORT = 1
    """The sender's input has ended."""
    TERMINATE_SESSION = 2
    CONNECT_TO_PORT_ERROR = 3


class Malformed(ValueError):
    """Bytes that are no message; the text says why."""


@attrs.frozen(kw_only=True)
class Message:
    """`id` is a UUID's 16 bytes; `created` is in milliseconds since the epoch."""

    type: str
    id: bytes
    created: int
    sequence: int = 0
    flags: int = 0
    payload_type: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        head = _HEADER.pack(
            _HEADER_LENGTH,
            self.type.encode("ascii").ljust(32),
            1,
            self.created,
            self.sequence,
            self.flags,
            self.id[8:] + self.id[:8],
            hashlib.sha256(self.payload).digest(),
            self.payload_type,
            len(self.payload),
        )
        return head + self.payload

    def document(self) -> dict[str, Any]:
        """The payload as a JSON object. Raises Malformed."""
        try:
            value = json.loads(self.payload)
        except ValueError as error:
            raise Malformed(f"The payload of a {self.type} message is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise Malformed(f"The payload of a {self.type} message is no JSON object.")
        return value


def decode(data: bytes) -> Message:
    """Raises Malformed for what is too short, or does not have the digest that it names."""
    if len(data) < _HEADER.size:
        raise Malformed(f"A message of {len(data)} bytes is shorter than its header.")
    length, kind, _, created, sequence, flags, identity, digest, payload_type, size = _HEADER.unpack_from(
        data
    )
    payload = data[length + 4 :]
    if len(payload) != size:
        raise Malformed(f"A message says that its payload has {size} bytes and has {len(payload)}.")
    if size and hashlib.sha256(payload).digest() != digest:
        raise Malformed("The payload of a message does not have the digest that the message names.")
    return Message(
        type=kind.strip(b"\0 ").decode("ascii", "replace"),
        id=identity[8:] + identity[:8],
        created=created,
        sequence=sequence,
        flags=flags,
        payload_type=payload_type,
        payload=payload,
    )


def uuid_text(identity: bytes) -> str:
    """16 bytes as a UUID is written."""
    text = identity.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def acknowledgement(of: Message, identity: bytes, created: int) -> Message:
    """What tells the sender that its message has arrived."""
    content = {
        "AcknowledgedMessageType": of.type,
        "AcknowledgedMessageId": uuid_text(of.id),
        "AcknowledgedMessageSequenceNumber": of.sequence,
        "IsSequentialMessage": True,
    }
    return Message(
        type=ACKNOWLEDGE,
        id=identity,
        created=created,
        flags=SYN | FIN,
        payload=json.dumps(content).encode(),
    )


def channel_closed(session: str, identity: bytes, created: int, output: str = "") -> Message:
    """The end of a session; `output` is an error that the client shows, "" where it ended as it should."""
    content = {
        "MessageId": uuid_text(identity),
        "CreatedDate": str(created),
        "DestinationId": session,
        "SessionId": session,
        "MessageType": CHANNEL_CLOSED,
        "SchemaVersion": 1,
        "Output": output,
    }
    return Message(
        type=CHANNEL_CLOSED,
        id=identity,
        created=created,
        flags=SYN | FIN,
        payload=json.dumps(content).encode(),
    )


def size_payload(columns: int, rows: int) -> bytes:
    return json.dumps({"cols": columns, "rows": rows}).encode()


def size_of(message: Message) -> tuple[int, int]:
    """(columns, rows) of a SIZE message. Raises Malformed."""
    document = message.document()
    try:
        return int(document["cols"]), int(document["rows"])
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed("A terminal's size needs cols and rows.") from error


def flag_payload(flag: Flag) -> bytes:
    return struct.pack(">I", flag)


def flag_of(message: Message) -> int:
    """The number in a FLAG message. Raises Malformed."""
    if len(message.payload) != 4:
        raise Malformed("A flag has four bytes.")
    return int.from_bytes(message.payload, "big")
