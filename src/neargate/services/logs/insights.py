"""Logs Insights: queries over the events of log groups.

A query is recorded with the events that there were when it was started. Its result is computed from them whenever it
is asked for, so it is the same after a restart, and nothing runs in between.
"""

from __future__ import annotations

from collections.abc import Iterator

from neargate.model.errors import AwsError, not_implemented
from neargate.model.logs import InsightsQuery, LogGroup, LogStream
from neargate.model.operations import Context, operation
from neargate.model.paging import encoded
from neargate.model.records import Json, LogEvent
from neargate.planners.insights import (
    Event,
    MalformedQuery,
    Query,
    UnknownCommand,
    compile_query,
    discovered,
)
from neargate.services.logs.lookup import (
    bad_token,
    decoded,
    group_of_arn,
    invalid,
    named_group,
    page,
)

_COMPLETE = "Complete"
_MOST_GROUPS = 50
_AROUND = 8 * 60_000  # milliseconds about a moment that GetLogGroupFields looks at
_RECENT = 15 * 60_000
_LOOKED_AT = 10_000  # events of which GetLogGroupFields takes the fields


@operation("logs", "StartQuery")
def start_query(cx: Context, request: Json) -> Json:
    if request.get("queryLanguage", "CWLI") != "CWLI":
        raise not_implemented(f"logs:StartQuery in {request['queryLanguage']}", "logs")
    groups = _groups(cx, request)
    if request["startTime"] > request["endTime"]:
        raise invalid("End time should not be less than start time.")
    _compiled(request["queryString"])
    query = InsightsQuery(
        account=cx.account,
        region=cx.region,
        id=cx.ids.uuid(),
        query=request["queryString"],
        groups=tuple(group.name for group in groups),
        start=_milliseconds(request["startTime"]),
        end=_milliseconds(request["endTime"], 999),
        created=int(cx.now * 1000),
        seq=cx.tx.last_log_seq(),
        limit=request.get("limit"),
    )
    cx.tx.put(query)
    return {"queryId": query.id}


@operation("logs", "GetQueryResults", heavy=True)
def get_query_results(cx: Context, request: Json) -> Json:
    query = _the_query(cx, request["queryId"])
    scan = _Scan(cx, query)
    lines = [
        [{"field": field.name, "value": field.text} for field in line]
        for line in _compiled(query.query).run(scan.events(), query.limit, scan.matches)
    ]
    begin, token = 0, request.get("nextToken")
    if token is not None:
        position = decoded(token)
        if not position.isdecimal():
            raise bad_token()
        begin = int(position)
    end = begin + (request.get("maxItems") or len(lines))
    return {
        "queryLanguage": "CWLI",
        "results": lines[begin:end],
        "status": _COMPLETE,
        "statistics": {
            "recordsMatched": float(scan.matched),
            "recordsScanned": float(scan.scanned),
            "bytesScanned": float(scan.bytes),
            "estimatedRecordsSkipped": 0.0,
            "estimatedBytesSkipped": 0.0,
            "logGroupsScanned": float(len(query.groups)),
        },
        "nextToken": encoded(str(end)) if end < len(lines) else None,
    }


@operation("logs", "StopQuery")
def stop_query(cx: Context, request: Json) -> Json:
    _the_query(cx, request["queryId"])
    raise invalid("Query already ended with Complete status")


@operation("logs", "DescribeQueries", reads=True)
def describe_queries(cx: Context, request: Json) -> Json:
    group, status = request.get("logGroupName"), request.get("status", _COMPLETE)
    found = sorted(
        (
            one
            for one in cx.tx.scan(InsightsQuery, cx.caller.scope(""))
            if group in (None, *one.groups) and status == _COMPLETE
        ),
        key=_position,
    )
    shown, token = page(found, _position, request.get("nextToken"), request.get("maxResults", 1000))
    return {"queries": [_described(one) for one in shown], "nextToken": token}


def _position(query: InsightsQuery) -> str:
    """The latest first."""
    return f"{10**15 - query.created}\n{query.id}"


def _described(query: InsightsQuery) -> Json:
    source = ", ".join(f'"{name}"' for name in query.groups)
    return {
        "queryLanguage": "CWLI",
        "queryId": query.id,
        "queryString": f"SOURCE {source} START={query.start} END={query.end} | {query.query}",
        "status": _COMPLETE,
        "createTime": query.created,
        "logGroupName": query.groups[0],
    }


@operation("logs", "GetLogRecord", heavy=True)
def get_log_record(cx: Context, request: Json) -> Json:
    """All fields of the event that a result's `@ptr` points to."""
    try:
        timestamp, seq, group, stream = decoded(request["logRecordPointer"]).split("\n")
        at, number = int(timestamp), int(seq)
    except (AwsError, ValueError):
        raise invalid("Invalid log record pointer.") from None
    key = cx.caller.scope(f"{group}\n{stream}")
    for event in cx.tx.log_events([key], start=at, after=(at, number - 1), limit=1):
        if event.seq == number:
            record = {
                "@timestamp": str(event.timestamp),
                "@ingestionTime": str(event.ingested),
                "@message": event.message,
                "@logStream": stream,
                "@log": f"{cx.account}:{group}",
                "@ptr": request["logRecordPointer"],
            }
            return {
                "logRecord": {**{name: str(value) for name, value in discovered(event.message)}, **record}
            }
    raise AwsError("ResourceNotFoundException", "Log record does not exist.")


