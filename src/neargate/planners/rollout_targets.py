"""Tasks and target groups: who joins one, who leaves it, and what the load balancer says of whom.

A task joins its groups when it runs (where it has several: when its containers run, before it is RUNNING). It
leaves them when it is to stop, and stops once it is drained (`planners.task`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from neargate.model.ecs import Task, TaskTarget
from neargate.planners import ecs_events as events
from neargate.planners.rollout_actions import Action, Deregister, Register, Say

LONGEST_DRAIN = 3600.0 + 60
"""Seconds after which nobody waits any longer for a target to be drained; AWS's longest delay is an hour."""

NOT_REGISTERED = "Target is not registered to the target group"


@attrs.frozen
class TargetSeen:
    """What a load balancer says of a target: its state, description, and when it was registered last."""

    state: str
    description: str
    registered: float


Look = Callable[[Task, TaskTarget], TargetSeen | None]
"""The target of a task's place; None where there is none."""


def observed(task: Task, look: Look, now: float) -> Task:
    """The task with what the load balancers say of it now; itself where that is nothing new."""
    if not task.targets:
        return task
    targets = tuple(
        _observed(target, look(task, target), now) if target.is_in else target for target in task.targets
    )
    return task if targets == task.targets else attrs.evolve(task, targets=targets)


def _observed(target: TaskTarget, seen: TargetSeen | None, now: float) -> TaskTarget:
    if target.left is not None:
        taken_over = seen is not None and seen.registered > target.left
        gone = seen is None or taken_over or now >= target.left + LONGEST_DRAIN
        return attrs.evolve(target, state="gone", reason="") if gone else target
    if seen is None:
        return attrs.evolve(target, state="unregistered", reason=NOT_REGISTERED)
    return attrs.evolve(target, state=seen.state, reason=seen.description)


def moves(service: str, tasks: Sequence[Task], stopped: Iterable[str], now: float) -> list[Action]:
    """Who joins and who leaves now. `stopped` are the ids of tasks that this plan decided to stop."""
    leaving = set(stopped)
    joining: dict[str, list[tuple[str, int]]] = {}
    parting: dict[str, list[tuple[str, int]]] = {}
    drained: list[str] = []
    for task in tasks:
        ends = task.desired_status == "STOPPED" or task.id in leaving
        for target in task.targets:
            if not ends and not target.state and _may_join(task):
                joining.setdefault(target.group, []).append((task.id, target.port))
            if ends and target.is_in and target.left is None:
                parting.setdefault(target.group, []).append((task.id, target.port))
                drained += [task.id] if _serves(task) else []
    actions: list[Action] = [Register(group, tuple(places)) for group, places in joining.items()]
    for group, places in parting.items():
        actions.append(Deregister(group, tuple(places)))
        actions.append(Say(events.deregistered(service, len(places), group)))
    if drained:
        actions.append(Say(events.draining(service, len(set(drained)))))
    return actions


def _may_join(task: Task) -> bool:
    return bool(task.attachment.ip) and (
        task.status == "RUNNING" or (task.status == "ACTIVATING" and len(task.targets) > 1)
    )


def _serves(task: Task) -> bool:
    return (
        task.status in ("ACTIVATING", "RUNNING", "DEACTIVATING")
        and task.stop_code != "EssentialContainerExited"
    )


def drain_ends(tasks: Iterable[Task]) -> list[float]:
    """When nobody waits any longer for targets that are being drained."""
    return [
        target.left + LONGEST_DRAIN
        for task in tasks
        for target in task.targets
        if target.is_in and target.left is not None
    ]
