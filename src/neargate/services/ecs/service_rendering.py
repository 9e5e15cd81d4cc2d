"""A service in the API's shape, with its deployments, counts and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neargate.model import tags
from neargate.model.ecs import SERVICE_EVENTS, Deployment, Service, Task
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners.rollout_health import is_pending
from neargate.services.ecs import service_connect
from neargate.services.ecs.lookup import tasks_of
from neargate.services.ecs.roles import service_role_arn

_MOST_EVENTS = 100


def described(cx: Context, service: Service, *, with_tags: bool = False) -> Json:
    tasks = tasks_of(cx, service)
    primary = service.primary
    answer: dict[str, Any] = {
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": service.ecs_arn(f"cluster/{service.cluster}"),
        "loadBalancers": list(service.load_balancers),
        "serviceRegistries": list(primary.registries),
        "status": service.status,
        "desiredCount": service.desired,
        **_counts(tasks),
        "platformVersion": service.platform_version,
        "platformFamily": "Linux",
        "taskDefinition": primary.task_definition,
        "deploymentConfiguration": service.deployment_configuration,
        "deployments": [_deployment(cx, d, tasks) for d in service.deployments],
        "roleArn": service_role_arn(service.account),
        "events": _events(cx, service),
        "createdAt": service.created,
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": primary.network,
        "healthCheckGracePeriodSeconds": _grace(service),
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "createdBy": service.created_by,
        "enableECSManagedTags": service.enable_managed_tags,
        "propagateTags": service.propagate_tags,
        "enableExecuteCommand": service.enable_execute_command,
        "availabilityZoneRebalancing": service.zone_rebalancing,
        "resourceManagementType": "CUSTOMER",
        **_capacity(primary),
    }
    answer.update(_current(service, tasks))
    if with_tags and service.tags:
        answer["tags"] = tags.lower(service.tags)
    return {member: value for member, value in answer.items() if value is not None}


def _grace(service: Service) -> int | None:
    """Behind a load balancer ECS shows the default, too."""
    return 0 if service.grace_period is None and service.load_balancers else service.grace_period


def _counts(tasks: Sequence[Task]) -> Json:
    return {
        "runningCount": sum(1 for task in tasks if task.status == "RUNNING"),
        "pendingCount": sum(1 for task in tasks if is_pending(task)),
    }


def _capacity(deployment: Deployment) -> Json:
    if deployment.strategy:
        return {"capacityProviderStrategy": list(deployment.strategy)}
    return {"launchType": deployment.launch_type}


def _current(service: Service, tasks: Sequence[Task]) -> Json:
    """The service deployment under way, if one is, and the revisions that run."""
    answer: Json = {}
    primary = service.primary
    current = primary.rolls_back or primary.service_deployment_id
    if primary.rollout_state == "IN_PROGRESS" and current:
        answer["currentServiceDeployment"] = service.ecs_arn(
            f"service-deployment/{service.cluster}/{service.name}/{current}"
        )
    answer["currentServiceRevisions"] = [
        {
            "arn": service.ecs_arn(f"service-revision/{service.cluster}/{service.name}/{d.revision_id}"),
            "requestedTaskCount": d.desired,
            "runningTaskCount": _counts(_of(d, tasks))["runningCount"],
            "pendingTaskCount": _counts(_of(d, tasks))["pendingCount"],
        }
        for d in service.deployments
    ]
    return answer


def _of(deployment: Deployment, tasks: Sequence[Task]) -> list[Task]:
    return [task for task in tasks if task.deployment == deployment.id]


def _deployment(cx: Context, deployment: Deployment, tasks: Sequence[Task]) -> Json:
    answer: Json = {
        "id": deployment.id,
        "status": deployment.status,
        "taskDefinition": deployment.task_definition,
        "desiredCount": deployment.desired,
        **_counts(_of(deployment, tasks)),
        "failedTasks": deployment.failed_tasks,
        "createdAt": deployment.created,
        "updatedAt": deployment.updated,
        "platformVersion": deployment.platform_version,
        "platformFamily": "Linux",
        "networkConfiguration": deployment.network,
        "rolloutState": deployment.rollout_state,
        "rolloutStateReason": deployment.rollout_reason,
        **_capacity(deployment),
    }
    if deployment.service_connect is not None:
        answer["serviceConnectConfiguration"] = deployment.service_connect
        answer["serviceConnectResources"] = service_connect.resources(cx, deployment)
    return answer


def _events(cx: Context, service: Service) -> list[Json]:
    entries = cx.tx.entries(SERVICE_EVENTS, service.key, limit=_MOST_EVENTS, newest_first=True)
    return [
        {"id": entry.body["id"], "createdAt": entry.at, "message": entry.body["message"]}
        for entry in entries
        if entry.at >= service.created
    ]
