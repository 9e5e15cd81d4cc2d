"""A service's deployments: starting one, and the API's view of those that were (service deployments, revisions)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from neargate.model.ecs import (
    Deployment,
    Service,
    ServiceDeployment,
    ServiceRevision,
    Task,
    TaskDefinition,
    definition_key_of,
)
from neargate.model.ecs_services import Hook
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import ecs_events
from neargate.planners.rollout_health import is_pending, threshold
from neargate.services.ecs import load_balancers
from neargate.services.ecs.lookup import (
    find_service,
    invalid,
    missing,
    page,
    require_cluster,
    resource_of,
    tasks_of,
)

_MOST_DESCRIBED = 20
_UNDER_WAY = ("PENDING", "IN_PROGRESS")
_ROLLING_BACK = ("STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


@attrs.frozen(kw_only=True)
class Target:
    """What a deployment is to bring a service to."""

    task_definition: str
    network: Json
    platform_version: str
    launch_type: str | None
    strategy: tuple[Json, ...]
    load_balancers: tuple[Json, ...] = ()
    registries: tuple[Json, ...] = ()
    service_connect: Json | None = None


def begin(cx: Context, service: Service, target: Target, zones: tuple[str, ...]) -> Service:
    """The service with a new PRIMARY deployment; the one before it becomes ACTIVE. Records its revision.

    `zones` are those of its subnets.
    """
    deployment_id = f"ecs-svc/{cx.ids.digits(19)}"
    traffic = service.deployment_configuration.get("strategy", "ROLLING")
    joined = load_balancers.joined(target.load_balancers, _serving(service), traffic)
    revision = ServiceRevision(
        account=service.account,
        region=service.region,
        cluster=service.cluster,
        service=service.name,
        id=cx.ids.digits(19),
        created=cx.now,
        groups=tuple(item["targetGroupArn"] for item in joined),
        **attrs.asdict(target, recurse=False),
    )
    sources = [deployment.revision_id for deployment in service.deployments]
    record = ServiceDeployment(
        account=service.account,
        region=service.region,
        cluster=service.cluster,
        service=service.name,
        id=cx.ids.letters(21, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"),
        deployment_id=deployment_id,
        target_revision=revision.id,
        source_revisions=tuple(sources),
        created=cx.now,
        updated=cx.now,
        desired=service.desired,
        threshold=threshold(service),
        configuration=service.deployment_configuration,
        weight=None if traffic == "ROLLING" else 0.0,
        test_weight=None if traffic == "ROLLING" else 0.0,
    )
    cx.tx.put(revision)
    cx.tx.put(record)
    for old in service.deployments[:1]:
        _supersede(cx, service, old)
    primary = Deployment(
        id=deployment_id,
        status="PRIMARY",
        desired=service.desired,
        created=cx.now,
        updated=cx.now,
        rollout_reason=ecs_events.in_progress_reason(deployment_id),
        revision_id=revision.id,
        zones=zones,
        service_deployment_id=record.id,
        traffic=traffic,
        **attrs.asdict(attrs.evolve(target, load_balancers=joined), recurse=False),
    )
    olds = tuple(
        attrs.evolve(old, status="ACTIVE", rolls_back="", stop_requested="") for old in service.deployments
    )
    return attrs.evolve(service, deployments=(primary, *olds), steady=False, rebalancing=0)


def _serving(service: Service) -> Deployment | None:
    """The deployment that has the service's traffic: the last completed one, or the one there is."""
    last = service.last_completed
    alive = [d for d in service.deployments if last is not None and d.id == last.id]
    return next(iter(alive or service.deployments), None)


