"""What an operation answers with whose answer goes on: events, until the client leaves or the source is over."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from neargate.model.records import Json, Reader


class StreamEvent(NamedTuple):
    """`name` is a member of the operation's event stream, an exception among them; the last one may be that."""

    name: str
    value: Json


class EventSource(Protocol):
    """The value of an event-stream member. It is asked by one reader, again and again."""

    every: float
    """Seconds between two looks."""

    def first(self) -> list[StreamEvent]:
        """What is sent at once."""

    def look(self, view: Reader, now: float) -> tuple[list[StreamEvent], bool]:
        """What is sent now, and whether that is all there will be."""
