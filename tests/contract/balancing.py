"""Records of load balancers for tests, targets that do as they are told, and a client."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs

from neargate.balancer.envoy import EnvoyBalancer
from neargate.balancer.memory import Answer, Broken, Machine, MemoryBalancer
from neargate.model.balancer import LOOPBACK, Balancer, Endpoint, Pool, Served, Traffic
from neargate.model.elbv2 import HealthCheck, Listener, LoadBalancer, Rule, TargetGroup
from neargate.model.records import Json
from neargate.planners.listener_rules import Asked

ACCOUNT, REGION = "000000000000", "us-east-1"
Handler = Callable[[Asked], Awaitable[Answer]]


def load_balancer(name: str = "web", **changes: Any) -> LoadBalancer:
    made = LoadBalancer(
        account=ACCOUNT,
        region=REGION,
        name=name,
        id=(name.encode().hex() + "0" * 16)[:16],
        vpc_id="vpc-1",
        interfaces=(),
        dns_name=f"{name}-123.us-east-1.elb.localhost",
        created=0.0,
    )
    return attrs.evolve(made, **changes)


def target_group(name: str, **attributes: str) -> TargetGroup:
    """Attributes by name, `_` for `.`: `stickiness__enabled` is `stickiness.enabled`."""
    return TargetGroup(
        account=ACCOUNT,
        region=REGION,
        name=name,
        id=(name.encode().hex() + "0" * 16)[:16],
        protocol="HTTP",
        port=80,
        vpc_id="vpc-1",
        target_type="ip",
        health_check=HealthCheck(),
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        created=0.0,
    )


def forward(*groups: TargetGroup | tuple[TargetGroup, int], sticky: int = 0) -> Json:
    weighted = [each if isinstance(each, tuple) else (each, 1) for each in groups]
    config: Json = {
        "TargetGroups": [{"TargetGroupArn": group.arn, "Weight": weight} for group, weight in weighted]
    }
    if sticky:
        config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": sticky}
    return {"Type": "forward", "ForwardConfig": config}


def fixed(text: str, status: int = 200) -> Json:
    config = {"StatusCode": str(status), "MessageBody": text, "ContentType": "text/plain"}
    return {"Type": "fixed-response", "FixedResponseConfig": config}


def redirect(**members: str) -> Json:
    return {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", **members}}


def listener(balancer: LoadBalancer, action: Json, port: int = 80, **changes: Any) -> Listener:
    made = Listener(
        account=ACCOUNT,
        region=REGION,
        balancer=balancer.full_name,
        id=f"{port:016x}",
        port=port,
        protocol="HTTP",
        default_actions=(action,),
        created=0.0,
        default_rule_id="d" * 16,
    )
    return attrs.evolve(made, **changes)


def rule(owner: Listener, priority: int, action: Json, *conditions: Json) -> Rule:
    return Rule(
        account=ACCOUNT,
        region=REGION,
        listener=f"{owner.balancer}/{owner.id}",
        id=f"{priority:016x}",
        priority=priority,
        conditions=conditions,
        actions=(action,),
        created=0.0,
    )


def path_is(*values: str) -> Json:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


def host_is(*values: str) -> Json:
    return {"Field": "host-header", "HostHeaderConfig": {"Values": list(values)}}


def header_is(name: str, *values: str) -> Json:
    return {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": list(values)}}


def method_is(*values: str) -> Json:
    return {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": list(values)}}


def query_is(key: str | None, value: str) -> Json:
    pair = {"Value": value} if key is None else {"Key": key, "Value": value}
    return {"Field": "query-string", "QueryStringConfig": {"Values": [pair]}}


def source_is(*values: str) -> Json:
    return {"Field": "source-ip", "SourceIpConfig": {"Values": list(values)}}


def named(name: str) -> Handler:
    """A target that answers with its name and what it was asked."""

    async def answer(asked: Asked) -> Answer:
        told = {"name": name, "host": asked.host, "target": asked.target, "headers": dict(asked.headers)}
        return Answer(200, json.dumps(told), {"content-type": "application/json"})

    return answer


async def breaking(_asked: Asked) -> Answer:
    """A target that breaks the connection."""
    raise Broken


async def silent(_asked: Asked) -> Answer:
    """A target that never answers."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


