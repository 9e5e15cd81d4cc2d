"""One look at a service that rolls: who lives, how much room there is, who starts and who stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from neargate.model.ecs import Deployment, Service, Task
from neargate.planners import ecs_events as events
from neargate.planners.rollout_actions import Action, Say, Start, Stop
from neargate.planners.rollout_health import (
    bounds,
    failure_event,
    failure_reason,
    grace_moment,
    is_failing,
    is_healthy,
    is_pending,
    is_protected,
)


class Step:
    """`service` is the record as it becomes; `actions` what is done about it, in order."""

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
        self._fit = {task.id for task in self.wanted if is_healthy(task)}
        self.healthy = sum(1 for task in self.mine if task.id in self._fit)
        """How many tasks of the PRIMARY are healthy."""
        self.spare = len(self._fit) - self.least
        """How many healthy tasks may stop now."""
        self.failing = [task for task in self.mine if is_failing(service, task, now)]
        self.size = service.desired + service.rebalancing
        """How many tasks are to run; while zones are being balanced, some more than desired."""
        self.missing = max(0, self.size - (len(self.mine) - len(self.failing)))
        self.can_start = primary.rollout_state != "FAILED" and now >= primary.retry_at
        self.in_trouble = (
            primary.rollout_state == "FAILED" or primary.launch_failures > 0 or primary.quick_exits > 1
        )
        self.room = max(0, self.most - len(self.occupying))
        self.started = 0
        self.stopped: list[Task] = []
        self._gone: set[str] = set()
        self.balanced = 0
        """Tasks that balanced the zones and are healthy now, so that as many others stop."""
        self.held = 0
        """Tasks that would stop now if they were not protected."""
        self.given_up: dict[str, int] = {}
        """Deployment id to tasks that an older deployment loses so that the new one gets room."""

    @property
    def old_needed(self) -> int:
        """How many tasks of older deployments the healthy ones of the new do not yet make up for."""
        return max(0, self.service.desired - self.healthy)

    def note_failing(self) -> None:
        """Each failing task is said and counted once."""
        primary = self.service.primary
        new = [task for task in self.failing if task.id not in primary.failing]
        for task in new:
            self.actions.append(Say(failure_event(self.service, task)))
        names = tuple(task.id for task in self.failing)
        if names != primary.failing:
            self._replace(
                attrs.evolve(
                    primary,
                    failing=names,
                    failed_tasks=primary.failed_tasks + len(new),
                    updated=self.now if new else primary.updated,
                )
            )

    # -- starting --------------------------------------------------------------------------------------------

    def start(self) -> None:
        count = min(self.missing, self.room) if self.can_start else 0
        if count:
            replaced = min(count, len(self.failing))
            self._start(self.service.primary, count, replaced, self._poorest_zone())
            self.started = count
        if not self.in_trouble:
            return
        for old in self.service.deployments[1:]:
            lost = min(old.desired, self.old_needed) - len(self._alive(old))
            count = min(lost, self.room)
            if count > 0 and old.rollout_state == "COMPLETED" and self.now >= old.retry_at:
                self._start(old, count, 0, "")

    def _poorest_zone(self) -> str:
        """Where a task that only balances the zones goes; "" for one that the service lacks."""
        if not self.service.rebalancing or len(self.mine) - len(self.failing) < self.service.desired:
            return ""
        counts = self.zone_counts
        return min(counts, key=lambda zone: counts[zone])

    def _start(self, deployment: Deployment, count: int, replaced: int, zone: str) -> None:
        self.actions.append(Start(deployment.id, count, replaced, zone))
        self.room -= count

    @property
    def zone_counts(self) -> dict[str, int]:
        """Zone to tasks of the PRIMARY there; the zones in the order of its subnets."""
        seen = Counter(task.zone for task in self.mine)
        return {zone: seen[zone] for zone in self.service.primary.zones}

    # -- stopping --------------------------------------------------------------------------------------------

    def stop(self) -> None:
        balancing = self._stop_surplus()
        self._stop_failing()
        self._stop_replaced()
        self._make_room()
        self._say_balanced(balancing)
        for pending in (False, True):
            names = [t.id for t in self.stopped if is_pending(t) == pending and t.id not in balancing]
            if names and pending:
                self.actions.append(Say(events.stopped_pending(self.service.name, len(names))))
            elif names:
                self.actions.append(Say(events.stopped_running(self.service.name, names)))
        self._shrink_old()

    def _say_balanced(self, balancing: Mapping[str, str]) -> None:
        for zone in sorted(set(balancing.values())):
            names = [task_id for task_id, where in balancing.items() if where == zone]
            self.actions.append(Say(events.stopped_running(self.service.name, names, zone)))
        left = self.zone_counts
        for zone in balancing.values():
            left[zone] -= 1
        if balancing and max(left.values()) - min(left.values()) < 2:
            self.actions.append(Say(events.zones_balanced(self.service.name, left)))

    def _stop_surplus(self) -> dict[str, str]:
        """More than wanted: unhealthy ones first, then from the fullest zone, the newest first.

        Those that stop because their zone has too many: task id to zone.
        """
        failing = {task.id for task in self.failing}
        sound = [task for task in self.mine if task.id not in failing]
        self._end_balancing(sound)
        surplus = len(sound) - self.service.desired - self.service.rebalancing
        balancing: dict[str, str] = {}
        while surplus > 0 and sound:
            zones = Counter(task.zone for task in sound)
            free = [task for task in sound if not is_protected(task, self.now)]
            if not free:
                self.held += surplus
                break
            task = max(free, key=lambda t: (t.id not in self._fit, zones[t.zone], t.created, t.id))
            if task.id in self._fit and self.spare <= 0:
                break
            self._stop(task, events.scaling_reason(self.service.primary.id))
            if len(balancing) < self.balanced:
                balancing[task.id] = task.zone
            sound.remove(task)
            surplus -= 1
        return balancing

    def _end_balancing(self, sound: Sequence[Task]) -> None:
        extra = self.service.rebalancing
        if extra and sum(1 for task in sound if task.id in self._fit) >= self.size:
            self.balanced = extra
            self.service = attrs.evolve(self.service, rebalancing=0)

    def _stop_failing(self) -> None:
        """Unhealthy tasks go when their replacements are healthy, or now where there is no room for those."""
        if not self.failing or self.service.primary.rollout_state == "FAILED":
            return
        blocked = self.missing - self.started - len(self.stopping)
        count = len(self.failing) if self.healthy >= self.service.desired else min(len(self.failing), blocked)
        if self.room > 0 and self.healthy < self.service.desired:
            count = 0
        for task in sorted(self.failing, key=lambda t: t.created)[: max(0, count)]:
            self._stop(task, failure_reason(task))

    def _stop_replaced(self) -> None:
        """Older deployments' tasks that nothing needs any more."""
        olds = self._old_tasks()
        if not self.in_trouble or self.old_needed == 0:
            for task in [task for task in olds if task.id not in self._fit]:
                self._stop_old(task)
        healthy = [task for task in olds if task.id in self._fit]
        excess = len(healthy) - self.old_needed
        for task in healthy:
            if min(excess, self.spare) <= 0:
                return
            excess -= self._stop_old(task)

    def _make_room(self) -> None:
        """Where the maximum leaves no room for new tasks, older ones give way, down to the minimum."""
        if not self.can_start or self.room > 0:
            return
        deficit = self.missing - self.started - len(self.stopping) - len(self.stopped)
        for task in self._old_tasks():
            if deficit <= 0 or (task.id in self._fit and self.spare <= 0):
                continue
            if self._stop_old(task):
                self.given_up[task.deployment] = self.given_up.get(task.deployment, 0) + 1
                deficit -= 1

    def _stop_old(self, task: Task) -> int:
        """Stop a task of an older deployment: 1, or 0 where it is protected."""
        if is_protected(task, self.now):
            self.held += 1
            return 0
        self._stop(task, events.scaling_reason(self.service.primary.id))
        return 1

    def _old_tasks(self) -> list[Task]:
        """Older deployments' tasks that are still wanted: unhealthy ones first, then the oldest."""
        primary = self.service.primary.id
        olds = [task for task in self.wanted if task.deployment != primary and task.id not in self._gone]
        return sorted(olds, key=lambda task: (task.id in self._fit, task.created, task.id))

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
        return [
            task for task in self.wanted if task.deployment == deployment.id and task.id not in self._gone
        ]

    def _stop(self, task: Task, reason: str) -> None:
        self.actions.append(Stop(task.id, reason))
        self.stopped.append(task)
        self._gone.add(task.id)
        self.spare -= task.id in self._fit

    def _replace(self, primary: Deployment) -> None:
        self.service = attrs.evolve(self.service, deployments=(primary, *self.service.deployments[1:]))

    def moments(self) -> list[float]:
        """When something about its tasks changes by itself."""
        primary = self.service.primary
        found: list[float] = []
        if self.missing and primary.rollout_state != "FAILED":
            found.append(primary.retry_at)
        if self.in_trouble:
            found += [old.retry_at for old in self.service.deployments[1:]]
        found += [moment for t in self.mine if (moment := grace_moment(self.service, t)) is not None]
        if self.held:
            found += [t.protected_until or self.now for t in self.wanted if is_protected(t, self.now)]
        return found

    # -- the outcome -----------------------------------------------------------------------------------------

    @property
    def moved(self) -> bool:
        return bool(self.started or self.stopped)

    @property
    def settled_down(self) -> bool:
        """Exactly the desired tasks live, all of the PRIMARY and healthy."""
        return (
            len(self.service.deployments) == 1
            and not self.moved
            and len(self.occupying) == len(self.mine) == self.healthy == self.service.desired
        )
