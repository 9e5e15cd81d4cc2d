"""A balancer without sockets: the same promises and answers, and requests that are function calls."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping

import attrs

from neargate.model.balancer import Counters, Endpoint, Entry, Pool, Served, Traffic, shared
from neargate.model.records import Json
from neargate.planners.listener_rules import Asked, decide, like, location
from neargate.planners.proxy_configuration import hosts_of
from neargate.planners.proxy_replies import SERVER, body, names_page
from neargate.planners.proxy_routes import STICKY_GROUP, STICKY_TARGET


@attrs.frozen
class Answer:
    """`headers` by lower-case name; `cookies` are the values of Set-Cookie."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    cookies: tuple[str, ...] = ()


class Broken(Exception):
    """A target refused the connection, or broke it before it answered."""


Target = Callable[[Asked], Awaitable[Answer]]
"""What answers behind an address. Raises `Broken`."""


@attrs.define(eq=False)
class Machine:
    """What outlives a server: what its balancer serves, and the targets that answer, by address and port."""

    targets: dict[tuple[str, int], Target] = attrs.field(factory=dict)
    taken: set[int] = attrs.field(factory=set)
    """Ports of the loopback address that other programs listen on."""
    traffic: Traffic | None = None
    began: int = 0
    counts: Counter[tuple[str, str, str, int, bool]] = attrs.field(factory=Counter)
    seconds: defaultdict[str, float] = attrs.field(factory=lambda: defaultdict(float))
    running: Counter[tuple[str, str, int]] = attrs.field(factory=Counter)
    ended: asyncio.Event = attrs.field(factory=asyncio.Event)

    def kill(self) -> None:
        """The balancer's process ends, without anybody having said so."""
        self.traffic = None
        self.counts.clear()
        self.seconds.clear()
        self.ended.set()


