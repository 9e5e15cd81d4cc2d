"""Log streams. When a stream's events happened, the store knows."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.logs import LogStream
from neargate.model.operations import Context, operation
from neargate.model.paging import encoded
from neargate.model.records import Json
from neargate.services.logs.lookup import (
    bad_token,
    decoded,
    invalid,
    named_group,
    page,
    the_group,
    the_stream,
)

_BY_NAME, _BY_TIME = "LogStreamName", "LastEventTime"


@operation("logs", "CreateLogStream")
def create_log_stream(cx: Context, request: Json) -> Json:
    group = the_group(cx, request["logGroupName"])
    stream = LogStream(
        account=cx.account,
        region=cx.region,
        group=group.name,
        name=request["logStreamName"],
        created=int(cx.now * 1000),
    )
    if cx.tx.get(LogStream, stream.key) is not None:
        raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")
    cx.tx.put(stream)
    return {}


@operation("logs", "DeleteLogStream")
def delete_log_stream(cx: Context, request: Json) -> Json:
    stream = the_stream(cx, the_group(cx, request["logGroupName"]), request["logStreamName"])
    cx.tx.drop_log_events(stream.key)
    cx.tx.delete(LogStream, stream.key)
    return {}


@operation("logs", "DescribeLogStreams", reads=True)
def describe_log_streams(cx: Context, request: Json) -> Json:
    group = named_group(cx, request)
    prefix, order = request.get("logStreamNamePrefix", ""), request.get("orderBy", _BY_NAME)
    if prefix and order == _BY_TIME:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    streams = cx.tx.scan(LogStream, group.stream_key(prefix))
    limit, token = request.get("limit", 50), request.get("nextToken")
    descending = request.get("descending", False)
    if order == _BY_TIME:
        described = sorted((_described(cx, stream) for stream in streams), key=_last_event)
        if descending:
            described.reverse()
        shown, following = _page_by_position(described, token, limit)
        return {"logStreams": shown, "nextToken": following}
    if descending:
        shown_streams, following = _page_descending(streams, token, limit)
    else:
        shown_streams, following = page(streams, lambda stream: stream.name, token, limit)
    return {"logStreams": [_described(cx, stream) for stream in shown_streams], "nextToken": following}


def _described(cx: Context, stream: LogStream) -> Json:
    described: Json = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "arn": stream.arn,
        "storedBytes": 0,
    }
    span = cx.tx.log_span(stream.key)
    if span is not None and span.first is not None:
        described["firstEventTimestamp"] = span.first
        described["lastEventTimestamp"] = span.last
        described["lastIngestionTime"] = span.ingested
    return described


def _last_event(described: Json) -> tuple[int, str]:
    return described.get("lastEventTimestamp", 0), described["logStreamName"]


def _page_descending(
    streams: list[LogStream], token: str | None, limit: int
) -> tuple[list[LogStream], str | None]:
    before = None if token is None else decoded(token)
    rest = [stream for stream in reversed(streams) if before is None or stream.name < before]
    return rest[:limit], encoded(rest[limit - 1].name) if len(rest) > limit else None


def _page_by_position(described: list[Json], token: str | None, limit: int) -> tuple[list[Json], str | None]:
    """By last event the order changes while one pages; a position is what AWS's token means there too."""
    start = 0
    if token is not None:
        position = decoded(token)
        if not position.isdecimal():
            raise bad_token()
        start = int(position)
    end = start + limit
    return described[start:end], encoded(str(end)) if len(described) > end else None