def _supersede(cx: Context, service: Service, old: Deployment) -> None:
    """What was under way gives way; a rollback that was under way does not succeed any more."""
    record = cx.tx.get(ServiceDeployment, f"{service.key}/{old.service_deployment_id}")
    if record is not None and record.status in (*_UNDER_WAY, *_ROLLING_BACK):
        cx.tx.put(attrs.evolve(record, status="STOPPED", updated=cx.now, finished=cx.now, stopped=cx.now))
    back = cx.tx.get(ServiceDeployment, f"{service.key}/{old.rolls_back}") if old.rolls_back else None
    if back is not None and back.status == "ROLLBACK_IN_PROGRESS":
        cx.tx.put(attrs.evolve(back, status="ROLLBACK_FAILED", updated=cx.now, finished=cx.now))


@operation("ecs", "ListServiceDeployments", reads=True)
def list_service_deployments(cx: Context, request: Json) -> Json:
    """Newest first."""
    service = _require_service(cx, request)
    bounds = request.get("createdAt") or {}
    found = [
        record
        for record in cx.tx.scan(ServiceDeployment, service.key + "/")
        if not request.get("status") or record.status in request["status"]
    ]
    found = [r for r in found if bounds.get("after", 0) <= r.created <= bounds.get("before", cx.now)]
    found.sort(key=lambda record: record.created, reverse=True)
    by_arn = {record.arn: _brief(record) for record in found}
    answer = page(request, "serviceDeployments", list(by_arn), 20)
    answer["serviceDeployments"] = [by_arn[arn] for arn in answer["serviceDeployments"]]
    return answer


@operation("ecs", "DescribeServiceDeployments", reads=True)
def describe_service_deployments(cx: Context, request: Json) -> Json:
    deployments, failures = [], []
    for arn in _arns(request, "serviceDeploymentArns"):
        record = cx.tx.get(ServiceDeployment, cx.caller.scope(resource_of(arn, "service-deployment")))
        if record is None:
            failures.append(missing(arn))
        else:
            deployments.append(_described(cx, record))
    return {"serviceDeployments": deployments, "failures": failures}


@operation("ecs", "DescribeServiceRevisions", reads=True)
def describe_service_revisions(cx: Context, request: Json) -> Json:
    revisions, failures = [], []
    for arn in _arns(request, "serviceRevisionArns"):
        record = cx.tx.get(ServiceRevision, cx.caller.scope(resource_of(arn, "service-revision")))
        if record is None:
            failures.append(missing(arn))
        else:
            revisions.append(_revision(cx, record))
    return {"serviceRevisions": revisions, "failures": failures}


@operation("ecs", "StopServiceDeployment")
def stop_service_deployment(cx: Context, request: Json) -> Json:
    """Roll back to the last completed deployment (ROLLBACK, also where the service is not configured to), or just
    stop (ABORT). One that is being stopped already goes on doing that."""
    arn = request["serviceDeploymentArn"]
    record = cx.tx.get(ServiceDeployment, cx.caller.scope(resource_of(arn, "service-deployment")))
    if record is None:
        raise AwsError("ServiceDeploymentNotFoundException", "The service deployment was not found.")
    if record.status in _ROLLING_BACK:
        return {"serviceDeploymentArn": record.arn}
    service = cx.tx.get(Service, record.scope(record.cluster, record.service))
    if service is None or record.status not in _UNDER_WAY or service.primary.id != record.deployment_id:
        raise AwsError(
            "ConflictException",
            f"The service deployment cannot be stopped because its status is {record.status}.",
        )
    kind = request.get("stopType") or "ROLLBACK"
    primary = attrs.evolve(service.primary, stop_requested=kind, updated=cx.now)
    status = "ROLLBACK_REQUESTED" if kind == "ROLLBACK" else "STOP_REQUESTED"
    cx.tx.put(attrs.evolve(record, status=status, updated=cx.now))
    cx.tx.put(attrs.evolve(service, deployments=(primary, *service.deployments[1:])))
    return {"serviceDeploymentArn": record.arn}


