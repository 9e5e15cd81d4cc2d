"""What a load balancer costs: Envoy beside its target asked directly, and how soon a new target is hit."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, median
from benchmarks.load import load
from neargate.balancer.envoy import EnvoyBalancer
from neargate.model.balancer import LOOPBACK, Endpoint, Entry, Pool, Served, Traffic
from neargate.model.elbv2 import HealthCheck, Listener, LoadBalancer, TargetGroup

_ROUNDS = 5
_SECONDS = 2.0
_TARGETS = 20
_PLACE = {"account": "000000000000", "region": "us-east-1"}
_ONE = LoadBalancer(
    **_PLACE,
    name="bench",
    id="0123456789abcdef",
    vpc_id="vpc-0",
    interfaces=(),
    dns_name="bench.elb.localhost",
    created=0.0,
)
_GROUP = TargetGroup(
    **_PLACE,
    name="bench",
    id="0123456789abcdef",
    protocol="HTTP",
    port=80,
    vpc_id="vpc-0",
    target_type="ip",
    health_check=HealthCheck(),
    created=0.0,
)
_FORWARD = {
    "Type": "forward",
    "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": _GROUP.arn, "Weight": 1}]},
}
_LISTENER = Listener(
    **_PLACE,
    balancer=_ONE.full_name,
    id="0123456789abcdef",
    port=80,
    protocol="HTTP",
    default_actions=(_FORWARD,),
    created=0.0,
)
_REQUEST = f"GET / HTTP/1.1\r\nHost: {_ONE.dns_name}\r\n\r\n".encode()


def measure() -> list[Figure]:
    """Needs Envoy."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    target = context.Process(target=_target, args=(theirs,), daemon=True)
    target.start()
    ports: list[int] = ours.recv()
    try:
        with tempfile.TemporaryDirectory() as directory:
            return asyncio.run(_measured(EnvoyBalancer(Path(directory) / "balancer", "bench"), ports))
    finally:
        target.kill()
        target.join()


async def _measured(balancer: EnvoyBalancer, ports: list[int]) -> list[Figure]:
    door = await balancer.door(0)
    first, *others = [Endpoint(LOOPBACK, port) for port in ports]
    try:
        await balancer.apply(_traffic(door, first))
        hits = [await _hit(balancer, door, first, other) for other in others]
        await balancer.apply(_traffic(door, first))
        ratios, rates, costs = [], [], []
        envoy = balancer.process.admin.process()
        for _ in range(_ROUNDS):
            direct = await asyncio.to_thread(load, first.port, _REQUEST, _SECONDS)
            before = _cpu_seconds(envoy)
            through = await asyncio.to_thread(load, door, _REQUEST, _SECONDS)
            costs.append((_cpu_seconds(envoy) - before) * 1e6 / through.answers)
            ratios.append(through.per_second / direct.per_second)
            rates.append((direct.per_second, through.per_second))
    finally:
        await balancer.stop()
    direct_rate, rate = (median([each[side] for each in rates]) for side in (0, 1))
    return [
        Figure(
            "requests through a load balancer",
            median(ratios),
            "of the target's own rate",
            "at least",
            0.1,
            f"median of {_ROUNDS} rounds of {_SECONDS:.0f} s",
            f"{rate:,.0f} beside {direct_rate:,.0f} per second",
        ),
        Figure(
            "Envoy's CPU for a request",
            median(costs),
            "µs",
            "at most",
            150,
            f"median of {_ROUNDS} rounds",
        ),
        Figure(
            "a target is added → its first request",
            median(hits),
            "ms",
            "at most",
            10,
            f"median of {len(hits)}",
            f"slowest {max(hits):.1f} ms",
        ),
    ]


def _cpu_seconds(process: int | None) -> float:
    """Of user and system, since the process began."""
    stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def _traffic(door: int, *endpoints: Endpoint) -> Traffic:
    served = Served(_ONE, (Entry(_LISTENER, (), door),))
    return Traffic((served,), {_GROUP.arn: Pool(_GROUP, tuple(sorted(endpoints)))})


async def _hit(balancer: EnvoyBalancer, door: int, first: Endpoint, other: Endpoint) -> float:
    """Milliseconds from the wish to the end of the first request that the new target, alone, answered."""
    gone = Endpoint(first.address, first.port, serves=False)
    await balancer.apply(_traffic(door, first))
    started = time.perf_counter()
    await balancer.apply(_traffic(door, gone, other))
    reader, writer = await asyncio.open_connection(LOOPBACK, door)
    writer.write(_REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    took = (time.perf_counter() - started) * 1000
    writer.close()
    if f"port: {other.port}".encode() not in head.lower():
        raise RuntimeError(f"another target answered: {head!r}")
    return took


def _target(parent: Connection) -> None:
    """A process with as many targets as are wanted; each names its port."""
    import uvloop

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(_Answering, LOOPBACK, 0) for _ in range(_TARGETS)]
        parent.send([server.sockets[0].getsockname()[1] for server in servers])
        await loop.create_future()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        connection: socket.socket = transport.get_extra_info("socket")
        port = connection.getsockname()[1]
        self._answer = f"HTTP/1.1 200 OK\r\nPort: {port}\r\nContent-Length: 5\r\n\r\nhello".encode()

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer * data.count(b"\r\n\r\n"))
