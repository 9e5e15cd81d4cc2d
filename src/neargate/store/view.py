"""A transaction's view of the SQLite database: records as JSON, the journal, log events."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import attrs

from neargate.model.cloudwatch import MetricPoint, combined
from neargate.model.records import Entry, Json, LogEvent, LogSpan, R, Record
from neargate.store import log_blocks

SCHEMA_VERSION = 2

SCHEMA = (
    """
CREATE TABLE objects (
  kind TEXT NOT NULL,
  key  TEXT NOT NULL,
  rev  INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  at      REAL NOT NULL,
  topic   TEXT NOT NULL,
  subject TEXT NOT NULL,
  body    TEXT NOT NULL
) STRICT;
CREATE INDEX journal_by_subject ON journal (topic, subject, seq);
"""
    + log_blocks.SCHEMA
)

LATER = """
CREATE TABLE IF NOT EXISTS metric_series (
  id  INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS metric_points (
  series     INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  resolution INTEGER NOT NULL,
  unit       TEXT NOT NULL,
  count      REAL NOT NULL,
  total      REAL NOT NULL,
  low        REAL NOT NULL,
  high       REAL NOT NULL,
  spread     TEXT,
  PRIMARY KEY (series, at, resolution, unit)
) STRICT, WITHOUT ROWID;
"""
"""Tables that older databases of this schema may lack: they are made when one is opened."""


@functools.cache
def _converter() -> Any:
    from cattrs.preconf.json import make_converter

    return make_converter(omit_if_default=True)


class SqlTx:
    """`model.records.Tx` over one connection that is inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], float], *, writable: bool) -> None:
        self._db = connection
        self._now = now
        self._writable = writable
        self._log = log_blocks.LogBlocks(connection)
        self.changes: dict[tuple[str, str], None] = {}

    # -- records -------------------------------------------------------------------------------------------

    def get(self, kind: type[R], key: str) -> R | None:
        row = self._db.execute("SELECT body FROM objects WHERE kind=? AND key=?", (kind.KIND, key)).fetchone()
        return None if row is None else _load(kind, row[0])

    def scan(self, kind: type[R], prefix: str = "") -> list[R]:
        rows = self._db.execute(
            "SELECT body FROM objects WHERE kind=? AND key>=? AND key<? ORDER BY key",
            (kind.KIND, prefix, prefix + "\U0010ffff"),
        )
        return [_load(kind, body) for (body,) in rows]

    def put(self, record: Record) -> None:
        body = json.dumps(_converter().unstructure(record), separators=(",", ":"), ensure_ascii=False)
        self._write(
            "INSERT INTO objects (kind, key, rev, body) VALUES (?, ?, 1, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET rev = rev + 1, body = excluded.body",
            (record.KIND, record.key, body),
        )
        self.changes[record.KIND, record.key] = None

    def delete(self, kind: type[R], key: str) -> bool:
        cursor = self._write("DELETE FROM objects WHERE kind=? AND key=?", (kind.KIND, key))
        if cursor.rowcount:
            self.changes[kind.KIND, key] = None
        return bool(cursor.rowcount)

    # -- the journal ---------------------------------------------------------------------------------------

    def append(self, topic: str, subject: str, body: Json) -> Entry:
        at = self._now()
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        cursor = self._write(
            "INSERT INTO journal (at, topic, subject, body) VALUES (?, ?, ?, ?)", (at, topic, subject, text)
        )
        self.changes["journal:" + topic, subject] = None
        return Entry(int(cursor.lastrowid or 0), at, topic, subject, body)

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
        where: str = "topic=? AND seq>?"
        values: list[Any] = [topic, after]
        if before is not None:
            where, values = where + " AND seq<?", [*values, before]
        if subject is not None:
            where, values = where + " AND subject=?", [*values, subject]
        order = "DESC" if newest_first else "ASC"
        rows = self._db.execute(
            f"SELECT seq, at, topic, subject, body FROM journal WHERE {where} ORDER BY seq {order} LIMIT ?",
            (*values, -1 if limit is None else limit),
        )
        return [Entry(seq, at, top, sub, json.loads(body)) for seq, at, top, sub, body in rows]

    def drop_entries(self, topic: str, *, before: float) -> int:
        return self._write("DELETE FROM journal WHERE topic=? AND at<?", (topic, before)).rowcount

    # -- log events ----------------------------------------------------------------------------------------

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
        found = self._log.events(
            streams, start=start, end=end, after=after, newest_first=newest_first, most=limit
        )
        return list(islice(found, limit))

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
        return self._log.events(
            streams, start=start, end=end, after=after, newest_first=newest_first, holding=holding
        )

    def arrived_log_events(
        self, streams: Sequence[str], *, after: int, limit: int = 10_000
    ) -> list[LogEvent]:
        return self._log.arrived(streams, after, limit)

    def last_log_seq(self) -> int:
        return self._log.last_seq()

    def log_span(self, stream: str) -> LogSpan | None:
        return self._log.span(stream)

    def log_bytes(self, prefix: str) -> int:
        return self._log.bytes_under(prefix)

    def add_log_events(self, stream: str, events: Iterable[tuple[int, int, str]]) -> None:
        self._require_writable()
        self._log.add(stream, events)
        self.changes["log", stream] = None

    def drop_log_events(self, stream: str, *, before: int | None = None) -> int:
        self._require_writable()
        return self._log.drop(stream, before)

    # -- metrics -------------------------------------------------------------------------------------------

    def metric_series(self, prefix: str) -> list[tuple[str, int]]:
        rows = self._db.execute(
            "SELECT key, (SELECT max(at) FROM metric_points WHERE series=id) FROM metric_series "
            "WHERE key>=? AND key<? ORDER BY key",
            (prefix, prefix + "\U0010ffff"),
        )
        return [(key, int(last)) for key, last in rows if last is not None]

    def metric_points(self, series: str, start: int, end: int) -> list[MetricPoint]:
        rows = self._db.execute(
            f"SELECT {_POINT} FROM metric_points WHERE series=(SELECT id FROM metric_series WHERE key=?) "
            "AND at>=? AND at<? ORDER BY at, resolution, unit",
            (series, start, end),
        )
        return [_point(row) for row in rows]

    def add_metric_points(self, series: str, points: Iterable[MetricPoint]) -> None:
        row = self._db.execute("SELECT id FROM metric_series WHERE key=?", (series,)).fetchone()
        if row is None:
            number = self._write("INSERT INTO metric_series (key) VALUES (?)", (series,)).lastrowid
        else:
            number = row[0]
        for one in points:
            self._add_metric_point(int(number or 0), one)
        self.changes["metric", series] = None

    def _add_metric_point(self, series: int, new: MetricPoint) -> None:
        place = (series, new.at, new.resolution, new.unit)
        row = self._db.execute(
            f"SELECT {_POINT} FROM metric_points WHERE series=? AND at=? AND resolution=? AND unit=?", place
        ).fetchone()
        if row is not None:
            new = combined((_point(row), new), at=new.at, resolution=new.resolution)
        spread = None if new.spread is None else json.dumps(new.spread, separators=(",", ":"))
        self._write(
            f"INSERT OR REPLACE INTO metric_points (series, {_POINT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, new.count, new.total, new.low, new.high, spread),
        )

    def roll_up_metric_points(self, resolution: int, into: int | None, *, before: int) -> int:
        gone = 0
        for (series,) in self._db.execute("SELECT id FROM metric_series").fetchall():
            which = "series=? AND at<? AND resolution=?"
            values = (series, before, resolution)
            rows = self._db.execute(f"SELECT {_POINT} FROM metric_points WHERE {which}", values).fetchall()
            if not rows:
                continue
            gone += len(rows)
            self._write(f"DELETE FROM metric_points WHERE {which}", values)
            if into is None:
                continue
            for one in map(_point, rows):
                coarser = attrs.evolve(one, at=one.at - one.at % into, resolution=into)
                self._add_metric_point(series, coarser)
        if into is None:
            self._write(
                "DELETE FROM metric_series WHERE NOT EXISTS (SELECT 1 FROM metric_points WHERE series=id)", ()
            )
        return gone

    # ------------------------------------------------------------------------------------------------------

    def _write(self, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        self._require_writable()
        return self._db.execute(statement, values)

    def _require_writable(self) -> None:
        if not self._writable:
            raise TypeError("this operation was declared with reads=True and may not write")


_POINT = "at, resolution, unit, count, total, low, high, spread"


def _point(row: tuple[Any, ...]) -> MetricPoint:
    at, resolution, unit, count, total, low, high, text = row
    spread = None if text is None else tuple((value, number) for value, number in json.loads(text))
    return MetricPoint(at, resolution, unit, count, total, low, high, spread)


def _load(kind: type[R], body: str) -> R:
    """The record of a body. Kinds that say `SHARED` are decoded once for a body: whoever reads them changes nothing
    inside."""
    if getattr(kind, "SHARED", False):
        shared: R = _decoded_once(kind, body)
        return shared
    return _decoded(kind, body)


def _decoded(kind: type[R], body: str) -> R:
    record: R = _converter().structure(json.loads(body), kind)
    return record


@functools.lru_cache(maxsize=16)
def _decoded_once(kind: type[R], body: str) -> R:
    return _decoded(kind, body)