@operation("ecs", "ContinueServiceDeployment")
def continue_service_deployment(cx: Context, request: Json) -> Json:
    """Answer a PAUSE hook: go on (CONTINUE) or go back (ROLLBACK)."""
    arn, hook_id = request["serviceDeploymentArn"], request["hookId"]
    record = cx.tx.get(ServiceDeployment, cx.caller.scope(resource_of(arn, "service-deployment")))
    if record is None:
        raise AwsError("ServiceDeploymentNotFoundException", "The service deployment was not found.")
    service = cx.tx.get(Service, record.scope(record.cluster, record.service))
    primary = service.primary if service is not None else None
    waiting = [
        hook
        for hook in (primary.hooks if primary is not None and primary.id == record.deployment_id else ())
        if hook.id == hook_id and hook.status == "AWAITING_ACTION" and not hook.answer
    ]
    if service is None or primary is None or not waiting:
        raise invalid(f"The lifecycle hook {hook_id} is not awaiting an action.")
    answer = request.get("action") or "CONTINUE"
    hooks = tuple(attrs.evolve(hook, answer=answer) if hook in waiting else hook for hook in primary.hooks)
    changed = attrs.evolve(primary, hooks=hooks, updated=cx.now)
    cx.tx.put(attrs.evolve(service, deployments=(changed, *service.deployments[1:])))
    return {"serviceDeploymentArn": record.arn}


def _arns(request: Json, member: str) -> Sequence[str]:
    arns: list[str] = request[member]
    if not 1 <= len(arns) <= _MOST_DESCRIBED:
        raise invalid(f"{member} must have between 1 and {_MOST_DESCRIBED} items.")
    return arns


def _require_service(cx: Context, request: Json) -> Service:
    path = resource_of(request["service"], "service").split("/")
    cluster = require_cluster(cx, request.get("cluster") or (path[0] if len(path) > 1 else None))
    found = find_service(cx, cluster.name, request["service"])
    if found is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    return found


def _brief(record: ServiceDeployment) -> Json:
    answer: dict[str, Any] = {
        "serviceDeploymentArn": record.arn,
        "serviceArn": record.ecs_arn(f"service/{record.cluster}/{record.service}"),
        "clusterArn": record.ecs_arn(f"cluster/{record.cluster}"),
        "createdAt": record.created,
        "startedAt": record.created,
        "finishedAt": record.finished,
        "targetServiceRevisionArn": _revision_arn(record, record.target_revision),
        "status": record.status,
        "statusReason": record.reason,
    }
    return {member: value for member, value in answer.items() if value is not None}


def _described(cx: Context, record: ServiceDeployment) -> Json:
    answer = _brief(record)
    answer.pop("targetServiceRevisionArn")
    service = cx.tx.get(Service, record.scope(record.cluster, record.service))
    counts = _Counts(service, tasks_of(cx, service) if service is not None else [])
    target = {**counts.summary(record, record.target_revision), **_asked(record), **_share(record, own=True)}
    answer |= {
        "updatedAt": record.updated,
        "stoppedAt": record.stopped,
        "lifecycleStage": record.stage or None,
        "lifecycleHookDetails": [_hook(hook) for hook in record.hooks] or None,
        "targetServiceRevision": target,
        "sourceServiceRevisions": [
            {**counts.summary(record, source), **_share(record, own=False)}
            for source in record.source_revisions
        ],
        "deploymentConfiguration": record.configuration,
        "deploymentCircuitBreaker": {
            "status": _breaker_status(record),
            "failureCount": record.failure_count,
            "threshold": record.threshold,
        },
        "alarms": _alarms(record),
        "rollback": record.rollback,
    }
    return {member: value for member, value in answer.items() if value is not None}


def _asked(record: ServiceDeployment) -> Json:
    """A rolling update asks for all its tasks at once."""
    rolling = record.weight is None and record.status in _UNDER_WAY
    return {"requestedTaskCount": record.desired} if rolling else {}


def _share(record: ServiceDeployment, *, own: bool) -> Json:
    """Percent of production and test traffic of the target revision (`own`) or of the one before it."""
    if record.weight is None or record.test_weight is None:
        return {}
    return {
        "requestedProductionTrafficWeight": record.weight if own else 100.0 - record.weight,
        "requestedTestTrafficWeight": record.test_weight if own else 100.0 - record.test_weight,
    }


