"""The service deployments that ListServiceDeployments tells of, kept in step with the rollout."""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model.ecs import Deployment, Service, ServiceDeployment
from neargate.model.operations import Context
from neargate.planners.rollout_health import threshold

BREAKER = "circuit-breaker"
UNDER_WAY = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED")


def keep_history(cx: Context, before: Service, after: Service) -> None:
    """Write down what has become of the deployments between two states of a service."""
    was = {deployment.id: deployment for deployment in before.deployments}
    if after.primary.rolls_back and after.primary.id != before.primary.id:
        _begin_rollback(cx, before, after)
    for deployment in after.deployments:
        old = was.get(deployment.id)
        if old is None or old == deployment:
            continue
        if old.rollout_state == "IN_PROGRESS" and deployment.rollout_state == "FAILED":
            if not after.primary.rolls_back or old.rolls_back:
                _failed(cx, after, deployment, old)
        elif old.rollout_state == "IN_PROGRESS" and deployment.rollout_state == "COMPLETED":
            _completed(cx, after, deployment, old)
        elif deployment.rollout_state == "IN_PROGRESS":
            _progressed(cx, after, deployment, old)
    if after.status == "INACTIVE" and before.status != "INACTIVE":
        for deployment in before.deployments:
            _change(cx, after, deployment.service_deployment_id, UNDER_WAY, status="STOPPED", stopped=cx.now)


def _begin_rollback(cx: Context, before: Service, after: Service) -> None:
    back = after.primary
    arn = after.ecs_arn(f"service-revision/{after.cluster}/{after.name}/{back.revision_id}")
    rollback = {"reason": back.status_reason, "startedAt": cx.now, "serviceRevisionArn": arn}
    told = _told(back, threshold(after) if back.failed_by == BREAKER else before.primary.failed_tasks)
    if before.primary.traffic != "ROLLING":
        told |= {"weight": 0.0, "test_weight": 0.0, "hooks": before.primary.hooks}
    _change(cx, after, back.rolls_back, UNDER_WAY, status="ROLLBACK_IN_PROGRESS", rollback=rollback, **told)


def _failed(cx: Context, after: Service, deployment: Deployment, old: Deployment) -> None:
    """It could not be rolled back, or was not to be."""
    if old.rolls_back:
        status: dict[str, Any] = {"status": "ROLLBACK_FAILED", "finished": cx.now}
        _change(cx, after, old.rolls_back, ("ROLLBACK_IN_PROGRESS",), **status)
        return
    told = _told(deployment, deployment.failed_tasks)
    if deployment.rollback_wanted:
        told |= {"status": "ROLLBACK_FAILED", "finished": cx.now}
    else:
        told |= {"status": "STOPPED", "finished": cx.now, "stopped": cx.now}
    _change(cx, after, deployment.service_deployment_id, UNDER_WAY, **told)


def _told(deployment: Deployment, failures: int) -> dict[str, Any]:
    """What the monitor that failed it has to say."""
    monitor, _, names = deployment.failed_by.partition(" ")
    return {
        "reason": deployment.status_reason or deployment.rollout_reason,
        "failed_by": monitor,
        "failure_count": failures,
        "triggered_alarms": tuple(names.split(",")) if names else (),
    }


def _completed(cx: Context, after: Service, deployment: Deployment, old: Deployment) -> None:
    if old.rolls_back:
        _change(
            cx,
            after,
            old.rolls_back,
            ("ROLLBACK_IN_PROGRESS",),
            status="ROLLBACK_SUCCESSFUL",
            finished=cx.now,
        )
        return
    _change(
        cx,
        after,
        deployment.service_deployment_id,
        UNDER_WAY,
        status="SUCCESSFUL",
        finished=cx.now,
        failure_count=deployment.failed_tasks,
        **({} if deployment.traffic == "ROLLING" else {"weight": 100.0, "test_weight": 100.0, "hooks": ()}),
    )


def _progressed(cx: Context, after: Service, deployment: Deployment, old: Deployment) -> None:
    if deployment.rolls_back:
        if deployment.stage != old.stage:
            _change(cx, after, deployment.rolls_back, ("ROLLBACK_IN_PROGRESS",), stage=deployment.stage)
        return
    if _shown(deployment) != _shown(old):
        _change(
            cx,
            after,
            deployment.service_deployment_id,
            UNDER_WAY,
            failure_count=deployment.failed_tasks,
            threshold=threshold(after),
            desired=deployment.desired,
            **_traffic(deployment),
        )


def _shown(deployment: Deployment) -> tuple[Any, ...]:
    """What of a deployment under way the history shows."""
    return (deployment.failed_tasks, deployment.desired, *_traffic(deployment).values())


def _traffic(deployment: Deployment) -> dict[str, Any]:
    if deployment.traffic == "ROLLING":
        return {}
    return {
        "stage": deployment.stage,
        "weight": deployment.weight,
        "test_weight": deployment.test_weight,
        "hooks": deployment.hooks,
    }


def _change(cx: Context, service: Service, record_id: str, only: tuple[str, ...], **members: Any) -> None:
    """Change a service deployment that is in one of these statuses."""
    record = cx.tx.get(ServiceDeployment, f"{service.key}/{record_id}")
    if record is not None and record.status in only:
        cx.tx.put(attrs.evolve(record, updated=cx.now, **members))
