"""A service's rolling deployment, as a pure function: `plan(service, tasks, now, pace)`.

What ECS promises holds for every plan: starting never takes the tasks that run or are about to above the maximum
percent, stopping never takes the healthy ones below the minimum percent, and a deployment's state never goes back
(a rollback makes the last completed deployment PRIMARY again). A task counts as healthy from its `ready` on.

A deployment that cannot start its tasks waits longer after each failure. Two things are Neargate's own. A task
that ends within seconds of running is replaced at once the first time and then with growing pauses, because here
nothing else slows a crash loop down. And where the new deployment is in trouble, tasks that a completed older one
loses are replaced, as long as it is not yet replaced itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import attrs

from neargate.model.ecs import Deployment, Service, Task
from neargate.planners import ecs_events as events
from neargate.planners.rollout_failures import settle

REPEAT = 6 * 3600.0
"""Seconds after which ECS says again what still holds."""

Pace = Literal["local", "aws"]


@attrs.frozen
class Start:
    """Start tasks of a deployment (its id); `replaced` of them stand in for unhealthy ones."""

    deployment: str
    count: int
    replaced: int = 0


@attrs.frozen
class Stop:
    """Stop a task (its id) for this reason, in ECS's words."""

    task: str
    reason: str


@attrs.frozen
class Settle:
    """A stopped task's end has been taken into account; the service lets go of it."""

    task: str


@attrs.frozen
class Say:
    """A service event."""

    message: str


Action = Start | Stop | Settle | Say


@attrs.frozen
class Plan:
    """`service` is the record as it is to be; the actions go with it, in this order, in one transaction."""

    service: Service
    actions: tuple[Action, ...]
    waiting_for: str
    wake_at: float | None


def plan(service: Service, tasks: Sequence[Task], now: float, pace: str = "local") -> Plan:
    """What to do next. `tasks` are the service's tasks that live or were not settled yet."""
    actions: list[Action] = [Settle(task.id) for task in tasks if task.status == "STOPPED"]
    live = [task for task in tasks if task.status != "STOPPED"]
    if service.status != "ACTIVE":
        return _drain(service, live, actions, now)
    before = service
    service = settle(service, tasks, now, pace)
    service = _say_trouble(before, service, actions, now)
    service = _break_circuit(service, actions, now)
    step = _Step(service, live, now)
    step.start()
    step.stop()
    actions += step.actions
    service = _finished(step.service, step, actions, now)
    return Plan(service, tuple(actions), _waiting_for(service, step, now), _wake_at(service, step, now))


def is_pending(task: Task) -> bool:
    """On its way to RUNNING, as pendingCount counts."""
    return task.desired_status == "RUNNING" and task.status in ("PROVISIONING", "PENDING", "ACTIVATING")


def is_healthy(task: Task) -> bool:
    """Counts toward the minimum healthy percent."""
    running = task.desired_status == "RUNNING" and task.status == "RUNNING"
    return running and task.ready is not None and task.health != "UNHEALTHY"


def bounds(service: Service) -> tuple[int, int]:
    """(least healthy tasks, most tasks), with ECS's rounding."""
    least = math.ceil(service.desired * service.minimum_healthy_percent / 100)
    most = math.floor(service.desired * service.maximum_percent / 100)
    return least, most


