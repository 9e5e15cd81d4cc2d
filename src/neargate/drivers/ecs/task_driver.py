"""Tasks: the planner's steps, carried out on the runtime and the fabric.

A task is reconciled when its record changes, when something is seen of its containers, and when the plan says so.
What takes time runs beside as a job of the task, so that a stop is never behind a pull. After a restart the
containers that carry our labels are taken over; those without a task record are removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from neargate.drivers.ecs.container_work import ContainerWork
from neargate.drivers.ecs.images import ImageFetcher, Images
from neargate.drivers.ecs.live import (
    BUSY,
    CONTAINER_LABEL,
    OWNER_LABEL,
    READY,
    TASK_LABEL,
    LiveTask,
    failed,
)
from neargate.drivers.ecs.log_pump import LogPump
from neargate.drivers.ecs.network import LinkLocal, NameService, TaskNetwork
from neargate.drivers.ecs.observing import Observer
from neargate.drivers.ecs.reach import Reach
from neargate.drivers.ecs.rights import ExecutionRights
from neargate.drivers.ecs.task_environment import EnvironmentUnavailable, TaskEnvironment
from neargate.drivers.ecs.volumes import TaskVolumes, VolumeUnavailable
from neargate.drivers.workqueue import WorkQueue
from neargate.model.ecs import (
    TASK_STATES,
    LogCursor,
    Task,
    TaskDefinition,
    definition_key_of,
)
from neargate.model.fabric import Fabric, FabricUnavailable
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.model.runtime import (
    ContainerEvent,
    ContainerState,
    EngineUnavailable,
    NoSuchContainer,
    Runtime,
)
from neargate.planners import task as planner
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

_RECONNECT = 1.0  # seconds; while the engine is away
_EAGER = (
    planner.SetUpNetwork,
    planner.OpenLogs,
    planner.FetchImage,
    planner.Create,
    planner.Start,
)
"""Actions that need not wait for the record: whatever they make carries labels and is found again."""


def task_key(arn: str) -> str:
    """The record key of a task's ARN."""
    _, _, _, region, account, resource = arn.split(":", 5)
    return "/".join((account, region, resource.removeprefix("task/")))


