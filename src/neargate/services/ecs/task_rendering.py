"""A task in the API's shape (facts 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neargate.model import tags
from neargate.model.ecs import Task, TaskAttachment, TaskContainer
from neargate.model.records import Json


def tasks_with_tags(found: Sequence[Task], with_tags: bool) -> list[Json]:
    return [described(task, with_tags=with_tags) for task in found]


def described(task: Task, *, with_tags: bool = False) -> Json:
    answer: dict[str, Any] = {
        "attachments": [_attachment(task.attachment)],
        "attributes": [{"name": "ecs.cpu-architecture", "value": task.cpu_architecture}],
        "availabilityZone": task.zone,
        "capacityProviderName": task.capacity_provider,
        "clusterArn": task.cluster_arn,
        "connectivity": None if task.connected is None else "CONNECTED",
        "connectivityAt": task.connected,
        "containers": [_container(task, container) for container in task.containers],
        "cpu": task.cpu,
        "createdAt": task.created,
        "desiredStatus": task.desired_status,
        "enableExecuteCommand": task.enable_execute_command,
        "executionStoppedAt": task.execution_stopped,
        "group": task.group,
        "healthStatus": task.health,
        "lastStatus": task.status,
        "launchType": task.launch_type,
        "memory": task.memory,
        "overrides": _overrides(task),
        "platformVersion": task.platform_version,
        "platformFamily": "Linux",
        "pullStartedAt": task.pull_started,
        "pullStoppedAt": task.pull_stopped,
        "startedAt": task.started,
        "startedBy": task.started_by or None,
        "stopCode": task.stop_code,
        "stoppedAt": task.stopped,
        "stoppedReason": task.stopped_reason,
        "stoppingAt": task.stopping,
        "tags": tags.lower(task.tags) if with_tags else [],
        "taskArn": task.arn,
        "taskDefinitionArn": task.task_definition,
        "version": task.version,
        "ephemeralStorage": {"sizeInGiB": task.ephemeral_storage},
        "fargateEphemeralStorage": {"sizeInGiB": task.ephemeral_storage},
    }
    return {member: value for member, value in answer.items() if value is not None}


def _overrides(task: Task) -> Json:
    overrides: Json = {"inferenceAcceleratorOverrides": [], **task.overrides}
    given = {o["name"]: o for o in task.overrides.get("containerOverrides") or ()}
    overrides["containerOverrides"] = [given.get(c.name, {"name": c.name}) for c in task.containers]
    return overrides


def _attachment(attachment: TaskAttachment) -> Json:
    details = {
        "subnetId": attachment.subnet,
        "networkInterfaceId": attachment.eni,
        "macAddress": attachment.mac,
        "privateDnsName": attachment.private_dns,
        "privateIPv4Address": attachment.ip,
    }
    return {
        "id": attachment.id,
        "type": "ElasticNetworkInterface",
        "status": attachment.status,
        "details": [{"name": name, "value": value} for name, value in details.items() if value],
    }


def _container(task: Task, container: TaskContainer) -> Json:
    interfaces = []
    if task.attachment.ip:
        interfaces = [{"attachmentId": task.attachment.id, "privateIpv4Address": task.attachment.ip}]
    answer: dict[str, Any] = {
        "containerArn": task.ecs_arn(f"container/{task.cluster}/{task.id}/{container.id}"),
        "taskArn": task.arn,
        "name": container.name,
        "image": container.image,
        "imageDigest": container.image_digest or None,
        "runtimeId": container.docker_id if container.runtime_id else None,
        "lastStatus": _container_status(task, container),
        "exitCode": container.exit_code,
        "reason": container.reason or None,
        "networkBindings": [],
        "networkInterfaces": interfaces,
        "healthStatus": container.health,
        "cpu": container.cpu,
        "memory": container.memory,
        "memoryReservation": container.memory_reservation,
        "managedAgents": [_exec_agent(task, container)] if task.enable_execute_command else None,
    }
    return {member: value for member, value in answer.items() if value is not None}


def _exec_agent(task: Task, container: TaskContainer) -> Json:
    """The agent of ECS Exec, which lives as long as its container runs."""
    if container.status == "RUNNING" and task.desired_status == "RUNNING":
        return {
            "name": "ExecuteCommandAgent",
            "lastStatus": "RUNNING",
            "lastStartedAt": container.started,
        }
    return {
        "name": "ExecuteCommandAgent",
        "lastStatus": "PENDING" if container.status == "PENDING" else "STOPPED",
    }


def _container_status(task: Task, container: TaskContainer) -> str:
    """Before its network is there, ECS shows a task's containers as PROVISIONING too."""
    if container.status == "PENDING" and task.status == "PROVISIONING":
        return "PROVISIONING"
    return container.status
