"""What the store keeps: records, journal entries, log events, blobs, and the two views on them.

A record is a frozen attrs class with a `KIND` and a `key`. Keys are paths, `account/region/name…`, so that
a prefix scan lists what belongs together. Reading and writing go through a transaction; whoever changes a
record reads it inside the same transaction, so no lost update is possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    from neargate.model.cloudwatch import MetricPoint

Json = dict[str, Any]


class Record(Protocol):
    """Anything the store keeps under (KIND, key). Implementations are frozen attrs classes."""

    KIND: ClassVar[str]

    @property
    def key(self) -> str: ...


R = TypeVar("R", bound=Record)


@attrs.frozen
class Entry:
    """One line of the journal. `seq` grows by the order of commits and is never used twice."""

    seq: int
    at: float
    topic: str
    subject: str
    body: Json


class LogEvent(NamedTuple):
    """One CloudWatch Logs event. Times are epoch milliseconds; `seq` is unique in the data directory.

    `stream` is the key of its stream. A tuple, because a page has ten thousand of them; it sorts by time.
    """

    timestamp: int
    seq: int
    stream: str
    ingested: int
    message: str


@attrs.frozen
class LogSpan:
    """What a stream holds: timestamps of its oldest and newest event, when one last came in, bytes as AWS counts.

    The times are None where all events have expired.
    """

    first: int | None
    last: int | None
    ingested: int | None
    bytes: int


@attrs.frozen
class Blob:
    """Content in the blob store: its SHA-256 and MD5 in hex, its size in bytes."""

    sha256: str
    size: int
    md5: str


class Reader(Protocol):
    """A consistent view of the store."""

    def get(self, kind: type[R], key: str) -> R | None:
        """The record of that kind and key, or None."""

    def scan(self, kind: type[R], prefix: str = "") -> list[R]:
        """All records of that kind whose key starts with `prefix`, in key order."""

    def entries(
        self,
        topic: str,
        subject: str | None = None,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Journal entries of a topic with `after < seq < before`; of one subject, or of all (None)."""

    def log_events(
        self,
        streams: Sequence[str],
        *,
        start: int | None = None,
        end: int | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 10_000,
        newest_first: bool = False,
    ) -> list[LogEvent]:
        """Events of the streams (their keys) ordered by (timestamp, seq).

        `start` inclusive and `end` exclusive bound the timestamp; `after` continues behind an event's
        (timestamp, seq) in the direction of reading.
        """

    def metric_series(self, prefix: str) -> list[tuple[str, int]]:
        """The keys of metric series that start with `prefix`, in order, with the time of their last data point."""

    def metric_points(self, series: str, start: int, end: int) -> list[MetricPoint]:
        """A series' data points with `start <= at < end`, by time."""

    def scan_log_events(
        self,
        streams: Sequence[str],
        *,
        start: int | None = None,
        end: int | None = None,
        after: tuple[int, int] | None = None,
        newest_first: bool = False,
        holding: str = "",
    ) -> Iterator[LogEvent]:
        """`log_events` without a limit, read as they are asked for. `holding` is a hint: events that hold this text
        are wanted, and others may be left out."""

    def arrived_log_events(
        self, streams: Sequence[str], *, after: int, limit: int = 10_000
    ) -> list[LogEvent]:
        """Events in the order in which they came in, with a `seq` above `after`."""

    def last_log_seq(self) -> int:
        """The `seq` of the event that came in last, of all streams; 0 where there was none."""

    def log_span(self, stream: str) -> LogSpan | None:
        """What a stream holds; None where it never had an event."""

    def log_bytes(self, prefix: str) -> int:
        """Bytes of the events of all streams whose key starts with `prefix`, as AWS counts them."""


class Tx(Reader, Protocol):
    """A transaction: all of it is kept, or nothing."""

    def put(self, record: Record) -> None:
        """Create or replace."""

    def delete(self, kind: type[R], key: str) -> bool:
        """Remove; False where there was nothing."""

    def append(self, topic: str, subject: str, body: Json) -> Entry:
        """Add a journal entry. Drivers, the console and event APIs read it."""

    def drop_entries(self, topic: str, *, before: float) -> int:
        """Delete a topic's journal entries from before that time (epoch seconds); how many."""

    def add_log_events(self, stream: str, events: Iterable[tuple[int, int, str]]) -> None:
        """Append (timestamp, ingested, message) to a stream's key."""

    def drop_log_events(self, stream: str, *, before: int | None = None) -> int:
        """Delete a stream's events, or those with a timestamp before `before`; how many."""

    def add_metric_points(self, series: str, points: Iterable[MetricPoint]) -> None:
        """Add to a series; what is there already of the same time, resolution and unit is combined with it."""

    def roll_up_metric_points(self, resolution: int, into: int | None, *, before: int) -> int:
        """Combine all data points of a resolution from before that time into those of a coarser one (None: drop
        them); how many went."""


class Blobs(Protocol):
    """Content-addressed files. Safe to call from any thread."""

    def put(self, data: bytes) -> Blob: ...

    def read(self, blob: Blob, start: int = 0, end: int | None = None) -> bytes: ...

    def path(self, blob: Blob) -> str:
        """Where the content lies; readers must not write there."""
