"""The loop that carries builds out: begins what was recorded, ends what was stopped, removes what is over."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import attrs
import structlog

from neargate.drivers.builds import container
from neargate.drivers.builds.course import Course, EngineSocket, EngineSocketFactory, Site
from neargate.drivers.builds.failure import Over
from neargate.drivers.builds.images import BuildImages
from neargate.drivers.builds.ledger import Ledger, role_caller
from neargate.drivers.builds.network import BuildNetwork, LinkLocal
from neargate.drivers.builds.workspace import Workspace
from neargate.drivers.workqueue import WorkQueue
from neargate.model.codebuild import Build, LogCursor
from neargate.model.fabric import Fabric, FabricFailure
from neargate.model.ports import Clock, Ids, Store
from neargate.model.records import Tx
from neargate.model.runtime import ContainerState, Runtime, RuntimeFailure
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()


class BuildDriver:
    """Runs builds in containers. `directory` holds their workspaces, `image_mapping` names other images for those
    that projects name, `engine_socket(caller, build_id)` makes the Docker socket of a privileged build.

    After a crash a build whose container has finished is concluded from what it left. Any other one starts again
    from the beginning, since its docker socket ended with the server.
    """

    def __init__(
        self,
        *,
        store: Store,
        dispatcher: Dispatcher,
        clock: Clock,
        ids: Ids,
        runtime: Runtime,
        fabric: Fabric,
        link_local: LinkLocal,
        engine_socket: EngineSocketFactory,
        directory: Path,
        owner: str,
        image_mapping: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._site = Site(
            dispatcher=dispatcher,
            clock=clock,
            runtime=runtime,
            network=BuildNetwork(store, dispatcher, fabric, link_local),
            images=BuildImages(runtime, dispatcher, image_mapping),
            engine_socket=engine_socket,
            owner=owner,
        )
        self._queue = WorkQueue("builds", self.reconcile, clock)
        self._over: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        await asyncio.to_thread(self._sweep, frozenset(key.rpartition(":")[2] for key in self._unreleased()))
        unsubscribe = self._store.subscribe(frozenset({Build.KIND}), self._notice)
        try:
            self._queue.wake_all(self._unreleased())
            await asyncio.get_running_loop().create_future()
        finally:
            unsubscribe()
            await self._queue.close()

    def _unreleased(self) -> list[str]:
        return self._store.read(lambda view: [b.key for b in view.scan(Build) if not b.released])

    def _sweep(self, keep: frozenset[str]) -> None:
        """Remove workspaces of builds that nobody knows any more."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in self._directory.iterdir():
            if path.name not in keep:
                shutil.rmtree(path)

    def _notice(self, _kind: str, key: str) -> None:
        over = self._over.get(key)
        if over is None:
            self._queue.wake(key)
            return
        build = self._find(key)
        if build is None or build.complete:
            over.set()

    async def reconcile(self, key: str) -> float | None:
        build = self._find(key)
        if build is None or build.released:
            return None
        socket = None
        if not build.complete:
            socket = await self._carry_out(key)
        try:
            await self._release(key, socket)
        except (RuntimeFailure, FabricFailure) as failure:
            raise RuntimeError(f"{build.arn} cannot be cleaned up: {failure}") from failure
        return None

    async def _carry_out(self, key: str) -> EngineSocket | None:
        """Until the build is complete, whoever ended it. The docker socket that it left open."""
        over = self._over[key] = asyncio.Event()
        course = Course(self._site, self._ledger(key), self._workspace(key))
        run = asyncio.create_task(self._attempt(key, course), name=f"build {key}")
        stopped = asyncio.create_task(over.wait())
        try:
            await asyncio.wait((run, stopped), return_when=asyncio.FIRST_COMPLETED)
        except (
            asyncio.CancelledError
        ):  # the server stops; what the build runs through its socket cannot go on
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            if course.socket is not None:
                await course.socket.stop()
            raise
        finally:
            self._over.pop(key, None)
            for task in (run, stopped):
                task.cancel()
            results = await asyncio.gather(run, stopped, return_exceptions=True)
        if isinstance(results[0], Exception) and not isinstance(results[0], Over):
            raise results[0]
        return course.socket

    async def _attempt(self, key: str, course: Course) -> None:
        build = self._find(key)
        if build is None:
            raise Over
        finished = await self._finished(build)
        if finished is None:
            if build.attempt:
                log.info("build.restarted", build=build.arn)
                await self._remove(build, None)
            ledger = self._ledger(key)
            await ledger.change(lambda b, _: attrs.evolve(b.again(), attempt=b.attempt + 1))
        await course.run(finished)

    async def _finished(self, build: Build) -> ContainerState | None:
        """The container of the last attempt, if it came to its end by itself.

        The end of a privileged build that failed is not its own, unless it had failed before the server ended: the
        docker socket was gone.
        """
        if not build.attempt:
            return None
        runtime = self._site.runtime
        found = await container.own_container(runtime, self._site.owner, build)
        if found is None or found.status != "exited" or found.exit_code != 0:
            return None
        needs_socket = build.declared["environment"].get("privilegedMode") and not build.failed
        if needs_socket and await container.failed(runtime, found.id, build):
            return None
        return found

    # -- afterwards ----------------------------------------------------------------------------------------

    async def _release(self, key: str, socket: EngineSocket | None) -> None:
        build = self._find(key)
        if build is None or not build.complete:
            return
        await self._remove(build, socket)

        def write(tx: Tx) -> None:
            tx.delete(LogCursor, key)
            present = tx.get(Build, key)
            if present is not None:
                tx.put(attrs.evolve(present, released=True))

        await self._store.write(write)

    async def _remove(self, build: Build, socket: EngineSocket | None) -> None:
        """All that the build holds on this machine, as far as it is there."""
        runtime, labels = self._site.runtime, container.labels(self._site.owner, build)
        for each in await runtime.list(labels):
            await runtime.remove(each.id)
        await self._stop_socket(build, socket)
        await self._site.network.take_down(build)
        for sandbox in await runtime.list_sandboxes(labels):
            await runtime.remove_sandbox(sandbox.id)
        await asyncio.to_thread(self._workspace(build.key).remove)

    async def _stop_socket(self, build: Build, socket: EngineSocket | None) -> None:
        """With the socket goes what the build ran through it; after a crash a new one takes its place first."""
        if socket is None and build.attempt and build.declared["environment"].get("privilegedMode"):
            workspace = self._workspace(build.key)
            await asyncio.to_thread(workspace.make_room_for_socket)
            socket = self._site.engine_socket(role_caller(build), build.id)
            await socket.start(str(workspace.socket))
        if socket is not None:
            await socket.stop()

    def _find(self, key: str) -> Build | None:
        return self._store.read(lambda view: view.get(Build, key))

    def _ledger(self, key: str) -> Ledger:
        return Ledger(self._store, self._site.dispatcher, self._site.clock, key)

    def _workspace(self, key: str) -> Workspace:
        uuid = key.rpartition(":")[2]
        return Workspace(self._directory / uuid, uuid)