class Held:
    """A target that answers when it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let = asyncio.Event()

    async def __call__(self, _asked: Asked) -> Answer:
        self.asked.set()
        await self.let.wait()
        return Answer(200, "held")


class Rig(Protocol):
    """A machine with a balancer of one kind."""

    def balancer(self) -> Balancer:
        """A server's balancer; another one is that server after a restart."""

    async def target(self, handler: Handler) -> Endpoint: ...

    def refusing(self) -> Endpoint:
        """Where nothing listens."""

    async def ask(
        self, door: int, target: str = "/", host: str = "", method: str = "GET", **headers: str
    ) -> Answer: ...

    def port(self) -> int:
        """One of the loopback address that nobody takes before a balancer does."""

    async def kill(self) -> None:
        """End the balancer's process."""

    async def take(self, port: int) -> None:
        """Another program listens on a port of the loopback address."""


async def serve(balancer: Balancer, *served: Served, pools: dict[str, Pool] | None = None) -> None:
    await balancer.apply(Traffic(tuple(served), pools or {}))


def pools_of(*members: tuple[TargetGroup, list[Endpoint]]) -> dict[str, Pool]:
    return {group.arn: Pool(group, tuple(sorted(endpoints))) for group, endpoints in members}


class MemoryRig:
    def __init__(self) -> None:
        self._machine = Machine()
        self._ports = itertools.count(20000)
        self._last: MemoryBalancer | None = None

    def balancer(self) -> Balancer:
        self._last = MemoryBalancer(self._machine)
        return self._last

    async def target(self, handler: Handler) -> Endpoint:
        endpoint = Endpoint("172.31.0.5", 1024 + len(self._machine.targets))
        self._machine.targets[endpoint.address, endpoint.port] = handler
        return endpoint

    def refusing(self) -> Endpoint:
        return Endpoint("172.31.0.6", 80)

    async def ask(
        self, door: int, target: str = "/", host: str = "", method: str = "GET", **headers: str
    ) -> Answer:
        assert self._last is not None
        lower = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        return await self._last.ask(Asked(method, "http", host, door, target, lower))

    def port(self) -> int:
        return next(self._ports)

    async def kill(self) -> None:
        self._machine.kill()

    async def take(self, port: int) -> None:
        self._machine.taken.add(port)


class EnvoyRig:
    """Real targets and a real Envoy on the loopback address of this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._ports = iter(range(20000 + os.getpid() % 100 * 100, 32000))
        self._balancers: list[EnvoyBalancer] = []

    def balancer(self) -> EnvoyBalancer:
        for earlier in self._balancers:
            earlier.leave()
        self._balancers.append(EnvoyBalancer(self.directory, "contract"))
        return self._balancers[-1]

    async def target(self, handler: Handler) -> Endpoint:
        server = await asyncio.start_server(self._answering(handler), LOOPBACK, 0)
        self._servers.append(server)
        return Endpoint(LOOPBACK, server.sockets[0].getsockname()[1])

    def refusing(self) -> Endpoint:
        return Endpoint(LOOPBACK, 1)

    async def ask(
        self, door: int, target: str = "/", host: str = "", method: str = "GET", **headers: str
    ) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or LOOPBACK}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        reader, writer = await asyncio.open_connection(LOOPBACK, door)
        try:
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            return await _read_answer(reader)
        finally:
            writer.close()

    def port(self) -> int:
        """Below those that the kernel gives to whoever asks for any."""
        for port in self._ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    probe.bind((LOOPBACK, port))
                    return port
        raise AssertionError("no port is free")

    async def kill(self) -> None:
        pid = self._balancers[-1].process.admin.process()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def take(self, port: int) -> None:
        self._servers.append(await asyncio.start_server(self._answering(silent), LOOPBACK, port))

    def _answering(
        self, handler: Handler
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                with contextlib.suppress(asyncio.CancelledError):  # which asyncio's streams would print
                    await _serve(handler, reader, writer)
            finally:
                self._connections.discard(task)

        return connected

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await EnvoyBalancer(self.directory, "contract").stop()


@asynccontextmanager
async def envoy_rig(directory: Path) -> AsyncIterator[EnvoyRig]:
    rig = EnvoyRig(directory)
    try:
        yield rig
    finally:
        await rig.close()


async def _serve(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {line.partition(": ")[0]: line.partition(": ")[2] for line in head[1:] if line}
            answer = await handler(Asked(method, "http", headers.get("Host", ""), 0, target, headers))
            content = answer.body.encode()
            lines = [f"HTTP/1.1 {answer.status} Fine", f"Content-Length: {len(content)}"]
            lines += [f"{name}: {value}" for name, value in answer.headers.items()]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, Broken):
        pass
    finally:
        writer.transport.abort()


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = [line.partition(": ") for line in head[1:] if line]
    headers = {name.lower(): value for name, _, value in pairs}
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    cookies = tuple(value for name, _, value in pairs if name.lower() == "set-cookie")
    return Answer(int(head[0].split(" ")[1]), content.decode(), headers, cookies)
