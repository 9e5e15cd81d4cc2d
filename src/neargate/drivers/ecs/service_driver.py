"""Services: the rollout's plan, carried out on records. Whatever runs is the task driver's.

One transaction per plan: the service as it is to be, new tasks, tasks that are to stop, targets that come and go,
and the events that tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.service_history import keep_history
from neargate.drivers.ecs.service_sight import Sight, look
from neargate.drivers.ecs.service_step import ServiceStep
from neargate.drivers.workqueue import WorkQueue
from neargate.model.cloudwatch import Alarm
from neargate.model.ecs import KEPT_AFTER_END, ImageVersion, Service, ServiceDeployment, ServiceRevision, Task
from neargate.model.elbv2 import Target
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.planners import rollout
from neargate.planners.rollout_actions import Plan, is_at_rest
from neargate.planners.rollout_health import matters
from neargate.services.dispatch import Dispatcher

_WATCHED = frozenset({Service.KIND, Task.KIND, Target.KIND, Alarm.KIND})


class ServiceDriver:
    """Keeps every service at what it wants. Watches `ecs.service`, `ecs.task`, `elbv2.target`, `cloudwatch.alarm`."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._queue = WorkQueue("ecs-services", self.reconcile, clock)
        self._awaited: dict[str, set[str]] = {}
        """Key of a target or an alarm to those of the services that its changes wake."""
        self._awaits: dict[str, frozenset[str]] = {}
        """The same the other way round."""
        self._told: dict[str, tuple[object, ...]] = {}
        """Key of a task to what its service was told of it, or has done with it."""
        self._written: dict[str, Service] = {}
        """Services as this driver wrote them last, where a plan on that would have nothing to do."""

    async def run(self) -> None:
        """Work until cancelled."""
        await self._queue.serve(self._store, _WATCHED, self._service_of, self._keys())

    def _keys(self) -> Iterator[str]:
        """All services; read when the queue listens already, so that none is missed."""
        yield from self._store.read(lambda view: [service.key for service in view.scan(Service)])

    def _service_of(self, kind: str, key: str) -> str | None:
        if kind == Service.KIND:
            return None if self._is_as_written(key) else key
        if kind in (Target.KIND, Alarm.KIND):
            self._queue.wake_all(self._awaited.get(key, ()))
            return None
        return self._service_of_task(key)

    def _is_as_written(self, key: str) -> bool:
        """The service is as this driver left it, with nothing to do at once."""
        written = self._written.get(key)
        return written is not None and self._store.read(lambda view: view.get(Service, key)) == written

    def _service_of_task(self, key: str) -> str | None:
        """The key of a task's service, where the change is one that a rollout looks at."""
        task = self._store.read(lambda view: view.get(Task, key))
        if task is None or not task.service:
            self._told.pop(key, None)
            return None
        told = matters(task)
        if self._told.get(key) == told:
            return None
        self._told[key] = told
        return task.service_key

    async def reconcile(self, key: str) -> float | None:
        """Plan; where there is something to do, plan again inside the transaction that does it."""
        now = self._clock.now()
        sight = self._store.read(lambda view: look(view, key, now))
        self._await(key, sight)
        if sight is None:
            self._written.pop(key, None)
            return None
        service = sight.service
        if service.status == "INACTIVE" and service.ended is not None:
            if now < service.ended + KEPT_AFTER_END:
                return service.ended + KEPT_AFTER_END
            await self._store.write(lambda tx: _forget(tx, key))
            return None
        made = self._plan(sight, now)
        if made.service != service or made.actions or sight.stale:
            done = await self._store.write(lambda tx: self._carry_out(tx, sight, made))
            return done.wake_at if done is not None else None
        return made.wake_at

    def _plan(self, sight: Sight, now: float) -> Plan:
        pace = self._dispatcher.settings.pace
        return rollout.plan(sight.service, sight.tasks, now, pace, sight.alarms, sight.rules)

    def _await(self, service: str, sight: Sight | None) -> None:
        """Note what else wakes this service, before anything of it is changed: no change of it can be missed."""
        now = frozenset(sight.awaited) if sight is not None else frozenset()
        before = self._awaits.pop(service, frozenset())
        for key in before - now:
            self._awaited[key].discard(service)
            if not self._awaited[key]:
                del self._awaited[key]
        for key in now - before:
            self._awaited.setdefault(key, set()).add(service)
        if now:
            self._awaits[service] = now

    def _carry_out(self, tx: Tx, planned_on: Sight, made: Plan) -> Plan | None:
        """The plan as it was carried out; a new one where something has changed since it was made."""
        now = self._clock.now()
        sight = look(tx, planned_on.service.key, now)
        if sight is None:
            return None
        before = sight.service
        cx = self._dispatcher.context(tx, actors.scheduler(before.account, before.region))
        if sight != planned_on:
            made = self._plan(sight, cx.now)
        step = ServiceStep(cx, made.service, {task.id: task for task in sight.tasks})
        for task_id in sorted(sight.stale):
            step.keep(step.tasks[task_id])
        for action in made.actions:
            step.act(action)
        if step.service != before:
            tx.put(step.service)
            keep_history(cx, before, step.service)
            step.keep_endpoints(before)
        self._note_written(step, is_at_rest(made, before, step.service) and not sight.stale)
        return attrs.evolve(made, service=step.service, wake_at=_earlier(made.wake_at, step.retry_at))

    def _note_written(self, step: ServiceStep, at_rest: bool) -> None:
        """Let own changes wake nobody, where another plan would find nothing to do."""
        if not at_rest:
            self._written.pop(step.service.key, None)
            return
        self._written[step.service.key] = step.service
        for task in step.tasks.values():
            self._told[task.key] = matters(task)


def _forget(tx: Tx, key: str) -> None:
    """An INACTIVE service's hour is over."""
    service = tx.get(Service, key)
    if service is None or service.status != "INACTIVE":
        return
    tx.delete(Service, key)
    for version in tx.scan(ImageVersion, key + "/"):
        tx.delete(ImageVersion, version.key)
    for revision in tx.scan(ServiceRevision, key + "/"):
        tx.delete(ServiceRevision, revision.key)
    for record in tx.scan(ServiceDeployment, key + "/"):
        tx.delete(ServiceDeployment, record.key)


def _earlier(one: float | None, other: float | None) -> float | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