class TaskDriver:
    """Makes task records true. Watches `ecs.task`.

    `images` resolves image names; `link_local` answers on 169.254.170.2, `names`, where given, on
    the VPC's resolver address; `resolvers` are the machine's own name servers; `directory` is where empty volumes lie
    while their task lives.
    """

    def __init__(
        self,
        *,
        store: Store,
        dispatcher: Dispatcher,
        clock: Clock,
        runtime: Runtime,
        fabric: Fabric,
        images: Images,
        link_local: LinkLocal,
        owner: str,
        names: NameService | None = None,
        resolvers: tuple[str, ...] = (),
        directory: Path | None = None,
        file_systems: Path | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._runtime = runtime
        self._fabric = fabric
        self._owner = owner
        self._pace = dispatcher.settings.pace
        self._volumes = TaskVolumes(
            dispatcher,
            directory or Path(tempfile.gettempdir()) / f"neargate-{owner}-volumes",
            file_systems or Path(tempfile.gettempdir()) / f"neargate-{owner}-efs",
        )
        self._network = TaskNetwork(store, dispatcher, runtime, fabric, link_local, owner, names, resolvers)
        self._environment = TaskEnvironment(dispatcher, Reach(dispatcher))
        self._images = ImageFetcher(
            store,
            runtime,
            images,
            clock,
            ExecutionRights(dispatcher),
            Reach(dispatcher),
            self._environment,
            emulate=dispatcher.settings.emulate,
        )
        self._logs = LogPump(store, dispatcher, runtime, Reach(dispatcher))
        observer = Observer(runtime, clock, self._pace)
        self._work = ContainerWork(
            store, runtime, clock, self._network, self._logs, observer, owner, self._volumes
        )
        self._observer = observer
        self._live: dict[str, LiveTask] = {}
        self._definitions: dict[str, TaskDefinition] = {}
        self._written: dict[str, Task] = {}
        """The records of live tasks as this driver wrote them last."""
        self._queue = WorkQueue("ecs-tasks", self.reconcile, clock)

    async def run(self) -> None:
        """Work until cancelled. Containers keep running then."""
        await self._adopt_once_there_is_an_engine()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                group.create_task(
                    self._queue.serve(self._store, frozenset({Task.KIND}), self._changed, self._keys())
                )
        finally:
            for live in self._live.values():
                await live.cancel()

    def _changed(self, kind: str, key: str) -> str | None:
        """The key of a task whose record is not as this driver left it: after its own write it knows what to do."""
        mine = self._written.get(key)
        if mine is not None and self._store.read(lambda view: view.get(Task, key)) == mine:
            return None
        return key

    # -- one task ------------------------------------------------------------------------------------------

    async def reconcile(self, key: str) -> float | None:
        task = self._store.read(lambda view: view.get(Task, key))
        if task is None:
            await self._drop(key)
            return None
        live = self._live_of(key)
        definition = self._definition(task.task_definition)
        seen = live.seen()
        made = planner.plan(task, definition, seen, self._clock.now(), self._pace)
        self._act(made, task, definition, live, eager=True)
        if made.task != task:
            planned = task, made
            written = await self._store.write(lambda tx: self._record(tx, planned, definition, seen))
            if written is None:
                return None
            made = written
            self._act(made, made.task, definition, live, eager=True)
        self._act(made, made.task, definition, live, eager=False)
        if any(isinstance(action, planner.Forget) for action in made.actions):
            await self._store.write(lambda tx: _forget(tx, key))
            return None
        if made.task.status == "STOPPED":
            await self._drop(key)
        return made.wake_at

    def _record(
        self, tx: Tx, planned: tuple[Task, planner.Plan], definition: TaskDefinition, seen: planner.Seen
    ) -> planner.Plan | None:
        """Keep the outcome of a plan; of a new one where somebody has changed the record since."""
        base, made = planned
        key = base.key
        before = tx.get(Task, key)
        if before is None:
            return None
        if before != base:
            made = planner.plan(before, definition, seen, self._clock.now(), self._pace)
        task = made.task
        if task != before:
            tx.put(task)
            self._written[key] = task
        if (task.status, task.desired_status) != (before.status, before.desired_status):
            body = {"lastStatus": task.status, "desiredStatus": task.desired_status}
            if task.stop_code:
                body |= {"stopCode": task.stop_code, "reason": task.stopped_reason or ""}
            tx.append(TASK_STATES, key, body)
        return made

    def _act(
        self,
        made: planner.Plan,
        task: Task,
        definition: TaskDefinition,
        live: LiveTask,
        *,
        eager: bool,
    ) -> None:
        for action in made.actions:
            if isinstance(action, _EAGER) == eager:
                self._begin(action, task, definition, live)

    def _begin(self, action: planner.Action, task: Task, definition: TaskDefinition, live: LiveTask) -> None:
        """Start a job. It marks what it works at as busy, so that the next plan does not ask for it again."""
        match action:
            case planner.SetUpNetwork():
                live.begin("network", lambda: self._network.set_up(task.key, live))
            case planner.OpenLogs():
                live.begin("logs", lambda: self._prepare(task, definition, live))
            case planner.FetchImage(container=name):
                live.begin(f"image {name}", lambda: self._images.fetch(task, definition, name, live))
            case planner.Create(container=name):
                live.begin(f"create {name}", lambda: self._work.create(task.key, definition, name, live))
            case planner.Start(container=name):
                live.begin(f"start {name}", lambda: self._work.start(task, definition, name, live))
            case planner.Restart(container=name):
                live.begin(f"start {name}", lambda: self._work.restart(task, definition, name, live))
            case planner.WatchPorts(ports=ports):
                live.begin("ports", lambda: self._observer.watch_ports(live, ports))
            case planner.Signal(container=name, signal=signal):
                live.begin(f"signal {name}", lambda: self._work.signal(name, signal, live))
            case planner.Kill(container=name):
                live.begin(f"kill {name}", lambda: self._work.kill(name, live))
            case planner.Release():
                live.begin("release", lambda: self._work.release(task, live))

    async def _prepare(self, task: Task, definition: TaskDefinition, live: LiveTask) -> None:
        """What must be there before a container starts, beside its image: its variables, volumes and log stream."""
        live.logs = BUSY
        try:
            live.environment = await self._environment.read(task, definition)
            live.volumes = await self._volumes.prepare(task, definition)
        except (EnvironmentUnavailable, VolumeUnavailable) as error:
            live.logs = failed(str(error))
            return
        unreachable = self._images.unreachable(task)
        if unreachable:  # said before the log group is missed, as on Fargate, which pulls first
            live.logs = failed(unreachable)
        else:
            await self._logs.open(task, definition, live)

    def _definition(self, arn: str) -> TaskDefinition:
        """Revisions never change, so they are remembered."""
        known = self._definitions.get(arn)
        if known is None:
            known = self._store.read(lambda view: view.get(TaskDefinition, definition_key_of(arn)))
            if known is None:
                raise LookupError(f"There is no task definition {arn}.")
            self._definitions[arn] = known
        return known

    def _live_of(self, key: str) -> LiveTask:
        live = self._live.get(key)
        if live is None:
            live = self._live[key] = LiveTask(key, lambda: self._queue.wake(key))
        return live

    async def _drop(self, key: str) -> None:
        self._written.pop(key, None)
        live = self._live.pop(key, None)
        if live is not None:
            await live.cancel()

    # -- what the runtime tells ----------------------------------------------------------------------------

    def _keys(self) -> Iterator[str]:
        """All tasks; read when the queue listens already, so that none is missed."""
        yield from self._store.read(lambda view: [task.key for task in view.scan(Task)])

    async def _adopt_once_there_is_an_engine(self) -> None:
        while True:
            try:
                await self._adopt()
            except (EngineUnavailable, FabricUnavailable) as away:
                log.warning("tasks.engine-away", reason=str(away))
                await asyncio.sleep(_RECONNECT)
            else:
                return

    async def _adopt(self) -> None:
        """Take over what runs already, remove what no task record knows."""
        tasks = self._store.read(lambda view: view.scan(Task))
        active = {task.key: task for task in tasks if task.status != "STOPPED"}
        for sandbox in await self._runtime.list_sandboxes({OWNER_LABEL: self._owner}):
            arn = sandbox.labels.get(TASK_LABEL)
            if arn is not None and task_key(arn) in active:
                live = self._live_of(task_key(arn))
                live.sandbox, live.sandbox_state = sandbox, READY
        states = await self._runtime.list({OWNER_LABEL: self._owner})
        for key, task in active.items():
            mine = [state for state in states if state.labels.get(TASK_LABEL) == task.arn]
            self._take_over(task, mine, self._live_of(key))
        await self._remove_orphans(states, active)

    def _take_over(self, task: Task, states: Sequence[ContainerState], live: LiveTask) -> None:
        definition = self._definition(task.task_definition)
        for state in states:
            name = state.labels.get(CONTAINER_LABEL, "")
            live.observe(name, state)
            if state.status != "created":
                self._work.accompany(task, definition, name, live)
        found = {state.labels.get(CONTAINER_LABEL) for state in states}
        for container in task.containers:
            if container.status == "RUNNING" and container.name not in found:
                live.change(container.name, vanished=True)

    async def _remove_orphans(self, states: Sequence[ContainerState], active: dict[str, Task]) -> None:
        """A crash between making something and recording it, or a record that was removed, leaves these."""
        ours = {OWNER_LABEL: self._owner}
        for state in states:
            arn = state.labels.get(TASK_LABEL)
            if arn is not None and task_key(arn) not in active:
                log.info("task.orphan-removed", container=state.name, task=arn)
                await self._runtime.remove(state.id)
        ids = {task.id for task in active.values()}
        for attachment in await self._fabric.attached():
            mine = attachment.interface.labels.get("task")
            if mine is not None and mine not in ids:
                await self._fabric.detach(attachment.interface.eni_id)
        for sandbox in await self._runtime.list_sandboxes(ours):
            arn = sandbox.labels.get(TASK_LABEL)
            if arn is not None and task_key(arn) not in active:
                await self._runtime.remove_sandbox(sandbox.id)

    async def _watch(self) -> None:
        """Follow the runtime's events for ever; after each gap look at everything once."""
        while True:
            try:
                async with contextlib.aclosing(self._runtime.watch({OWNER_LABEL: self._owner})) as events:
                    async for event in events:
                        await self._noticed(event)
            except EngineUnavailable as away:
                log.warning("tasks.engine-away", reason=str(away))
            await asyncio.sleep(_RECONNECT)

    async def _noticed(self, event: ContainerEvent) -> None:
        if event.action == "watching":
            await self._look_at_all()
            return
        arn, name = event.labels.get(TASK_LABEL), event.labels.get(CONTAINER_LABEL)
        if arn is None or name is None:
            return
        live = self._live.get(task_key(arn))
        if live is None:
            await self._remove_latecomer(event, task_key(arn))
            return
        if event.action not in ("died", "removed"):
            return
        if live.container(name).runtime_id not in ("", event.id):
            return
        if event.action == "removed":
            self._vanished(live, name)
            return
        try:
            live.observe(name, await self._runtime.inspect(event.id))
        except NoSuchContainer:
            self._vanished(live, name)

    async def _remove_latecomer(self, event: ContainerEvent, key: str) -> None:
        """A container that the engine made after its task had ended."""
        task = self._store.read(lambda view: view.get(Task, key))
        if event.action in ("created", "started") and (task is None or task.status == "STOPPED"):
            await self._runtime.remove(event.id)

    async def _look_at_all(self) -> None:
        states = await self._runtime.list({OWNER_LABEL: self._owner})
        by_id = {state.id: state for state in states}
        for live in list(self._live.values()):
            for name, seen in list(live.containers.items()):
                if not seen.runtime_id or seen.state == "busy":
                    continue
                state = by_id.get(seen.runtime_id)
                if state is None:
                    self._vanished(live, name)
                elif state.status != seen.state:
                    live.observe(name, state)

    def _vanished(self, live: LiveTask, name: str) -> None:
        """Somebody removed a container; on our own removals the exit was seen before, or nobody asks."""
        if live.container(name).state == "exited" or live.release in (BUSY, READY):
            return
        live.change(name, state="absent", vanished=True)


def _forget(tx: Tx, key: str) -> None:
    tx.delete(Task, key)
    for cursor in tx.scan(LogCursor, key + "/"):
        tx.delete(LogCursor, cursor.key)
