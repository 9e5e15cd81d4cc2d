"""Log events in SQLite: blocks of events, not a row for each.

A block holds the neighbours of one stream that arrived together: a JSON text `[[milliseconds behind the first…],
[messages…]]`, compressed where that pays. A million lines are some thousand rows, written and read at the speed of
json and zlib. An event's `seq` is its block's and its place in there; it is never used twice.

Whoever sends events one by one makes a block of each. Now and then these are merged into one, which has two columns
more: `seq` behind the block's, and milliseconds behind its time of ingestion.
"""

from __future__ import annotations

import functools
import heapq
import json
import sqlite3
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import attrs

from neargate.model.records import LogEvent, LogSpan

SCHEMA = """
CREATE TABLE log_streams (
  id       INTEGER PRIMARY KEY,
  key      TEXT NOT NULL UNIQUE,
  first    INTEGER,
  last     INTEGER,
  ingested INTEGER,
  bytes    INTEGER NOT NULL DEFAULT 0,
  span     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE log_blocks (
  seq      INTEGER PRIMARY KEY,
  stream   INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  ingested INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  bytes    INTEGER NOT NULL,
  body     BLOB NOT NULL
) STRICT;
CREATE INDEX log_blocks_by_first ON log_blocks (stream, first, last);
CREATE INDEX log_blocks_by_last ON log_blocks (stream, last, first);

CREATE TABLE log_sequence (next INTEGER NOT NULL) STRICT;
INSERT INTO log_sequence VALUES (1);
"""

_COLUMNS = "seq, stream, first, last, ingested, count, bytes, body"
_INSERT = f"INSERT INTO log_blocks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
OVERHEAD = 26  # bytes that AWS counts for every event besides its message
_MOST_EVENTS = 250
_MOST_BYTES = 64 * 1024
_COMPRESS_ABOVE = 512  # bytes of JSON
_SMALL = 32  # events of a block that is worth merging
_MERGE_AT = (
    61  # how many events come in between two attempts; prime, so that streams in turns all have theirs
)
_MERGE_MOST = 4096  # how far apart, by `seq`, what is merged may be

Arrived = tuple[int, int, str]
"""Timestamp, time of ingestion, message."""

_Row = tuple[int, int, str, int, str]
"""A LogEvent as a plain tuple: timestamp, seq, stream, ingested, message."""

_ALL = slice(None)


@attrs.frozen
class _Stream:
    """`span` is the longest time that one block of the stream reaches over."""

    id: int
    key: str
    first: int | None
    last: int | None
    ingested: int | None
    bytes: int
    span: int


@attrs.frozen
class _Block:
    stream: str
    seq: int
    first: int
    last: int
    ingested: int
    body: bytes

    def rows(self, holding: bytes = b"", part: slice = _ALL) -> list[_Row]:
        """A part of its events, by time; none where none of them holds this piece of JSON text."""
        if holding and holding not in _text(self.body):
            return []
        columns = _columns(self.body)
        begin, end, _ = part.indices(len(columns[0]))
        first, stream, ingested = self.first, self.stream, self.ingested
        if len(columns) == 2:
            seqs = range(self.seq + begin, self.seq + end)
            behind, messages = columns[0][begin:end], columns[1][begin:end]
            return [
                (first + late, seq, stream, ingested, message)
                for late, seq, message in zip(behind, seqs, messages, strict=True)
            ]
        return [
            (first + late, self.seq + further, stream, ingested + later, message)
            for late, message, further, later in zip(*(column[begin:end] for column in columns), strict=True)
        ]


