from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.model.logs import LogStream, stream_key
from neargate.services.logs import expire
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


@pytest.fixture
def now(aws: Cloud) -> int:
    return int(aws.clock.now() * 1000)


def logs(aws: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    return aws.call("logs", operation, **request)


def refused(aws: Cloud, operation: str, code: str, message: str, **request: Any) -> None:
    with pytest.raises(AwsError, match=f"^{re.escape(message)}$") as caught:
        logs(aws, operation, **request)
    assert caught.value.code == code


def stream(aws: Cloud, group: str = "g", name: str = "s") -> None:
    known = logs(aws, "DescribeLogGroups", logGroupNamePrefix=group)["logGroups"]
    if group not in [one["logGroupName"] for one in known]:
        logs(aws, "CreateLogGroup", logGroupName=group)
    logs(aws, "CreateLogStream", logGroupName=group, logStreamName=name)


def put(aws: Cloud, *events: tuple[int, str], group: str = "g", name: str = "s") -> dict[str, Any]:
    sent = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
    return logs(aws, "PutLogEvents", logGroupName=group, logStreamName=name, logEvents=sent)


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


# -- groups --------------------------------------------------------------------------------------------------


def test_a_group_is_described_with_both_arns(aws: Cloud, now: int) -> None:
    logs(aws, "CreateLogGroup", logGroupName="/ecs/web", tags={"env": "dev"})
    logs(aws, "PutRetentionPolicy", logGroupName="/ecs/web", retentionInDays=30)
    (group,) = logs(aws, "DescribeLogGroups")["logGroups"]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/web"
    assert group == {
        "logGroupName": "/ecs/web",
        "creationTime": now,
        "retentionInDays": 30,
        "metricFilterCount": 0,
        "arn": arn + ":*",
        "storedBytes": 0,
        "kmsKeyId": None,
        "logGroupClass": "STANDARD",
        "logGroupArn": arn,
        "deletionProtectionEnabled": False,
    }
    logs(aws, "DeleteRetentionPolicy", logGroupName="/ecs/web")
    assert logs(aws, "DescribeLogGroups")["logGroups"][0]["retentionInDays"] is None


def test_a_group_is_made_once(aws: Cloud) -> None:
    logs(aws, "CreateLogGroup", logGroupName="g")
    exists = "The specified log group already exists"
    refused(aws, "CreateLogGroup", "ResourceAlreadyExistsException", exists, logGroupName="g")
    reserved = "Log groups starting with AWS/ are reserved for AWS."
    refused(aws, "CreateLogGroup", "InvalidParameterException", reserved, logGroupName="aws/x")


def test_groups_are_listed_by_prefix_or_pattern_in_pages(aws: Cloud) -> None:
    for name in ("/b/two", "/a/one", "/a/two", "other"):
        logs(aws, "CreateLogGroup", logGroupName=name)

    def names(**request: Any) -> tuple[list[str], str | None]:
        answer = logs(aws, "DescribeLogGroups", **request)
        return [group["logGroupName"] for group in answer["logGroups"]], answer["nextToken"]

    assert names(logGroupNamePrefix="/a") == (["/a/one", "/a/two"], None)
    assert names(logGroupNamePattern="two") == (["/a/two", "/b/two"], None)
    first, token = names(limit=3)
    assert first == ["/a/one", "/a/two", "/b/two"]
    assert names(limit=3, nextToken=token) == (["other"], None)
    listed = logs(aws, "ListLogGroups", logGroupNamePattern="^/a|other")["logGroups"]
    assert [group["logGroupName"] for group in listed] == ["/a/one", "/a/two", "other"]
    both = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
    pair = {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}
    refused(aws, "DescribeLogGroups", "InvalidParameterException", both, **pair)
    bad = "The specified nextToken is invalid."
    refused(aws, "DescribeLogGroups", "InvalidParameterException", bad, nextToken="§")


def test_what_is_missing_is_said(aws: Cloud) -> None:
    no_group = "The specified log group does not exist."
    named = {"logGroupName": "none"}
    without_group: list[tuple[str, dict[str, Any]]] = [
        ("DeleteLogGroup", {}),
        ("PutRetentionPolicy", {"retentionInDays": 1}),
        ("CreateLogStream", {"logStreamName": "s"}),
        ("DescribeLogStreams", {}),
        ("GetLogEvents", {"logStreamName": "s"}),
        ("FilterLogEvents", {}),
        ("PutLogEvents", {"logStreamName": "s", "logEvents": [{"timestamp": 0, "message": "m"}]}),
        ("ListTagsLogGroup", {}),
    ]
    for operation, more in without_group:
        refused(aws, operation, "ResourceNotFoundException", no_group, **named, **more)
    logs(aws, "CreateLogGroup", logGroupName="g")
    no_stream = "The specified log stream does not exist."
    without_stream: list[tuple[str, dict[str, Any]]] = [
        ("GetLogEvents", {"logStreamName": "s"}),
        ("DeleteLogStream", {"logStreamName": "s"}),
        ("FilterLogEvents", {"logStreamNames": ["s"]}),
        ("PutLogEvents", {"logStreamName": "s", "logEvents": [{"timestamp": 0, "message": "m"}]}),
    ]
    for operation, more in without_stream:
        refused(aws, operation, "ResourceNotFoundException", no_stream, logGroupName="g", **more)


def test_retention_takes_the_allowed_days_only(aws: Cloud) -> None:
    logs(aws, "CreateLogGroup", logGroupName="g")
    message = (
        "Invalid retention value. Valid values are: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, "
        "731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]"
    )
    request = {"logGroupName": "g", "retentionInDays": 2}
    refused(aws, "PutRetentionPolicy", "InvalidParameterException", message, **request)


def test_deleting_a_group_deletes_its_events(aws: Cloud, now: int) -> None:
    stream(aws)
    stream(aws, "g2")
    put(aws, (now, "gone"))
    put(aws, (now, "kept"), group="g2")
    logs(aws, "DeleteLogGroup", logGroupName="g")
    stream(aws)
    assert messages(logs(aws, "GetLogEvents", logGroupName="g", logStreamName="s")) == []
    assert messages(logs(aws, "GetLogEvents", logGroupName="g2", logStreamName="s")) == ["kept"]


def test_a_protected_group_stays(aws: Cloud) -> None:
    logs(aws, "CreateLogGroup", logGroupName="g", deletionProtectionEnabled=True)
    with pytest.raises(AwsError, match="has deletion protection enabled"):
        logs(aws, "DeleteLogGroup", logGroupName="g")
    unprotect = {"logGroupIdentifier": "g", "deletionProtectionEnabled": False}
    logs(aws, "PutLogGroupDeletionProtection", **unprotect)
    logs(aws, "DeleteLogGroup", logGroupName="g")


# -- streams -------------------------------------------------------------------------------------------------


def test_a_stream_is_described_with_its_events(aws: Cloud, now: int) -> None:
    stream(aws, "/ecs/web", "web/app/1")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/web:log-stream:web/app/1"
    made = {"logStreamName": "web/app/1", "creationTime": now, "arn": arn, "storedBytes": 0}
    assert logs(aws, "DescribeLogStreams", logGroupName="/ecs/web")["logStreams"] == [made]
    aws.clock.advance(60)
    put(aws, (now, "first"), (now + 5, "last"), group="/ecs/web", name="web/app/1")
    group_arn = arn.partition(":log-stream")[0] + ":*"
    (found,) = logs(aws, "DescribeLogStreams", logGroupIdentifier=group_arn)["logStreams"]
    times = {"firstEventTimestamp": now, "lastEventTimestamp": now + 5, "lastIngestionTime": now + 60_000}
    assert found == {**made, **times}


def test_a_stream_is_made_once(aws: Cloud) -> None:
    stream(aws)
    message = "The specified log stream already exists"
    named = {"logGroupName": "g", "logStreamName": "s"}
    refused(aws, "CreateLogStream", "ResourceAlreadyExistsException", message, **named)


def test_streams_are_ordered_by_name_or_last_event(aws: Cloud, now: int) -> None:
    for offset, name in [(2, "a"), (3, "b"), (1, "c")]:
        stream(aws, name=name)
        put(aws, (now + offset, "m"), name=name)

    def names(**request: Any) -> list[str]:
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            answer = logs(aws, "DescribeLogStreams", logGroupName="g", limit=2, **request, **token)
            found += [one["logStreamName"] for one in answer["logStreams"]]
            if answer["nextToken"] is None:
                return found
            token = {"nextToken": answer["nextToken"]}

    assert names() == ["a", "b", "c"]
    assert names(descending=True) == ["c", "b", "a"]
    assert names(orderBy="LastEventTime") == ["c", "a", "b"]
    assert names(orderBy="LastEventTime", descending=True) == ["b", "a", "c"]
    assert names(logStreamNamePrefix="b") == ["b"]
    message = "Cannot order by LastEventTime with a logStreamNamePrefix."
    request = {"logGroupName": "g", "orderBy": "LastEventTime", "logStreamNamePrefix": "a"}
    refused(aws, "DescribeLogStreams", "InvalidParameterException", message, **request)
    both = "LogGroup name and LogGroup ARN are mutually exclusive parameters."
    pair = {"logGroupName": "g", "logGroupIdentifier": "g"}
    refused(aws, "DescribeLogStreams", "ValidationException", both, **pair)


def test_a_deleted_stream_takes_its_events(aws: Cloud, now: int) -> None:
    stream(aws)
    put(aws, (now, "m"))
    logs(aws, "DeleteLogStream", logGroupName="g", logStreamName="s")
    key = stream_key(ACCOUNT, REGION, "g", "s")
    assert aws.store.read(lambda view: (view.get(LogStream, key), view.log_events([key]))) == (None, [])


def test_groups_that_begin_alike_are_apart(aws: Cloud, now: int) -> None:
    stream(aws, "web", "s")
    stream(aws, "web-2", "s")
    put(aws, (now, "two"), group="web-2")
    assert messages(logs(aws, "FilterLogEvents", logGroupName="web")) == []


# -- putting events ------------------------------------------------------------------------------------------


def test_events_are_kept_with_their_ingestion_time(aws: Cloud, now: int) -> None:
    stream(aws)
    answer = put(aws, (now - 10, "one"), (now, "två \ud800"))
    assert re.fullmatch(r"\d{56}", answer["nextSequenceToken"])
    assert answer["rejectedLogEventsInfo"] is None
    assert logs(aws, "GetLogEvents", logGroupName="g", logStreamName="s")["events"] == [
        {"timestamp": now - 10, "message": "one", "ingestionTime": now},
        {"timestamp": now, "message": "två ?", "ingestionTime": now},
    ]


def test_old_and_new_events_are_rejected_one_by_one(aws: Cloud, now: int) -> None:
    stream(aws)
    old, kept, new = now - 14 * DAY - 1, now - 14 * DAY, now + 2 * HOUR + 1
    answer = put(aws, (old, "old"), (kept, "kept"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    answer = put(aws, (now, "now"), (now + 2 * HOUR, "soon"), (new, "new"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 2}
    logs(aws, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    answer = put(aws, (now - DAY - 1, "expired"), (now - DAY, "fresh"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    found = messages(logs(aws, "GetLogEvents", logGroupName="g", logStreamName="s"))
    assert found == ["fresh", "now", "soon"]  # what has expired is not shown, though it was taken before
    assert put(aws, (old, "old"))["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "expiredLogEventEndIndex": 1,
    }


def test_a_batch_has_an_order_a_span_and_a_size(aws: Cloud, now: int) -> None:
    stream(aws)
    for events, message in [
        (
            [(now, "b"), (now - 1, "a")],
            "Log events in a single PutLogEvents request must be in chronological order.",
        ),
        (
            [(now - DAY - 1, "a"), (now, "b")],
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
        (
            [(now, "é" * 524_288)],
            "Upload too large: 1048602 bytes exceeds limit of 1048576",
        ),
    ]:
        with pytest.raises(AwsError, match=f"^{re.escape(message)}$"):
            put(aws, *events)
    assert put(aws, (now, "x" * (1_048_576 - 26)))["rejectedLogEventsInfo"] is None


# -- getting events ------------------------------------------------------------------------------------------


def get(aws: Cloud, **request: Any) -> dict[str, Any]:
    return logs(aws, "GetLogEvents", logGroupName="g", logStreamName="s", **request)


def test_reading_forward_ends_with_the_same_token(aws: Cloud, now: int) -> None:
    stream(aws)
    put(aws, *((now + n, str(n)) for n in range(5)))
    answer = get(aws, startFromHead=True, limit=3)
    assert messages(answer) == ["0", "1", "2"]
    assert re.fullmatch(r"f/\d{56}/s", answer["nextForwardToken"])
    assert re.fullmatch(r"b/\d{56}/s", answer["nextBackwardToken"])
    answer = get(aws, nextToken=answer["nextForwardToken"], limit=3)
    assert messages(answer) == ["3", "4"]
    end = get(aws, nextToken=answer["nextForwardToken"])
    assert (messages(end), end["nextForwardToken"]) == ([], answer["nextForwardToken"])
    put(aws, (now + 9, "9"))
    assert messages(get(aws, nextToken=end["nextForwardToken"])) == ["9"]
    assert messages(get(aws, nextToken=end["nextBackwardToken"], limit=2)) == ["3", "4"]


def test_reading_backward_ends_with_the_same_token(aws: Cloud, now: int) -> None:
    stream(aws)
    put(aws, *((now, str(n)) for n in range(5)))
    answer = get(aws, limit=2)
    assert messages(answer) == ["3", "4"]
    answer = get(aws, limit=4, nextToken=answer["nextBackwardToken"])
    assert messages(answer) == ["0", "1", "2"]
    start = get(aws, nextToken=answer["nextBackwardToken"])
    assert (messages(start), start["nextBackwardToken"]) == ([], answer["nextBackwardToken"])
    assert messages(get(aws, nextToken=start["nextForwardToken"], limit=2)) == ["0", "1"]


def test_an_empty_stream_has_tokens_too(aws: Cloud, now: int) -> None:
    stream(aws)
    empty = get(aws)
    put(aws, (now, "first"))
    assert messages(get(aws, nextToken=empty["nextForwardToken"])) == ["first"]


def test_the_end_time_is_exclusive_here_and_inclusive_there(aws: Cloud, now: int) -> None:
    stream(aws)
    put(aws, *((now + n, str(n)) for n in range(4)))
    assert messages(get(aws, startTime=now + 1, endTime=now + 3)) == ["1", "2"]
    filtered = logs(aws, "FilterLogEvents", logGroupName="g", startTime=now + 1, endTime=now + 3)
    assert messages(filtered) == ["1", "2", "3"]


@pytest.mark.parametrize("token", ["x", "f/12/s", "f/" + "9" * 56 + "/s"])
def test_a_foreign_token_is_refused(aws: Cloud, token: str) -> None:
    stream(aws)
    bad = "The specified nextToken is invalid."
    named = {"logGroupName": "g", "logStreamName": "s", "nextToken": token}
    refused(aws, "GetLogEvents", "InvalidParameterException", bad, **named)
    refused(aws, "FilterLogEvents", "InvalidParameterException", bad, logGroupName="g", nextToken=token)


def test_a_page_holds_one_megabyte(aws: Cloud, now: int) -> None:
    stream(aws)
    for n in range(3):
        put(aws, (now + n, str(n) * 600_000))
    pages = [get(aws, startFromHead=True)]
    while messages(pages[-1]):
        pages.append(get(aws, nextToken=pages[-1]["nextForwardToken"]))
    assert [[message[0] for message in messages(page)] for page in pages] == [["0"], ["1"], ["2"], []]
    assert [message[0] for message in messages(get(aws))] == ["2"]
    filtered = logs(aws, "FilterLogEvents", logGroupName="g")
    assert len(filtered["events"]) == 1
    following = logs(aws, "FilterLogEvents", logGroupName="g", nextToken=filtered["nextToken"])
    assert [message[0] for message in messages(following)] == ["1"]


# -- filtering events ----------------------------------------------------------------------------------------


def test_filtering_merges_streams_by_time(aws: Cloud, now: int) -> None:
    for name in ("a", "b"):
        stream(aws, name=name)
    put(aws, (now, "ERROR a"), (now + 2, "ok a"), name="a")
    put(aws, (now + 1, "ERROR b"), name="b")

    def found(**request: Any) -> list[str]:
        return messages(logs(aws, "FilterLogEvents", logGroupName="g", **request))

    assert found() == ["ERROR a", "ERROR b", "ok a"]
    assert found(filterPattern="ERROR") == ["ERROR a", "ERROR b"]
    assert found(filterPattern="ERROR", startFromHead=False) == ["ERROR b", "ERROR a"]
    assert found(logStreamNames=["a"]) == ["ERROR a", "ok a"]
    assert found(logStreamNamePrefix="b", interleaved=True) == ["ERROR b"]
    answer = logs(aws, "FilterLogEvents", logGroupName="g", limit=1)
    (event,) = answer["events"]
    assert re.fullmatch(r"\d{56}", event.pop("eventId"))
    known = {"logStreamName": "a", "timestamp": now, "message": "ERROR a", "ingestionTime": now}
    assert event == known
    assert answer["searchedLogStreams"] == []
    assert found(nextToken=answer["nextToken"]) == ["ERROR b", "ok a"]


def test_a_search_without_result_goes_on(aws: Cloud, now: int) -> None:
    stream(aws)
    for _ in range(6):
        put(aws, *((now, "-") for _ in range(10_000)))
    put(aws, (now + 1, "needle"))
    first = logs(aws, "FilterLogEvents", logGroupName="g", filterPattern="%needle%")
    assert first["events"] == []
    second = logs(
        aws, "FilterLogEvents", logGroupName="g", filterPattern="%needle%", nextToken=first["nextToken"]
    )
    assert (messages(second), second["nextToken"]) == (["needle"], None)


def test_a_search_for_a_word_skips_what_cannot_hold_it(aws: Cloud, now: int) -> None:
    stream(aws)
    for _ in range(6):
        put(aws, *((now, "-") for _ in range(10_000)))
    put(aws, (now + 1, 'a "needle"'), (now + 2, "haystack"), (now + 3, "needles -x"))
    found = logs(aws, "FilterLogEvents", logGroupName="g", filterPattern='needle "needle" -haystack')
    assert (messages(found), found["nextToken"]) == (['a "needle"', "needles -x"], None)


def test_an_invalid_pattern_is_refused(aws: Cloud) -> None:
    stream(aws)
    message = "Invalid character(s) in term '/health'"
    request = {"logGroupName": "g", "filterPattern": "GET /health"}
    refused(aws, "FilterLogEvents", "InvalidParameterException", message, **request)


# -- tags, policies, retention -------------------------------------------------------------------------------


def test_tags_are_the_same_by_name_and_by_arn(aws: Cloud) -> None:
    logs(aws, "CreateLogGroup", logGroupName="g", tags={"env": "dev"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
    logs(aws, "TagResource", resourceArn=arn, tags={"a": "1"})
    logs(aws, "TagLogGroup", logGroupName="g", tags={"b": "2"})
    tags = {"env": "dev", "a": "1", "b": "2"}
    assert logs(aws, "ListTagsForResource", resourceArn=arn + ":*") == {"tags": tags}
    logs(aws, "UntagLogGroup", logGroupName="g", tags=["a"])
    logs(aws, "UntagResource", resourceArn=arn, tagKeys=["b"])
    assert logs(aws, "ListTagsLogGroup", logGroupName="g") == {"tags": {"env": "dev"}}
    with pytest.raises(AwsError, match="no more than 50 tags") as caught:
        logs(aws, "TagResource", resourceArn=arn, tags={str(n): "" for n in range(50)})
    assert (caught.value.code, caught.value.members) == ("TooManyTagsException", {"resourceName": arn})


def test_resource_policies_are_recorded(aws: Cloud, now: int) -> None:
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}'
    answer = logs(aws, "PutResourcePolicy", policyName="p", policyDocument=document)
    policy = {
        "policyName": "p",
        "policyDocument": document,
        "lastUpdatedTime": now,
        "policyScope": "ACCOUNT",
    }
    assert answer == {"resourcePolicy": policy}
    assert logs(aws, "DescribeResourcePolicies")["resourcePolicies"] == [policy]
    logs(aws, "DeleteResourcePolicy", policyName="p")
    message = "Policy with name [p] does not exist."
    refused(aws, "DeleteResourcePolicy", "ResourceNotFoundException", message, policyName="p")
    for n in range(10):
        logs(aws, "PutResourcePolicy", policyName=str(n), policyDocument=document)
    more = {"policyName": "more", "policyDocument": document}
    refused(aws, "PutResourcePolicy", "LimitExceededException", "Resource limit exceeded.", **more)
    logs(aws, "PutResourcePolicy", policyName="9", policyDocument=document)


def test_retention_is_applied(aws: Cloud, now: int) -> None:
    for group in ("g", "forever"):
        stream(aws, group)
        put(aws, (now - 2 * HOUR, "old"), (now, "new"), group=group)
    logs(aws, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    assert aws.write(lambda tx: expire(tx, aws.clock.now())) == 0
    aws.clock.advance(23 * 3600)
    assert aws.write(lambda tx: expire(tx, aws.clock.now())) == 1
    assert messages(get(aws)) == ["new"]
    assert len(logs(aws, "FilterLogEvents", logGroupName="forever")["events"]) == 2


def test_a_groups_bytes_are_counted_as_put_log_events_counts_them(aws: Cloud, now: int) -> None:
    stream(aws)
    stream(aws, name="t")
    put(aws, (now, "four"), (now, "ü"))
    put(aws, (now, "four"), name="t")
    (group,) = logs(aws, "DescribeLogGroups")["logGroups"]
    assert group["storedBytes"] == 4 + 2 + 4 + 3 * 26
    assert [
        one["storedBytes"] for one in logs(aws, "DescribeLogStreams", logGroupName="g")["logStreams"]
    ] == [0, 0]


def test_what_has_expired_is_gone_for_readers_at_once(aws: Cloud, now: int) -> None:
    stream(aws)
    put(aws, (now - DAY, "old"), (now, "new"))
    logs(aws, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    aws.clock.advance(1)
    assert messages(logs(aws, "GetLogEvents", logGroupName="g", logStreamName="s", startTime=0)) == ["new"]
    assert messages(logs(aws, "FilterLogEvents", logGroupName="g")) == ["new"]
    aws.write(lambda tx: expire(tx, aws.clock.now()))
    (described,) = logs(aws, "DescribeLogStreams", logGroupName="g")["logStreams"]
    assert (described["firstEventTimestamp"], described["lastEventTimestamp"]) == (now, now)
