"""DNS as a client sees it, on loopback."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from neargate.gateway.name_server import NameServer
from neargate.planners.private_names import Answer

pytestmark = pytest.mark.anyio

KNOWN = {
    "web.corp.local": Answer("A", 10, ("10.0.0.1", "10.0.0.2")),
    "many.corp.local": Answer("A", 10, tuple(f"10.0.{n}.1" for n in range(100))),
    "none.corp.local": Answer("A", exists=False),
    "alias.corp.local": Answer("CNAME", 5, ("db.example.com.",)),
}


def lookup(identity: Hashable, name: str, wanted: str) -> Answer | None:
    if name == "me":
        return Answer("TXT", 0, (f'"{identity}"',))
    return KNOWN.get(name)


def sockets() -> tuple[socket.socket, socket.socket]:
    streams = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    streams.bind(("127.0.0.1", 0))
    streams.listen()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(streams.getsockname())
    for one in (datagrams, streams):
        one.setblocking(False)
    return datagrams, streams


@asynccontextmanager
async def serving(server: NameServer, identity: str) -> AsyncIterator[int]:
    pair = sockets()
    port: int = pair[1].getsockname()[1]
    await server.serve(pair, identity)
    try:
        yield port
    finally:
        await server.close()


async def ask(port: int, name: str, type: str = "A", *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, type, use_edns=False)
    way = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await way(query, "127.0.0.1", timeout=5, port=port)


def texts(message: dns.message.Message) -> list[str]:
    return [item.to_text() for found in message.answer for item in found]


async def test_known_names_are_answered_with_authority() -> None:
    async with serving(NameServer(lookup, ()), "task") as port:
        found = await ask(port, "WEB.corp.local.")
        assert sorted(texts(found)) == ["10.0.0.1", "10.0.0.2"]
        assert found.answer[0].ttl == 10
        assert found.flags & dns.flags.AA
        assert found.flags & dns.flags.RA
        assert texts(await ask(port, "alias.corp.local", tcp=True)) == ["db.example.com."]


async def test_names_that_do_not_exist_come_with_how_long_to_remember_it() -> None:
    async with serving(NameServer(lookup, ()), "task") as port:
        found = await ask(port, "none.corp.local")
        assert found.rcode() == dns.rcode.NXDOMAIN
        assert found.authority[0].ttl == 5


async def test_each_listener_knows_who_asks() -> None:
    server = NameServer(lookup, ())
    async with serving(server, "one") as first, serving(server, "two") as second:
        assert texts(await ask(first, "me", "TXT")) == ['"one"']
        assert texts(await ask(second, "me", "TXT")) == ['"two"']


async def test_a_long_answer_is_had_by_tcp() -> None:
    async with serving(NameServer(lookup, ()), "task") as port:
        short = await ask(port, "many.corp.local")
        assert short.flags & dns.flags.TC
        assert len(texts(await ask(port, "many.corp.local", tcp=True))) == 100


@pytest.mark.parametrize("tcp", [False, True])
async def test_the_world_is_asked_for_other_names(tcp: bool) -> None:
    world = NameServer(lambda identity, name, wanted: Answer("A", 1, ("192.0.2.1",)), ())
    async with serving(world, "world") as outside:
        server = NameServer(lookup, ("127.0.0.2", "127.0.0.1"), port=outside)
        async with serving(server, "task") as port:
            assert texts(await ask(port, "example.com", tcp=tcp)) == ["192.0.2.1"]


async def test_nobody_outside_answers() -> None:
    async with serving(NameServer(lookup, ()), "task") as port:
        assert (await ask(port, "example.com")).rcode() == dns.rcode.SERVFAIL


async def test_what_is_no_query_is_ignored() -> None:
    server = NameServer(lookup, ())
    async with serving(server, "task") as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"nonsense", ("127.0.0.1", port))
        assert texts(await ask(port, "web.corp.local"))


async def test_a_task_is_served_once() -> None:
    server = NameServer(lookup, ())
    async with serving(server, "task"):
        datagrams, streams = sockets()
        with datagrams, streams, pytest.raises(ValueError, match="served already"):
            await server.serve((datagrams, streams), "task")