class LogBlocks:
    """The log tables over one connection that is inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # -- writing -------------------------------------------------------------------------------------------

    def add(self, key: str, events: Iterable[Arrived]) -> None:
        """Append events to a stream, which need not be known yet."""
        arrived = sorted(events, key=lambda event: event[0])
        if not arrived:
            return
        stream = self._stream(key)
        if stream is None:
            self._db.execute("INSERT INTO log_streams (key) VALUES (?)", (key,))
            stream = self._stream(key)
            assert stream is not None
        seq = self._take_seqs(len(arrived))
        size = span = 0
        for block in _portions(arrived):
            block_size = _size(block)
            self._insert(stream.id, seq, block, block_size)
            seq += len(block)
            size += block_size
            span = max(span, block[-1][0] - block[0][0])
        first, last, ingested = arrived[0][0], arrived[-1][0], arrived[-1][1]
        self._db.execute(
            "UPDATE log_streams SET first=?, last=?, ingested=?, bytes=?, span=? WHERE id=?",
            (
                first if stream.first is None else min(first, stream.first),
                last if stream.last is None else max(last, stream.last),
                ingested if stream.ingested is None else max(ingested, stream.ingested),
                stream.bytes + size,
                max(span, stream.span),
                stream.id,
            ),
        )
        if len(arrived) < _SMALL and seq % _MERGE_AT < len(arrived):
            self._merge(stream, seq)

    def _merge(self, stream: _Stream, before: int) -> None:
        """Make few blocks of the stream's many small ones among the latest."""
        small = [
            _Block(stream.key, *columns)
            for columns in self._db.execute(
                "SELECT seq, first, last, ingested, body FROM log_blocks WHERE seq>=? AND stream=? AND count<?",
                (before - _MERGE_MOST, stream.id, _SMALL),
            )
        ]
        if len(small) < _SMALL:
            return
        self._db.executemany("DELETE FROM log_blocks WHERE seq=?", [(block.seq,) for block in small])
        rows = sorted(row for block in small for row in block.rows())
        span = 0
        for begin in range(0, len(rows), _MOST_EVENTS):
            portion = rows[begin : begin + _MOST_EVENTS]
            self._insert_rows(stream.id, portion)
            span = max(span, portion[-1][0] - portion[0][0])
        self._db.execute("UPDATE log_streams SET span=max(span, ?) WHERE id=?", (span, stream.id))

    def _insert_rows(self, stream: int, rows: Sequence[_Row]) -> None:
        """A block of events that did not come together; they are in order."""
        first, last = rows[0][0], rows[-1][0]
        seq, ingested = min(row[1] for row in rows), min(row[3] for row in rows)
        body = _packed(
            [row[0] - first for row in rows],
            [row[4] for row in rows],
            [row[1] - seq for row in rows],
            [row[3] - ingested for row in rows],
        )
        size = _size([(row[0], row[3], row[4]) for row in rows])
        self._db.execute(_INSERT, (seq, stream, first, last, ingested, len(rows), size, body))

    def _insert(self, stream: int, seq: int, block: Sequence[Arrived], size: int) -> None:
        first, last, ingested = block[0][0], block[-1][0], block[-1][1]
        body = _packed([event[0] - first for event in block], [event[2] for event in block])
        self._db.execute(_INSERT, (seq, stream, first, last, ingested, len(block), size, body))

    def _take_seqs(self, count: int) -> int:
        (following,) = self._db.execute(
            "UPDATE log_sequence SET next = next + ? RETURNING next", (count,)
        ).fetchone()
        return int(following) - count

    def drop(self, key: str, before: int | None) -> int:
        """Delete a stream's events, or those with a timestamp before `before`; how many."""
        stream = self._stream(key)
        if stream is None:
            return 0
        if before is None:
            (dropped,) = self._db.execute(
                "SELECT coalesce(sum(count), 0) FROM log_blocks WHERE stream=?", (stream.id,)
            ).fetchone()
            self._db.execute("DELETE FROM log_blocks WHERE stream=?", (stream.id,))
            self._db.execute("DELETE FROM log_streams WHERE id=?", (stream.id,))
            return int(dropped)
        if stream.first is None or stream.first >= before:
            return 0
        dropped = self._cut(stream, before)
        whole = (stream.id, before)
        (gone,) = self._db.execute(
            "SELECT coalesce(sum(count), 0) FROM log_blocks WHERE stream=? AND last<?", whole
        ).fetchone()
        self._db.execute("DELETE FROM log_blocks WHERE stream=? AND last<?", whole)
        self._db.execute(
            "UPDATE log_streams SET (first, last, bytes) = "
            "(SELECT min(first), max(last), coalesce(sum(bytes), 0) FROM log_blocks WHERE stream=?1) WHERE id=?1",
            (stream.id,),
        )
        return dropped + int(gone)

    def _cut(self, stream: _Stream, before: int) -> int:
        """Shorten the blocks that reach over `before`; how many events they lose."""
        dropped = 0
        for seq, first, last, ingested, body in self._db.execute(
            "SELECT seq, first, last, ingested, body FROM log_blocks WHERE stream=? AND first<? AND last>=?",
            (stream.id, before, before),
        ).fetchall():
            rows = _Block(stream.key, seq, first, last, ingested, body).rows()
            gone = bisect_left(rows, (before,))
            self._db.execute("DELETE FROM log_blocks WHERE seq=?", (seq,))
            self._insert_rows(stream.id, rows[gone:])
            dropped += gone
        return dropped

    # -- reading -------------------------------------------------------------------------------------------

    def events(
        self,
        keys: Sequence[str],
        *,
        start: int | None,
        end: int | None,
        after: tuple[int, int] | None,
        newest_first: bool,
        holding: str = "",
        most: int | None = None,
    ) -> Iterator[LogEvent]:
        """As `model.records.Reader.scan_log_events` says: a block is read when its turn has come.

        `most` is a hint how many will be taken.
        """
        lower, upper = start, end
        if after is not None and newest_first:
            upper = after[0] + 1 if upper is None else min(upper, after[0] + 1)
        elif after is not None:
            lower = after[0] if lower is None else max(lower, after[0])
        streams = [stream for key in keys if (stream := self._stream(key)) is not None]
        blocks = heapq.merge(
            *(
                self._blocks(stream, lower, upper, newest_first)
                for stream in streams
                if _within(stream, lower, upper)
            ),
            key=(lambda block: -block.last) if newest_first else (lambda block: block.first),
        )
        needle = json.dumps(holding, ensure_ascii=False)[1:-1].encode(errors="replace")
        if newest_first:
            part = _ALL if most is None or upper is not None else slice(-most, None)
            rows = _newest_first(blocks, _Wanted(lower, upper, None, after, needle, part))
        else:
            part = _ALL if most is None or lower is not None else slice(most)
            rows = _oldest_first(blocks, _Wanted(lower, upper, after, None, needle, part))
        return map(LogEvent._make, rows)

    def _blocks(
        self, stream: _Stream, lower: int | None, upper: int | None, newest_first: bool
    ) -> Iterator[_Block]:
        """Those that may hold events with `lower` <= timestamp < `upper`, by their first (or last) event."""
        where, values = ["stream=?"], [stream.id]
        if lower is not None:
            where += ["last>=?", "first>=?"]
            values += [lower, lower - stream.span]
        if upper is not None:
            where += ["first<?", "last<?"]
            values += [upper, upper + stream.span]
        order = "last DESC" if newest_first else "first"
        for seq, first, last, ingested, body in self._db.execute(
            f"SELECT seq, first, last, ingested, body FROM log_blocks WHERE {' AND '.join(where)} ORDER BY {order}",
            values,
        ):
            yield _Block(stream.key, seq, first, last, ingested, body)

    def arrived(self, keys: Sequence[str], after: int, limit: int) -> list[LogEvent]:
        """The next events of the streams in the order in which they came, behind the one with the seq `after`."""
        if after >= self.last_seq():
            return []
        names = {stream.id: stream.key for key in keys if (stream := self._stream(key)) is not None}
        found: list[_Row] = []
        for number, *columns in self._db.execute(
            "SELECT stream, seq, first, last, ingested, body FROM log_blocks WHERE seq>? ORDER BY seq",
            (after - _MERGE_MOST,),
        ):
            block = _Block(names.get(number, ""), *columns)
            if len(found) >= limit and block.seq > max(row[1] for row in found):
                break
            if block.stream:
                found += [row for row in block.rows() if row[1] > after]
        found.sort(key=lambda row: row[1])
        return [LogEvent._make(row) for row in found[:limit]]

    def last_seq(self) -> int:
        """The seq of the event that came last, 0 where none ever came."""
        (following,) = self._db.execute("SELECT next FROM log_sequence").fetchone()
        return int(following) - 1

    def span(self, key: str) -> LogSpan | None:
        """None for a stream that never had an event."""
        stream = self._stream(key)
        if stream is None:
            return None
        return LogSpan(stream.first, stream.last, stream.ingested, stream.bytes)

    def bytes_under(self, prefix: str) -> int:
        """What the events of all streams with this key prefix count together."""
        (total,) = self._db.execute(
            "SELECT coalesce(sum(bytes), 0) FROM log_streams WHERE key>=? AND key<?",
            (prefix, prefix + "\U0010ffff"),
        ).fetchone()
        return int(total)

    def _stream(self, key: str) -> _Stream | None:
        row = self._db.execute(
            "SELECT id, key, first, last, ingested, bytes, span FROM log_streams WHERE key=?", (key,)
        ).fetchone()
        return None if row is None else _Stream(*row)


