"""The whole cloud in one process: the wire, every service, the drivers, containers and network in memory.

    async with running_cloud() as cloud:
        await cloud.aws("cloudformation", "CreateStack", StackName="x", TemplateBody=…)
        await cloud.settle()

`kill` is kill -9; `start` is the next server on what is left: the database, the blobs, the engine, the network.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from botocore.awsrequest import AWSPreparedRequest

from neargate.balancer.memory import Machine as Balanced
from neargate.balancer.memory import MemoryBalancer
from neargate.drivers.alarms import AlarmDriver
from neargate.drivers.ecs import ServiceDriver, TaskDriver
from neargate.drivers.ecs.measuring import MeasuringDriver
from neargate.drivers.load_balancers import Certificates, LoadBalancerDriver
from neargate.drivers.pipelines import PipelineDriver
from neargate.drivers.scaling import ScalingDriver
from neargate.drivers.stacks import StackDriver
from neargate.fabric.memory import Machine, MemoryFabric
from neargate.gateway.api import Api
from neargate.gateway.front import Front
from neargate.gateway.link_local import LinkLocal
from neargate.gateway.own_api import OwnApi
from neargate.gateway.task_side import TaskSide, no_agent
from neargate.model.balancer import Certificate
from neargate.model.cloudformation import Stack
from neargate.model.codepipeline import Execution, Pipeline
from neargate.model.ecs import ServiceTask, Task
from neargate.model.elbv2 import HealthCheck
from neargate.model.operations import Settings
from neargate.model.ports import Clock
from neargate.model.records import Reader, Tx
from neargate.planners.target_health import FAILED, Outcome, passed
from neargate.runtimes.ecr_images import EcrImages
from neargate.runtimes.git import GitRepositories
from neargate.runtimes.memory import MemoryRuntime, World
from neargate.runtimes.moto_services import MotoServices
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemIds
from tests.scenarios.client import Client, exchange
from tests.scenarios.virtual_time import VirtualClock, loop

T = TypeVar("T")

OWNER = "scenario"
PATIENCE = 4 * 3600.0  # virtual seconds


class CutStore(SqliteStore):
    """The store, until the cut: the process does not hear that its last write was kept, and writes nothing more.

    `cut_after(n)` counts from now on; `cut` is set when it happens. `witness` sees the records as each write leaves
    them, on the writer's thread: also those that share a commit, which no reader can tell apart.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.cut = asyncio.Event()
        self.witness: Callable[[Reader], None] = lambda view: None
        self._left: int | None = None

    def cut_after(self, writes: int) -> None:
        self._left = writes

    async def write(self, work: Callable[[Tx], T]) -> T:
        if self._left == 0:
            await asyncio.get_running_loop().create_future()
        if self._left is not None:
            self._left -= 1
        last = self._left == 0

        def witnessed(tx: Tx) -> T:
            done = work(tx)
            self.witness(tx)
            return done

        try:
            with loop().hold():
                return await super().write(witnessed)
        finally:
            if last:
                self.cut.set()
                await asyncio.get_running_loop().create_future()


class HeldGit(GitRepositories):
    """git, with the clock standing still while it runs."""

    async def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> bytes:
        with loop().hold():
            return await super().run(*arguments, environment=environment)


