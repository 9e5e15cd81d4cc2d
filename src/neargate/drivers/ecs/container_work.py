"""Creating, starting, stopping and removing a task's containers."""

from __future__ import annotations

import asyncio

import attrs

from neargate.drivers.ecs.container_spec import container_spec, sandbox_name
from neargate.drivers.ecs.failures import cannot_start
from neargate.drivers.ecs.live import BUSY, OWNER_LABEL, READY, TASK_LABEL, LiveTask
from neargate.drivers.ecs.log_pump import LogPump
from neargate.drivers.ecs.network import TaskNetwork
from neargate.drivers.ecs.observing import Observer
from neargate.drivers.ecs.volumes import TaskVolumes
from neargate.model.ecs import Task, TaskDefinition
from neargate.model.ports import Clock, Store
from neargate.model.runtime import (
    ContainerSpec,
    ImageUnavailable,
    NameInUse,
    NoSuchContainer,
    Runtime,
    StartFailed,
)
from neargate.planners.task import has_health_check


@attrs.frozen
class ContainerWork:
    """One method per action of the planner. Each may be repeated at any point."""

    store: Store
    runtime: Runtime
    clock: Clock
    network: TaskNetwork
    logs: LogPump
    observer: Observer
    owner: str
    volumes: TaskVolumes

    async def create(self, key: str, definition: TaskDefinition, name: str, live: LiveTask) -> None:
        task = self.store.read(lambda view: view.get(Task, key))
        if task is None or live.sandbox is None:
            return
        live.change(name, state="busy")
        container = next(container for container in task.containers if container.name == name)
        image = live.images[name].id
        variables = live.environment.get(name, {})
        spec = container_spec(
            self.owner, task, definition, container, live.sandbox, image, live.volumes, variables
        )
        try:
            runtime_id = await self._created(spec)
        except ImageUnavailable as error:
            live.change(name, state="absent", failure=f"CannotPullContainerError: {error.reason}")
        except StartFailed as error:
            live.change(name, state="absent", failure=f"CannotCreateContainerError: {error.reason}")
        else:
            live.change(name, state="created", runtime_id=runtime_id)

    async def _created(self, spec: ContainerSpec) -> str:
        """The new container's id; the one of this name where a crash left it."""
        try:
            return await self.runtime.create(spec)
        except NameInUse:
            found = await self.runtime.list({TASK_LABEL: spec.labels[TASK_LABEL]})
            for state in found:
                if state.name == spec.name:
                    return state.id
            raise

    async def restart(self, task: Task, definition: TaskDefinition, name: str, live: LiveTask) -> None:
        """Run a container again that has exited, once its last lines are through."""
        if live.container(name).state != "exited":
            return
        pump = live.jobs.get(f"logs {name}")
        if pump is not None:
            await asyncio.wait([pump])  # it ends, for the container has exited
        await live.end(f"health {name}")
        live.restarting(name)
        await self.start(task, definition, name, live)

    async def start(self, task: Task, definition: TaskDefinition, name: str, live: LiveTask) -> None:
        if live.container(name).state not in ("created", "busy"):
            return  # it was started, and may be over, since this was planned
        runtime_id = live.container(name).runtime_id
        live.change(name, state="busy")
        try:
            await self.runtime.start(runtime_id)
        except StartFailed as error:
            live.change(name, state="exited", failure=cannot_start(error.reason))
            return
        except NoSuchContainer:
            live.change(name, state="absent", vanished=True)
            return
        if live.container(name).state == "busy":
            live.change(name, state="running", started=self.clock.now())
        self.accompany(task, definition, name, live)

    def accompany(self, task: Task, definition: TaskDefinition, name: str, live: LiveTask) -> None:
        """Pump its lines and check its health, as long as it runs."""
        container = definition.container(name)
        runtime_id = live.container(name).runtime_id
        live.begin(f"logs {name}", lambda: self.logs.run(task, container, runtime_id))
        if has_health_check(container):
            check = container["healthCheck"]
            live.begin(f"health {name}", lambda: self.observer.check_health(live, name, check))

    async def signal(self, name: str, signal: str, live: LiveTask) -> None:
        live.change(name, signalled=True)
        try:
            await self.runtime.signal(live.container(name).runtime_id, signal)
        except NoSuchContainer:
            live.change(name, state="absent", vanished=True)

    async def kill(self, name: str, live: LiveTask) -> None:
        try:
            await self.runtime.kill(live.container(name).runtime_id)
        except NoSuchContainer:
            live.change(name, state="absent", vanished=True)

    async def release(self, task: Task, live: LiveTask) -> None:
        """Let the last lines through, then remove containers, interface, sandbox and volumes."""
        live.release = BUSY
        await self._last_lines(live)
        await live.cancel(but="release")
        labels = {OWNER_LABEL: self.owner, TASK_LABEL: task.arn}
        found = await self.runtime.list(labels)
        await asyncio.gather(*(self.runtime.remove(state.id) for state in found))
        sandbox = live.sandbox.id if live.sandbox is not None else await self._sandbox_of(task)
        current = self.store.read(lambda view: view.get(Task, task.key))
        await self.network.take_down(current or task, sandbox)
        await self.volumes.remove(task)
        live.release = READY

    async def _last_lines(self, live: LiveTask) -> None:
        pumps = [job for name, job in live.jobs.items() if name.startswith("logs ") and not job.done()]
        if pumps:
            await asyncio.wait(pumps)  # what a container has written comes to an end once it has exited

    async def _sandbox_of(self, task: Task) -> str:
        """A sandbox that was made before a crash but never noted; its name does where there is none."""
        found = await self.runtime.list_sandboxes({OWNER_LABEL: self.owner, TASK_LABEL: task.arn})
        return found[0].id if found else sandbox_name(task)
