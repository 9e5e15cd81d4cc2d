"""Taking log events in."""

from __future__ import annotations

import itertools

from neargate.model.logs import DAY, LogGroup
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.logs.lookup import invalid, the_group, the_stream

MAX_BATCH = 1_048_576
OVERHEAD = 26  # bytes that every event counts besides its message
_FUTURE = 2 * 3_600_000
_PAST = 14 * DAY


@operation("logs", "PutLogEvents")
def put_log_events(cx: Context, request: Json) -> Json:
    """Events that are too old or too new are left out and reported; the others are kept."""
    group = the_group(cx, request["logGroupName"])
    stream = the_stream(cx, group, request["logStreamName"])
    events = [{**event, "message": _text(event["message"])} for event in request["logEvents"]]
    timestamps = [event["timestamp"] for event in events]
    _check_batch(events, timestamps)
    now = int(cx.now * 1000)
    rejected = _rejected(group, timestamps, now)
    first = max(rejected.get("tooOldLogEventEndIndex", 0), rejected.get("expiredLogEventEndIndex", 0))
    accepted = events[first : rejected.get("tooNewLogEventStartIndex", len(events))]
    if accepted:
        cx.tx.add_log_events(stream.key, [(event["timestamp"], now, event["message"]) for event in accepted])
    return {"nextSequenceToken": cx.ids.digits(56), "rejectedLogEventsInfo": rejected or None}


def _text(message: str) -> str:
    """What UTF-8 can say of it: half a surrogate pair, which JSON may carry, becomes `?`."""
    return message.encode(errors="replace").decode()


def _check_batch(events: list[Json], timestamps: list[int]) -> None:
    size = sum(len(event["message"].encode()) + OVERHEAD for event in events)
    if size > MAX_BATCH:
        raise invalid(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH}")
    if any(later < earlier for earlier, later in itertools.pairwise(timestamps)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if timestamps and timestamps[-1] - timestamps[0] > DAY:
        raise invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


def _rejected(group: LogGroup, timestamps: list[int], now: int) -> Json:
    """`rejectedLogEventsInfo`: the ends of the old events are exclusive, the start of the new ones inclusive."""
    rejected: Json = {}
    expired = group.expires_before(now)
    too_old = sum(timestamp < now - _PAST for timestamp in timestamps)
    too_new = sum(timestamp > now + _FUTURE for timestamp in timestamps)
    gone = 0 if expired is None else sum(timestamp < expired for timestamp in timestamps)
    if too_new:
        rejected["tooNewLogEventStartIndex"] = len(timestamps) - too_new
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if gone:
        rejected["expiredLogEventEndIndex"] = gone
    return rejected
