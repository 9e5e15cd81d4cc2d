"""kill -9 after any write and after any work of the engine in a rollout, start again: it ends as if nothing had
happened, no task twice, none left over, and what ran on runs still."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
import pytest

from neargate.model.ecs import SERVICE_EVENTS, ServiceDeployment, Task
from neargate.model.ports import Clock
from neargate.model.records import Tx
from neargate.model.runtime import ContainerSpec, Sandbox, SandboxSpec
from neargate.runtimes.memory import World, cannot_start
from tests.scenarios.virtual_time import run
from tests.simulation.invariants import WatchedStore, check_rest
from tests.simulation.region import CLUSTER, BusyEngine, Region

T = TypeVar("T")

STRIDE = 1 if os.environ.get("NEARGATE_THOROUGH") else 5  # of the steps after which the process is killed
PATIENCE = 1200.0  # virtual seconds in which everything comes to rest
TASKS = 3


class Blade:
    """Falls after so many steps: the process does not hear that the last was done, and does nothing more."""

    def __init__(self) -> None:
        self.fell = asyncio.Event()
        self._left: int | None = None

    def falls_after(self, steps: int) -> None:
        self._left = steps

    def lift(self) -> None:
        """The next process is not cut."""
        self._left = None
        self.fell = asyncio.Event()

    async def step(self, work: Callable[[], Awaitable[T]]) -> T:
        if self.fell.is_set():
            await asyncio.Event().wait()
        done = await work()
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.fell.set()
                await asyncio.Event().wait()
        return done


class CutStore(WatchedStore):
    """Each write is a step."""

    def __init__(self, clock: Clock, blade: Blade) -> None:
        super().__init__(clock)
        self._blade = blade

    async def write(self, work: Callable[[Tx], T]) -> T:
        return await self._blade.step(lambda: super(CutStore, self).write(work))


class CutEngine(BusyEngine):
    """What makes, starts, signals or removes something is a step."""

    def __init__(self, world: World, chance: random.Random, blade: Blade) -> None:
        super().__init__(world, chance)
        self._blade = blade

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        return await self._blade.step(lambda: super(CutEngine, self).create_sandbox(spec))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        return await self._blade.step(lambda: super(CutEngine, self).remove_sandbox(sandbox_id))

    async def create(self, spec: ContainerSpec) -> str:
        return await self._blade.step(lambda: super(CutEngine, self).create(spec))

    async def start(self, container_id: str) -> None:
        return await self._blade.step(lambda: super(CutEngine, self).start(container_id))

    async def signal(self, container_id: str, signal: str) -> None:
        return await self._blade.step(lambda: super(CutEngine, self).signal(container_id, signal))

    async def remove(self, container_id: str) -> None:
        return await self._blade.step(lambda: super(CutEngine, self).remove(container_id))


@attrs.frozen
class Story:
    """What is done to a service `web` of TASKS tasks that is at rest. `exact`: how many tasks it takes is certain."""

    operation: str
    image: str = ""
    request: dict[str, Any] = attrs.field(factory=dict)
    exact: bool = True


STORIES = {
    "a new revision": Story("UpdateService", "app:2"),
    "one task at a time": Story(
        "UpdateService",
        "app:2",
        {"deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 100}},
    ),
    "more tasks": Story("UpdateService", request={"desiredCount": TASKS + 2}),
    "fewer tasks": Story("UpdateService", request={"desiredCount": 1}),
    "a revision that cannot start": Story("UpdateService", "bad:1", exact=False),
    "the end": Story("DeleteService", request={"force": True}),
}


@attrs.frozen
class Outcome:
    """What is left in the end. `made` and `lives` count the containers and the tasks of the last step."""

    images: Counter[str]
    deployments: tuple[str, ...]
    completed: int
    lives: int
    made: int
    cut: bool


async def told(story: Story, cut_after: int | None) -> Outcome:
    blade = Blade()
    region = Region(
        1, lambda clock: CutStore(clock, blade), lambda world, chance: CutEngine(world, chance, blade)
    )
    store = region.store
    assert isinstance(store, CutStore)
    await region.open()
    try:
        request = await prepared(region, story)
        lives, made = store.lives, region.world.numbers
        if cut_after is not None:
            blade.falls_after(cut_after)
        cut = await rest_or_fall(region, blade, story, request)
        if cut:
            await begin_again(region, blade)
        check_rest(region)
        assert not region.world.names.keys() - {p.spec.name for p in region.world.containers.values()}
        return Outcome(
            images=Counter(image_names(region)),
            deployments=tuple(d.status for d in region.store.read(lambda view: view.scan(ServiceDeployment))),
            completed=sum("completed" in message for message in events(region)),
            lives=store.lives - lives if story.exact else 0,
            made=region.world.numbers - made if story.exact and not cut else 0,
            cut=cut,
        )
    finally:
        await region.close()


async def prepared(region: Region, story: Story) -> dict[str, Any]:
    """The request of the story's last step, after everything before has come to rest."""
    for image in ("app:1", "app:2", "bad:1"):
        region.world.add_image(image, command=(image,))
    region.world.programs[("bad:1",)] = cannot_start("exec: no such file")
    first = await region.register("web", "app:1")
    request = {"cluster": CLUSTER, "service": "web", **story.request}
    if story.image:
        request["taskDefinition"] = await region.register("web", story.image)
    await region.call(
        "CreateService",
        cluster=CLUSTER,
        serviceName="web",
        taskDefinition=first,
        launchType="FARGATE",
        desiredCount=TASKS,
        networkConfiguration=region.network,
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    await asyncio.sleep(PATIENCE)
    check_rest(region)
    return request


async def rest_or_fall(region: Region, blade: Blade, story: Story, request: dict[str, Any]) -> bool:
    """Whether the blade fell before everything was at rest."""
    calling = asyncio.create_task(region.call(story.operation, **request))
    falling = asyncio.create_task(blade.fell.wait())
    await asyncio.wait((falling,), timeout=PATIENCE)
    for task in (calling, falling):
        task.cancel()
    await asyncio.gather(calling, falling, return_exceptions=True)
    return blade.fell.is_set()


async def begin_again(region: Region, blade: Blade) -> None:
    """kill -9, then the next process: what ran and is still wanted is the same container in the end."""
    await region.kill()
    blade.lift()
    ran = {p.id: p.spec.name for p in region.world.containers.values() if p.state.status == "running"}
    await region.start()
    await asyncio.sleep(PATIENCE)
    names = {p.spec.name: p.id for p in region.world.containers.values()}
    assert all(names.get(name, identity) == identity for identity, name in ran.items())


def image_names(region: Region) -> list[str]:
    names = {image.id: image.reference for image in region.world.images.values()}
    return [names[process.spec.image] for process in region.world.containers.values()]


def events(region: Region) -> list[str]:
    entries = region.store.read(lambda view: view.entries(SERVICE_EVENTS))
    return [entry.body["message"] for entry in entries]


@pytest.mark.parametrize("name", STORIES)
def test_killed_after_any_step(name: str) -> None:
    story = STORIES[name]
    undisturbed = run(told(story, None))
    after = 1
    while True:
        outcome = run(told(story, after))
        wanted = attrs.evolve(undisturbed, cut=outcome.cut, made=outcome.made)
        assert outcome == wanted, f"killed after step {after}"
        if not outcome.cut:
            break
        after += STRIDE
    assert after > 10


def test_a_container_killed_while_nobody_looked_is_replaced() -> None:
    """And the others are adopted."""

    async def story() -> None:
        region = Region(1, WatchedStore)
        await region.open()
        try:
            await prepared(region, STORIES["more tasks"])
            before = set(region.world.containers)
            await region.kill()
            victim = next(iter(region.world.containers.values()))
            victim.signal("SIGKILL")
            await region.start()
            await asyncio.sleep(PATIENCE)
            check_rest(region)
            assert before - set(region.world.containers) == {victim.id}
            dead = [t for t in region.store.read(lambda view: view.scan(Task)) if t.status == "STOPPED"]
            assert [(t.stop_code, t.containers[0].exit_code) for t in dead] == [
                ("EssentialContainerExited", 137)
            ]
        finally:
            await region.close()

    run(story())
