"""The store keeps its promises: all or nothing, in order, on disk, told to those who listen."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from neargate.model.cloudwatch import Metric, MetricPoint, metric_of, point, series_key
from neargate.model.records import Tx
from neargate.store.memory import MemoryStore
from neargate.store.sqlite import SqliteStore, StoreCorrupt
from neargate.store.view import SCHEMA, SCHEMA_VERSION
from neargate.system import SystemClock


@attrs.frozen
class Note:
    KIND: ClassVar[str] = "test.note"
    name: str
    text: str = ""

    @property
    def key(self) -> str:
        return self.name


AnyStore = SqliteStore | MemoryStore


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    """What takes this fixture is what every store promises."""
    clock = SystemClock()
    opened = MemoryStore(clock) if request.param == "memory" else SqliteStore.open(tmp_path / "x.db", clock)
    yield opened
    opened.close()


@pytest.mark.anyio
async def test_what_was_written_is_read_back(store: AnyStore) -> None:
    await store.write(lambda tx: tx.put(Note("a", "one")))
    assert store.read(lambda view: view.get(Note, "a")) == Note("a", "one")
    assert store.read(lambda view: view.get(Note, "b")) is None


@pytest.mark.anyio
async def test_scan_lists_a_prefix_in_key_order(store: AnyStore) -> None:
    for name in ("b/2", "a/1", "b/1", "b"):
        await store.write(lambda tx, name=name: tx.put(Note(name)))
    assert [n.name for n in store.read(lambda view: view.scan(Note, "b/"))] == ["b/1", "b/2"]


@pytest.mark.anyio
async def test_a_failed_write_undoes_only_itself(store: AnyStore) -> None:
    def bad(tx: Tx) -> None:
        tx.put(Note("bad"))
        tx.append("t", "s", {})
        raise LookupError("no")

    results = await asyncio.gather(
        store.write(lambda tx: tx.put(Note("first"))),
        store.write(bad),
        store.write(lambda tx: tx.put(Note("second"))),
        return_exceptions=True,
    )
    assert isinstance(results[1], LookupError)
    assert [n.name for n in store.read(lambda view: view.scan(Note))] == ["first", "second"]
    assert store.read(lambda view: view.entries("t")) == []


@pytest.mark.anyio
async def test_nothing_of_a_failed_write_stays(store: AnyStore) -> None:
    def before(tx: Tx) -> None:
        for name in ("changed", "deleted"):
            tx.put(Note(name, "before"))
            tx.append("t", name, {})
        tx.add_log_events("g\ns", [(1, 1, "before")])

    def bad(tx: Tx) -> None:
        tx.put(Note("made"))
        tx.put(Note("changed", "after"))
        tx.put(Note("changed", "after that"))
        assert tx.delete(Note, "deleted")
        assert not tx.delete(Note, "deleted")
        tx.append("t", "changed", {})
        assert tx.drop_entries("t", before=9e9) == 3
        tx.append("t", "made", {})
        tx.add_log_events("g\ns", [(2, 2, "after")])
        tx.add_log_events("g\nnew", [(2, 2, "after")])
        raise LookupError("no")

    await store.write(before)
    heard: list[tuple[str, str]] = []
    store.subscribe(None, lambda kind, key: heard.append((kind, key)))
    with pytest.raises(LookupError):
        await store.write(bad)
    assert heard == []
    assert store.read(lambda view: view.scan(Note)) == [Note("changed", "before"), Note("deleted", "before")]
    assert [e.subject for e in store.read(lambda view: view.entries("t"))] == ["changed", "deleted"]
    assert len(store.read(lambda view: view.entries("t", "changed"))) == 1
    assert [e.message for e in store.read(lambda view: view.log_events(["g\ns", "g\nnew"]))] == ["before"]
    await store.write(lambda tx: tx.append("t", "changed", {"n": 1}))
    assert [e.body for e in store.read(lambda view: view.entries("t", "changed"))] == [{}, {"n": 1}]


@pytest.mark.anyio
async def test_old_entries_are_dropped(store: AnyStore) -> None:
    await store.write(lambda tx: [tx.append("t", "s", {"n": n}) for n in range(3)])
    last = store.read(lambda view: view.entries("t"))[-1]
    assert await store.write(lambda tx: tx.drop_entries("t", before=last.at + 1)) == 3
    await store.write(lambda tx: tx.append("t", "s", {}))
    (left,) = store.read(lambda view: view.entries("t", "s"))
    assert left.seq > last.seq


@pytest.mark.anyio
async def test_the_journal_keeps_order_and_pages(store: AnyStore) -> None:
    for number in range(5):
        await store.write(lambda tx, number=number: tx.append("topic", "s", {"n": number}))
    await store.write(lambda tx: tx.append("topic", "other", {}))
    entries = store.read(lambda view: view.entries("topic", "s"))
    assert [e.body["n"] for e in entries] == [0, 1, 2, 3, 4]
    rest = store.read(
        lambda view: view.entries("topic", "s", after=entries[2].seq, newest_first=True, limit=1)
    )
    assert [e.body["n"] for e in rest] == [4]
    assert len(store.read(lambda view: view.entries("topic"))) == 6


@pytest.mark.anyio
async def test_a_read_operation_cannot_write(store: AnyStore) -> None:
    with pytest.raises(TypeError, match="reads=True"):
        store.read(lambda view: view.put(Note("x")))  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_listeners_hear_of_their_kinds_after_the_commit(store: AnyStore) -> None:
    heard: list[tuple[str, str]] = []

    def notify(kind: str, key: str) -> None:
        assert store.read(lambda view: view.get(Note, key)) is not None
        heard.append((kind, key))

    stop = store.subscribe(frozenset({"test.note"}), notify)
    await store.write(lambda tx: (tx.put(Note("a")), tx.append("topic", "s", {})))
    stop()
    await store.write(lambda tx: tx.put(Note("b")))
    assert heard == [("test.note", "a")]


@pytest.mark.anyio
async def test_log_events_come_in_order_of_time(store: AnyStore) -> None:
    await store.write(lambda tx: tx.add_log_events("g\ns", [(20, 1, "b"), (10, 1, "a"), (20, 1, "c")]))
    events = store.read(lambda view: view.log_events(["g\ns"]))
    assert [e.message for e in events] == ["a", "b", "c"]
    middle = (events[1].timestamp, events[1].seq)
    assert [e.message for e in store.read(lambda v: v.log_events(["g\ns"], after=middle))] == ["c"]
    back = store.read(lambda v: v.log_events(["g\ns"], after=middle, newest_first=True))
    assert [e.message for e in back] == ["a"]
    assert await store.write(lambda tx: tx.drop_log_events("g\ns", before=15)) == 1
    assert await store.write(lambda tx: tx.drop_log_events("g\ns")) == 2


@pytest.mark.anyio
async def test_data_points_of_one_bucket_are_combined_and_rolled_up(store: AnyStore) -> None:
    def at(time: int, *values: float, resolution: int = 60) -> MetricPoint:
        return point(time, resolution, "Percent", [(value, 1.0) for value in values])

    metric = Metric("AWS/ECS", "CPUUtilization", (("ClusterName", "c"), ("ServiceName", "web")))
    key = series_key("1", "r", metric)
    assert metric_of(key) == metric
    await store.write(lambda tx: tx.add_metric_points(key, [at(65, 4.0), at(70, 2.0, 2.0), at(130, 9.0)]))
    (first, second) = store.read(lambda view: view.metric_points(key, 0, 1000))
    assert (first.at, first.count, first.total, first.low, first.high) == (60, 3.0, 8.0, 2.0, 4.0)
    assert first.values == ((2.0, 2.0), (4.0, 1.0))
    assert second.values == ((9.0, 1.0),)
    assert store.read(lambda view: view.metric_series("1/r/AWS/")) == [(key, 120)]
    assert store.read(lambda view: view.metric_points(key, 61, 120)) == []

    assert await store.write(lambda tx: tx.roll_up_metric_points(60, 300, before=300)) == 2
    (rolled,) = store.read(lambda view: view.metric_points(key, 0, 1000))
    assert (rolled.at, rolled.resolution, rolled.count, rolled.total) == (0, 300, 4.0, 17.0)
    assert await store.write(lambda tx: tx.roll_up_metric_points(300, None, before=300)) == 1
    assert store.read(lambda view: view.metric_series("")) == []


@pytest.mark.anyio
async def test_an_older_database_gets_its_metric_tables(tmp_path: Path) -> None:
    path = tmp_path / "older.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(f"{SCHEMA}PRAGMA user_version={SCHEMA_VERSION};")
    connection.close()
    opened = SqliteStore.open(path, SystemClock())
    try:
        assert opened.read(lambda view: view.metric_series("")) == []
    finally:
        opened.close()


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(StoreCorrupt, match="cannot be read as a Neargate database"):
        SqliteStore.open(path, SystemClock())


def test_a_database_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreCorrupt, match="another version of Neargate"):
        SqliteStore.open(path, SystemClock())


def test_every_acknowledged_write_survives_kill_9(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from neargate.store.memory import MemoryStore
from neargate.store.sqlite import SqliteStore
        from neargate.system import SystemClock

        async def main():
            store = SqliteStore.open(Path(sys.argv[1]), SystemClock())
            number = 0
            while True:
                await store.write(lambda tx: tx.append("count", "s", {"n": number}))
                print(number, flush=True)
                number += 1

        asyncio.run(main())
        """
    )
    path = tmp_path / "x.db"
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = -1
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= 50:
            os.kill(process.pid, signal.SIGKILL)
            break
    for line in process.stdout:
        acknowledged = int(line)
    process.wait()
    process.stdout.close()
    store = SqliteStore.open(path, SystemClock())
    try:
        kept = [e.body["n"] for e in store.read(lambda view: view.entries("count"))]
    finally:
        store.close()
    assert kept[: acknowledged + 1] == list(range(acknowledged + 1))


def test_a_crash_while_the_file_is_made_leaves_it_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables without a version would look like somebody else's file at the next start."""
    with monkeypatch.context() as broken:
        broken.setattr("neargate.store.sqlite.SCHEMA", SCHEMA + "CREATE nonsense;")
        with pytest.raises(StoreCorrupt):
            SqliteStore.open(tmp_path / "y.db", SystemClock())
    SqliteStore.open(tmp_path / "y.db", SystemClock()).close()


@pytest.mark.anyio
async def test_a_write_that_no_future_can_tell_of_fails_alone(store: AnyStore) -> None:
    def stops(_tx: Tx) -> None:
        next(iter(()))

    def waits(_tx: Tx) -> None:
        time.sleep(0.05)  # so that the next ones share a commit

    outcomes = await asyncio.wait_for(
        asyncio.gather(
            store.write(waits),
            store.write(stops),
            store.write(lambda tx: tx.put(Note("a"))),
            return_exceptions=True,
        ),
        5,
    )
    assert isinstance(outcomes[1], RuntimeError)
    assert outcomes[2] is None
    assert store.read(lambda view: view.get(Note, "a")) == Note("a")
