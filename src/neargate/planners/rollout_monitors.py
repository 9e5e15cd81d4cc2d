"""What ends a deployment before its time: the circuit breaker, CloudWatch alarms, somebody who stops it.

A failed deployment starts nothing more. Where it is to be rolled back, the last completed deployment becomes PRIMARY
again; where there is none, the rollback has failed before it began.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from neargate.model.ecs import Deployment, Service
from neargate.planners import ecs_events as events
from neargate.planners.rollout_actions import Action, Say
from neargate.planners.rollout_health import threshold


@attrs.frozen
class AlarmSeen:
    """A CloudWatch alarm. `window` is how long it takes to see something, in seconds: period times evaluations."""

    state: str
    window: float = 0.0


Alarms = Mapping[str, AlarmSeen]


@attrs.frozen
class Failure:
    """Why a deployment fails. `said` ends its event; `reason` is its rolloutStateReason, `status` the service
    deployment's statusReason; `back` begins the new PRIMARY's rolloutStateReason."""

    monitor: str
    said: str
    reason: str
    status: str
    back: str
    rolls_back: bool


def judge(service: Service, alarms: Alarms, actions: list[Action], now: float) -> Service:
    """The service with its deployment failed where a monitor says so."""
    service = _watch_alarms(service, alarms)
    primary = service.primary
    if primary.rollout_state != "IN_PROGRESS":
        return service
    cleaning = primary.stage == "CLEAN_UP" and not primary.rolls_back
    found = _stopped(primary) or (None if cleaning else _alarmed(service, alarms) or _broken(service))
    return service if found is None else fail(service, found, actions, now)


def fail(service: Service, failure: Failure, actions: list[Action], now: float) -> Service:
    """The service with its PRIMARY deployment failed, and rolled back where that is wanted and possible."""
    primary = service.primary
    failed = attrs.evolve(
        primary,
        rollout_state="FAILED",
        rollout_reason=failure.reason,
        stop_requested="",
        failed_by=failure.monitor,
        status_reason=failure.status,
        rollback_wanted=failure.rolls_back,
        updated=now,
    )
    if failure.monitor != "user":
        actions.append(Say(events.failed(service.name, primary.id, failure.said)))
    target = service.last_completed
    if not failure.rolls_back or target is None or target.id == primary.id:
        if failure.rolls_back:
            failed = attrs.evolve(failed, status_reason=events.NO_ROLLBACK_CANDIDATE)
        return attrs.evolve(
            service, deployments=(failed, *service.deployments[1:]), steady=False, rebalancing=0
        )
    actions.append(Say(events.rolling_back(service.name, target.id)))
    again = attrs.evolve(
        target,
        status="PRIMARY",
        desired=service.desired,
        updated=now,
        rollout_state="IN_PROGRESS",
        rollout_reason=f"{failure.back}: rolling back to deploymentId {target.id}.",
        rolls_back=primary.rolls_back or primary.service_deployment_id or primary.id,
        failed_by=failure.monitor,
        status_reason=failure.status,
        stage="",
        weight=0.0,
        test_weight=0.0,
        hooks=(),
        traffic_error="",
        bake_since=None,
        failing=(),
        failed_tasks=0,
        launch_failures=0,
        quick_exits=0,
        retry_at=0.0,
    )
    others = tuple(d for d in service.deployments[1:] if d.id != target.id)
    olds = (attrs.evolve(failed, status="ACTIVE"), *others)
    return attrs.evolve(service, deployments=(again, *olds), steady=False, rebalancing=0)


# -- the monitors ----------------------------------------------------------------------------------------------


def _broken(service: Service) -> Failure | None:
    breaker = service.circuit_breaker
    if not breaker.get("enable") or service.primary.failed_tasks < threshold(service):
        return None
    return Failure(
        monitor="circuit-breaker",
        said="tasks failed to start",
        reason=events.failed_reason(),
        status=events.BREAKER_STATUS if breaker.get("rollback") else events.failed_reason(),
        back="ECS deployment circuit breaker",
        rolls_back=bool(breaker.get("rollback")),
    )


def alarm_names(service: Service) -> tuple[str, ...]:
    """The alarms that the service's deployments watch; none where that is switched off."""
    configured = service.deployment_configuration.get("alarms") or {}
    return tuple(configured.get("alarmNames") or ()) if configured.get("enable") else ()


def _watch_alarms(service: Service, alarms: Alarms) -> Service:
    """An alarm that is in ALARM when a deployment begins is not watched during that deployment."""
    primary = service.primary
    names = alarm_names(service)
    if primary.rollout_state != "IN_PROGRESS" or primary.ignored_alarms is not None or not names:
        return service
    ignored = tuple(name for name in names if name in alarms and alarms[name].state == "ALARM")
    watching = attrs.evolve(primary, ignored_alarms=ignored)
    return attrs.evolve(service, deployments=(watching, *service.deployments[1:]))


def triggered(service: Service, alarms: Alarms) -> tuple[str, ...]:
    """The watched alarms that are in ALARM."""
    ignored = service.primary.ignored_alarms or ()
    return tuple(
        name
        for name in alarm_names(service)
        if name not in ignored and name in alarms and alarms[name].state == "ALARM"
    )


def _alarmed(service: Service, alarms: Alarms) -> Failure | None:
    names = triggered(service, alarms)
    if not names or service.primary.rolls_back:
        return None
    rolls_back = bool(service.deployment_configuration["alarms"].get("rollback"))
    return Failure(
        monitor="alarms " + ",".join(names),
        said=events.ALARM_DETECTED,
        reason=events.alarm_reason(),
        status=events.alarm_status(names) if rolls_back else events.alarm_reason(),
        back="ECS deployment alarm",
        rolls_back=rolls_back,
    )


def traffic_failure(status: str) -> Failure:
    """The load balancer does not let the traffic be shifted; `status` says why."""
    return Failure(
        monitor="traffic",
        said=status.rstrip("."),
        reason=f"ECS deployment failed: {status}",
        status=status,
        back="ECS deployment failed",
        rolls_back=True,
    )


def _stopped(primary: Deployment) -> Failure | None:
    if not primary.stop_requested:
        return None
    rolls_back = primary.stop_requested == "ROLLBACK"
    return Failure(
        monitor="user",
        said="",
        reason=events.stopped_reason(primary.id),
        status=events.ROLLED_BACK_STATUS if rolls_back else events.STOPPED_STATUS,
        back="ECS deployment stopped",
        rolls_back=rolls_back,
    )


# -- bake time -------------------------------------------------------------------------------------------------


def bake_seconds(service: Service, alarms: Alarms) -> float:
    """How long a deployment stays IN_PROGRESS once its tasks are in place: what was asked for; where alarms are
    watched and nothing was asked for, as long as the slowest of them needs to see something."""
    minutes = service.deployment_configuration.get("bakeTimeInMinutes")
    if minutes is not None:
        return float(minutes) * 60
    return max((alarms[name].window for name in alarm_names(service) if name in alarms), default=0.0)
