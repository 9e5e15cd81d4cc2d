"""Services: the rollout's plan, carried out on records. Whatever runs is the task driver's.

One transaction per plan: the service as it is to be, new tasks, tasks that are to stop, and the events that tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.service_history import keep_history
from neargate.drivers.workqueue import WorkQueue
from neargate.model.ecs import (
    KEPT_AFTER_END,
    SERVICE_EVENTS,
    Deployment,
    Service,
    ServiceDeployment,
    ServiceRevision,
    ServiceTask,
    Task,
    TaskDefinition,
    definition_key_of,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.ports import Clock, Store
from neargate.model.records import Reader, Tx
from neargate.planners import ecs_events, rollout
from neargate.planners.rollout_failures import pause
from neargate.services.dispatch import Dispatcher
from neargate.services.ecs.capacity import provider_of
from neargate.services.ecs.roles import check_assumable
from neargate.services.ecs.task_creation import (
    Wanted,
    checked_place,
    create_task,
    managed_tags,
    propagated_tags,
)
from neargate.services.ecs.tasks import request_stop


class ServiceDriver:
    """Keeps every service at what it wants. Watches `ecs.service` and `ecs.task`."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._queue = WorkQueue("ecs-services", self.reconcile, clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._queue.serve(
            self._store, frozenset({Service.KIND, Task.KIND}), self._service_of, self._keys()
        )

    def _keys(self) -> Iterator[str]:
        """All services; read when the queue listens already, so that none is missed."""
        yield from self._store.read(lambda view: [service.key for service in view.scan(Service)])

    def _service_of(self, kind: str, key: str) -> str | None:
        if kind == Service.KIND:
            return key
        task = self._store.read(lambda view: view.get(Task, key))
        return task.service_key or None if task is not None else None

    async def reconcile(self, key: str) -> float | None:
        """Plan; where there is something to do, plan again inside the transaction that does it."""
        now = self._clock.now()
        service, tasks = self._store.read(lambda view: _observe(view, key))
        if service is None:
            return None
        if service.status == "INACTIVE" and service.ended is not None:
            if now < service.ended + KEPT_AFTER_END:
                return service.ended + KEPT_AFTER_END
            await self._store.write(lambda tx: _forget(tx, key))
            return None
        made = rollout.plan(service, tasks, now, self._dispatcher.settings.pace)
        if made.service != service or made.actions:
            done = await self._store.write(lambda tx: self._carry_out(tx, key))
            return done.wake_at if done is not None else None
        return made.wake_at

    def _carry_out(self, tx: Tx, key: str) -> rollout.Plan | None:
        before, tasks = _observe(tx, key)
        if before is None:
            return None
        cx = self._dispatcher.context(tx, actors.scheduler(before.account, before.region))
        made = rollout.plan(before, tasks, cx.now, self._dispatcher.settings.pace)
        step = _Step(cx, made.service, {task.id: task for task in tasks})
        for action in made.actions:
            step.act(action)
        if step.service != before:
            tx.put(step.service)
            keep_history(cx, before, step.service)
        return attrs.evolve(made, service=step.service, wake_at=_earlier(made.wake_at, step.retry_at))


def _observe(view: Reader, key: str) -> tuple[Service | None, list[Task]]:
    service = view.get(Service, key)
    links = view.scan(ServiceTask, key + "/") if service is not None else []
    found = (view.get(Task, link.task_key) for link in links)
    return service, [task for task in found if task is not None]


def _forget(tx: Tx, key: str) -> None:
    """An INACTIVE service's hour is over."""
    service = tx.get(Service, key)
    if service is None or service.status != "INACTIVE":
        return
    tx.delete(Service, key)
    for revision in tx.scan(ServiceRevision, key + "/"):
        tx.delete(ServiceRevision, revision.key)
    for record in tx.scan(ServiceDeployment, key + "/"):
        tx.delete(ServiceDeployment, record.key)


def _earlier(one: float | None, other: float | None) -> float | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


class _Step:
    """One plan being carried out inside a transaction."""

    def __init__(self, cx: Context, service: Service, tasks: dict[str, Task]) -> None:
        self._cx = cx
        self.service = service
        self.tasks = tasks
        self.retry_at: float | None = None

    def act(self, action: rollout.Action) -> None:
        match action:
            case rollout.Start():
                self._start(action)
            case rollout.Stop(task=task_id, reason=reason):
                task = self.tasks[task_id]
                self.tasks[task_id] = request_stop(self._cx, task, ecs_events.SCALE_IN_CODE, reason)
            case rollout.Settle(task=task_id):
                self._cx.tx.delete(ServiceTask, f"{self.service.key}/{task_id}")
                del self.tasks[task_id]
            case rollout.Say(message=message):
                self._say(message)

    def _start(self, action: rollout.Start) -> None:
        deployment = next(d for d in self.service.deployments if d.id == action.deployment)
        try:
            made = self._create(deployment, action.count)
        except AwsError as error:
            self._launch_failed(deployment, error)
            return
        self._say(ecs_events.started(self.service.name, [task.id for task in made], action.replaced))

    def _create(self, deployment: Deployment, count: int) -> list[Task]:
        """The new tasks. Raises AwsError where none can be made."""
        cx, service = self._cx, self.service
        definition = cx.tx.get(TaskDefinition, definition_key_of(deployment.task_definition))
        if definition is None:
            raise AwsError("ClientException", "TaskDefinition not found.")
        place = checked_place(cx, deployment.network)
        check_assumable(cx, definition, {})
        given = managed_tags(service.cluster, service.name) if service.enable_managed_tags else {}
        wanted = Wanted(
            cluster=service.cluster,
            definition=definition,
            place=place,
            subnet=next(iter(place.zones)),
            group=f"service:{service.name}",
            started_by=deployment.id,
            service=service.name,
            deployment=deployment.id,
            launch_type=deployment.launch_type or "FARGATE",
            platform_version=deployment.platform_version,
            enable_execute_command=service.enable_execute_command,
            tags=propagated_tags(service.propagate_tags, given, definition, service),
        )
        made: list[Task] = []
        for _ in range(count):
            alive = [task for task in self.tasks.values() if task.desired_status == "RUNNING"]
            alive = [task for task in alive if task.deployment == deployment.id]
            provider = provider_of(deployment.strategy, [task.capacity_provider for task in alive])
            subnet = place.subnet_for([task.zone for task in alive])
            task = create_task(cx, attrs.evolve(wanted, subnet=subnet, capacity_provider=provider))
            self.tasks[task.id] = task
            made.append(task)
        return made

    def _launch_failed(self, deployment: Deployment, error: AwsError) -> None:
        """No task could even be recorded: that counts like one that failed to start."""
        cx = self._cx
        failures = deployment.launch_failures + 1
        self.retry_at = cx.now + pause(failures, cx.settings.pace)
        failed = attrs.evolve(
            deployment,
            launch_failures=failures,
            failed_tasks=deployment.failed_tasks + 1,
            retry_at=self.retry_at,
            updated=cx.now,
        )
        deployments = tuple(failed if d.id == failed.id else d for d in self.service.deployments)
        self.service = attrs.evolve(self.service, deployments=deployments)
        message = ecs_events.launch_failed(self.service.name, error.message)
        if cx.now - self.service.said.get(message, -rollout.REPEAT) >= rollout.REPEAT:
            self.service = attrs.evolve(self.service, said={**self.service.said, message: cx.now})
            self._say(message)

    def _say(self, message: str) -> None:
        body = {"id": self._cx.ids.uuid(), "message": message}
        self._cx.tx.append(SERVICE_EVENTS, self.service.key, body)
