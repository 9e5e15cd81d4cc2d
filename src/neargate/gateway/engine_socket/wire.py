"""HTTP/1.1 on a unix socket, as a Docker client speaks it: streams both ways, and connections taken over.

ASGI cannot hand a connection over, which `docker run` and `docker attach` need; so this is a server of its own,
on h11.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

_READ = 1 << 16
_VERSION = re.compile(r"v\d+(?:\.\d+)?", re.ASCII)
_LARGEST_JSON = 4 << 20


class ClientLeft(Exception):
    """The client closed the connection in the middle of its request."""


class Refusal(Exception):
    """An answer that is an error: what the Docker CLI prints after `Error response from daemon: `."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Exchange:
    """One request and the means to answer it. `path` is decoded and without API version."""

    def __init__(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: h11.Request,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._writer = writer
        target = urlsplit(request.target.decode("latin-1"))
        self.method = request.method.decode()
        self.version, self.path = split_version(unquote(target.path))
        self.raw_query = target.query
        self.pairs = parse_qsl(target.query, keep_blank_values=True)
        self.query = dict(self.pairs)
        self.headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        self.begun = False
        self.taken_over = False

    @property
    def unfinished(self) -> bool:
        """Whether an answer has begun and not ended."""
        return self._connection.our_state is h11.SEND_BODY

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives."""
        if self._connection.they_are_waiting_for_100_continue:
            await self._write(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await self._reader.read(_READ))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.ConnectionClosed):
                raise ClientLeft
            else:
                return

    async def json(self) -> Any:
        """The body as JSON; an empty one is {}."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > _LARGEST_JSON:
                raise Refusal(413, "the request is too large")
        try:
            return json.loads(body or b"{}")
        except ValueError:
            raise Refusal(400, "the request is not JSON") from None

    def structured(self, name: str) -> dict[str, Any]:
        """A query parameter that is a JSON object; {} where it is missing or null."""
        try:
            value = json.loads(self.query.get(name) or "{}") or {}
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Refusal(400, f"the parameter {name} is not a JSON object")
        return value

    async def answer(self, status: int, value: Any = None, headers: dict[str, str] | None = None) -> None:
        """A whole answer: JSON, or nothing where `value` is None."""
        body = b"" if value is None else json.dumps(value).encode()
        kind = {"Content-Type": "application/json"} if value is not None else {}
        length = {} if status in (204, 304) else {"Content-Length": str(len(body))}
        await self.begin(status, {**kind, **length, **(headers or {})})
        if body and self.method != "HEAD":
            await self.write(body)
        await self.end()

    async def begin(self, status: int, headers: dict[str, str]) -> None:
        self.begun = True
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._write(h11.Response(status_code=status, headers=pairs))

    async def write(self, data: bytes) -> None:
        await self._write(h11.Data(data=data))

    async def end(self) -> None:
        await self._write(h11.EndOfMessage())

    async def take_over(self, content_type: str) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """End HTTP here: the bytes that came already, and the two ends of the connection."""
        async for _ in self.chunks():
            pass
        self.begun = self.taken_over = True
        upgrade = "upgrade" in self.headers
        status = b"101 UPGRADED" if upgrade else b"200 OK"
        extra = b"Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else b""
        self._writer.write(
            b"HTTP/1.1 " + status + b"\r\nContent-Type: " + content_type.encode() + b"\r\n" + extra + b"\r\n"
        )
        await self._writer.drain()
        return bytes(self._connection.trailing_data[0]), self._reader, self._writer

    async def _write(self, event: h11.Event) -> None:
        data = self._connection.send(event)
        if data:
            self._writer.write(data)
            try:
                await self._writer.drain()
            except ConnectionError as error:
                raise ClientLeft from error


Serve = Callable[[Exchange], Awaitable[None]]


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, serve: Serve) -> None:
    """Answer request after request until the client goes, or takes the connection over."""
    connection = h11.Connection(h11.SERVER)
    try:
        while True:
            request = await _next_request(connection, reader)
            if request is None:
                return
            exchange = Exchange(connection, reader, writer, request)
            await serve(exchange)
            if exchange.taken_over:
                return
            async for _ in exchange.chunks() if connection.their_state is h11.SEND_BODY else _nothing():
                pass
            if connection.our_state is h11.MUST_CLOSE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
    except (h11.ProtocolError, ClientLeft, ConnectionError):
        return
    finally:
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


async def _next_request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Request):
            return event
        else:
            return None


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""


def split_version(path: str) -> tuple[str, str]:
    """`/v1.41/images/json` as ("v1.41", "images/json")."""
    first, _, rest = path.lstrip("/").partition("/")
    if _VERSION.fullmatch(first):  # it goes into a raw request to the engine: nothing else may be in it
        return first, rest
    return "", path.lstrip("/")
