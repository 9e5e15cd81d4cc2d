"""What counts in a rollout: which tasks are pending, healthy, failing or protected, and between which bounds."""

from __future__ import annotations

import math

from neargate.model.ecs import Service, Task, TaskTarget
from neargate.planners import ecs_events as events

_ILL = ("unhealthy", "draining", "unregistered")
"""A target that fails its checks, and one that somebody else took out of the group."""


_COMING = ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING")


def matters(task: Task) -> tuple[object, ...]:
    """What of a task a rollout's plan depends on, so that nobody need plan again when something else changes.

    Until it is ready a task passes states that are all one to a rollout, and so it does on its way down, but for
    those that free its room. Where others find it, its state and address count as they are.
    """
    stage: str = task.status
    placed = task.targets or task.registrations
    if not placed:
        if stage in _COMING and task.desired_status == "RUNNING" and task.ready is None:
            stage = "COMING"
        elif stage == "DEACTIVATING":
            stage = "STOPPING"
    return (
        stage,
        task.desired_status,
        task.ready,
        task.health,
        task.targets,
        task.registrations,
        placed and task.attachment.ip,
        task.stop_code,
        task.stopping,
        task.execution_stopped,
        task.protected_until,
    )


def is_pending(task: Task) -> bool:
    """On its way to RUNNING, as pendingCount counts."""
    return task.desired_status == "RUNNING" and task.status in ("PROVISIONING", "PENDING", "ACTIVATING")


def is_healthy(task: Task) -> bool:
    """Counts toward the minimum healthy percent: container checks pass, and the load balancer's."""
    return (
        task.desired_status == "RUNNING"
        and task.status == "RUNNING"
        and task.ready is not None
        and task.health != "UNHEALTHY"
        and all(target.state == "healthy" for target in task.targets)
    )


def ill_target(task: Task) -> TaskTarget | None:
    """The first place of a running task whose load balancer finds it unfit."""
    if task.desired_status != "RUNNING" or task.status != "RUNNING":
        return None
    return next((target for target in task.targets if target.state in _ILL), None)


def is_failing(service: Service, task: Task, now: float) -> bool:
    """A health check fails, of a container or of a load balancer, and the grace period is over."""
    return _is_ill(task) and now >= grace_end(service, task)


def _is_ill(task: Task) -> bool:
    return task.health == "UNHEALTHY" or ill_target(task) is not None


def grace_end(service: Service, task: Task) -> float:
    """Until when a failing health check of a task is not held against it."""
    return (task.started or task.created) + (service.grace_period or 0)


def grace_moment(service: Service, task: Task) -> float | None:
    """When a task that is ill now begins to fail."""
    return grace_end(service, task) if _is_ill(task) else None


def failure_event(service: Service, task: Task) -> str:
    """The event about a failing task."""
    target = ill_target(task)
    if task.health == "UNHEALTHY" or target is None:
        return events.failed_health_checks(service.name, task.id)
    return events.unhealthy_target(service.name, task.id, target.port, target.group, target.reason)


def failure_reason(task: Task) -> str:
    """The stoppedReason of a failing task."""
    target = ill_target(task)
    if task.health == "UNHEALTHY" or target is None:
        return events.FAILED_CONTAINER_HEALTH_CHECKS
    return events.failed_elb_checks(target.group)


def is_protected(task: Task, now: float) -> bool:
    """Its owner keeps it from being stopped to scale in or to roll out."""
    return task.protected_until is not None and now < task.protected_until


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
