"""kill -9 at any commit of a rollout, in virtual time: the next server ends it as if nothing had happened.

A run without a kill counts the drivers' commits; then the server dies right after one of them, before it has done
what it wrote down, and another one starts. Every commit of every life keeps ECS's promises (`WatchedStore`); at the
end there is no task too many, none without its container, and nothing left over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import pytest

from neargate.model.ecs import Service, ServiceDeployment
from neargate.model.ports import Clock
from neargate.model.records import Tx
from neargate.runtimes.memory import cannot_start, serves
from tests.scenarios.virtual_time import run
from tests.simulation.invariants import WatchedStore, check_rest
from tests.simulation.region import CLUSTER, Region
from tests.unit.drivers.ecs_front import Front, Stage

T = TypeVar("T")

THOROUGH = bool(os.environ.get("NEARGATE_THOROUGH"))
KILLS = 1000 if THOROUGH else 6
"""So many of the commits of a story are killed, evenly spread."""

PORTS = [{"containerPort": 3000, "protocol": "tcp"}]


class MortalStore(WatchedStore):
    """The driver that makes the commit at which `left` runs out ends there, and no other one commits any more."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.armed = False
        self.seen = 0
        self.left: int | None = None
        self.dead = asyncio.Event()

    async def write(self, work: Callable[[Tx], T]) -> T:
        if self.dead.is_set() and _is_drivers():
            raise asyncio.CancelledError
        return await super().write(work)

    def committed(self, changes: Iterable[tuple[str, str]]) -> None:
        super().committed(changes)
        if not self.armed or not _is_drivers():
            return
        self.seen += 1
        if self.left is not None and self.seen > self.left:
            self.armed = False
            self.dead.set()
            raise asyncio.CancelledError


def _is_drivers() -> bool:
    """The drivers' queues and jobs have names of their own."""
    running = asyncio.current_task()
    name = "" if running is None else running.get_name()
    return name.startswith("ecs-") or "/" in name


class Story:
    """A steady service of two tasks behind a load balancer, and what happens to it."""

    def __init__(self, kill_after: int | None) -> None:
        self._kill_after = kill_after

    async def tell(self, strategy: str, happens: Callable[[Region], Awaitable[None]]) -> int:
        """How many commits the drivers made until it was over."""
        region = Region(7, MortalStore)
        store = region.store
        assert isinstance(store, MortalStore)
        await region.open()
        region.world.default = serves(3000)
        for image in ("app:1", "app:2", "bad:1"):
            region.world.add_image(image, command=(image,))
        region.world.programs[("bad:1",)] = cannot_start("exec: bad: no such file")
        made = Front if strategy == "ROLLING" else Stage
        front = made(region, region.subnets.values())
        await front.build()
        carrier = asyncio.create_task(front.carry())
        try:
            await self._create(region, front, strategy)
            store.left = self._kill_after
            store.armed = True
            await happens(region)
            if self._kill_after is not None:
                await self._survive(region, store)
            await _steady(region)
            await asyncio.sleep(30)
            check_rest(region)
            _check_targets(region, front)
            return store.seen
        finally:
            carrier.cancel()
            await region.close()

    async def _create(self, region: Region, front: Front, strategy: str) -> None:
        breaker = {"enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 2}}
        shifts = {} if strategy == "ROLLING" else {"bakeTimeInMinutes": 1}
        await region.call(
            "CreateService",
            cluster=CLUSTER,
            serviceName="web",
            taskDefinition=await region.register("web", "app:1", portMappings=PORTS),
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration=region.network,
            loadBalancers=front.load_balancers,
            deploymentConfiguration={"deploymentCircuitBreaker": breaker, "strategy": strategy, **shifts},
        )
        await _steady(region)

    async def _survive(self, region: Region, store: MortalStore) -> None:
        async with asyncio.timeout(3600):
            await store.dead.wait()
        await region.kill()
        store.dead.clear()
        await region.start()


async def _steady(region: Region) -> None:
    """Until the service has nothing left to do."""

    def done() -> bool:
        (service,) = region.store.read(lambda view: view.scan(Service))
        return service.steady and len(service.deployments) == 1

    changed = asyncio.Event()
    unsubscribe = region.store.subscribe(frozenset({Service.KIND}), lambda kind, key: changed.set())
    try:
        async with asyncio.timeout(3600):
            while not done():
                await changed.wait()
                changed.clear()
    finally:
        unsubscribe()


def _check_targets(region: Region, front: Front) -> None:
    """Each task is in its group once, and nobody else."""
    (service,) = region.store.read(lambda view: view.scan(Service))
    group = service.primary.load_balancers[0]["targetGroupArn"]
    targets = front.targets()
    assert [target.state for target in targets] == ["healthy"] * service.desired
    assert {f"targetgroup/{target.group}" for target in targets} == {group.rpartition(":")[2]}
    records = region.store.read(lambda view: view.scan(ServiceDeployment))
    assert not [record for record in records if record.status == "IN_PROGRESS"]


# -- what happens ----------------------------------------------------------------------------------------------


async def roll(region: Region) -> None:
    definition = await region.register("web", "app:2", portMappings=PORTS)
    await region.call("UpdateService", cluster=CLUSTER, service="web", taskDefinition=definition)


async def roll_badly(region: Region) -> None:
    definition = await region.register("web", "bad:1", portMappings=PORTS)
    await region.call("UpdateService", cluster=CLUSTER, service="web", taskDefinition=definition)


async def scale(region: Region) -> None:
    await region.call("UpdateService", cluster=CLUSTER, service="web", desiredCount=1)


async def lose(region: Region) -> None:
    next(iter(region.world.containers.values())).signal("SIGKILL")


async def stop_task(region: Region) -> None:
    tasks = (await region.call("ListTasks", cluster=CLUSTER))["taskArns"]
    await region.call("StopTask", cluster=CLUSTER, task=tasks[0])


STORIES = {
    "rolling": ("ROLLING", roll),
    "rolled back": ("ROLLING", roll_badly),
    "scaled in": ("ROLLING", scale),
    "a container dies": ("ROLLING", lose),
    "a user stops a task": ("ROLLING", stop_task),
    "blue/green": ("BLUE_GREEN", roll),
    "canary": ("CANARY", roll),
    "blue/green rolled back": ("BLUE_GREEN", roll_badly),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_rollout_that_is_killed_at_any_commit_ends_as_one_that_is_not(story: str) -> None:
    strategy, happens = STORIES[story]
    commits = run(Story(None).tell(strategy, happens))
    assert commits > 5
    step = max(1, commits // KILLS)
    for moment in range(0, commits, step):
        try:
            run(Story(moment).tell(strategy, happens))
        except AssertionError as error:
            raise AssertionError(f"killed after commit {moment} of {commits}: {error}") from error
