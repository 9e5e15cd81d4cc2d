"""One subscription to the engine's events, shared by everyone in this process who waits for some."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from neargate.model.runtime import (
    ContainerEvent,
    ContainerState,
    EngineUnavailable,
    EventAction,
    NoSuchContainer,
)
from neargate.runtimes.engine_connection import EngineConnection, Refused, json_lines
from neargate.runtimes.file_watch import FileWatch
from neargate.runtimes.payloads import SANDBOX_LABEL

_ACTIONS: Mapping[str, EventAction] = {
    "create": "created",
    "start": "started",
    "die": "died",
    "died": "died",
    "destroy": "removed",
    "remove": "removed",
}
_NOT_LABELS = frozenset({"image", "name", "exitCode", "containerExitCode", "podId", "execID", "execDuration"})
_OVERLAP = 2
"""Seconds before a (re)connection from which events are asked for again; at-least-once allows it."""

_RESYNC = 20.0
"""Seconds between two `watching` for everybody: an engine that lost an event must not be waited for for ever."""

Inspect = Callable[[str], Awaitable[ContainerState]]


class EventHub:
    """Connects while somebody listens. Podman's own event stream lags up to a quarter of a second; for the
    private engine deaths come at once, from the exit files that conmon writes."""

    def __init__(self, connection: EngineConnection, inspect: Inspect, watch: FileWatch) -> None:
        self._connection = connection
        self._inspect = inspect
        self._watch = watch
        self._listeners: set[asyncio.Queue[ContainerEvent]] = set()
        self._task: asyncio.Task[None] | None = None
        self._inspections: set[asyncio.Task[None]] = set()
        self._dead: set[str] = set()
        self._connected = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[ContainerEvent]]:
        """A queue of all events, `watching` first. It is unbounded: read it."""
        queue: asyncio.Queue[ContainerEvent] = asyncio.Queue()
        self._listeners.add(queue)
        if self._connected:
            queue.put_nowait(_watching())
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._stay_connected(), name="engine-events")
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def started_anew(self, container_id: str) -> None:
        """Its next death is news again."""
        self._dead.discard(container_id)

    async def close(self) -> None:
        for task in (self._task, *self._inspections):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._task = None

    async def _stay_connected(self) -> None:
        """Follow the engine's events for ever; a lost engine is tried again at growing intervals, 2 s at most."""
        pause = 0.05
        while True:
            try:
                await self._follow()
                pause = 0.05
            except (EngineUnavailable, Refused):
                pause = min(2.0, pause * 2)
            finally:
                self._connected = False
            await asyncio.sleep(pause)

    async def _follow(self) -> None:
        address = await self._connection.address()
        with contextlib.ExitStack() as stack:
            if address.private and address.directory is not None:
                exits = Path(address.directory, "tmp", "exits")
                os.makedirs(exits, exist_ok=True, mode=0o750)
                stack.enter_context(self._watch.watching(exits, self._exit_file))
            params = {"since": int(time.time()) - _OVERLAP, "filters": '{"type":["container"]}'}
            async with self._connection.stream("GET", "events", params=params) as response:
                self._connected = True
                resync = asyncio.create_task(self._resync(), name="engine-events resync")
                stack.callback(resync.cancel)
                async for raw in json_lines(response):
                    event = event_of(raw)
                    if event is not None:
                        self._publish(event)

    async def _resync(self) -> None:
        while True:
            self._publish(_watching())
            await asyncio.sleep(_RESYNC)

    def _exit_file(self, name: str) -> None:
        """conmon names the file by the container's id, once its output is written and its exit status known."""
        if len(name) == 64:
            task = asyncio.create_task(self._report_exit(name))
            self._inspections.add(task)
            task.add_done_callback(self._inspections.discard)

    async def _report_exit(self, container_id: str) -> None:
        try:
            state = await self._inspect(container_id)
        except (NoSuchContainer, EngineUnavailable, Refused):
            return  # the engine's own event will come, or `watching` after a reconnection
        if state.status == "exited":
            self._publish(
                ContainerEvent(
                    action="died",
                    id=state.id,
                    name=state.name,
                    labels=state.labels,
                    exit_code=state.exit_code,
                    timestamp=state.finished_at or time.time(),
                )
            )

    def _publish(self, event: ContainerEvent) -> None:
        """Hand it to all, unless it is older news: what an exit file told comes again, late, from the engine."""
        if event.action == "died":
            if event.id in self._dead:
                return
            self._dead.add(event.id)
        elif event.action == "removed":
            self._dead.discard(event.id)
        elif event.id in self._dead:
            return
        for queue in self._listeners:
            queue.put_nowait(event)


def _watching() -> ContainerEvent:
    return ContainerEvent(action="watching", timestamp=time.time())


def event_of(raw: Mapping[str, Any]) -> ContainerEvent | None:
    """An event as the Engine API tells it; None where it is none of ours."""
    action = _ACTIONS.get(raw.get("Action", ""))
    actor = raw.get("Actor") or {}
    attributes: Mapping[str, str] = actor.get("Attributes") or {}
    if action is None or SANDBOX_LABEL in attributes:
        return None
    code = attributes.get("exitCode") if action == "died" else None
    return ContainerEvent(
        action=action,
        id=actor.get("ID") or raw.get("id", ""),
        name=attributes.get("name", ""),
        labels={name: value for name, value in attributes.items() if name not in _NOT_LABELS},
        exit_code=int(code) if code else None,
        timestamp=raw.get("timeNano", 0) / 1e9,
    )
