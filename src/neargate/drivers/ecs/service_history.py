"""The service deployments that ListServiceDeployments tells of, kept in step with the rollout."""

from __future__ import annotations

import attrs

from neargate.model.ecs import Deployment, Service, ServiceDeployment
from neargate.model.operations import Context
from neargate.planners import ecs_events, rollout


def keep_history(cx: Context, before: Service, after: Service) -> None:
    """Write down what has become of the deployments between two states of a service."""
    rolled_back = after.primary.id != before.primary.id
    if rolled_back:
        _begin_rollback(cx, before.primary, after)
    was = {deployment.id: deployment for deployment in before.deployments}
    for deployment in after.deployments:
        old = was.get(deployment.id)
        if old is not None and old != deployment:
            _note(cx, after, deployment, old)
    if after.primary.rollout_state == "COMPLETED" and before.primary.rollout_state != "COMPLETED":
        _end_rollbacks(cx, after)
    if after.status == "INACTIVE" and before.status != "INACTIVE":
        for deployment in before.deployments:
            _end(cx, after, deployment, "STOPPED")


def _begin_rollback(cx: Context, given_up: Deployment, after: Service) -> None:
    record = _record(cx, after, given_up)
    if record is None:
        return
    target = after.ecs_arn(f"service-revision/{after.cluster}/{after.name}/{after.primary.revision_id}")
    reason = ecs_events.failed_reason()
    cx.tx.put(
        attrs.evolve(
            record,
            status="ROLLBACK_IN_PROGRESS",
            reason=reason,
            failure_count=rollout.threshold(after),
            updated=cx.now,
            rollback={"reason": reason, "startedAt": cx.now, "serviceRevisionArn": target},
        )
    )


def _note(cx: Context, after: Service, deployment: Deployment, old: Deployment) -> None:
    record = _record(cx, after, deployment)
    if record is None or record.status != "IN_PROGRESS":
        return
    if deployment.rollout_state == "COMPLETED":
        _end(cx, after, deployment, "SUCCESSFUL")
    elif deployment.rollout_state == "FAILED":
        _end(cx, after, deployment, "STOPPED")
    elif (deployment.failed_tasks, deployment.desired) != (old.failed_tasks, old.desired):
        cx.tx.put(
            attrs.evolve(
                record,
                failure_count=deployment.failed_tasks,
                threshold=rollout.threshold(after),
                desired=deployment.desired,
                updated=cx.now,
            )
        )


def _end(cx: Context, service: Service, deployment: Deployment, status: str) -> None:
    record = _record(cx, service, deployment)
    if record is None or record.status != "IN_PROGRESS":
        return
    cx.tx.put(
        attrs.evolve(
            record,
            status=status,
            reason=deployment.rollout_reason if status == "STOPPED" else None,
            failure_count=deployment.failed_tasks,
            finished=cx.now,
            updated=cx.now,
        )
    )


def _end_rollbacks(cx: Context, service: Service) -> None:
    for record in cx.tx.scan(ServiceDeployment, service.key + "/"):
        if record.status == "ROLLBACK_IN_PROGRESS":
            cx.tx.put(attrs.evolve(record, status="ROLLBACK_SUCCESSFUL", finished=cx.now, updated=cx.now))


def _record(cx: Context, service: Service, deployment: Deployment) -> ServiceDeployment | None:
    return cx.tx.get(ServiceDeployment, f"{service.key}/{deployment.service_deployment_id}")
