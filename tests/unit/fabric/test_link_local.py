"""The server behind 169.254.170.2, on listeners of the loopback interface."""

from __future__ import annotations

import asyncio
import socket

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from neargate.fabric.memory import MemoryFabric
from neargate.gateway.link_local import LinkLocal

pytestmark = pytest.mark.anyio


class Site:
    """Says who asks; `/slow` waits until it is let go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.app = Starlette(routes=[Route("/", self.quick), Route("/slow", self.slow)])

    async def quick(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.link_local)

    async def slow(self, request: Request) -> PlainTextResponse:
        self.asked.set()
        await self.let_go.wait()
        return PlainTextResponse(request.state.link_local)


async def listener() -> socket.socket:
    made: socket.socket = await MemoryFabric("one").listener("/memory", "169.254.170.2", 80)
    return made


async def request(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    writer.close()
    await writer.wait_closed()
    return body.decode()


async def test_the_listener_is_the_identity() -> None:
    link_local = LinkLocal(Site().app)
    ports = {}
    for identity in ("one", "two"):
        sock = await listener()
        ports[identity] = sock.getsockname()[1]
        await link_local.serve(sock, identity)
    assert await request(ports["two"], "/") == "two"
    assert await request(ports["one"], "/") == "one"
    with await listener() as third, pytest.raises(ValueError, match="'one' is served already"):
        await link_local.serve(third, "one")
    await link_local.stop("one")
    await link_local.stop("one")
    with pytest.raises(ConnectionRefusedError):
        await request(ports["one"], "/")
    assert await request(ports["two"], "/") == "two"
    await link_local.close()


async def test_stopping_ends_idle_connections_and_lets_requests_finish() -> None:
    site = Site()
    link_local = LinkLocal(site.app)
    sock = await listener()
    port = sock.getsockname()[1]
    await link_local.serve(sock, "one")
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
    under_way = asyncio.create_task(request(port, "/slow"))
    await site.asked.wait()
    stopping = asyncio.create_task(link_local.stop("one"))
    assert await idle.read() == b""
    assert not stopping.done()
    site.let_go.set()
    assert await under_way == "one"
    await stopping
    idle_writer.close()
    await idle_writer.wait_closed()
