"""The store's twin in memory: the same promises but for the disk. For simulations and tests of what stands above.

Records and the journal are kept as they are, not as JSON: whoever reads one changes nothing inside it. Log events
and data points lie in an SQLite database in memory. Everything happens on the event loop's thread: a write is done,
told and acknowledged before anything else runs.
"""

from __future__ import annotations

import bisect
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import attrs

from neargate.model.ports import Clock
from neargate.model.records import Entry, Json, R, Reader, Record, Tx
from neargate.store.view import LATER, SCHEMA, SqlTx

T = TypeVar("T")

_BEHIND_ALL = "\U0010ffff"


@attrs.define(eq=False)
class _Shelf:
    """The records of one kind, and their keys in order."""

    records: dict[str, Any] = attrs.field(factory=dict)
    keys: list[str] = attrs.field(factory=list)

    def put(self, key: str, record: Any) -> None:
        """None takes it away."""
        if record is None:
            del self.records[key]
            del self.keys[bisect.bisect_left(self.keys, key)]
            return
        if key not in self.records:
            bisect.insort(self.keys, key)
        self.records[key] = record

    def scan(self, prefix: str) -> list[Any]:
        keys = self.keys
        first = bisect.bisect_left(keys, prefix)
        last = bisect.bisect_left(keys, prefix + _BEHIND_ALL, lo=first)
        return [self.records[key] for key in keys[first:last]]


@attrs.define(eq=False)
class _Journal:
    """The entries of one topic: all of them, and by subject."""

    every: list[Entry] = attrs.field(factory=list)
    by_subject: dict[str, list[Entry]] = attrs.field(factory=dict)

    def add(self, entry: Entry) -> None:
        """Behind all others."""
        self.every.append(entry)
        self.by_subject.setdefault(entry.subject, []).append(entry)

    def drop_last(self) -> None:
        subject = self.every.pop().subject
        self.by_subject[subject].pop()
        if not self.by_subject[subject]:
            del self.by_subject[subject]

    def replace(self, entries: Sequence[Entry]) -> None:
        self.every, self.by_subject = [], {}
        for entry in entries:
            self.add(entry)


class _Content:
    """What a MemoryStore holds."""

    def __init__(self) -> None:
        self.shelves: dict[str, _Shelf] = {}
        self.journals: dict[str, _Journal] = {}
        self.last_entry = 0
        self.database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.database.executescript(SCHEMA + LATER)

    def shelf(self, kind: str) -> _Shelf:
        found = self.shelves.get(kind)
        if found is None:
            found = self.shelves[kind] = _Shelf()
        return found

    def journal(self, topic: str) -> _Journal:
        found = self.journals.get(topic)
        if found is None:
            found = self.journals[topic] = _Journal()
        return found


class _View:
    """`model.records.Reader`. What is not here is answered by the database."""

    def __init__(self, content: _Content, now: Callable[[], float]) -> None:
        self._content = content
        self._now = now

    def get(self, kind: type[R], key: str) -> R | None:
        shelf = self._content.shelves.get(kind.KIND)
        return None if shelf is None else shelf.records.get(key)

    def scan(self, kind: type[R], prefix: str = "") -> list[R]:
        shelf = self._content.shelves.get(kind.KIND)
        return [] if shelf is None else shelf.scan(prefix)

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
        journal = self._content.journal(topic)
        every = journal.every if subject is None else journal.by_subject.get(subject, [])
        first = bisect.bisect_right(every, after, key=_number)
        last = len(every) if before is None else bisect.bisect_left(every, before, key=_number)
        found = every[first:last]
        if newest_first:
            found.reverse()
        return found if limit is None else found[:limit]

    def __getattr__(self, name: str) -> Any:
        return getattr(SqlTx(self._content.database, self._now, writable=False), name)


def _number(entry: Entry) -> int:
    return entry.seq


class _Change(_View):
    """`model.records.Tx`: it changes at once, and knows how to undo it."""

    def __init__(self, content: _Content, now: Callable[[], float]) -> None:
        super().__init__(content, now)
        self._undo: list[Callable[[], object]] = []
        self._in_database: SqlTx | None = None
        self.changes: dict[tuple[str, str], None] = {}

    def keep(self) -> None:
        if self._in_database is not None:
            self._content.database.execute("COMMIT")

    def undo(self) -> None:
        for step in reversed(self._undo):
            step()
        if self._in_database is not None:
            self._content.database.execute("ROLLBACK")

    def put(self, record: Record) -> None:
        shelf, key = self._content.shelf(record.KIND), record.key
        before = shelf.records.get(key)
        shelf.put(key, record)
        self._undo.append(lambda: shelf.put(key, before))
        self.changes[record.KIND, key] = None

    def delete(self, kind: type[R], key: str) -> bool:
        shelf = self._content.shelf(kind.KIND)
        before = shelf.records.get(key)
        if before is None:
            return False
        shelf.put(key, None)
        self._undo.append(lambda: shelf.put(key, before))
        self.changes[kind.KIND, key] = None
        return True

    def append(self, topic: str, subject: str, body: Json) -> Entry:
        content = self._content
        content.last_entry += 1
        entry = Entry(content.last_entry, self._now(), topic, subject, body)
        journal = content.journal(topic)
        journal.add(entry)
        self._undo.append(journal.drop_last)
        self.changes["journal:" + topic, subject] = None
        return entry

    def drop_entries(self, topic: str, *, before: float) -> int:
        journal = self._content.journal(topic)
        every = journal.every
        kept = [entry for entry in every if entry.at >= before]
        if len(kept) < len(every):
            journal.replace(kept)
            self._undo.append(lambda: journal.replace(every))
        return len(every) - len(kept)

    def __getattr__(self, name: str) -> Any:
        if self._in_database is None:
            self._content.database.execute("BEGIN")
            self._in_database = SqlTx(self._content.database, self._now, writable=True)
            self._in_database.changes = self.changes
        return getattr(self._in_database, name)


class MemoryStore:
    """`model.ports.Store` in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._content = _Content()
        self._subscribers: list[tuple[frozenset[str] | None, Callable[[str, str], None]]] = []

    def close(self) -> None:
        """Forget everything."""
        self._content.database.close()

    async def write(self, work: Callable[[Tx], T]) -> T:
        tx = _Change(self._content, self._clock.now)
        try:
            done = work(cast(Tx, tx))
        except StopIteration as error:
            tx.undo()
            raise RuntimeError("a write raised StopIteration") from error
        except BaseException:
            tx.undo()
            raise
        tx.keep()
        self.committed(tx.changes)
        return done

    def read(self, work: Callable[[Reader], T]) -> T:
        return work(cast(Reader, _View(self._content, self._clock.now)))

    def subscribe(
        self, kinds: frozenset[str] | None, notify: Callable[[str, str], None]
    ) -> Callable[[], None]:
        entry = (kinds, notify)
        self._subscribers.append(entry)
        return lambda: self._subscribers.remove(entry)

    def committed(self, changes: Iterable[tuple[str, str]]) -> None:
        """Tell the subscribers of a commit."""
        for kinds, notify in list(self._subscribers):
            for kind, key in changes:
                if kinds is None or kind in kinds:
                    notify(kind, key)
