"""The API around Logs Insights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.services.logs import expire
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

HOUR = 3_600_000


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        for group in ("g", "h"):
            made.call("logs", "CreateLogGroup", logGroupName=group)
            made.call("logs", "CreateLogStream", logGroupName=group, logStreamName="s")
        yield made


def put(aws: Cloud, *texts: str, group: str = "g", ago: int = 0) -> None:
    at = int(aws.clock.now() * 1000) - ago
    events = [{"timestamp": at + n, "message": text} for n, text in enumerate(texts)]
    aws.call("logs", "PutLogEvents", logGroupName=group, logStreamName="s", logEvents=events)


def start(aws: Cloud, query: str, **request: Any) -> str:
    now = int(aws.clock.now())
    request = {"startTime": now - 60, "endTime": now + 60, "queryString": query, **request}
    if not any(name.startswith("logGroup") for name in request):
        request["logGroupName"] = "g"
    return str(aws.call("logs", "StartQuery", **request)["queryId"])


def results(aws: Cloud, identity: str) -> dict[str, Any]:
    return aws.call("logs", "GetQueryResults", queryId=identity)


def lines(answer: dict[str, Any]) -> list[dict[str, str]]:
    return [{cell["field"]: cell["value"] for cell in line} for line in answer["results"]]


def refused(aws: Cloud, code: str, message: str, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError, match=f"^{re.escape(message)}$") as caught:
        aws.call("logs", operation, **request)
    assert caught.value.code == code
    return caught.value


def test_a_query_sees_what_there_was_when_it_started(aws: Cloud) -> None:
    put(aws, "one", "two")
    put(aws, "elsewhere", group="h")
    identity = start(aws, "fields @message, @log | filter @message like 'o'")
    put(aws, "o, later")
    answer = results(aws, identity)
    (two, one) = lines(answer)
    assert (one["@message"], one["@log"], two["@message"]) == ("one", f"{ACCOUNT}:g", "two")
    assert (answer["status"], answer["queryLanguage"]) == ("Complete", "CWLI")
    assert answer["statistics"] == {
        "recordsMatched": 2.0,
        "recordsScanned": 2.0,
        "bytesScanned": 6.0,
        "estimatedRecordsSkipped": 0.0,
        "estimatedBytesSkipped": 0.0,
        "logGroupsScanned": 1.0,
    }


def test_the_time_is_in_seconds_and_its_end_belongs_to_it(aws: Cloud) -> None:
    put(aws, "old", ago=HOUR)
    put(aws, "new")
    now = int(aws.clock.now())
    assert [line["@message"] for line in lines(results(aws, start(aws, "fields @message")))] == ["new"]
    identity = start(aws, "fields @message", startTime=now - 3600, endTime=now - 3600)
    assert [line["@message"] for line in lines(results(aws, identity))] == ["old"]


def test_several_groups_and_pages_of_a_result(aws: Cloud) -> None:
    put(aws, "1", "2")
    put(aws, "3", group="h", ago=1000)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:h"
    for request in ({"logGroupNames": ["g", "h"]}, {"logGroupIdentifiers": ["g", arn]}):
        identity = start(aws, "display @message", **request)
        first = aws.call("logs", "GetQueryResults", queryId=identity, maxItems=2)
        rest = aws.call("logs", "GetQueryResults", queryId=identity, nextToken=first["nextToken"])
        assert [line["@message"] for line in lines(first) + lines(rest)] == ["2", "1", "3"]
    assert len(lines(results(aws, start(aws, "display @message", limit=1)))) == 1


def test_a_record_is_found_by_its_pointer(aws: Cloud) -> None:
    put(aws, '{"a": {"b": 5}}', "other")
    line = lines(results(aws, start(aws, "filter a.b = 5")))[0]
    now = int(aws.clock.now() * 1000)
    assert aws.call("logs", "GetLogRecord", logRecordPointer=line["@ptr"])["logRecord"] == {
        "@timestamp": str(now),
        "@ingestionTime": str(now),
        "@message": '{"a": {"b": 5}}',
        "@logStream": "s",
        "@log": f"{ACCOUNT}:g",
        "@ptr": line["@ptr"],
        "a.b": "5",
    }
    aws.call("logs", "DeleteLogStream", logGroupName="g", logStreamName="s")
    missing = "Log record does not exist."
    refused(aws, "ResourceNotFoundException", missing, "GetLogRecord", logRecordPointer=line["@ptr"])
    refused(
        aws, "InvalidParameterException", "Invalid log record pointer.", "GetLogRecord", logRecordPointer="x"
    )


def test_the_fields_of_a_group(aws: Cloud) -> None:
    put(aws, '{"a": 1, "b": 2}', '{"a": 1}', "text", "text")
    fields = {
        one["name"]: one["percent"]
        for one in aws.call("logs", "GetLogGroupFields", logGroupName="g")["logGroupFields"]
    }
    assert (fields["@message"], fields["a"], fields["b"]) == (100, 50, 25)
    past = int(aws.clock.now()) - 3600
    assert aws.call("logs", "GetLogGroupFields", logGroupName="g", time=past)["logGroupFields"] == []


def test_queries_are_described_and_forgotten(aws: Cloud) -> None:
    identity = start(aws, "fields @message", startTime=100, endTime=200)
    aws.clock.advance(1)
    start(aws, "fields @log", logGroupName="h")
    (shown,) = aws.call("logs", "DescribeQueries", logGroupName="g")["queries"]
    assert shown == {
        "queryLanguage": "CWLI",
        "queryId": identity,
        "queryString": 'SOURCE "g" START=100000 END=200999 | fields @message',
        "status": "Complete",
        "createTime": int(aws.clock.now() * 1000) - 1000,
        "logGroupName": "g",
    }
    assert [one["logGroupName"] for one in aws.call("logs", "DescribeQueries")["queries"]] == ["h", "g"]
    assert aws.call("logs", "DescribeQueries", status="Scheduled")["queries"] == []
    aws.clock.advance(8 * 24 * 3600)
    aws.write(lambda tx: expire(tx, aws.clock.now()))
    assert aws.call("logs", "DescribeQueries")["queries"] == []


def test_what_is_refused(aws: Cloud) -> None:
    request = {"startTime": 0, "endTime": 1, "queryString": "fields @message"}
    refused(
        aws,
        "InvalidParameterException",
        "Exactly one of the parameters logGroupName, logGroupNames, or logGroupIdentifiers must be specified.",
        "StartQuery",
        **request,
    )
    with pytest.raises(AwsError, match=f"^Log group 'no' does not exist for account ID '{ACCOUNT}' "):
        aws.call("logs", "StartQuery", **request, logGroupName="no")
    error = refused(
        aws,
        "MalformedQueryException",
        "unexpected symbol found bad at line 1 and position 10",
        "StartQuery",
        **{**request, "queryString": "limit 1 |bad"},
        logGroupName="g",
    )
    assert error.members["queryCompileError"]["location"] == {"startCharOffset": 9, "endCharOffset": 12}
    missing = {**request, "queryString": "pattern @message", "logGroupName": "g"}
    with pytest.raises(AwsError, match="Logs Insights' command pattern"):
        aws.call("logs", "StartQuery", **missing)
    with pytest.raises(AwsError, match="StartQuery in SQL"):
        aws.call("logs", "StartQuery", **request, logGroupName="g", queryLanguage="SQL")
    refused(
        aws, "ResourceNotFoundException", "Query with id 'x' does not exist.", "GetQueryResults", queryId="x"
    )
    refused(
        aws,
        "InvalidParameterException",
        "Query already ended with Complete status",
        "StopQuery",
        queryId=start(aws, "fields @message"),
    )