@operation("logs", "GetLogGroupFields", heavy=True)
def get_log_group_fields(cx: Context, request: Json) -> Json:
    """In how many of the group's events of a quarter of an hour a field is, in percent."""
    group = named_group(cx, request)
    middle, now = request.get("time"), int(cx.now * 1000)
    start, end = now - _RECENT, None
    if middle is not None:
        start, end = _milliseconds(middle) - _AROUND, _milliseconds(middle) + _AROUND
    streams = [stream.key for stream in cx.tx.scan(LogStream, group.stream_key(""))]
    events = cx.tx.log_events(streams, start=start, end=end, limit=_LOOKED_AT, newest_first=True)
    counts: dict[str, int] = {}
    for event in events:
        for name in (
            "@timestamp",
            "@message",
            "@logStream",
            "@log",
            "@ingestionTime",
            *dict(discovered(event.message)),
        ):
            counts[name] = counts.get(name, 0) + 1
    shares = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "logGroupFields": [{"name": name, "percent": count * 100 // len(events)} for name, count in shares]
    }


# ----------------------------------------------------------------------------------------------------------------


class _Scan:
    """The events of a query, counted as they are read."""

    def __init__(self, cx: Context, query: InsightsQuery) -> None:
        self._cx = cx
        self._query = query
        self.scanned = self.matched = self.bytes = 0

    def events(self) -> Iterator[Event]:
        """The newest first."""
        cx, query = self._cx, self._query
        groups = [group for name in query.groups if (group := cx.tx.get(LogGroup, cx.caller.scope(name)))]
        streams = {
            stream.key: stream for group in groups for stream in cx.tx.scan(LogStream, group.stream_key(""))
        }
        kept = [
            before for group in groups if (before := group.expires_before(int(cx.now * 1000))) is not None
        ]
        start = max([query.start, *kept]) if len(groups) == 1 else query.start
        for event in cx.tx.scan_log_events(list(streams), start=start, end=query.end + 1, newest_first=True):
            if event.seq <= query.seq:
                self.scanned += 1
                self.bytes += len(event.message)
                yield _seen(event, streams[event.stream])

    def matches(self) -> None:
        self.matched += 1


def _seen(event: LogEvent, stream: LogStream) -> Event:
    pointer = encoded(f"{event.timestamp}\n{event.seq}\n{stream.group}\n{stream.name}")
    log = f"{stream.account}:{stream.group}"
    return Event(event.timestamp, event.ingested, event.message, stream.name, log, pointer)


def _groups(cx: Context, request: Json) -> list[LogGroup]:
    """Those that exactly one of three members names. Raises ResourceNotFoundException in this operation's words."""
    given = [
        member for member in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if request.get(member)
    ]
    if len(given) != 1:
        raise invalid(
            "Exactly one of the parameters logGroupName, logGroupNames, or logGroupIdentifiers must be specified."
        )
    named = request[given[0]]
    names = [named] if isinstance(named, str) else named
    if len(names) > _MOST_GROUPS:
        raise invalid(f"A query can have no more than {_MOST_GROUPS} log groups.")
    return [_group(cx, name) for name in names]


def _group(cx: Context, name: str) -> LogGroup:
    if name.startswith("arn:"):
        return group_of_arn(cx, name)
    group = cx.tx.get(LogGroup, cx.caller.scope(name))
    if group is None:
        raise AwsError(
            "ResourceNotFoundException",
            f"Log group '{name}' does not exist for account ID '{cx.account}' (Service: AWSLogs; Status Code: 400; "
            f"Error Code: ResourceNotFoundException; Request ID: {cx.request_id}; Proxy: null)",
        )
    return group


def _compiled(text: str) -> Query:
    """Raises MalformedQueryException with the place of what is wrong; NotImplemented for a command that is missing."""
    try:
        return compile_query(text)
    except UnknownCommand as missing:
        raise not_implemented(f"Logs Insights' command {missing.name}", "logs") from None
    except MalformedQuery as error:
        location = {"startCharOffset": error.start, "endCharOffset": error.end}
        raise AwsError(
            "MalformedQueryException",
            str(error),
            queryCompileError={"location": location, "message": str(error)},
        ) from None


def _milliseconds(moment: int, rest: int = 0) -> int:
    """Seconds, as documented; what is too large for that is milliseconds already, as the service takes it."""
    return moment * 1000 + rest if moment < 10**11 else moment


def _the_query(cx: Context, identity: str) -> InsightsQuery:
    query = cx.tx.get(InsightsQuery, cx.caller.scope(identity))
    if query is None:
        raise AwsError("ResourceNotFoundException", f"Query with id '{identity}' does not exist.")
    return query
