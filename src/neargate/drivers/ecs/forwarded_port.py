"""A port inside a task's network, as the other side of a session: one connection after the other.

The client's DISCONNECT_TO_PORT (`end_input`) says that its connection has ended; the next one follows. A connection
that the port's side ended waits for that word, as AWS's agent does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket

from neargate.model.fabric import Fabric, FabricFailure
from neargate.model.runtime import Stream

_READ = 32 * 1024
_LOOPBACK = "127.0.0.1"


class ForwardedPort:
    """`Terminal` over TCP connections that are made inside the namespace. It has no size and no exit code."""

    def __init__(self, fabric: Fabric, netns: str, host: str, port: int) -> None:
        self._fabric = fabric
        self._netns = netns
        self._host = host
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._again = asyncio.Event()
        self._closed = False

    async def connect(self) -> None:
        """Make a connection. Raises OSError, FabricFailure."""
        address = await _resolved(self._host) if self._host else _LOOPBACK
        made = await self._fabric.connected(self._netns, address, self._port)
        self._streams = await asyncio.open_connection(sock=made)

    async def read(self) -> tuple[Stream, bytes]:
        while not self._closed:
            if self._streams is not None:
                with contextlib.suppress(ConnectionError):
                    if data := await self._streams[0].read(_READ):
                        return "stdout", data
            await self._again.wait()
            self._again.clear()
        return "stdout", b""

    async def write(self, data: bytes) -> None:
        """Bytes for a connection that is gone are dropped: the client hears of its end by itself."""
        if self._streams is not None:
            with contextlib.suppress(ConnectionError):
                self._streams[1].write(data)
                await self._streams[1].drain()

    async def end_input(self) -> None:
        await self._drop()
        with contextlib.suppress(OSError, FabricFailure):
            await self.connect()
        self._again.set()

    async def resize(self, columns: int, rows: int) -> None:
        """A port has no size."""

    async def exit_code(self) -> int:
        return 0

    async def close(self) -> None:
        self._closed = True
        await self._drop()
        self._again.set()

    async def _drop(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()


async def _resolved(host: str) -> str:
    """The IPv4 address of a name. Raises OSError."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv4Address(host))
    found = await asyncio.get_running_loop().getaddrinfo(host, None, family=socket.AF_INET)
    return str(found[0][4][0])
