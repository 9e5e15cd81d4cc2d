"""A day of a region: services are made, deployed, some badly; tasks fail; a zone is lost.

report = run_day(Size(services=1000, tasks=20), seed=1)
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable

import attrs

from neargate.model.ecs import ServiceDeployment
from neargate.runtimes.memory import Process, Program, cannot_start
from tests.scenarios.virtual_time import loop, run
from tests.simulation.invariants import WatchedStore, check_rest, check_world
from tests.simulation.region import CLUSTER, Region

_HOUR = 3600.0
_MORNING = 0.5 * _HOUR  # in which the services are made
_EVENING = 22.5 * _HOUR  # after which nothing happens to them any more
_ZONE_LOST = 14 * _HOUR
_BAD = 0.03  # of the deployments
_SICK = 0.01  # of the tasks that fail in the day


@attrs.frozen
class Size:
    services: int
    tasks: int
    """Of each service."""


@attrs.frozen
class Report:
    """What a day was, and what it took: `seconds` of this machine's time, `cpu_seconds` of a processor's."""

    tasks: int
    lives: int
    transitions: int
    commits: int
    deployments: int
    rolled_back: int
    seconds: float
    cpu_seconds: float
    digest: str
    """Of every change of every task, in order."""


def run_day(size: Size, seed: int = 1, bad: float = _BAD) -> Report:
    """One day, every promise checked at every commit. Raises AssertionError where one is broken.

    `bad` is the share of deployments whose tasks cannot start.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 50, 1000)  # a region of 20,000 tasks is mostly what stays
    try:
        return run(_Day(size, seed, bad).whole())
    finally:
        gc.set_threshold(*thresholds)


class _Day:
    def __init__(self, size: Size, seed: int, bad: float) -> None:
        self._size = size
        self._bad = bad
        self._chance = random.Random(f"day {seed}")
        self._seed = seed
        self._events: list[tuple[float, Callable[[], Awaitable[None]]]] = []
        self._deployments = 0

    async def whole(self) -> Report:
        began, cpu_began = time.perf_counter(), time.process_time()
        loop().jumping.alone = True
        region = Region(self._seed, WatchedStore)
        store = region.store
        assert isinstance(store, WatchedStore)
        await region.open()
        try:
            await self._prepare(region)
            await self._live_through(region)
            await asyncio.sleep(24 * _HOUR - _EVENING)
            check_rest(region)
            return Report(
                tasks=self._size.services * self._size.tasks,
                lives=store.lives,
                transitions=store.transitions,
                commits=store.commits,
                deployments=self._deployments,
                rolled_back=_rolled_back(region),
                seconds=time.perf_counter() - began,
                cpu_seconds=time.process_time() - cpu_began,
                digest=store.digest,
            )
        finally:
            await region.close()

    # -- the plan of the day -------------------------------------------------------------------------------

    async def _prepare(self, region: Region) -> None:
        chance = random.Random(f"programs {self._seed}")
        region.world.default = _serves(chance)
        for image in ("good:1", "good:2", "bad:1"):
            region.world.add_image(image, command=(image,))
        region.world.programs[("bad:1",)] = cannot_start("exec: bad: no such file")
        ports = [{"containerPort": 80, "protocol": "tcp"}]
        silent = [await region.register("silent", image) for image in ("good:1", "good:2", "bad:1")]
        listening = [
            await region.register("listening", image, portMappings=ports)
            for image in ("good:1", "good:2", "bad:1")
        ]
        for number in range(self._size.services):
            self._plan_service(region, f"service-{number}", listening if number % 5 == 0 else silent)
        for _ in range(round(self._size.services * self._size.tasks * _SICK)):
            self._at(self._moment(), lambda: _kill_one(region, self._chance))
        self._at(_ZONE_LOST, lambda: _lose(region))
        for hour in range(1, 22):
            self._at(hour * _HOUR, lambda: _look(region))

    def _plan_service(self, region: Region, name: str, revisions: list[str]) -> None:
        first, second, bad = revisions
        self._at(self._chance.uniform(0, _MORNING), lambda: self._create(region, name, first))
        for definition in (second, first)[: self._chance.randint(1, 2)]:
            moment = self._moment()
            self._at(moment, lambda wanted=definition: self._deploy(region, name, wanted))
            if self._chance.random() < self._bad:
                self._at(moment - 1800, lambda: self._deploy(region, name, bad))

    def _at(self, moment: float, act: Callable[[], Awaitable[None]]) -> None:
        self._events.append((moment, act))

    def _moment(self) -> float:
        return self._chance.uniform(_MORNING + 2400, _EVENING)

    async def _live_through(self, region: Region) -> None:
        clock = asyncio.get_running_loop()
        begin = clock.time()
        for moment, act in sorted(self._events, key=lambda event: event[0]):
            await asyncio.sleep(begin + moment - clock.time())
            await act()
        await asyncio.sleep(begin + _EVENING - clock.time())

    # -- what happens --------------------------------------------------------------------------------------

    async def _create(self, region: Region, name: str, definition: str) -> None:
        await region.call(
            "CreateService",
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=definition,
            launchType="FARGATE",
            desiredCount=self._size.tasks,
            networkConfiguration=region.network,
            deploymentConfiguration={
                "minimumHealthyPercent": self._chance.choice((50, 100)),
                "maximumPercent": self._chance.choice((150, 200)),
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            },
        )

    async def _deploy(self, region: Region, name: str, definition: str) -> None:
        self._deployments += 1
        await region.call(
            "UpdateService", cluster=CLUSTER, service=name, taskDefinition=definition, forceNewDeployment=True
        )


def _serves(chance: random.Random) -> Program:
    """Takes seconds to listen, and some to end."""

    async def program(process: Process) -> int:
        stop = process.trap("SIGTERM")
        await process.sleep(chance.uniform(0.5, 6.0))
        process.listen(80)
        await stop.wait()
        await process.sleep(chance.uniform(0.1, 5.0))
        return 0

    return program


async def _kill_one(region: Region, chance: random.Random) -> None:
    running = list(region.world.containers.values())
    chance.choice(running).signal("SIGKILL")


async def _lose(region: Region) -> None:
    region.lose(next(iter(region.subnets)))


async def _look(region: Region) -> None:
    check_world(region)


def _rolled_back(region: Region) -> int:
    records = region.store.read(lambda view: view.scan(ServiceDeployment))
    return sum(record.status == "ROLLBACK_SUCCESSFUL" for record in records)
