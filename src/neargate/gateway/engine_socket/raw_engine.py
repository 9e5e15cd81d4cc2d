"""A connection to the engine that stops being HTTP: attach and exec."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

from neargate.gateway.engine_socket.wire import Exchange, Refusal
from neargate.runtimes.engine_connection import EngineAddress

_CHUNK = 1 << 16
_RAW = "application/vnd.docker.raw-stream"
_MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


async def take_over(address: EngineAddress, exchange: Exchange, path: str, body: bytes, tty: bool) -> None:
    """POST to the engine, and join the client's connection to what becomes of that one."""
    reader, writer = await _connect(address)
    version = f"/{exchange.version}" if exchange.version else ""
    try:
        writer.write(
            f"POST {version}/{path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status not in (101, 200):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    raise Refusal(status, (await reader.read(4096)).decode(errors="replace"))
            raise Refusal(status, "the engine refused")
        early, client_reader, client_writer = await exchange.take_over(_RAW if tty else _MULTIPLEXED)
        writer.write(early)
        await _join(client_reader, client_writer, reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        if not exchange.taken_over:
            raise Refusal(502, "the engine broke the connection off") from None
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _connect(address: EngineAddress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(address.url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    if parts.scheme in {"tcp", "http"}:
        return await asyncio.open_connection(parts.hostname, parts.port or 2375)
    raise Refusal(501, f"docker run and exec need an engine on a unix or tcp socket, not {parts.scheme}.")


async def _join(
    client_reader: asyncio.StreamReader,
    client_writer: asyncio.StreamWriter,
    engine_reader: asyncio.StreamReader,
    engine_writer: asyncio.StreamWriter,
) -> None:
    """Until the engine has said everything; what the client says goes there meanwhile."""
    upwards = asyncio.create_task(_pump(client_reader, engine_writer))
    try:
        await _pump(engine_reader, client_writer)
    finally:
        upwards.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await upwards


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
