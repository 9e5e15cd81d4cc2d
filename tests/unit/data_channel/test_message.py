"""The binary messages of the data channel, byte for byte."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.data_channel import message as wire
from neargate.data_channel.message import Malformed, Message, PayloadType

ID = bytes(range(16))


def test_a_message_lies_on_the_wire_as_the_plugin_reads_it() -> None:
    data = Message(
        type=wire.OUTPUT, id=ID, created=1, sequence=2, flags=wire.SYN, payload_type=1, payload=b"hi"
    ).encode()
    assert data[:4] == (116).to_bytes(4, "big")
    assert data[4:36] == b"output_stream_data              "
    assert data[36:40] == (1).to_bytes(4, "big")
    assert data[40:48] == (1).to_bytes(8, "big")
    assert data[48:56] == (2).to_bytes(8, "big")
    assert data[56:64] == (1).to_bytes(8, "big")
    assert data[64:80] == ID[8:] + ID[:8]
    assert data[80:112] == hashlib.sha256(b"hi").digest()
    assert data[112:116] == (1).to_bytes(4, "big")
    assert data[116:120] == (2).to_bytes(4, "big")
    assert data[120:] == b"hi"


@given(
    st.sampled_from([wire.INPUT, wire.OUTPUT, wire.ACKNOWLEDGE, wire.CHANNEL_CLOSED]),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**63),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=2000),
)
def test_what_is_encoded_is_decoded(
    kind: str, identity: bytes, created: int, sequence: int, payload_type: int, payload: bytes
) -> None:
    message = Message(
        type=kind, id=identity, created=created, sequence=sequence, payload_type=payload_type, payload=payload
    )
    assert wire.decode(message.encode()) == message


def test_bytes_that_are_no_message_are_refused() -> None:
    whole = Message(type=wire.INPUT, id=ID, created=1, payload=b"abc").encode()
    with pytest.raises(Malformed, match="A message of 100 bytes is shorter than its header"):
        wire.decode(whole[:100])
    with pytest.raises(Malformed, match="its payload has 3 bytes and has 2"):
        wire.decode(whole[:-1])
    with pytest.raises(Malformed, match="does not have the digest"):
        wire.decode(whole[:-1] + b"x")


def test_an_acknowledgement_names_what_it_acknowledges() -> None:
    message = Message(type=wire.INPUT, id=ID, created=1, sequence=7)
    said = wire.acknowledgement(message, ID, 2)
    assert said.type == wire.ACKNOWLEDGE
    assert said.document() == {
        "AcknowledgedMessageType": "input_stream_data",
        "AcknowledgedMessageId": "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "AcknowledgedMessageSequenceNumber": 7,
        "IsSequentialMessage": True,
    }


def test_sizes_and_flags() -> None:
    def message(payload: bytes) -> Message:
        return Message(type=wire.INPUT, id=ID, created=1, payload_type=PayloadType.SIZE, payload=payload)

    assert wire.size_of(message(wire.size_payload(120, 40))) == (120, 40)
    with pytest.raises(Malformed, match="needs cols and rows"):
        wire.size_of(message(b'{"cols": 3}'))
    with pytest.raises(Malformed, match="is no JSON"):
        wire.size_of(message(b"x"))
    assert wire.flag_of(message(wire.flag_payload(wire.Flag.TERMINATE_SESSION))) == 2
    with pytest.raises(Malformed, match="four bytes"):
        wire.flag_of(message(b"1"))
