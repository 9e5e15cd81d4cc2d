"""Event streams, read back by botocore's own reader."""

from __future__ import annotations

import re

import pytest
from botocore.eventstream import EventStreamBuffer, EventStreamMessage
from hypothesis import given
from hypothesis import strategies as st

from neargate.wire import Target, encode_event, initial_response
from neargate.wire.event_stream import message

TAIL = Target("logs", "StartLiveTail", "json")


def read(data: bytes) -> list[EventStreamMessage]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


@given(
    st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=4),
    st.binary(max_size=200),
)
def test_a_message_is_what_botocore_reads(headers: dict[str, str], payload: bytes) -> None:
    (found,) = read(message(headers, payload))
    assert (found.headers, found.payload) == (headers, payload)


def test_events_follow_each_other_behind_the_initial_response() -> None:
    update = {"sessionMetadata": {"sampled": False}, "sessionResults": [{"message": "ü", "timestamp": 5}]}
    first, second = read(initial_response() + encode_event(TAIL, "sessionUpdate", update))
    assert (first.headers[":event-type"], first.payload) == ("initial-response", b"{}")
    assert second.headers == {
        ":event-type": "sessionUpdate",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert second.payload.decode() == (
        '{"sessionMetadata":{"sampled":false},"sessionResults":[{"message":"ü","timestamp":5}]}'
    )


def test_an_exception_says_so_in_its_headers() -> None:
    (found,) = read(encode_event(TAIL, "SessionTimeoutException", {"message": "over"}))
    assert found.to_response_dict()["status_code"] == 400
    assert found.headers[":exception-type"] == "SessionTimeoutException"


@pytest.mark.parametrize(
    ("target", "name", "value", "said"),
    [
        (TAIL, "sessionOver", {}, "the stream of logs:StartLiveTail has no event sessionOver"),
        (
            TAIL,
            "sessionUpdate",
            {"sessionResults": 1},
            "logs:StartLiveTail sent sessionUpdate with sessionResults: ",
        ),
        (Target("logs", "PutLogEvents", "json"), "x", {}, "logs:PutLogEvents has no event stream"),
    ],
)
def test_what_the_model_does_not_have_is_a_bug(
    target: Target, name: str, value: dict[str, int], said: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        encode_event(target, name, value)
