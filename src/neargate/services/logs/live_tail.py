"""StartLiveTail: what comes into log groups, as it comes, once a second."""

from __future__ import annotations

from neargate.model.event_stream import StreamEvent
from neargate.model.logs import LogGroup, LogStream
from neargate.model.operations import Context, operation
from neargate.model.records import Json, LogEvent, Reader
from neargate.planners.filter_pattern import InvalidPattern, Pattern, compile_pattern
from neargate.services.logs.lookup import group_of_arn, invalid

LONGEST = 3 * 3600.0  # seconds
MOST_EVENTS = 500  # in an update
_LOOK_AT = 50_000  # events that an update looks at


@operation("logs", "StartLiveTail", reads=True)
def start_live_tail(cx: Context, request: Json) -> Json:
    """The session sees what comes in from now on, also in streams that do not exist yet."""
    identifiers = request["logGroupIdentifiers"]
    for identifier in identifiers:
        if identifier.endswith("*"):
            raise invalid("The ARN of a log group for Live Tail can't end with an asterisk (*).")
    groups = [group_of_arn(cx, identifier) for identifier in identifiers]
    names, prefixes = request.get("logStreamNames"), request.get("logStreamNamePrefixes")
    if names and prefixes:
        raise invalid("logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.")
    if (names or prefixes) and len(groups) > 1:
        raise invalid("Log streams can only be specified when there is one log group identifier.")
    try:
        pattern = compile_pattern(request.get("logEventFilterPattern", ""))
    except InvalidPattern as error:
        raise invalid(str(error)) from None
    start: Json = {"requestId": cx.request_id, "sessionId": cx.ids.uuid(), **request}
    return {"responseStream": LiveTail(start, groups, names, prefixes, pattern, cx.tx.last_log_seq(), cx.now)}


class LiveTail:
    """`model.event_stream.EventSource`: a session."""

    every = 1.0

    def __init__(
        self,
        start: Json,
        groups: list[LogGroup],
        names: list[str] | None,
        prefixes: list[str] | None,
        pattern: Pattern,
        seq: int,
        began: float,
    ) -> None:
        self._start = start
        self._groups = groups
        self._names = names
        self._prefixes = prefixes
        self._pattern = pattern
        self._seq = seq
        self._ends = began + LONGEST

    def first(self) -> list[StreamEvent]:
        return [StreamEvent("sessionStart", self._start)]

    def look(self, view: Reader, now: float) -> tuple[list[StreamEvent], bool]:
        if now >= self._ends:
            text = "The session has been open for three hours."
            return [StreamEvent("SessionTimeoutException", {"message": text})], True
        wanted = self._news(view)
        update = {
            "sessionMetadata": {"sampled": len(wanted) > MOST_EVENTS},
            "sessionResults": _sample(wanted),
        }
        return [StreamEvent("sessionUpdate", update)], False

    def _news(self, view: Reader) -> list[Json]:
        last = view.last_log_seq()
        if last == self._seq:
            return []
        streams = {
            stream.key: (group, stream)
            for group in self._groups
            for stream in view.scan(LogStream, group.stream_key(""))
            if self._selects(stream.name)
        }
        events = view.arrived_log_events(list(streams), after=self._seq, limit=_LOOK_AT)
        self._seq = events[-1].seq if len(events) == _LOOK_AT else last
        return [
            _described(*streams[event.stream], event)
            for event in events
            if self._pattern.matches(event.message)
        ]

    def _selects(self, name: str) -> bool:
        if self._names is not None:
            return name in self._names
        return self._prefixes is None or name.startswith(tuple(self._prefixes))


def _sample(events: list[Json]) -> list[Json]:
    """All of them, or so many that are spread evenly."""
    if len(events) <= MOST_EVENTS:
        return events
    return [events[n * len(events) // MOST_EVENTS] for n in range(MOST_EVENTS)]


def _described(group: LogGroup, stream: LogStream, event: LogEvent) -> Json:
    return {
        "logStreamName": stream.name,
        "logGroupIdentifier": f"{group.account}:{group.name}",
        "message": event.message,
        "timestamp": event.timestamp,
        "ingestionTime": event.ingested,
    }
