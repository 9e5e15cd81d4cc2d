"""169.254.170.2 and the VPC's resolver know which task asks, in namespaces of the kernel's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Hashable, Iterator
from contextlib import ExitStack

import dns.message
import dns.query
import pytest
from starlette.types import Receive, Scope, Send

from neargate.gateway.link_local import LINK_LOCAL, LinkLocal
from neargate.gateway.name_server import NameServer
from neargate.model.fabric import LINK_LOCAL_ADDRESS, AddressInUse
from neargate.planners.private_names import Answer
from tests.contract.test_fabric import LinuxRig
from tests.contract.test_fabric_linux import ANSWER_WITHIN, within

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
def linux() -> Iterator[LinuxRig]:
    with ExitStack() as cleanup:
        yield LinuxRig(cleanup)


async def who_asks(scope: Scope, receive: Receive, send: Send) -> None:
    text = f"{scope['state'][LINK_LOCAL]} {scope['path']}".encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def get(namespace: str, path: str) -> str:
    """The body of the answer, asked from inside."""

    def fetch() -> str:
        with socket.create_connection((LINK_LOCAL_ADDRESS, 80), timeout=ANSWER_WITHIN) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            with connection.makefile() as answer:
                return answer.read().split("\n\n")[1]

    return within(namespace, fetch)


async def test_each_task_is_known_by_its_listener(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    one, two = linux.namespace(), linux.namespace()
    link_local = LinkLocal(who_asks)
    for namespace in (one, two):
        await link_local.serve(await fabric.listener(namespace, LINK_LOCAL_ADDRESS, 80), namespace)
    for namespace in (one, two, one):
        assert await asyncio.to_thread(get, namespace, "/v4/x") == f"{namespace} /v4/x"
    await link_local.stop(one)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(get, one, "/")
    assert await asyncio.to_thread(get, two, "/") == f"{two} /"
    await link_local.close()


async def test_a_restarted_server_listens_again(linux: LinuxRig) -> None:
    task = linux.namespace()
    for run in ("first", "second"):
        link_local = LinkLocal(who_asks)
        await link_local.serve(await linux.fabric().listener(task, LINK_LOCAL_ADDRESS, 80), run)
        assert await asyncio.to_thread(get, task, "/") == f"{run} /"
        await link_local.close()


async def test_a_connection_from_inside_reaches_the_task_s_own_loopback(linux: LinuxRig) -> None:
    fabric = linux.fabric()
    task, other = linux.namespace(), linux.namespace()
    listener = await fabric.listener(task, LINK_LOCAL_ADDRESS, 5432)
    listener.setblocking(True)
    client = await fabric.connected(task, LINK_LOCAL_ADDRESS, 5432)
    accepted, _ = await asyncio.to_thread(listener.accept)
    accepted.sendall(b"hello")
    assert await asyncio.get_running_loop().sock_recv(client, 5) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        await fabric.connected(task, "127.0.0.1", 5433)
    with pytest.raises(OSError, match=r"unreachable|refused"):
        await fabric.connected(other, LINK_LOCAL_ADDRESS, 5432)
    for each in (listener, client, accepted):
        each.close()


RESOLVER = "10.79.0.2"


def resolve(namespace: str, *, tcp: bool) -> str:
    """The text that the resolver has for `me`, asked from inside."""
    query = dns.message.make_query("me", "TXT")
    way = dns.query.tcp if tcp else dns.query.udp
    answer = within(namespace, lambda: way(query, RESOLVER, timeout=ANSWER_WITHIN)).answer
    return answer[0][0].to_text().strip('"')


async def test_each_task_has_a_resolver_at_the_same_address(linux: LinuxRig) -> None:
    def lookup(identity: Hashable, name: str, wanted: str) -> Answer:
        return Answer("TXT", 0, (f'"{identity}"',))

    fabric = linux.fabric()
    names = NameServer(lookup, ())
    one, two = linux.namespace(), linux.namespace()
    for namespace in (one, two):
        await names.serve(await fabric.name_sockets(namespace, RESOLVER), namespace)
    for namespace in (one, two):
        for tcp in (False, True):
            assert await asyncio.to_thread(resolve, namespace, tcp=tcp) == namespace
    with pytest.raises(AddressInUse):
        await fabric.name_sockets(one, RESOLVER)
    await names.stop(one)
    await names.serve(await fabric.name_sockets(one, RESOLVER), "again")
    assert await asyncio.to_thread(resolve, one, tcp=False) == "again"
    await names.close()
