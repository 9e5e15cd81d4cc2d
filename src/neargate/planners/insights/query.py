"""A query: commands joined by `|`, each of which takes records and gives records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import attrs

from neargate.planners.insights.expressions import Expression, expression, regex
from neargate.planners.insights.records import Event, Field, Record, Value, order_of, text_of, truth
from neargate.planners.insights.statistics import Total, aggregate
from neargate.planners.insights.tokens import MalformedQuery, Reader, unquoted

MOST_RESULTS = 10_000
LATER = frozenset(
    {"pattern", "diff", "anomaly", "unnest", "join", "lookup", "source", "unmask", "filterindex", "opt"}
)
"""Commands of the language that are not there."""

Records = Iterator[Record]
Command = Callable[[Records], Records]


class UnknownCommand(MalformedQuery):
    """A command of the language that is not there. `name` is its name."""

    def __init__(self, name: str, start: int, end: int) -> None:
        super().__init__(f"the command {name} is not implemented", start, end)
        self.name = name


@attrs.frozen
class Query:
    """A compiled query. `shown` are the columns of its results, `with_pointer` whether its lines stand for events.

    `limit` is that of its last `limit` command, `filters` how many commands there are up to the last filter.
    """

    text: str
    commands: tuple[Command, ...]
    shown: tuple[str, ...]
    with_pointer: bool
    limit: int | None
    filters: int

    def run(
        self, events: Iterable[Event], limit: int | None, matched: Callable[[], None] = lambda: None
    ) -> Iterator[list[Field]]:
        """The lines of the result. `events` come newest first: that is the order of a query that does not sort.

        `matched` is called for each record that passes the filters.
        """
        records: Records = (Record.of(event) for event in events)
        for place, command in enumerate((*self.commands, None)):
            if place == self.filters:
                records = _counted(records, matched)
            if command is not None:
                records = command(records)
        if self.limit is None:
            records = islice(records, limit or MOST_RESULTS)
        for record in records:
            yield self._line(record)

    def _line(self, record: Record) -> list[Field]:
        names = (*self.shown, "@ptr") if self.with_pointer else self.shown
        return [Field(name, text_of(value)) for name in names if (value := record.get(name)) is not None]


def compile_query(text: str) -> Query:
    """Raises MalformedQuery."""
    reader = Reader(text)
    building = _Building()
    while True:
        _command(reader, building)
        if reader.peek().kind == "end":
            break
        reader.require("|")
    shown = building.shown or building.fields or ["@timestamp", "@message"]
    return Query(
        text,
        tuple(building.commands),
        tuple(dict.fromkeys(shown)),
        with_pointer=not building.aggregated,
        limit=building.limit,
        filters=building.filters,
    )


def _counted(records: Records, matched: Callable[[], None]) -> Records:
    for record in records:
        matched()
        yield record


@attrs.define
class _Building:
    commands: list[Command] = attrs.field(factory=list)
    fields: list[str] = attrs.field(factory=list)
    shown: list[str] = attrs.field(factory=list)
    aggregated: bool = False
    limit: int | None = None
    filters: int = 0


def _command(reader: Reader, building: _Building) -> None:
    token = reader.peek()
    name = token.text.lower()
    read = _COMMANDS.get(name)
    if read is None:
        if token.kind == "name" and name in LATER:
            raise UnknownCommand(name, token.start, token.end)
        raise reader.unexpected()
    reader.take()
    building.commands.append(read(reader, building))


# -- fields and display ------------------------------------------------------------------------------------------


def _named(reader: Reader) -> tuple[str, Expression]:
    """`expression [as name]`. Without a name it is called as it is written."""
    start = reader.peek()
    found = expression(reader)
    written = reader.since(start.start)
    name = unquoted(start) if written == start.text else written
    if reader.took("as"):
        name = unquoted(reader.of("name", "quoted"))
    return name, found


def _several(reader: Reader) -> list[tuple[str, Expression]]:
    found = [_named(reader)]
    while reader.peek().text == ",":
        reader.take()
        found.append(_named(reader))
    return found


def _fields(reader: Reader, building: _Building) -> Command:
    columns = _several(reader)
    building.fields += [name for name, _ in columns]
    return _adding(columns)


def _display(reader: Reader, building: _Building) -> Command:
    columns = _several(reader)
    building.shown = [name for name, _ in columns]
    return _adding(columns)


def _adding(columns: list[tuple[str, Expression]]) -> Command:
    def work(records: Records) -> Records:
        for record in records:
            for name, value in columns:
                record.fields[name] = value(record)
            yield record

    return work


# -- filter, limit, sort, dedup ------------------------------------------------------------------------------------


def _filter(reader: Reader, building: _Building) -> Command:
    wanted = expression(reader)
    if not building.aggregated:
        building.filters = len(building.commands) + 1
    return lambda records: (record for record in records if truth(wanted(record)))


def _limit(reader: Reader, building: _Building) -> Command:
    token = reader.of("number")
    if not token.text.isdecimal() or not 1 <= int(token.text) <= MOST_RESULTS:
        raise MalformedQuery(f"limit must be between 1 and {MOST_RESULTS}", token.start, token.end)
    count = building.limit = int(token.text)
    return lambda records: islice(records, count)


def _sort(reader: Reader, building: _Building) -> Command:
    keys: list[tuple[Expression, bool]] = []
    while True:
        key = expression(reader)
        descending = reader.took("desc")
        if not descending:
            reader.took("asc")
        keys.append((key, descending))
        if not reader.took(","):
            break

    def work(records: Records) -> Records:
        found = list(records)
        for key, descending in reversed(keys):
            found.sort(key=_ordering(key), reverse=descending)
        return iter(found)

    return work


def _ordering(key: Expression) -> Callable[[Record], tuple[int, float, str]]:
    return lambda record: order_of(key(record))


def _dedup(reader: Reader, building: _Building) -> Command:
    columns = [value for _, value in _several(reader)]

    def work(records: Records) -> Records:
        seen: set[tuple[str | None, ...]] = set()
        for record in records:
            values = [column(record) for column in columns]
            key = tuple(None if value is None else text_of(value) for value in values)
            if None not in key and key in seen:
                continue
            seen.add(key)
            yield record

    return work


# -- parse -------------------------------------------------------------------------------------------------------


def _parse(reader: Reader, building: _Building) -> Command:
    """`parse [field] "a * b *" as x, y`, or `parse [field] /(?<x>…)/`."""
    field: Expression | None = None
    if reader.peek().kind in {"name", "quoted"}:
        field = expression(reader)
    source = field or (lambda record: record.get("@message"))
    pattern = _pattern(reader)
    building.fields += [name for name in pattern.groupindex if name not in building.fields]

    def work(records: Records) -> Records:
        for record in records:
            value = source(record)
            found = None if value is None else pattern.search(text_of(value))
            if found is not None:
                for name in pattern.groupindex:
                    if found[name] is not None:
                        record.fields[name] = found[name]
            yield record

    return work


def _pattern(reader: Reader) -> re.Pattern[str]:
    token = reader.peek()
    if token.kind == "regex":
        return regex(reader)
    pieces = unquoted(reader.of("text")).split("*")
    reader.require("as")
    names = [reader.of("name", "quoted")]
    while reader.took(","):
        names.append(reader.of("name", "quoted"))
    if len(names) != len(pieces) - 1:
        raise MalformedQuery(
            f"the number of wildcards ({len(pieces) - 1}) and of fields ({len(names)}) differ",
            token.start,
            token.end,
        )
    regular = re.escape(pieces[0])
    for name, piece in zip(names, pieces[1:], strict=True):
        if not unquoted(name).isidentifier():
            raise reader.unexpected(name)
        regular += f"(?P<{unquoted(name)}>.*{'?' if piece else ''}){re.escape(piece)}"
    return re.compile(regular, re.DOTALL)


# -- stats -------------------------------------------------------------------------------------------------------


def _stats(reader: Reader, building: _Building) -> Command:
    totals = [_total(reader)]
    while reader.took(","):
        totals.append(_total(reader))
    groups = _several(reader) if reader.took("by") else []
    building.aggregated = True
    building.fields = []
    building.shown = [*(name for name, _ in groups), *(name for name, _ in totals)]

    def work(records: Records) -> Records:
        found: dict[tuple[str, ...], tuple[list[Value], list[Total]]] = {}
        for record in records:
            values = [value(record) for _, value in groups]
            key = tuple(text_of(value) for value in values)
            if key not in found:
                found[key] = (values, [make() for _, make in totals])
            for total in found[key][1]:
                total.add(record)
        if not groups and not found:
            found[()] = ([], [make() for _, make in totals])
        for values, results in found.values():
            fields = {name: value for (name, _), value in zip(groups, values, strict=True)}
            fields |= {name: total.value() for (name, _), total in zip(totals, results, strict=True)}
            yield Record(fields)

    return work


def _total(reader: Reader) -> tuple[str, Callable[[], Total]]:
    start = reader.peek().start
    make = aggregate(reader, expression)
    name = reader.since(start)
    if reader.took("as"):
        name = unquoted(reader.of("name", "quoted"))
    return name, make


_COMMANDS: dict[str, Callable[[Reader, _Building], Command]] = {
    "fields": _fields,
    "display": _display,
    "filter": _filter,
    "limit": _limit,
    "sort": _sort,
    "dedup": _dedup,
    "parse": _parse,
    "stats": _stats,
}
