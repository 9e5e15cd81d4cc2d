"""Log events in blocks: what comes out is what a table with a row for every event would give."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neargate.model.records import LogEvent, LogSpan
from neargate.store.log_blocks import SCHEMA, LogBlocks
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock


@pytest.fixture
def log() -> Iterator[LogBlocks]:
    connection = _connection()
    yield LogBlocks(connection)
    connection.close()


def _connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def read(log: LogBlocks, *keys: str, newest_first: bool = False, **bounds: Any) -> list[LogEvent]:
    bounds = {"start": None, "end": None, "after": None, **bounds}
    return list(log.events(keys, newest_first=newest_first, **bounds))


def texts(events: list[LogEvent]) -> list[str]:
    return [event.message for event in events]


def test_many_events_are_few_rows(log: LogBlocks) -> None:
    log.add("g\ns", [(n, 5, f"line {n}") for n in range(10_000)])
    assert texts(read(log, "g\ns")) == [f"line {n}" for n in range(10_000)]
    assert log._db.execute("SELECT count(*) FROM log_blocks").fetchone() == (40,)


def test_events_that_come_one_by_one_are_merged(log: LogBlocks) -> None:
    for n in range(1_000):
        log.add("g\na", [(5_000 - n, n, f"a {n}")])
        log.add("g\nb", [(n, n, f"b {n}")])
    assert log._db.execute("SELECT count(*) < 200 FROM log_blocks").fetchone() == (1,)
    assert texts(read(log, "g\na")) == [f"a {n}" for n in reversed(range(1_000))]
    assert texts(read(log, "g\nb")) == [f"b {n}" for n in range(1_000)]
    assert [event.ingested for event in read(log, "g\nb")] == list(range(1_000))
    came = [event.message for event in log.arrived(["g\na", "g\nb"], 0, 5_000)]
    assert came == [f"{name} {n}" for n in range(1_000) for name in ("a", "b")]
    assert [event.seq for event in log.arrived(["g\nb"], 1_000, 3)] == [1_002, 1_004, 1_006]
    assert log.drop("g\na", 4_500) == 499
    assert texts(read(log, "g\na"))[:2] == ["a 500", "a 499"]


def test_a_hint_leaves_out_blocks_and_never_what_holds_it(log: LogBlocks) -> None:
    for n in range(4):
        log.add("g\ns", [(n, 5, f'{n} says "ü\n"'), (n, 5, "else")])
    assert texts(read(log, "g\ns", holding='2 says "ü\n"')) == ['2 says "ü\n"', "else"]
    assert read(log, "g\ns", holding="nowhere") == []


def test_a_streams_span_follows_what_is_added_and_dropped(log: LogBlocks) -> None:
    assert log.span("g\ns") is None
    log.add("g\ns", [(10, 100, "ab"), (20, 100, "ü"), (30, 100, "")])
    assert log.span("g\ns") == LogSpan(10, 30, 100, 4 + 3 * 26)
    assert log.drop("g\ns", 20) == 1
    assert log.span("g\ns") == LogSpan(20, 30, 100, 2 + 2 * 26)
    assert log.bytes_under("g\n") == 54
    assert log.drop("g\ns", 99) == 2
    assert log.span("g\ns") == LogSpan(None, None, 100, 0)
    assert log.drop("g\ns", None) == 0
    assert log.span("g\ns") is None


def test_events_also_come_in_the_order_of_their_arrival(log: LogBlocks) -> None:
    log.add("g\na", [(20, 1, "first"), (21, 1, "second")])
    log.add("g\nother", [(1, 1, "not asked for")])
    log.add("g\nb", [(10, 1, "third"), (11, 1, "fourth")])
    everything = log.arrived(["g\na", "g\nb"], 0, 10)
    assert texts(everything) == ["first", "second", "third", "fourth"]
    assert log.arrived(["g\na", "g\nb"], everything[0].seq, 2) == everything[1:3]
    assert log.last_seq() == everything[-1].seq
    log.drop("g\nb", None)
    log.add("g\nb", [(5, 1, "new")])
    assert log.arrived(["g\na", "g\nb"], everything[-1].seq, 10)[0].message == "new"


_BATCHES = st.lists(
    st.tuples(
        st.sampled_from(["g\na", "g\nb", "h\nc"]), st.lists(st.integers(0, 20), min_size=1, max_size=8)
    ),
    max_size=16,
)
_BOUND = st.none() | st.integers(0, 21)


@settings(max_examples=200, deadline=None)
@patch.multiple("neargate.store.log_blocks", _SMALL=4, _MERGE_AT=1)
@given(
    _BATCHES, _BOUND, _BOUND, st.none() | st.integers(0, 60), st.booleans(), st.none() | st.integers(0, 21)
)
def test_any_reading_is_that_of_a_plain_table(
    batches: list[tuple[str, list[int]]],
    start: int | None,
    end: int | None,
    behind: int | None,
    newest_first: bool,
    dropped: int | None,
) -> None:
    connection = _connection()
    log = LogBlocks(connection)
    plain: list[LogEvent] = []
    for key, times in batches:
        seq = log.last_seq() + 1
        log.add(key, [(time, 1, f"{seq} {n}") for n, time in enumerate(times)])
        order = sorted(range(len(times)), key=lambda n: times[n])
        plain += [LogEvent(times[n], seq + place, key, 1, f"{seq} {n}") for place, n in enumerate(order)]
    if dropped is not None:
        log.drop("g\na", dropped)
        plain = [event for event in plain if event.stream != "g\na" or event.timestamp >= dropped]
    asked = sorted((e for e in plain if e.stream != "h\nc"), key=lambda e: (e.timestamp, e.seq))
    after = None
    if behind is not None and asked:
        after = (asked[behind % len(asked)].timestamp, asked[behind % len(asked)].seq)
        asked = [
            e
            for e in asked
            if ((e.timestamp, e.seq) < after if newest_first else (e.timestamp, e.seq) > after)
        ]
    asked = [
        e for e in asked if (start is None or e.timestamp >= start) and (end is None or e.timestamp < end)
    ]
    if newest_first:
        asked.reverse()
    assert [e.seq for e in log.arrived(["g\na", "g\nb"], 3, 9)] == sorted(
        e.seq for e in plain if e.stream != "h\nc" and e.seq > 3
    )[:9]
    found = read(log, "g\na", "g\nb", "g\nnone", start=start, end=end, after=after, newest_first=newest_first)
    few = log.events(["g\na", "g\nb"], start=start, end=end, after=after, newest_first=newest_first, most=3)
    assert list(islice(few, 3)) == asked[:3]
    connection.close()
    assert found == asked


_SCHEMA_1 = """
CREATE TABLE objects (kind TEXT, key TEXT, rev INTEGER, body TEXT, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;
CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, topic TEXT, subject TEXT, body TEXT) STRICT;
CREATE TABLE log_streams (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE log_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER, timestamp INTEGER, ingested INTEGER, message TEXT
) STRICT;
INSERT INTO log_streams VALUES (7, 'g\ns'), (8, 'g\nempty');
INSERT INTO log_events VALUES (1, 7, 20, 25, 'b'), (2, 7, 10, 25, 'a'), (9, 7, 20, 30, 'c');
PRAGMA user_version=1;
"""


def test_a_database_with_a_row_for_every_event_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "neargate.db"
    older = sqlite3.connect(path)
    older.executescript(_SCHEMA_1)
    older.close()
    for _ in range(2):
        store = SqliteStore.open(path, SystemClock())
        events = store.read(lambda view: view.log_events(["g\ns"]))
        store.close()
        assert [(e.timestamp, e.ingested, e.message) for e in events] == [
            (10, 25, "a"),
            (20, 25, "b"),
            (20, 30, "c"),
        ]
        assert min(event.seq for event in events) > 9