class RunningCloud:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.clock = VirtualClock(loop())
        self.world = World(clock=self.clock)
        self.machine = Machine()
        self.traffic = Balanced()
        self.client = Client()
        self._drivers: list[asyncio.Task[None]] = []

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """A server on what the directory, the engine and the network hold."""
        store = CutStore.open(self._directory / "neargate.db", self.clock)
        assert isinstance(store, CutStore)
        self.store = store
        self.blobs = BlobDirectory(self._directory / "blobs")
        self.ids = SystemIds()
        self.dispatcher = Dispatcher(self.store, self.clock, self.ids, self.blobs, Settings(), MotoServices())
        own = OwnApi(self.dispatcher, dict, _nothing_to_prune)
        self.front = Front(Api(self.dispatcher), self.blobs, {"/_neargate/": own})
        self.client.serve(self.front)
        self.repositories = HeldGit(self._directory / "git")
        runtime = MemoryRuntime(self.world)
        fabric = MemoryFabric(OWNER, self.machine)
        await fabric.open()
        side = TaskSide(self.front, self.dispatcher, self.clock, no_agent)
        self._link_local = LinkLocal(side)
        tasks = TaskDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            runtime=runtime,
            fabric=fabric,
            images=EcrImages(runtime, self.dispatcher),
            link_local=self._link_local,
            owner=OWNER,
            directory=self._directory / "volumes",
        )
        pipelines = PipelineDriver(self.store, self.dispatcher, self.clock, self.ids, self.repositories)
        loops = (
            StackDriver(self.store, self.dispatcher, self.clock).run(),
            ServiceDriver(self.store, self.dispatcher, self.clock).run(),
            tasks.run(),
            pipelines.run(),
            AlarmDriver(self.store, self.dispatcher, self.clock, self.ids).run(),
            ScalingDriver(self.store, self.dispatcher, self.clock).run(),
            MeasuringDriver(self.store, runtime, self.clock).run(),
            self._load_balancers(fabric).run(),
        )
        self._drivers = [asyncio.create_task(each) for each in loops]

    def _load_balancers(self, fabric: MemoryFabric) -> LoadBalancerDriver:
        return LoadBalancerDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            balancer=MemoryBalancer(self.traffic),
            fabric=fabric,
            probe=self._probe,
            certificates=Certificates(self.store, self.dispatcher, lambda names: Certificate("chain", "key")),
        )

    async def _probe(self, address: str, port: int, check: HealthCheck) -> Outcome:
        """A target is well while a task with its address runs."""
        tasks = self.store.read(lambda view: view.scan(Task))
        there = any(t.attachment.ip == address and t.status == "RUNNING" for t in tasks)
        return passed() if there else FAILED

    async def kill(self) -> None:
        """End the process; containers, interfaces and files stay."""
        for driver in self._drivers:
            driver.cancel()
        await asyncio.gather(*self._drivers, return_exceptions=True)
        await self._link_local.close()
        self.store.close()

    async def close(self) -> None:
        await self.kill()
        running = [p for p in self.world.containers.values() if p.state.status == "running"]
        for process in running:
            process.signal("SIGKILL")
        await asyncio.gather(*(process.over.wait() for process in running))

    # -- what a test does ------------------------------------------------------------------------------------

    async def aws(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """One API call by boto3's own client through the ASGI front. Raises botocore's ClientError."""
        return await self.client.call(service, operation, parameters)

    async def put(self, url: str, body: str) -> tuple[int, str]:
        """A plain PUT to a URL of this server: the status and the body of the answer."""
        request = AWSPreparedRequest("PUT", url, {}, body.encode(), None)
        status, _, answer = await exchange(self.front, request)
        return status, answer.decode()

    async def settle(self, *, within: float = PATIENCE) -> None:
        """Until nothing moves that will ever come to rest by itself."""
        await self.until(lambda: not self.moving(), within=within)

    async def until(self, holds: Callable[[], object], *, within: float = PATIENCE) -> None:
        """Look after every change of the store."""
        changed = asyncio.Event()
        unsubscribe = self.store.subscribe(None, lambda kind, key: changed.set())
        try:
            async with asyncio.timeout(within):
                while not holds():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"still moving after {within:.0f} s: {self.moving()}") from None
        finally:
            unsubscribe()

    def moving(self) -> list[str]:
        """What is under way: stack operations, executions that wait for nobody, tasks that are to stop."""
        return self.store.read(moving)

    def containers(self) -> list[str]:
        """The images of the containers that run, in alphabetical order."""
        names = {image.id: image.reference for image in self.world.images.values()}
        running = (p.spec.image for p in self.world.containers.values() if p.state.status == "running")
        return sorted(names.get(image, image) for image in running)


async def _nothing_to_prune() -> dict[str, Any]:
    return {}


def moving(view: Reader) -> list[str]:
    """What is under way in these records. Empty is final: nothing is made or let go of any more by itself."""
    stacks = [f"stack {s.name} is {s.status}" for s in view.scan(Stack) if s.operation is not None]
    executions = [f"execution {e.number}" for e in view.scan(Execution) if e.active and not _waits(view, e)]
    tasks = [
        f"task {t.id} is {t.status}"
        for t in view.scan(Task)
        if t.desired_status == "STOPPED" and t.status != "STOPPED"
    ]
    unheard = [
        f"the end of task {link.task} has not been taken into account"
        for link in view.scan(ServiceTask)
        if (task := view.get(Task, link.task_key)) is None or task.status == "STOPPED"
    ]
    return [*stacks, *executions, *tasks, *unheard]


def _waits(view: Reader, execution: Execution) -> bool:
    """For a person: an approval, a transition."""
    if not execution.inside:
        pipeline = view.get(Pipeline, execution.pipeline)
        stage = execution.structure["stages"][execution.position]["name"]
        return pipeline is not None and stage in pipeline.disabled and execution.waiting_for is not None
    if execution.abandon:
        return False
    running = [run for run in execution.stages[-1].actions if run.status == "InProgress"]
    return bool(running) and all(run.token is not None for run in running)


@asynccontextmanager
async def running_cloud() -> AsyncIterator[RunningCloud]:
    with tempfile.TemporaryDirectory() as directory:
        cloud = RunningCloud(Path(directory))
        await cloud.start()
        try:
            yield cloud
        finally:
            await cloud.close()
