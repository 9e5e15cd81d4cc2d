"""What only sockets can show of a balancer: TLS, upgrades, TCP, headers on the wire, connections that never open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest

from neargate.balancer.certificates import AUTHORITY, Authority
from neargate.balancer.envoy import EnvoyBalancer
from neargate.model.balancer import LOOPBACK, BalancerFailure, Endpoint, Entry, Served, Traffic
from tests.contract.balancing import (
    EnvoyRig,
    envoy_rig,
    fixed,
    forward,
    host_is,
    listener,
    load_balancer,
    named,
    pools_of,
    redirect,
    rule,
    serve,
    target_group,
)

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

WEB = load_balancer("web", dns_name="Web-1.us-east-1.elb.localhost")
BLUE = target_group("blue")
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/one"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EnvoyRig]:
    async with envoy_rig(tmp_path / "balancer") as made:
        yield made


async def told(rig: EnvoyRig, door: int, **headers: str) -> dict[str, str]:
    """The headers that a target saw of a request with these."""
    answer = await rig.ask(door, "/", f"{WEB.dns_name}:{door}", **headers)
    seen: dict[str, str] = json.loads(answer.body)["headers"]
    return seen


async def test_a_target_sees_who_asked(rig: EnvoyRig) -> None:
    balancer = rig.balancer()
    door = rig.port()
    pools = pools_of((BLUE, [await rig.target(named("b"))]))
    await serve(balancer, Served(WEB, (Entry(listener(WEB, forward(BLUE)), (), door),)), pools=pools)
    seen = await told(rig, door)
    assert seen["X-Forwarded-For"] == LOOPBACK
    assert (seen["X-Forwarded-Proto"], seen["X-Forwarded-Port"]) == ("http", str(door))
    assert seen["Host"] == f"{WEB.dns_name}:{door}"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", seen["X-Amzn-Trace-Id"])
    assert not [name for name in seen if name.lower().startswith(("x-envoy", "x-neargate", "x-request-id"))]
    seen = await told(
        rig, door, X_Forwarded_For="10.1.2.3", X_Amzn_Trace_Id="Root=1-aa-bb", x_neargate_source="1.2.3.4"
    )
    assert seen["X-Forwarded-For"] == f"10.1.2.3,{LOOPBACK}"
    assert re.fullmatch(r"Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-aa-bb", seen["X-Amzn-Trace-Id"])
    assert not [name for name in seen if name.lower().startswith("x-neargate")]


@pytest.mark.parametrize(("mode", "seen"), [("preserve", "10.1.2.3"), ("remove", None)])
async def test_the_clients_address_is_handled_as_the_load_balancer_says(
    rig: EnvoyRig, mode: str, seen: str | None
) -> None:
    one = attrs.evolve(WEB, attributes={"routing.http.xff_header_processing.mode": mode})
    balancer = rig.balancer()
    door = rig.port()
    pools = pools_of((BLUE, [await rig.target(named("b"))]))
    await serve(balancer, Served(one, (Entry(listener(one, forward(BLUE)), (), door),)), pools=pools)
    assert (await told(rig, door, X_Forwarded_For="10.1.2.3")).get("X-Forwarded-For") == seen


@contextlib.contextmanager
def full() -> Iterator[Endpoint]:
    """A port whose connections never open: its queue is full, so the kernel answers nobody."""
    with contextlib.ExitStack() as open_sockets:
        listening = open_sockets.enter_context(socket.socket())
        listening.bind((LOOPBACK, 0))
        listening.listen(0)
        for _ in range(4):
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield Endpoint(LOOPBACK, listening.getsockname()[1])


async def test_a_target_that_does_not_let_anybody_in_is_504_after_ten_seconds(rig: EnvoyRig) -> None:
    balancer = rig.balancer()
    door = rig.port()
    with full() as endpoint:
        entry = Entry(listener(WEB, forward(BLUE)), (), door)
        await serve(balancer, Served(WEB, (entry,)), pools=pools_of((BLUE, [endpoint])))
        answer = await rig.ask(door, host=WEB.dns_name)
    assert (answer.status, len(answer.body)) == (504, 132)


async def test_a_websocket_is_a_connection_both_ways(rig: EnvoyRig) -> None:
    async def upgraded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while line := await reader.readline():
            writer.write(b"echo " + line)
        writer.close()

    server = await asyncio.start_server(upgraded, LOOPBACK, 0)
    endpoint = Endpoint(LOOPBACK, server.sockets[0].getsockname()[1])
    balancer = rig.balancer()
    door = rig.port()
    entry = Entry(listener(WEB, forward(BLUE)), (), door)
    await serve(balancer, Served(WEB, (entry,)), pools=pools_of((BLUE, [endpoint])))
    reader, writer = await asyncio.open_connection(LOOPBACK, door)
    writer.write(
        f"GET / HTTP/1.1\r\nHost: {WEB.dns_name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    writer.write(b"one\n")
    assert await reader.readline() == b"echo one\n"
    leaving = pools_of((BLUE, [attrs.evolve(endpoint, serves=False)]))
    await serve(balancer, Served(WEB, (entry,)), pools=leaving)
    assert await balancer.in_flight() == {(BLUE.key, endpoint.address, endpoint.port): 1}
    writer.write(b"two\n")
    assert await reader.readline() == b"echo two\n"
    writer.close()
    server.close()


async def test_https_by_name_with_http2_and_a_redirect_to_it(rig: EnvoyRig, tmp_path: Path) -> None:
    names = ["example.com", WEB.dns_name]
    certificate = Authority(tmp_path / "authority").issue(names)
    assert Authority(tmp_path / "authority").issue(names) == certificate
    balancer = rig.balancer()
    plain = rig.port()
    secure = rig.port()
    to_https = redirect(Protocol="HTTPS", Port="443")
    https = listener(WEB, fixed("safe"), port=443, protocol="HTTPS", certificates=(CERTIFICATE,))
    own = rule(https, 1, fixed("example"), host_is("example.com"))
    one = Served(WEB, (Entry(listener(WEB, to_https), (), plain), Entry(https, (own,), secure)))
    await balancer.apply(Traffic((one,), {}, {CERTIFICATE: certificate}))
    moved = await rig.ask(plain, "/a", WEB.dns_name)
    assert moved.headers["location"] == f"https://{WEB.dns_name}:{secure}/a"
    trusting = ssl.create_default_context(cafile=tmp_path / "authority" / AUTHORITY)
    for name, text in ((WEB.dns_name, b"safe"), ("example.com", b"example")):
        reader, writer = await asyncio.open_connection(LOOPBACK, secure, ssl=trusting, server_hostname=name)
        writer.write(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.read()).endswith(text)
        writer.close()
        await writer.wait_closed()
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection(LOOPBACK, secure, ssl=trusting, server_hostname=WEB.dns_name)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()
    await writer.wait_closed()


async def test_tcp_goes_through_and_drains_by_connection(rig: EnvoyRig) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, LOOPBACK, 0)
    endpoint = Endpoint(LOOPBACK, server.sockets[0].getsockname()[1])
    group = attrs.evolve(target_group("tcp"), protocol="TCP", protocol_version="")
    one = load_balancer("net", type="network")
    balancer = rig.balancer()
    door = rig.port()
    entry = Entry(listener(one, forward(group), port=5432, protocol="TCP"), (), door)
    await serve(balancer, Served(one, (entry,)), pools=pools_of((group, [endpoint])))
    reader, writer = await asyncio.open_connection(LOOPBACK, door)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    leaving = pools_of((group, [attrs.evolve(endpoint, serves=False)]))
    await serve(balancer, Served(one, (entry,)), pools=leaving)
    assert await balancer.in_flight() == {(group.key, endpoint.address, endpoint.port): 1}
    writer.write(b"still\n")
    assert await reader.readline() == b"still\n"
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while await balancer.in_flight():  # noqa: ASYNC110 — Envoy tells nobody that a connection has ended
            await asyncio.sleep(0.01)
    server.close()


async def test_a_listener_that_cannot_be_opened_is_named_and_the_rest_serves(rig: EnvoyRig) -> None:
    balancer = rig.balancer()
    door = rig.port()
    taken = rig.port()
    good = Entry(listener(WEB, fixed("good")), (), door)
    await serve(balancer, Served(WEB, (good,)))
    await rig.take(taken)
    bad = Entry(listener(WEB, fixed("bad"), port=81), (), taken)
    with pytest.raises(BalancerFailure, match=rf"cannot bind .127.0.0.1:{taken}.: Address already in use"):
        await serve(balancer, Served(WEB, (good, bad)))
    assert (await rig.ask(door, host=WEB.dns_name)).body == "good"
    again = Entry(listener(WEB, fixed("bad"), port=81), (), await balancer.door(taken))
    assert again.door != taken
    await serve(balancer, Served(WEB, (good, again)))
    assert (await rig.ask(again.door, host=WEB.dns_name)).body == "bad"


async def test_an_envoy_with_other_settings_is_replaced(rig: EnvoyRig) -> None:
    balancer = rig.balancer()
    door = rig.port()
    served = Served(WEB, (Entry(listener(WEB, fixed("here")), (), door),))
    await serve(balancer, served)
    before = balancer.process.admin.process()
    again = rig.balancer()
    await serve(again, served)
    assert again.process.admin.process() == before
    again.leave()
    other = EnvoyBalancer(rig.directory, "another-version")
    await serve(other, served)
    assert other.process.admin.process() != before
    assert (await rig.ask(door, host=WEB.dns_name)).body == "here"
    other.leave()
