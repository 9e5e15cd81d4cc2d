"""A reply leaves in one write, a large one does not wait, and nothing written is lost at the end."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn

from neargate.gateway.front import AsgiScope, Receive, Send
from neargate.gateway.one_write import Corked, OneWriteProtocol

pytestmark = pytest.mark.anyio


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_what_one_turn_writes_leaves_together() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    corked.write(b"head")
    corked.write(b"body")
    assert wire.writes == []
    await asyncio.sleep(0)
    corked.write(b"next")
    await asyncio.sleep(0)
    assert wire.writes == [b"headbody", b"next"]


async def test_a_large_body_does_not_wait() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    corked.write(b"head")
    corked.write(b"x" * (1 << 16))
    assert [len(write) for write in wire.writes] == [(1 << 16) + 4]


async def test_what_is_held_leaves_before_the_close_and_nothing_after_it() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    corked.write(b"last")
    corked.close()
    corked.write(b"too late")
    await asyncio.sleep(0)
    assert (wire.writes, wire.closed) == ([b"last"], True)


async def test_uvicorn_answers_through_it() -> None:
    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    config = uvicorn.Config(app, http=OneWriteProtocol, ws="none", lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    state = uvicorn.server.ServerState()
    server = await loop.create_server(lambda: OneWriteProtocol(config, state, {}, loop), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