def threshold(service: Service) -> int:
    """How many failures in a row open the circuit."""
    configured = service.circuit_breaker.get("thresholdConfiguration") or {}
    kind, value = configured.get("type", "BOUNDED_PERCENT"), configured.get("value", 50)
    if kind == "COUNT":
        return int(value)
    share = math.ceil(service.desired * int(value) / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


# -- the circuit breaker ---------------------------------------------------------------------------------------


def _break_circuit(service: Service, actions: list[Action], now: float) -> Service:
    primary = service.primary
    breaker = service.circuit_breaker
    if (
        not breaker.get("enable")
        or primary.rollout_state != "IN_PROGRESS"
        or primary.failed_tasks < threshold(service)
    ):
        return service
    actions.append(Say(events.failed(service.name, primary.id)))
    failed = attrs.evolve(primary, rollout_state="FAILED", rollout_reason=events.failed_reason(), updated=now)
    target = service.last_completed
    if not breaker.get("rollback") or target is None or target.id == primary.id:
        return attrs.evolve(service, deployments=(failed, *service.deployments[1:]), steady=False)
    actions.append(Say(events.rolling_back(service.name, target.id)))
    again = attrs.evolve(
        target,
        status="PRIMARY",
        desired=service.desired,
        updated=now,
        rollout_state="IN_PROGRESS",
        rollout_reason=events.rolling_back_reason(target.id),
        failed_tasks=0,
        launch_failures=0,
        quick_exits=0,
        retry_at=0.0,
    )
    others = tuple(d for d in service.deployments[1:] if d.id != target.id)
    olds = (attrs.evolve(failed, status="ACTIVE"), *others)
    return attrs.evolve(service, deployments=(again, *olds), steady=False)


def _say_trouble(before: Service, service: Service, actions: list[Action], now: float) -> Service:
    """The event about tasks that cannot be started, from the third wave on, every six hours at most."""
    grown = service.primary.launch_failures > before.primary.launch_failures
    if grown and service.primary.launch_failures >= 3:
        return _say_rarely(service, "cannot-start", events.cannot_start(service.name), actions, now)
    return service


def _say_rarely(service: Service, what: str, message: str, actions: list[Action], now: float) -> Service:
    if now - service.said.get(what, -REPEAT) < REPEAT:
        return service
    actions.append(Say(message))
    return attrs.evolve(service, said={**service.said, what: now})


# -- starting and stopping -------------------------------------------------------------------------------------


class _Step:
    """One look at a service: who lives, how much room there is, who starts and who stops."""

    def __init__(self, service: Service, live: Sequence[Task], now: float) -> None:
        self.service = service
        self.now = now
        self.live = live
        self.actions: list[Action] = []
        self.least, self.most = bounds(service)
        self.occupying = [task for task in live if task.status != "DEPROVISIONING"]
        self.stopping = [task for task in self.occupying if task.desired_status == "STOPPED"]
        self.wanted = [task for task in live if task.desired_status == "RUNNING"]
        primary = service.primary
        self.mine = [task for task in self.wanted if task.deployment == primary.id]
        self.failing = [task for task in self.mine if self._fails(task)]
        self.missing = max(0, service.desired - (len(self.mine) - len(self.failing)))
        self.can_start = primary.rollout_state != "FAILED" and now >= primary.retry_at
        self.in_trouble = (
            primary.rollout_state == "FAILED" or primary.launch_failures > 0 or primary.quick_exits > 1
        )
        self.room = max(0, self.most - len(self.occupying))
        self.started = 0
        self.stopped: list[Task] = []
        self.given_up: dict[str, int] = {}
        """Deployment id to tasks that an older deployment loses so that the new one gets room."""

    @property
    def spare(self) -> int:
        """How many healthy tasks may stop now."""
        gone = {task.id for task in self.stopped}
        return sum(1 for task in self.wanted if is_healthy(task) and task.id not in gone) - self.least

    @property
    def old_needed(self) -> int:
        """How many tasks of older deployments the healthy ones of the new do not yet make up for."""
        return max(0, self.service.desired - sum(1 for task in self.mine if is_healthy(task)))

    def start(self) -> None:
        count = min(self.missing, self.room) if self.can_start else 0
        if count:
            self._start(self.service.primary, count, min(count, len(self.failing)))
            self.started = count
        if not self.in_trouble:
            return
        for old in self.service.deployments[1:]:
            lost = min(old.desired, self.old_needed) - len(self._alive(old))
            count = min(lost, self.room)
            if count > 0 and old.rollout_state == "COMPLETED" and self.now >= old.retry_at:
                self._start(old, count, 0)

    def _start(self, deployment: Deployment, count: int, replaced: int) -> None:
        self.actions.append(Start(deployment.id, count, replaced))
        self.room -= count

    def stop(self) -> None:
        self._stop_surplus()
        self._stop_failing()
        self._stop_replaced()
        self._make_room()
        for pending in (False, True):
            names = [task.id for task in self.stopped if is_pending(task) == pending]
            if names and pending:
                self.actions.append(Say(events.stopped_pending(self.service.name, len(names))))
            elif names:
                self.actions.append(Say(events.stopped_running(self.service.name, names)))
        self._shrink_old()

    def _stop_surplus(self) -> None:
        """More than desired: unhealthy ones first, then from the fullest zone, the newest first."""
        sound = [task for task in self.mine if task not in self.failing]
        surplus = len(sound) - self.service.desired
        while surplus > 0 and sound:
            zones = [task.zone for task in sound]
            task = max(sound, key=lambda t: (not is_healthy(t), zones.count(t.zone), t.created, t.id))
            if is_healthy(task) and self.spare <= 0:
                return
            self._stop(task, events.scaling_reason(self.service.primary.id))
            sound.remove(task)
            surplus -= 1

    def _stop_failing(self) -> None:
        """Unhealthy tasks go when their replacements are healthy, or now where there is no room for those."""
        if not self.failing or self.service.primary.rollout_state == "FAILED":
            return
        healthy = sum(1 for task in self.mine if is_healthy(task))
        blocked = self.missing - self.started - len(self.stopping)
        count = len(self.failing) if healthy >= self.service.desired else min(len(self.failing), blocked)
        if self.room > 0 and healthy < self.service.desired:
            count = 0
        for task in sorted(self.failing, key=lambda t: t.created)[: max(0, count)]:
            self.actions.append(Say(events.failed_health_checks(self.service.name, task.id)))
            self._stop(task, events.FAILED_CONTAINER_HEALTH_CHECKS)
            self._count_failure()

    def _count_failure(self) -> None:
        primary = self.service.primary
        counted = attrs.evolve(primary, failed_tasks=primary.failed_tasks + 1, updated=self.now)
        self._replace(counted)

    def _stop_replaced(self) -> None:
        """Older deployments' tasks that nothing needs any more."""
        olds = self._old_tasks()
        if not self.in_trouble or self.old_needed == 0:
            for task in [task for task in olds if not is_healthy(task)]:
                self._stop(task, events.scaling_reason(self.service.primary.id))
        healthy = [task for task in olds if is_healthy(task)]
        excess = len(healthy) - self.old_needed
        for task in healthy[: max(0, min(excess, self.spare))]:
            self._stop(task, events.scaling_reason(self.service.primary.id))

    def _make_room(self) -> None:
        """Where the maximum leaves no room for new tasks, older ones give way, down to the minimum."""
        if not self.can_start or self.room > 0:
            return
        deficit = self.missing - self.started - len(self.stopping) - len(self.stopped)
        for task in self._old_tasks():
            if deficit <= 0 or (is_healthy(task) and self.spare <= 0):
                continue
            self._stop(task, events.scaling_reason(self.service.primary.id))
            self.given_up[task.deployment] = self.given_up.get(task.deployment, 0) + 1
            deficit -= 1

    def _old_tasks(self) -> list[Task]:
        """Older deployments' tasks that are still wanted: unhealthy ones first, then the oldest."""
        gone = {task.id for task in self.stopped}
        primary = self.service.primary.id
        olds = [task for task in self.wanted if task.deployment != primary and task.id not in gone]
        return sorted(olds, key=lambda task: (is_healthy(task), task.created, task.id))

    def _shrink_old(self) -> None:
        """Older deployments want less as the new one becomes healthy; those without tasks are gone."""
        left = self.old_needed
        kept: list[Deployment] = []
        for old in self.service.deployments[1:]:
            alive = len(self._alive(old))
            room = max(alive, left) if old.rollout_state == "COMPLETED" else alive
            desired = min(old.desired - self.given_up.get(old.id, 0), room)
            left = max(0, left - desired)
            if desired != old.desired:
                old = attrs.evolve(old, desired=max(0, desired), updated=self.now)
            if old.desired > 0 or any(task.deployment == old.id for task in self.occupying):
                kept.append(old)
        primary = self.service.primary
        if primary.desired != self.service.desired:
            primary = attrs.evolve(primary, desired=self.service.desired, updated=self.now)
        self.service = attrs.evolve(self.service, deployments=(primary, *kept))

    def _alive(self, deployment: Deployment) -> list[Task]:
        gone = {task.id for task in self.stopped}
        return [task for task in self.wanted if task.deployment == deployment.id and task.id not in gone]

    def _stop(self, task: Task, reason: str) -> None:
        self.actions.append(Stop(task.id, reason))
        self.stopped.append(task)

    def _replace(self, primary: Deployment) -> None:
        self.service = attrs.evolve(self.service, deployments=(primary, *self.service.deployments[1:]))

    def _fails(self, task: Task) -> bool:
        return task.health == "UNHEALTHY" and self.now >= grace_end(self.service, task)

    @property
    def settled_down(self) -> bool:
        """Exactly the desired tasks live, all of the PRIMARY and healthy."""
        healthy = sum(1 for task in self.mine if is_healthy(task))
        return (
            len(self.service.deployments) == 1
            and not self.started
            and not self.stopped
            and len(self.occupying) == len(self.mine) == healthy == self.service.desired
        )


def grace_end(service: Service, task: Task) -> float:
    """Until when a failing health check of a task is not held against it."""
    return (task.started or task.created) + (service.grace_period or 0)


# -- the end of a rollout --------------------------------------------------------------------------------------


def _finished(service: Service, step: _Step, actions: list[Action], now: float) -> Service:
    if not step.settled_down:
        if step.started or step.stopped or step.missing:
            return _say_blocked(attrs.evolve(service, steady=False), step, actions, now)
        return service
    primary = service.primary
    if primary.rollout_state == "IN_PROGRESS":
        primary = attrs.evolve(
            primary,
            rollout_state="COMPLETED",
            rollout_reason=events.completed_reason(primary.id),
            updated=now,
        )
        service = attrs.evolve(service, deployments=(primary,), last_completed=primary)
        actions.append(Say(events.completed(service.name, primary.id)))
    if primary.rollout_state != "COMPLETED":
        return service
    if service.steady and now - service.said.get("steady", 0.0) < REPEAT:
        return service
    actions.append(Say(events.steady(service.name)))
    return attrs.evolve(service, steady=True, said={**service.said, "steady": now})


def _say_blocked(service: Service, step: _Step, actions: list[Action], now: float) -> Service:
    nothing_moves = (
        step.can_start
        and step.missing > 0
        and step.room == 0
        and not (step.started or step.stopped or step.stopping)
        and not any(is_pending(task) for task in step.wanted)
        and all(is_healthy(task) for task in step.wanted)
    )
    if not nothing_moves:
        return service
    return _say_rarely(service, "blocked", events.blocked(service.name), actions, now)


def _drain(service: Service, live: Sequence[Task], actions: list[Action], now: float) -> Plan:
    """DeleteService: every task stops; after the last one the service is INACTIVE."""
    wanted = [task for task in live if task.desired_status == "RUNNING"]
    for task in wanted:
        actions.append(Stop(task.id, events.scaling_reason(service.primary.id)))
    running = [task.id for task in wanted if not is_pending(task)]
    if running:
        actions.append(Say(events.stopped_running(service.name, running)))
    if len(running) < len(wanted):
        actions.append(Say(events.stopped_pending(service.name, len(wanted) - len(running))))
    if not live and service.status == "DRAINING":
        service = attrs.evolve(service, status="INACTIVE", ended=now)
    waiting_for = f"{_tasks(len(live))} to stop" if live else ""
    return Plan(service, tuple(actions), waiting_for, None)


# -- what it waits for -----------------------------------------------------------------------------------------


def _waiting_for(service: Service, step: _Step, now: float) -> str:
    """A sentence's end, for `waiting for …`; "" where the service is steady."""
    primary = service.primary
    if service.steady:
        return ""
    if primary.rollout_state == "FAILED":
        return f"an update of the service: the circuit breaker has stopped deployment {primary.id}"
    if step.missing and now < primary.retry_at:
        return f"the next try to start a task, in {math.ceil(primary.retry_at - now)} s: the last one failed"
    healthy = sum(1 for task in step.mine if is_healthy(task))
    if healthy < service.desired:
        return f"{healthy} of {service.desired} tasks to be running and healthy"
    leaving = len(step.occupying) - len([task for task in step.mine if task not in step.stopped])
    return f"{_tasks(leaving)} to stop" if leaving > 0 else ""


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _wake_at(service: Service, step: _Step, now: float) -> float | None:
    moments: list[float] = []
    if step.missing and service.primary.rollout_state != "FAILED":
        moments.append(service.primary.retry_at)
    if step.in_trouble:
        moments += [old.retry_at for old in service.deployments[1:]]
    moments += [grace_end(service, task) for task in step.mine if task.health == "UNHEALTHY"]
    if service.steady:
        moments.append(service.said.get("steady", now) + REPEAT)
    return _earliest_after(now, moments)


def _earliest_after(now: float, moments: Iterable[float]) -> float | None:
    return min((moment for moment in moments if moment > now), default=None)
