"""The loops and what they act on: engine, network, drivers. The second half of the composition root.

It starts after the address answers. Without an engine or a network the API works and says what is missing; tasks and
builds wait, and nothing claims to run.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import structlog

from neargate.data_directory import DataDirectory
from neargate.drivers.ecs import ServiceDriver, TaskDriver, TaskMetadata, TaskNames
from neargate.drivers.ecs.exec_sessions import ExecSessions
from neargate.drivers.ecs.task_events import TaskEvents
from neargate.drivers.housekeeping import Housekeeping
from neargate.drivers.pipelines import PipelineDriver
from neargate.drivers.stacks import StackDriver
from neargate.fabric.linux import LinuxFabric
from neargate.gateway.data_channel import DataChannels
from neargate.gateway.front import Front
from neargate.gateway.link_local import LinkLocal
from neargate.gateway.name_server import NameServer
from neargate.gateway.task_side import TaskSide
from neargate.model.application_autoscaling import ScalableTarget
from neargate.model.cloudwatch import Alarm
from neargate.model.codebuild import Build
from neargate.model.ecs import Task
from neargate.model.elbv2 import LoadBalancer
from neargate.model.fabric import FabricFailure, FabricUnavailable
from neargate.model.operations import Caller
from neargate.model.ports import Clock, Ids
from neargate.model.records import Json, Record
from neargate.model.runtime import EngineUnavailable, NoSuchContainer, Runtime, StartFailed
from neargate.model.service_connect import ConnectEndpoint
from neargate.runtimes.ecr_images import EcrImages
from neargate.runtimes.engine import EngineRuntime
from neargate.runtimes.git import GitRepositories
from neargate.runtimes.host_resolvers import host_resolvers
from neargate.runtimes.private_engine import EngineFinder
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from neargate.balancer.envoy import EnvoyBalancer
    from neargate.model.balancer import Certificate

log = structlog.get_logger()

OWNER_LABEL = "dev.neargate.owner"
ENGINE_RETRY = 5.0  # seconds between two tries to reach an engine
STOP_GRACE = 10.0  # seconds between SIGTERM and SIGKILL when the server stops its tasks


@attrs.define(kw_only=True)
class Plant:
    """Everything that makes records true. `run` works until cancelled."""

    store: SqliteStore
    dispatcher: Dispatcher
    clock: Clock
    ids: Ids
    blobs: BlobDirectory
    repositories: GitRepositories
    front: Front
    data: DataDirectory
    engine_directory: Path | None = None
    _engine: Json = attrs.field(factory=lambda: {"state": "starting"})
    _runtime: EngineRuntime | None = None
    _fabric: LinuxFabric | None = None
    _finder: EngineFinder | None = None
    _containers: asyncio.Task[None] | None = None
    _traffic: asyncio.Task[None] | None = None
    _balancer: EnvoyBalancer | None = None

    def engine_state(self) -> Json:
        """`{state: starting|ready|unavailable, …}`: what health shows."""
        return dict(self._engine)

    async def run(self) -> None:
        owner = self.data.owner()
        stacks = StackDriver(self.store, self.dispatcher, self.clock)
        pipelines = PipelineDriver(self.store, self.dispatcher, self.clock, self.ids, self.repositories)
        housekeeping = Housekeeping(self.store, self.dispatcher, self.clock, self.blobs)
        finder = EngineFinder(self.engine_directory)
        runtime = EngineRuntime(finder)
        fabric = LinuxFabric(owner)
        self._runtime, self._fabric, self._finder = runtime, fabric, finder
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(stacks.run())
                group.create_task(pipelines.run())
                group.create_task(housekeeping.run())
                group.create_task(self._run_alarms())
                group.create_task(self._run_scaling())
                self._containers = group.create_task(self._run_containers(owner, finder, runtime, fabric))
                self._traffic = group.create_task(self._run_balancer(owner, fabric))
        finally:
            await self._leave_the_network()
            await runtime.close()
            await finder.private.leave()

    async def _leave_the_network(self) -> None:
        """Tasks that go on need what `open` set up, and the load balancers before them; where none does, nothing of
        ours stays on the machine."""
        fabric = self._fabric
        if fabric is None:
            return
        try:
            if self._engine["state"] == "starting" or await fabric.attached():
                if self._balancer is not None:
                    self._balancer.leave()
                return
            await self._end_balancer(fabric)
            if self._engine["state"] == "ready":
                await fabric.close()
        except FabricFailure as failure:
            log.warning("fabric.left-behind", reason=str(failure))

    async def _run_balancer(self, owner: str, fabric: LinuxFabric) -> None:
        """Envoy, and the driver, come with the first load balancer or Service Connect endpoint: an idle server does
        without."""
        if not self.data.balancer.exists():
            await self._first(LoadBalancer, ConnectEndpoint)
        await asyncio.to_thread(importlib.import_module, "neargate.drivers.load_balancers")
        from neargate.balancer.envoy import EnvoyBalancer
        from neargate.balancer.probe import probe
        from neargate.drivers.load_balancers import Certificates, LoadBalancerDriver, TrafficMeasuringDriver

        def issue(names: Iterable[str]) -> Certificate:
            from neargate.balancer.certificates import Authority

            return Authority(self.data.certificates).issue(names)

        self._balancer = EnvoyBalancer(self.data.balancer, owner)
        driver = LoadBalancerDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            balancer=self._balancer,
            fabric=fabric,
            probe=probe,
            certificates=Certificates(self.store, self.dispatcher, issue),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(driver.run())
            group.create_task(TrafficMeasuringDriver(self.store, self.clock, self._balancer).run())

    async def _run_alarms(self) -> None:
        """The driver comes with the first alarm: an idle server does without."""
        await self._first(Alarm)
        await asyncio.to_thread(importlib.import_module, "neargate.drivers.alarms")
        from neargate.drivers.alarms import AlarmDriver

        await AlarmDriver(self.store, self.dispatcher, self.clock, self.ids).run()

    async def _run_scaling(self) -> None:
        """The driver comes with the first scalable target."""
        await self._first(ScalableTarget)
        await asyncio.to_thread(importlib.import_module, "neargate.drivers.scaling")
        from neargate.drivers.scaling import ScalingDriver

        await ScalingDriver(self.store, self.dispatcher, self.clock).run()

    async def _run_measuring(self, runtime: Runtime) -> None:
        """The driver comes with the first task."""
        await self._first(Task)
        from neargate.drivers.ecs.measuring import MeasuringDriver

        await MeasuringDriver(self.store, runtime, self.clock).run()

    async def _end_balancer(self, fabric: LinuxFabric) -> None:
        if self._balancer is None:
            return
        await self._balancer.stop()
        for address in await fabric.claimed():
            await fabric.release(address)

    async def _run_containers(
        self, owner: str, finder: EngineFinder, runtime: EngineRuntime, fabric: LinuxFabric
    ) -> None:
        services = ServiceDriver(self.store, self.dispatcher, self.clock)
        await self._find_engine(runtime, fabric)
        agent = TaskMetadata(self.store, self.dispatcher, self.clock, runtime)
        task_side = TaskSide(self.front, self.dispatcher, self.clock, agent)
        link_local = LinkLocal(task_side)
        resolvers = host_resolvers()
        names = NameServer(TaskNames(self.store), resolvers)
        images = EcrImages(runtime, self.dispatcher)
        tasks = TaskDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            runtime=runtime,
            fabric=fabric,
            images=images,
            link_local=link_local,
            names=names,
            owner=owner,
            resolvers=resolvers,
            directory=self.data.volumes,
            file_systems=self.data.file_systems,
        )

        sessions = ExecSessions(self.store, self.dispatcher, self.clock, runtime, fabric)
        await sessions.end_all()
        channels = self.front.websockets = DataChannels(sessions, self.store, self.clock, self.ids)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(services.run())
                group.create_task(tasks.run())
                group.create_task(TaskEvents(self.store, self.dispatcher).run())
                group.create_task(self._run_measuring(runtime))
                group.create_task(self._run_builds(owner, finder, runtime, fabric, link_local))
        finally:
            self.front.websockets = None
            await channels.close()

    async def _run_builds(
        self,
        owner: str,
        finder: EngineFinder,
        runtime: EngineRuntime,
        fabric: LinuxFabric,
        link_local: LinkLocal,
    ) -> None:
        """The driver comes with the first build: an idle server does without it, and without its docker socket."""
        await self._first(Build)
        await asyncio.to_thread(importlib.import_module, "neargate.drivers.builds")
        from neargate.drivers.builds import BuildDriver
        from neargate.gateway.engine_socket import EngineSocket

        def engine_socket(caller: Caller, build_id: str) -> EngineSocket:
            return EngineSocket(
                finder, self.dispatcher, caller, owner, build_id, self.dispatcher.settings.port
            )

        builds = BuildDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            ids=self.ids,
            runtime=runtime,
            fabric=fabric,
            link_local=link_local,
            engine_socket=engine_socket,
            directory=self.data.builds,
            owner=owner,
        )
        await builds.run()

    async def _first(self, *kinds: type[Record]) -> None:
        """Wait until there is, or ever was, a record of these kinds."""
        recorded = asyncio.Event()
        names = frozenset(kind.KIND for kind in kinds)
        unsubscribe = self.store.subscribe(names, lambda kind, key: recorded.set())
        try:
            if not self.store.read(lambda view: any(view.scan(kind) for kind in kinds)):
                await recorded.wait()
        finally:
            unsubscribe()

    async def _find_engine(self, runtime: EngineRuntime, fabric: LinuxFabric) -> None:
        """Until an engine answers and the network stands: try, say what is missing, try again."""
        while True:
            try:
                info = await runtime.info()
                await fabric.open()
            except (EngineUnavailable, FabricUnavailable) as missing:
                state: Json = {
                    "state": "unavailable",
                    "reason": missing.reason,
                    "how_to_fix": missing.how_to_fix,
                }
                if state != self._engine:
                    log.warning("engine.unavailable", reason=missing.reason, how_to_fix=missing.how_to_fix)
                self._engine = state
                await asyncio.sleep(ENGINE_RETRY)
                continue
            self._engine = {
                "state": "ready",
                "kind": info.kind,
                "version": info.version,
                "socket": info.socket,
            }
            log.info("engine.ready", kind=info.kind, version=info.version, socket=info.socket)
            return

    # -- at the end of a server, or of a data directory ----------------------------------------------------

    async def stop_tasks(self) -> None:
        """SIGTERM to every container of ours, SIGKILL after a while. Nothing is run after that: the next start
        replaces what should run."""
        runtime = self._runtime
        if runtime is None or self._engine["state"] != "ready":
            return
        await self._stop_drivers()
        labels = {OWNER_LABEL: self.data.owner()}
        try:
            running = [c for c in await runtime.list(labels) if c.status == "running"]
            await asyncio.gather(*(_stop(runtime, c.id) for c in running))
        except EngineUnavailable as away:
            log.warning("tasks.not-stopped", reason=away.reason)
        if self._fabric is not None:
            await self._end_balancer(self._fabric)

    async def _stop_drivers(self) -> None:
        """The drivers must not bring back what is about to go."""
        loops = [loop for loop in (self._containers, self._traffic) if loop is not None]
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def prune(self) -> Json:
        """Remove what this data directory owns from the engine and the network. Nothing is run after that: the
        server is about to end."""
        labels = {OWNER_LABEL: self.data.owner()}
        await self._stop_drivers()
        if self._fabric is not None:
            await self._end_balancer(self._fabric)
        if self._runtime is None or self._fabric is None or self._engine["state"] != "ready":
            return {"removed": False, "reason": "no container engine answers, so nothing of ours can run"}
        containers = len(await self._runtime.list(labels))
        await self._runtime.remove_owned(labels)
        if self._finder is not None and self._finder.private.alone():
            await self._runtime.remove_build_cache()
        await self._fabric.remove_owned()
        await self._fabric.close()
        return {"removed": True, "containers": containers}


async def _stop(runtime: Runtime, container_id: str) -> None:
    """As `docker stop` does. One that ends by itself meanwhile is as good."""
    with contextlib.suppress(NoSuchContainer):
        try:
            async with asyncio.timeout(STOP_GRACE):
                await runtime.signal(container_id, "SIGTERM")
                await runtime.wait(container_id)
        except (TimeoutError, StartFailed):
            await runtime.kill(container_id)
