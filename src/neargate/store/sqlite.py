"""The store on SQLite: one writer thread, group commit, snapshot reads.

Acknowledged means on disk (`synchronous=FULL`). Writes that arrive together share one commit; each runs in a
savepoint of its own, so one that fails undoes only itself.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs

from neargate.model.ports import Clock
from neargate.model.records import Reader, Tx
from neargate.store import log_blocks
from neargate.store.view import LATER, SCHEMA, SCHEMA_VERSION, SqlTx

T = TypeVar("T")

_GROUP = 64  # writes in one commit at most


class StoreCorrupt(Exception):
    """The database file cannot be read as one of ours; the message says which file and what to do."""


@attrs.define
class _Write:
    work: Callable[[Tx], Any]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None


class SqliteStore:
    """`model.ports.Store` in one file. Open with `SqliteStore.open`; close with `close`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._readers = threading.local()
        self._subscribers: list[tuple[frozenset[str] | None, Callable[[str, str], None]]] = []
        self._thread: threading.Thread | None = None
        self._open_readers: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, path: Path, clock: Clock, *, durable: bool = True) -> SqliteStore:
        """Open or create the database. Raises StoreCorrupt where the file is not one of ours.

        Not `durable`, it does not wait for the disk: for tests of what stands above the store.
        """
        store = cls(path, clock)
        writer = store._prepare(durable)
        store._thread = threading.Thread(
            target=store._write_loop, args=(writer,), name="store-writer", daemon=True
        )
        store._thread.start()
        return store

    def close(self) -> None:
        """Finish the queued writes and close. Call it once, when nothing writes any more."""
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        for connection in self._open_readers:
            connection.close()
        self._open_readers.clear()

    async def write(self, work: Callable[[Tx], T]) -> T:
        loop = asyncio.get_running_loop()
        item = _Write(work, loop.create_future(), loop)
        self._queue.put(item)
        result: T = await asyncio.shield(item.done)
        return result

    def read(self, work: Callable[[Reader], T]) -> T:
        connection = self._reader()
        connection.execute("BEGIN")
        try:
            return work(SqlTx(connection, self._clock.now, writable=False))
        finally:
            connection.execute("ROLLBACK")

    def subscribe(
        self, kinds: frozenset[str] | None, notify: Callable[[str, str], None]
    ) -> Callable[[], None]:
        entry = (kinds, notify)
        self._subscribers.append(entry)
        return lambda: self._subscribers.remove(entry)

    # -- connections ---------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA busy_timeout=30000")
        return connection

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
            self._readers.connection = connection
            self._open_readers.append(connection)
        return connection

    def _prepare(self, durable: bool) -> sqlite3.Connection:
        connection = self._connect()
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                # All or nothing: a crash in between must not leave tables without a version.
                connection.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
            elif version == 1:
                log_blocks.upgrade(connection)
            elif version != SCHEMA_VERSION:
                raise StoreCorrupt(
                    f"{self._path} was written by another version of Neargate (schema {version}, this one knows "
                    f"{SCHEMA_VERSION}). Use that version, or `neargate reset` to start over."
                )
            connection.executescript(LATER)
            connection.execute("SELECT max(seq) FROM journal").fetchone()
            connection.execute("SELECT count(*) FROM (SELECT 1 FROM objects LIMIT 1)").fetchone()
        except sqlite3.DatabaseError as error:
            connection.close()
            raise StoreCorrupt(
                f"{self._path} cannot be read as a Neargate database ({error}). Restore it from a backup, or run "
                f"`neargate reset` to start over with an empty one."
            ) from error
        except StoreCorrupt:
            connection.close()
            raise
        return connection

    # -- the writer thread ---------------------------------------------------------------------------------

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        try:
            while True:
                item = self._queue.get()
                if item is None:
                    return
                batch = [item]
                last = False
                while len(batch) < _GROUP and not self._queue.empty():
                    following = self._queue.get()
                    if following is None:
                        last = True
                        break
                    batch.append(following)
                self._commit(connection, batch)
                if last:
                    return
        finally:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        changes: dict[tuple[str, str], None] = {}
        try:
            connection.execute("BEGIN IMMEDIATE")
            for item in batch:
                tx = SqlTx(connection, self._clock.now, writable=True)
                connection.execute("SAVEPOINT work")
                try:
                    item.result = item.work(tx)
                except BaseException as error:  # noqa: BLE001 - it is raised again where the write was awaited
                    connection.execute("ROLLBACK TO work")
                    item.error = error
                else:
                    changes.update(tx.changes)
                connection.execute("RELEASE work")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            changes.clear()
            for item in batch:
                item.error = item.error or error
        loops = {id(item.loop): item.loop for item in batch}
        for loop in loops.values():
            mine = [item for item in batch if item.loop is loop]
            try:
                loop.call_soon_threadsafe(self._publish, mine, changes)
            except RuntimeError:
                continue  # that loop is closed: nobody waits for the answer any more

    def _publish(self, items: list[_Write], changes: dict[tuple[str, str], None]) -> None:
        for item in items:
            if item.done.done():
                continue
            if isinstance(item.error, StopIteration):  # no future takes it: a bug of that write's alone
                item.done.set_exception(RuntimeError("a write raised StopIteration"))
            elif item.error is not None:
                item.done.set_exception(item.error)
            else:
                item.done.set_result(item.result)
        for kinds, notify in list(self._subscribers):
            for kind, key in changes:
                if kinds is None or kind in kinds:
                    notify(kind, key)