# -- the order of events -------------------------------------------------------------------------------------


@attrs.frozen
class _Wanted:
    """What of a block is asked for: `lower` <= timestamp < `upper`, `after` < (timestamp, seq) < `before`."""

    lower: int | None
    upper: int | None
    after: tuple[int, int] | None
    before: tuple[int, int] | None
    holding: bytes
    part: slice
    """The part of each block that is enough."""

    def of(self, block: _Block) -> list[_Row]:
        rows = block.rows(self.holding, self.part)
        begin = 0 if self.lower is None else bisect_left(rows, (self.lower,))
        if self.after is not None:
            begin = max(begin, bisect_left(rows, (self.after[0], self.after[1] + 1)))
        end = len(rows) if self.upper is None else bisect_left(rows, (self.upper,))
        if self.before is not None:
            end = min(end, bisect_left(rows, self.before))
        return rows[begin:end] if begin or end < len(rows) else rows


def _oldest_first(blocks: Iterable[_Block], wanted: _Wanted) -> Iterator[_Row]:
    """Blocks come by their first event, so what is older than that of the next one is next."""
    waiting: list[_Row] = []
    for block in blocks:
        ready = bisect_left(waiting, (block.first,))
        yield from islice(waiting, ready)
        waiting = _merged(waiting[ready:], wanted.of(block))
    yield from waiting


