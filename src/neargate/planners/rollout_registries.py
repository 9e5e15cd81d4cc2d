"""Tasks and Cloud Map: who is registered, who is not any more, and who is known to be unhealthy.

A task registers when its containers run, before it is RUNNING (it is ACTIVATING until then), and leaves before it
stops. Where its containers have health checks it is unhealthy until they pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neargate.model.ecs import Task
from neargate.planners.rollout_actions import Discover, Forget


def moves(tasks: Sequence[Task], stopped: Iterable[str]) -> list[Discover | Forget]:
    """What is to change. `stopped` are the ids of tasks that this plan decided to stop."""
    leaving = set(stopped)
    actions: list[Discover | Forget] = []
    for task in tasks:
        ends = task.desired_status == "STOPPED" or task.id in leaving
        for place in task.registrations:
            if ends and place.is_in:
                actions.append(Forget(task.id, place.registry))
            elif not ends and _may_join(task):
                healthy = not place.checked or task.health == "HEALTHY"
                if not place.state or place.healthy != healthy:
                    actions.append(Discover(task.id, place.registry, healthy))
    return actions


def _may_join(task: Task) -> bool:
    return bool(task.attachment.ip) and task.status in ("ACTIVATING", "RUNNING")
