"""What a service learns from tasks that ended: failure counts and pauses before the next launch."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from neargate.model.ecs import Deployment, Service, Task
from neargate.planners import ecs_events as events
from neargate.planners.rollout_actions import Action, say_rarely

QUICK = 10.0
"""A task that ends sooner after it began to run than this (s) takes part in a crash loop."""

_LONGEST_QUICK_PAUSE = 20.0
_FIRST_PAUSE = {"local": 1.0, "aws": 10.0}
_LONGEST_PAUSE = {"local": 60.0, "aws": 900.0}


def pause(failures: int, pace: str) -> float:
    """Seconds before the next launch after so many waves of failed launches: doubling, up to a limit."""
    if failures < 1:
        return 0.0
    return float(min(_LONGEST_PAUSE[pace], _FIRST_PAUSE[pace] * 2.0 ** min(failures - 1, 20)))


def quick_pause(quick_exits: int) -> float:
    """Seconds before the next launch after so many quick exits in a row; none after the first."""
    return 0.0 if quick_exits < 2 else float(min(_LONGEST_QUICK_PAUSE, 2.0 ** min(quick_exits - 2, 10)))


def settle(service: Service, tasks: Sequence[Task], now: float, pace: str) -> Service:
    """The service with what its ended and its newly healthy tasks mean for its deployments.

    A task counts as soon as it is known to end, so that its replacement already waits as long as it should.
    """
    resets = service.circuit_breaker.get("resetOnHealthyTask", True)
    deployments = []
    for deployment in service.deployments:
        mine = [task for task in tasks if task.deployment == deployment.id]
        settled = _note_healthy(deployment, mine, resets)
        ended = [task for task in mine if task.desired_status == "STOPPED"]
        for task in sorted(ended, key=lambda task: task.stopping or now):
            if task.id not in settled.noted:
                settled = _note_end(settled, task, now, pace)
        if settled != deployment:
            settled = attrs.evolve(settled, updated=now)
        noted = tuple(task.id for task in ended if task.status != "STOPPED")
        deployments.append(attrs.evolve(settled, noted=noted))
    return attrs.evolve(service, deployments=tuple(deployments))


def _note_healthy(deployment: Deployment, tasks: Sequence[Task], resets: bool) -> Deployment:
    """A task that has become healthy ends the back-off, and the breaker's count unless that is switched off."""
    latest = max((task.ready for task in tasks if task.ready is not None), default=0.0)
    if latest <= deployment.healthy_at:
        return deployment
    return attrs.evolve(
        deployment,
        healthy_at=latest,
        launch_failures=0,
        failed_tasks=0 if resets else deployment.failed_tasks,
    )


def _note_end(deployment: Deployment, task: Task, now: float, pace: str) -> Deployment:
    if task.stop_code in ("UserInitiated", "ServiceSchedulerInitiated", "SpotInterruption"):
        return deployment
    first_of_wave = task.created >= deployment.retry_at
    if task.started is None:
        failures = deployment.launch_failures + (1 if first_of_wave else 0)
        retry_at = now + pause(failures, pace) if first_of_wave else deployment.retry_at
        return attrs.evolve(
            deployment,
            failed_tasks=deployment.failed_tasks + 1,
            launch_failures=failures,
            retry_at=retry_at,
        )
    lived = (task.stopping or task.execution_stopped or now) - task.started
    if lived >= QUICK:
        return attrs.evolve(deployment, quick_exits=0)
    if not first_of_wave:
        return deployment
    exits = deployment.quick_exits + 1
    return attrs.evolve(deployment, quick_exits=exits, retry_at=now + quick_pause(exits))


def say_trouble(before: Service, service: Service, actions: list[Action], now: float) -> Service:
    """The event about tasks that cannot be started, from the third wave on, every six hours at most."""
    grown = service.primary.launch_failures > before.primary.launch_failures
    if grown and service.primary.launch_failures >= 3:
        return say_rarely(service, "cannot-start", events.cannot_start(service.name), actions, now)
    return service