def _newest_first(blocks: Iterable[_Block], wanted: _Wanted) -> Iterator[_Row]:
    """Blocks come by their last event, the latest first. `waiting` is in rising order, taken from its end."""
    waiting: list[_Row] = []
    for block in blocks:
        ready = bisect_left(waiting, (block.last + 1,))
        yield from reversed(waiting[ready:])
        waiting = _merged(waiting[:ready], wanted.of(block))
    yield from reversed(waiting)


def _merged(one: list[_Row], other: list[_Row]) -> list[_Row]:
    return sorted(one + other) if one else other


def _within(stream: _Stream, lower: int | None, upper: int | None) -> bool:
    """Whether any event of the stream can lie between."""
    if stream.first is None or stream.last is None:
        return False
    return (lower is None or stream.last >= lower) and (upper is None or stream.first < upper)


# -- blocks --------------------------------------------------------------------------------------------------


def _portions(arrived: list[Arrived]) -> Iterator[list[Arrived]]:
    """In portions of a block each, cut also where the time of ingestion changes."""
    begin = size = 0
    for n, (_, ingested, message) in enumerate(arrived):
        full = n - begin >= _MOST_EVENTS or size > _MOST_BYTES
        if n > begin and (full or ingested != arrived[begin][1]):
            yield arrived[begin:n]
            begin, size = n, 0
        size += len(message)
    yield arrived[begin:]


def _size(events: Sequence[Arrived]) -> int:
    """As AWS counts it."""
    text = sum(len(message) if message.isascii() else len(message.encode()) for _, _, message in events)
    return text + OVERHEAD * len(events)


def _packed(*columns: list[int] | list[str]) -> bytes:
    text = json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.compress(text, 1) if len(text) > _COMPRESS_ABOVE else text


@functools.lru_cache(maxsize=32)
def _columns(body: bytes) -> list[list[Any]]:
    """What is read again and again, mostly a stream's end, is decoded once. Nobody changes it."""
    columns: list[list[Any]] = json.loads(_text(body))
    return columns


def _text(body: bytes) -> bytes:
    return body if body[:1] == b"[" else zlib.decompress(body)


# -- older databases -----------------------------------------------------------------------------------------


def upgrade(connection: sqlite3.Connection) -> None:
    """From schema 1, which had a row for every event, to 2: all of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("ALTER TABLE log_streams RENAME TO streams_before")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(
            "UPDATE log_sequence SET next = 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name='log_events'), 0)"
        )
        log = LogBlocks(connection)
        for number, key in connection.execute("SELECT id, key FROM streams_before").fetchall():
            rows = connection.execute(
                "SELECT timestamp, ingested, message FROM log_events WHERE stream=? ORDER BY timestamp, seq",
                (number,),
            )
            while events := rows.fetchmany(_MOST_EVENTS):
                log.add(key, events)
        connection.execute("DROP TABLE log_events")
        connection.execute("DROP TABLE streams_before")
        connection.execute("PRAGMA user_version=2")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
