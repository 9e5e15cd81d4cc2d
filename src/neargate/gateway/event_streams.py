"""Answers that go on: the events of a source as the wire has them, until it is over or the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from neargate import wire
from neargate.model.event_stream import EventSource, StreamEvent
from neargate.model.ports import Clock, Store


async def messages(
    store: Store, clock: Clock, target: wire.Target, source: EventSource
) -> AsyncGenerator[bytes, None]:
    """The bytes of an event stream. Close it when the client has left."""
    yield wire.initial_response() + _encoded(target, source.first())
    over = False
    while not over:
        await asyncio.sleep(source.every)
        events, over = await asyncio.to_thread(store.read, lambda view: source.look(view, clock.now()))
        yield _encoded(target, events)


def _encoded(target: wire.Target, events: list[StreamEvent]) -> bytes:
    return b"".join(wire.encode_event(target, event.name, event.value) for event in events)
