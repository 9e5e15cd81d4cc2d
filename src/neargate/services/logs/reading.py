"""Giving log events back: GetLogEvents for one stream, FilterLogEvents for a group.

Tokens name a position between events: the (timestamp, seq) of an event, in 56 digits, which is also the event's
id in FilterLogEvents.
"""

from __future__ import annotations

import re

from neargate.model.logs import LogGroup, LogStream
from neargate.model.operations import Context, operation
from neargate.model.paging import encoded
from neargate.model.records import Json, LogEvent
from neargate.planners.filter_pattern import InvalidPattern, Pattern, compile_pattern
from neargate.services.logs.events import OVERHEAD
from neargate.services.logs.lookup import bad_token, decoded, invalid, named_group, the_stream

MAX_EVENTS = 10_000
MAX_PAGE = 1_048_576
_LONGEST_CHARACTER = 4  # bytes
_QUICK = 500  # events that are read between two other requests
_SCAN = 50_000  # events that one FilterLogEvents call looks at

Position = tuple[int, int]


@operation("logs", "GetLogEvents", heavy=lambda request: request.get("limit", MAX_EVENTS) > _QUICK)
def get_log_events(cx: Context, request: Json) -> Json:
    """At either end the token that was given comes back: `aws logs` and the SDKs stop at that."""
    group = named_group(cx, request)
    stream = the_stream(cx, group, request["logStreamName"])
    forward, after = request.get("startFromHead", False), None
    if token := request.get("nextToken"):
        forward, after = _read_token(token)
    events = cx.tx.log_events(
        [stream.key],
        start=_start(cx, group, request),
        end=request.get("endTime"),
        after=after,
        limit=request.get("limit", MAX_EVENTS),
        newest_first=not forward,
    )
    events = _fitting(events)
    if not forward:
        events.reverse()
    newest, oldest = _ends(events, forward, after)
    return {
        "events": [
            {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested}
            for event in events
        ],
        "nextForwardToken": f"f/{_digits(newest)}/s",
        "nextBackwardToken": f"b/{_digits(oldest)}/s",
    }


@operation("logs", "FilterLogEvents", heavy=True)
def filter_log_events(cx: Context, request: Json) -> Json:
    """A page may be empty and still have a `nextToken`: one call looks at a limited number of events."""
    group = named_group(cx, request)
    pattern = _pattern(request.get("filterPattern", ""))
    streams = _streams(cx, group, request)
    newest_first = request.get("startFromHead") is False
    after = _position(decoded(request["nextToken"])) if "nextToken" in request else None
    end = request.get("endTime")
    events, following = _search(
        cx,
        list(streams),
        pattern,
        start=_start(cx, group, request),
        end=None if end is None else end + 1,  # here, unlike in GetLogEvents, the end is inclusive
        after=after,
        limit=request.get("limit", MAX_EVENTS),
        newest_first=newest_first,
    )
    return {
        "events": [
            {
                "logStreamName": streams[event.stream],
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": event.ingested,
                "eventId": _digits((event.timestamp, event.seq)),
            }
            for event in events
        ],
        "searchedLogStreams": [],
        "nextToken": None if following is None else encoded(_digits(following)),
    }


# -- FilterLogEvents -----------------------------------------------------------------------------------------


def _start(cx: Context, group: LogGroup, request: Json) -> int | None:
    """What has expired is not there any more, though housekeeping may not have been there yet."""
    asked, kept = request.get("startTime"), group.expires_before(int(cx.now * 1000))
    return asked if kept is None else max(kept, asked or 0)


def _pattern(text: str) -> Pattern:
    try:
        return compile_pattern(text)
    except InvalidPattern as error:
        raise invalid(str(error)) from None


def _streams(cx: Context, group: LogGroup, request: Json) -> dict[str, str]:
    """Key to name of the streams to search."""
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names and prefix:
        raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    if names:
        return {stream.key: stream.name for stream in (the_stream(cx, group, name) for name in names)}
    return {stream.key: stream.name for stream in cx.tx.scan(LogStream, group.stream_key(prefix or ""))}


def _search(
    cx: Context,
    streams: list[str],
    pattern: Pattern,
    *,
    start: int | None,
    end: int | None,
    after: Position | None,
    limit: int,
    newest_first: bool,
) -> tuple[list[LogEvent], Position | None]:
    """Matching events of one page, and the position to go on from where there may be more."""
    found: list[LogEvent] = []
    room = MAX_PAGE
    events = cx.tx.scan_log_events(
        streams, start=start, end=end, after=after, newest_first=newest_first, holding=pattern.holding
    )
    for looked, event in enumerate(events):
        if looked == _SCAN:
            return found, after
        if pattern.matches(event.message):
            size = _size(event)
            if len(found) == limit or (found and size > room):
                return found, after
            found.append(event)
            room -= size
        after = (event.timestamp, event.seq)
    return found, None


# -- positions -----------------------------------------------------------------------------------------------

_DIGITS = re.compile(r"(\d{20})(\d{36})\Z", re.ASCII)
_TOKEN = re.compile(r"([fb])/(\d{56})(?:/s)?\Z", re.ASCII)


def _digits(position: Position) -> str:
    return f"{position[0]:020d}{position[1]:036d}"


def _position(digits: str) -> Position:
    found = _DIGITS.match(digits)
    if found is None or int(found[1]) >= 1 << 63 or int(found[2]) >= 1 << 63:
        raise bad_token()
    return int(found[1]), int(found[2])


def _read_token(token: str) -> tuple[bool, Position]:
    """Whether it reads forward, and from where."""
    found = _TOKEN.match(token)
    if found is None:
        raise bad_token()
    return found[1] == "f", _position(found[2])


def _ends(events: list[LogEvent], forward: bool, after: Position | None) -> tuple[Position, Position]:
    """(newest, oldest) to go on from. Of an empty page they are such that turning round misses nothing."""
    if events:
        return (events[-1].timestamp, events[-1].seq), (events[0].timestamp, events[0].seq)
    if after is None:
        return (0, 0), (0, 0)
    timestamp, seq = after
    return (after, (timestamp, seq + 1)) if forward else ((timestamp, max(0, seq - 1)), after)


def _fitting(events: list[LogEvent]) -> list[LogEvent]:
    """As many of the first events as a page of 1 MB holds, one at least."""
    room = MAX_PAGE
    if sum(len(event.message) for event in events) * _LONGEST_CHARACTER + OVERHEAD * len(events) <= room:
        return events
    for count, event in enumerate(events):
        room -= _size(event)
        if room < 0 and count:
            return events[:count]
    return events


def _size(event: LogEvent) -> int:
    message = event.message
    return (len(message) if message.isascii() else len(message.encode())) + OVERHEAD
