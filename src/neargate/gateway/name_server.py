"""DNS on each task's own resolver address, the VPC's base plus two.

As with 169.254.170.2, the socket says which task asks. Names that Neargate does not know are asked of the machine's
own name servers, and their answers are passed on as they came.
"""

from __future__ import annotations

import asyncio
import importlib
import struct
from collections.abc import Callable, Hashable, Sequence
from socket import socket
from typing import TYPE_CHECKING, Any

import attrs
import structlog

from neargate.planners.private_names import SOA, Answer

if TYPE_CHECKING:
    import dns.message

log = structlog.get_logger()

Lookup = Callable[[Hashable, str, str], Answer | None]
"""(identity, name in lower case, record type) to the answer, or None where the world outside is to be asked."""

PATIENCE = 3.0  # seconds that one name server outside gets for an answer
_SMALL = 512  # bytes of an answer by UDP for a client that does not say more (RFC 1035)
_NEGATIVE_TTL = 5  # seconds for which "no such name" may be remembered: tasks come and go
_PORT = 53


@attrs.frozen
class _Served:
    datagrams: asyncio.DatagramTransport
    streams: asyncio.Server


class NameServer:
    """Serves any number of resolver addresses in the running event loop. `upstreams` are IPv4 addresses."""

    def __init__(self, lookup: Lookup, upstreams: Sequence[str], port: int = _PORT) -> None:
        self._lookup = lookup
        self._upstreams = tuple(upstreams)
        self._port = port
        self._served: dict[Hashable, _Served] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def serve(self, sockets: tuple[socket, socket], identity: Hashable) -> None:
        """Answer on these sockets (of datagrams, and listening), which belong to NameServer from here on.

        Raises `ValueError` for an identity that is served already.
        """
        if identity in self._served:
            raise ValueError(f"{identity!r} is served already")
        await asyncio.to_thread(importlib.import_module, "dns.message")
        loop = asyncio.get_running_loop()
        datagrams, streams = sockets
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self, identity), sock=datagrams)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._converse(identity, reader, writer)

        server = await asyncio.start_server(connected, sock=streams)
        self._served[identity] = _Served(transport, server)

    async def stop(self, identity: Hashable) -> None:
        """Close the sockets. Stopping twice is fine."""
        served = self._served.pop(identity, None)
        if served is not None:
            served.datagrams.close()
            served.streams.close()

    async def close(self) -> None:
        """Stop all."""
        for identity in list(self._served):
            await self.stop(identity)

    def received(
        self, identity: Hashable, query: bytes, sender: tuple[str, int], transport: asyncio.DatagramTransport
    ) -> None:
        """A datagram has come; the answer goes back when it is there."""

        async def answer() -> None:
            answered = await self.answer(identity, query, stream=False)
            if answered and not transport.is_closing():
                transport.sendto(answered, sender)

        task = asyncio.get_running_loop().create_task(answer())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _converse(
        self, identity: Hashable, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answered = await self.answer(identity, await reader.readexactly(length), stream=True)
                if not answered:
                    return
                writer.write(struct.pack("!H", len(answered)) + answered)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has had enough
        finally:
            writer.close()

    async def answer(self, identity: Hashable, query: bytes, *, stream: bool) -> bytes:
        """The answer's bytes; empty for what is not a query at all."""
        import dns.exception
        import dns.message
        import dns.rcode
        import dns.rdatatype

        try:
            message = dns.message.from_wire(query)
        except (dns.exception.DNSException, ValueError):
            return b""
        found = None
        if len(message.question) == 1:
            asked = message.question[0]
            name = asked.name.to_text(omit_final_dot=True).lower()
            found = self._lookup(identity, name, dns.rdatatype.to_text(asked.rdtype))
        if found is not None:
            return _written(message, found, stream)
        outside = await self._ask_outside(query, stream)
        if outside:
            return outside
        failed = dns.message.make_response(message, recursion_available=True)
        failed.set_rcode(dns.rcode.SERVFAIL)
        return failed.to_wire()

    async def _ask_outside(self, query: bytes, stream: bool) -> bytes:
        """What the first of the machine's name servers that answers says; empty where none does."""
        for server in self._upstreams:
            try:
                async with asyncio.timeout(PATIENCE):
                    if stream:
                        return await _by_stream(server, self._port, query)
                    return await _by_datagram(server, self._port, query)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                log.debug("names.upstream-failed", server=server, reason=repr(error))
        return b""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer, identity: Hashable) -> None:
        self._server = server
        self._identity = identity
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.received(self._identity, data, addr, self._transport)


def _written(message: dns.message.Message, found: Answer, stream: bool) -> bytes:
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rrset

    response = dns.message.make_response(message, recursion_available=True)
    response.flags |= dns.flags.AA
    name = message.question[0].name
    if found.values:
        response.answer.append(dns.rrset.from_text(name, found.ttl, "IN", found.type, *found.values))
    else:
        domain = name.parent().to_text().rstrip(".") if len(name) > 2 else name.to_text().rstrip(".")
        negative = SOA.format(domain=domain, ttl=_NEGATIVE_TTL)
        response.authority.append(dns.rrset.from_text(f"{domain}.", _NEGATIVE_TTL, "IN", "SOA", negative))
    if not found.exists:
        response.set_rcode(dns.rcode.NXDOMAIN)
    room = 65535 if stream else max(_SMALL, message.payload)
    return response.to_wire(max_size=room, prefer_truncation=True)


class _Reply(asyncio.DatagramProtocol):
    def __init__(self, number: bytes, reply: asyncio.Future[bytes]) -> None:
        self._number = number
        self._reply = reply

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self._number and not self._reply.done():
            self._reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._reply.done():
            self._reply.set_exception(exc)


async def _by_datagram(server: str, port: int, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    reply: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Reply(query[:2], reply), remote_addr=(server, port)
    )
    try:
        transport.sendto(query)
        return await reply
    finally:
        transport.close()


async def _by_stream(server: str, port: int, query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