def _hook(hook: Hook) -> Json:
    return {
        "hookId": hook.id,
        "targetType": "PAUSE",
        "status": hook.status,
        "expiresAt": hook.expires,
        "timeoutAction": hook.timeout_action,
    }


class _Counts:
    """The tasks of each revision of a service."""

    def __init__(self, service: Service | None, tasks: Sequence[Task]) -> None:
        self._deployments = {d.revision_id: d for d in service.deployments} if service is not None else {}
        self._tasks = tasks

    def summary(self, record: ServiceDeployment, revision: str) -> Json:
        deployment = self._deployments.get(revision)
        mine = [task for task in self._tasks if deployment is not None and task.deployment == deployment.id]
        return {
            "arn": _revision_arn(record, revision),
            "requestedTaskCount": deployment.desired if deployment is not None else 0,
            "runningTaskCount": sum(1 for task in mine if task.status == "RUNNING"),
            "pendingTaskCount": sum(1 for task in mine if is_pending(task)),
        }


def _breaker_status(record: ServiceDeployment) -> str:
    enabled = (record.configuration.get("deploymentCircuitBreaker") or {}).get("enable")
    return _monitor_status(record, "circuit-breaker", bool(enabled))


def _alarms(record: ServiceDeployment) -> Json:
    configured = record.configuration.get("alarms") or {}
    status = _monitor_status(record, "alarms", bool(configured.get("enable")))
    answer: Json = {"status": status}
    if configured.get("alarmNames"):
        answer["alarmNames"] = list(configured["alarmNames"])
    if record.triggered_alarms:
        answer["triggeredAlarmNames"] = list(record.triggered_alarms)
    return answer


def _monitor_status(record: ServiceDeployment, monitor: str, enabled: bool) -> str:
    if not enabled:
        return "DISABLED"
    if record.failed_by == monitor:
        return "TRIGGERED"
    return "MONITORING" if record.status in _UNDER_WAY else "MONITORING_COMPLETE"


def _revision_arn(record: ServiceDeployment, revision: str) -> str:
    return record.ecs_arn(f"service-revision/{record.cluster}/{record.service}/{revision}")


def _revision(cx: Context, record: ServiceRevision) -> Json:
    answer: dict[str, Any] = {
        "serviceRevisionArn": record.arn,
        "serviceArn": record.ecs_arn(f"service/{record.cluster}/{record.service}"),
        "clusterArn": record.ecs_arn(f"cluster/{record.cluster}"),
        "taskDefinition": record.task_definition,
        "launchType": record.launch_type,
        "platformVersion": record.platform_version,
        "platformFamily": "Linux",
        "networkConfiguration": record.network,
        "guardDutyEnabled": False,
        "createdAt": record.created,
    }
    definition = cx.tx.get(TaskDefinition, definition_key_of(record.task_definition))
    if definition is not None:
        answer["containerImages"] = [
            {"containerName": container["name"], "image": container["image"]}
            for container in definition.containers
        ]
    if record.strategy:
        answer["capacityProviderStrategy"] = list(record.strategy)
    if record.registries:
        answer["serviceRegistries"] = list(record.registries)
    if record.service_connect:
        answer["serviceConnectConfiguration"] = record.service_connect
    if record.load_balancers:
        groups = record.groups or tuple(item["targetGroupArn"] for item in record.load_balancers)
        resolved = [_resolved(item, group) for item, group in zip(record.load_balancers, groups, strict=True)]
        answer["loadBalancers"] = list(record.load_balancers)
        answer["resolvedConfiguration"] = {"loadBalancers": resolved}
    return {member: value for member, value in answer.items() if value is not None}


def _resolved(item: Json, group: str) -> Json:
    """The target group that serves a revision's traffic, and the rule that leads there."""
    rule = (item.get("advancedConfiguration") or {}).get("productionListenerRule")
    resolved = {"targetGroupArn": group}
    return {**resolved, "productionListenerRule": rule} if rule else resolved
