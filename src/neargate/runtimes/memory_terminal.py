"""Commands that somebody talks with, in the in-memory twin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from neargate.model.runtime import Stream

TALKING_KILLED = 137


@attrs.define(eq=False)
class Screen:
    """What a command in memory sees of whoever talks with it."""

    tty: bool
    user: str = ""
    columns: int = 80
    rows: int = 24
    _input: asyncio.Queue[bytes] = attrs.field(factory=asyncio.Queue)
    _output: asyncio.Queue[tuple[Stream, bytes]] = attrs.field(factory=asyncio.Queue)
    resized: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def read(self) -> bytes:
        """The next input; empty at its end."""
        return await self._input.get()

    def write(self, data: bytes, stream: Stream = "stdout") -> None:
        """A TTY makes carriage returns of line ends, and one stream of both."""
        if self.tty:
            self._output.put_nowait(("stdout", data.replace(b"\n", b"\r\n")))
        else:
            self._output.put_nowait((stream, data))


Conversation = Callable[[Screen], Awaitable[int]]
"""What such a command does; returns its exit code."""


class MemoryTerminal:
    """`Terminal` whose command is a coroutine. It ends with its container, too."""

    def __init__(self, screen: Screen, conversation: Conversation, container_over: asyncio.Event) -> None:
        self._screen = screen
        self._task = asyncio.ensure_future(self._run(conversation, container_over))

    async def _run(self, conversation: Conversation, container_over: asyncio.Event) -> int:
        talking = asyncio.ensure_future(conversation(self._screen))
        ended = asyncio.ensure_future(container_over.wait())
        try:
            await asyncio.wait({talking, ended}, return_when=asyncio.FIRST_COMPLETED)
            return talking.result() if talking.done() else TALKING_KILLED
        finally:
            talking.cancel()
            ended.cancel()
            self._screen._output.put_nowait(("stdout", b""))

    async def read(self) -> tuple[Stream, bytes]:
        return await self._screen._output.get()

    async def write(self, data: bytes) -> None:
        if data:
            self._screen._input.put_nowait(data)

    async def end_input(self) -> None:
        if not self._screen.tty:
            self._screen._input.put_nowait(b"")

    async def resize(self, columns: int, rows: int) -> None:
        if self._screen.tty:
            self._screen.columns, self._screen.rows = columns, rows
            self._screen.resized.set()

    async def exit_code(self) -> int:
        return await self._task

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
