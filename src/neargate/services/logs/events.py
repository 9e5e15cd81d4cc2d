"""Taking log events in."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from neargate.model.logs import DAY, LogGroup, LogStream
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.logs.filters import publish
from neargate.services.logs.lookup import invalid, the_group, the_stream

MAX_BATCH = 1_048_576
OVERHEAD = 26  # bytes that every event counts besides its message
Event = tuple[int, str]
"""Timestamp in epoch milliseconds, message."""

_FUTURE = 2 * 3_600_000
_PAST = 14 * DAY


@operation("logs", "PutLogEvents")
def put_log_events(cx: Context, request: Json) -> Json:
    """Events that are too old or too new are left out and reported; the others are kept."""
    group = the_group(cx, request["logGroupName"])
    stream = the_stream(cx, group, request["logStreamName"])
    events = [(event["timestamp"], _text(event["message"])) for event in request["logEvents"]]
    _check_batch(events)
    rejected = ingest(cx, group, stream, events)
    return {"nextSequenceToken": cx.ids.digits(56), "rejectedLogEventsInfo": rejected or None}


def ingest(cx: Context, group: LogGroup, stream: LogStream, events: Sequence[Event]) -> Json:
    """Keep events that are in chronological order; gives `rejectedLogEventsInfo`, empty where all were taken.

    Drivers call it with what their containers wrote.
    """
    now = int(cx.now * 1000)
    rejected = _rejected(group, events, now)
    first = max(rejected.get("tooOldLogEventEndIndex", 0), rejected.get("expiredLogEventEndIndex", 0))
    accepted = events[first : rejected.get("tooNewLogEventStartIndex", len(events))]
    if accepted:
        cx.tx.add_log_events(stream.key, [(timestamp, now, message) for timestamp, message in accepted])
        publish(cx, group, accepted)
    return rejected


def _text(message: str) -> str:
    """What UTF-8 can say of it: half a surrogate pair, which JSON may carry, becomes `?`."""
    return message.encode(errors="replace").decode()


def _check_batch(events: Sequence[Event]) -> None:
    size = sum(len(message.encode()) + OVERHEAD for _, message in events)
    if size > MAX_BATCH:
        raise invalid(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH}")
    if any(later < earlier for (earlier, _), (later, _) in itertools.pairwise(events)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if events and events[-1][0] - events[0][0] > DAY:
        raise invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


def _rejected(group: LogGroup, events: Sequence[Event], now: int) -> Json:
    """`rejectedLogEventsInfo`: the ends of the old events are exclusive, the start of the new ones inclusive."""
    rejected: Json = {}
    expired = group.expires_before(now)
    too_old = bisect_left(events, now - _PAST, key=_timestamp)
    too_new = len(events) - bisect_right(events, now + _FUTURE, key=_timestamp)
    gone = 0 if expired is None else bisect_left(events, expired, key=_timestamp)
    if too_new:
        rejected["tooNewLogEventStartIndex"] = len(events) - too_new
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if gone:
        rejected["expiredLogEventEndIndex"] = gone
    return rejected


def _timestamp(event: Event) -> int:
    return event[0]
