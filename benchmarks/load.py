"""A load generator: so many keep-alive connections, each sending the next request when it has the answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httptools

from benchmarks.servers import HOST

CONNECTIONS = 16


@dataclass(frozen=True)
class Rate:
    """What a server did under load."""

    answers: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds


class WrongAnswer(Exception):
    """An answer that was not 200, or a connection that ended."""


def load(port: int, request: bytes, seconds: float) -> Rate:
    """Send `request` to the port for so long. Raises WrongAnswer."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_load(port, request, seconds))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(port, request, seconds))


async def _load(port: int, request: bytes, seconds: float) -> Rate:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    until = started + seconds
    connections = [
        (await loop.create_connection(lambda: _Connection(request, until), HOST, port))[1]
        for _ in range(CONNECTIONS)
    ]
    async with asyncio.timeout(seconds + 30):
        answers = await asyncio.gather(*(connection.done for connection in connections))
    return Rate(sum(answers), time.perf_counter() - started)


class _Connection(asyncio.Protocol):
    """`done` is the number of answers, at the end."""

    def __init__(self, request: bytes, until: float) -> None:
        self._request = request
        self._until = until
        self._answers = 0
        self._parser = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 200:
            self._finish(WrongAnswer(f"status {self._parser.get_status_code()}"))
            return
        self._answers += 1
        self._parser = httptools.HttpResponseParser(self)
        if time.perf_counter() < self._until:
            self._transport.write(self._request)
        else:
            self._finish(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(WrongAnswer(f"the connection ended: {error}"))

    def _finish(self, error: WrongAnswer | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(self._answers)
        else:
            self.done.set_exception(error)
        self._transport.close()