class MemoryBalancer:
    """`Balancer` in memory. Objects that share a `Machine` are restarts of one server."""

    def __init__(self, machine: Machine | None = None) -> None:
        self._machine = machine or Machine()
        self._random = random.Random(7)
        self._turn: Counter[str] = Counter()
        self._served = asyncio.Event()

    async def apply(self, traffic: Traffic) -> None:
        if self._machine.traffic is None:
            self._machine.began += 1
            self._machine.ended.clear()
        self._machine.traffic = traffic
        self._served.set()

    async def door(self, wanted: int, besides: Collection[int] = ()) -> int:
        own = {entry.door for _, entry in self._entries()}
        if wanted and wanted not in besides and (wanted in own or wanted not in self._machine.taken):
            return wanted
        taken = self._machine.taken | own | set(besides)
        return next(port for port in range(49152, 65536) if port not in taken)

    async def in_flight(self) -> Mapping[tuple[str, str, int], int]:
        return +self._machine.running

    async def counters(self) -> Counters:
        if self._machine.traffic is None:
            return Counters("")
        return Counters(str(self._machine.began), shared(self._machine.counts, self._machine.seconds))

    async def lost(self) -> None:
        await self._served.wait()
        await self._machine.ended.wait()

    async def stop(self) -> None:
        self._served.clear()
        self._machine.kill()

    # -- requests ----------------------------------------------------------------------------------------------

    async def ask(self, asked: Asked) -> Answer:
        """A request that came in at a door (`asked.port`). Raises ConnectionRefusedError where nothing listens."""
        behind = [(one, entry) for one, entry in self._entries() if entry.door == asked.port]
        if not behind:
            raise ConnectionRefusedError(asked.port)
        host = asked.host.partition(":")[0].lower()
        for one, entry in behind:
            others = {name for other, its in behind if other is not one for name in hosts_of(its)}
            if host == one.balancer.dns_name.lower() or any(
                like(name, host) for name in hosts_of(entry) if name not in others
            ):
                return await self._answer(one, entry, asked)
        names = [one.balancer.dns_name for one, _ in behind]
        return Answer(404, names_page(asked.port, names), {"content-type": "text/html; charset=utf-8"})

    def _entries(self) -> Iterator[tuple[Served, Entry]]:
        traffic = self._machine.traffic
        for one in traffic.served if traffic is not None else ():
            for entry in one.entries:
                yield one, entry

    async def _answer(self, one: Served, entry: Entry, asked: Asked) -> Answer:
        action = decide(entry, asked)
        if action["Type"] == "forward":
            return await self._forward(one, action["ForwardConfig"], asked)
        if action["Type"] == "redirect":
            config = action["RedirectConfig"]
            status = int(config["StatusCode"].removeprefix("HTTP_"))
            made = _own(status, {"location": location(config, asked)})
        else:
            config = action["FixedResponseConfig"]
            kind = config.get("ContentType") or "text/plain; charset=utf-8"
            headers = {"server": SERVER, "content-type": kind}
            made = Answer(int(config["StatusCode"]), config.get("MessageBody") or "", headers)
        return self._counted(one, "", "", made, made_here=True)

    async def _forward(self, one: Served, config: Json, asked: Asked) -> Answer:
        pool, cookies = self._pool(config, asked)
        if pool is None:
            return self._counted(one, "", "", _own(503), made_here=True)
        group = pool.group
        endpoint = self._endpoint(pool, asked)
        if endpoint is None:
            return self._counted(one, group.key, "", _own(503), made_here=True)
        if group.attributes.get("stickiness.enabled") == "true":
            cookies += (f"{STICKY_TARGET}={endpoint.address}:{endpoint.port}; Path=/",)
        running = (group.key, endpoint.address, endpoint.port)
        self._machine.running[running] += 1
        seconds = float(one.balancer.attributes.get("idle_timeout.timeout_seconds", 60))
        here = True
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                answer = await self._machine.targets[endpoint.address, endpoint.port](asked)
            here = False
            self._machine.seconds[group.key] += time.monotonic() - began
        except TimeoutError:
            answer = _own(504)
        except (KeyError, Broken):
            answer = _own(502)
        finally:
            self._machine.running[running] -= 1
        answer = attrs.evolve(answer, cookies=(*answer.cookies, *cookies) if not here else ())
        return self._counted(one, group.key, f"{endpoint.address}:{endpoint.port}", answer, made_here=here)

    def _pool(self, config: Json, asked: Asked) -> tuple[Pool | None, tuple[str, ...]]:
        """The target group for a request, and the cookies that keep the client at it."""
        traffic = self._machine.traffic
        assert traffic is not None
        known = [each for each in config["TargetGroups"] if each["TargetGroupArn"] in traffic.pools]
        pools = {each["TargetGroupArn"]: traffic.pools[each["TargetGroupArn"]] for each in known}
        weights = [int(each.get("Weight", 1)) for each in known]
        if not any(weights):
            return None, ()
        (arn,) = self._random.choices(list(pools), weights)
        lasting = config.get("TargetGroupStickinessConfig") or {}
        if not lasting.get("Enabled"):
            return pools[arn], ()
        had = _cookie(asked, STICKY_GROUP)
        kept = [
            one for one, weight in zip(pools.values(), weights, strict=True) if weight and one.group.id == had
        ]
        pool = kept[0] if kept else pools[arn]
        return pool, (f"{STICKY_GROUP}={pool.group.id}; Max-Age={lasting['DurationSeconds']}; Path=/",)

    def _endpoint(self, pool: Pool, asked: Asked) -> Endpoint | None:
        serving = [each for each in pool.endpoints if each.serves]
        if not serving:
            return None
        if pool.group.attributes.get("stickiness.enabled") == "true":
            had = _cookie(asked, STICKY_TARGET)
            for each in serving:
                if f"{each.address}:{each.port}" == had:
                    return each
        self._turn[pool.group.key] += 1
        return serving[self._turn[pool.group.key] % len(serving)]

    def _counted(self, one: Served, group: str, target: str, answer: Answer, *, made_here: bool) -> Answer:
        self._machine.counts[one.balancer.key, group, target, answer.status, made_here] += 1
        return answer


def _own(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, body(status), {"server": SERVER, "content-type": "text/html", **(headers or {})})


def _cookie(asked: Asked, name: str) -> str:
    found = re.search(rf"(?:^|;\s*){name}=([^;]*)", asked.headers.get("cookie", ""))
    return found[1] if found else ""
