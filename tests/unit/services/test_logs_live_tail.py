"""StartLiveTail: what a session shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.services.logs.live_tail import LONGEST, LiveTail
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("logs", "CreateLogGroup", logGroupName="g")
        for name in ("one", "other"):
            made.call("logs", "CreateLogStream", logGroupName="g", logStreamName=name)
        yield made


def put(aws: Cloud, *texts: str, stream: str = "one") -> None:
    now = int(aws.clock.now() * 1000)
    events = [{"timestamp": now, "message": text} for text in texts]
    aws.call("logs", "PutLogEvents", logGroupName="g", logStreamName=stream, logEvents=events)


def tail(aws: Cloud, **request: Any) -> LiveTail:
    request = {"logGroupIdentifiers": [ARN], **request}
    session = aws.call("logs", "StartLiveTail", **request)["responseStream"]
    assert isinstance(session, LiveTail)
    return session


def update(aws: Cloud, session: LiveTail) -> dict[str, Any]:
    ((name, value),), over = aws.store.read(lambda view: session.look(view, aws.clock.now()))
    assert (name, over) == ("sessionUpdate", False)
    return dict(value)


def messages(aws: Cloud, session: LiveTail) -> list[str]:
    return [event["message"] for event in update(aws, session)["sessionResults"]]


def test_a_session_says_what_it_was_asked_for(aws: Cloud) -> None:
    session = tail(aws, logStreamNames=["one"], logEventFilterPattern="x")
    ((name, value),) = session.first()
    assert name == "sessionStart"
    assert {key: value[key] for key in value if key not in {"requestId", "sessionId"}} == {
        "logGroupIdentifiers": [ARN],
        "logStreamNames": ["one"],
        "logEventFilterPattern": "x",
    }


def test_each_update_has_what_came_in_since_the_last_one(aws: Cloud) -> None:
    put(aws, "before")
    session = tail(aws)
    assert update(aws, session) == {"sessionMetadata": {"sampled": False}, "sessionResults": []}
    put(aws, "a", "b")
    put(aws, "c", stream="other")
    now = int(aws.clock.now() * 1000)
    shown = update(aws, session)["sessionResults"]
    assert [event["message"] for event in shown] == ["a", "b", "c"]
    assert shown[2] == {
        "logStreamName": "other",
        "logGroupIdentifier": f"{ACCOUNT}:g",
        "message": "c",
        "timestamp": now,
        "ingestionTime": now,
    }
    aws.call("logs", "CreateLogStream", logGroupName="g", logStreamName="new")
    put(aws, "d", stream="new")
    assert messages(aws, session) == ["d"]


def test_streams_and_a_pattern_narrow_it(aws: Cloud) -> None:
    names, prefixes = tail(aws, logStreamNames=["other"]), tail(aws, logStreamNamePrefixes=["on"])
    pattern = tail(aws, logEventFilterPattern="?b ?c")
    put(aws, "a", "b")
    put(aws, "c", stream="other")
    assert messages(aws, names) == ["c"]
    assert messages(aws, prefixes) == ["a", "b"]
    assert messages(aws, pattern) == ["b", "c"]


def test_of_very_many_events_a_sample_is_shown(aws: Cloud) -> None:
    session = tail(aws)
    put(aws, *(str(n) for n in range(2_000)))
    shown = update(aws, session)
    assert shown["sessionMetadata"] == {"sampled": True}
    assert [event["message"] for event in shown["sessionResults"]] == [str(n) for n in range(0, 2_000, 4)]


def test_a_session_ends_after_three_hours(aws: Cloud) -> None:
    session = tail(aws)
    aws.clock.advance(LONGEST)
    events, over = aws.store.read(lambda view: session.look(view, aws.clock.now()))
    assert (events[0].name, over) == ("SessionTimeoutException", True)


@pytest.mark.parametrize(
    ("code", "text", "request_"),
    [
        (
            "ResourceNotFoundException",
            "The specified log group does not exist.",
            {"logGroupIdentifiers": [ARN + "x"]},
        ),
        (
            "InvalidParameterException",
            "The ARN of a log group for Live Tail can't end with an asterisk (*).",
            {"logGroupIdentifiers": [ARN + ":*"]},
        ),
        (
            "InvalidParameterException",
            "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.",
            {"logStreamNames": ["a"], "logStreamNamePrefixes": ["b"]},
        ),
        (
            "InvalidParameterException",
            "Log streams can only be specified when there is one log group identifier.",
            {"logStreamNames": ["a"], "logGroupIdentifiers": [ARN, ARN]},
        ),
        (
            "InvalidParameterException",
            "Invalid character(s) in term '/x'",
            {"logEventFilterPattern": "/x"},
        ),
    ],
)
def test_what_is_refused(aws: Cloud, code: str, text: str, request_: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match=f"^{re.escape(text)}$") as caught:
        tail(aws, **request_)
    assert caught.value.code == code
