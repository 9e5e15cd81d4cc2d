"""What the task metadata endpoint answers inside a task (facts 3.7): versions 3 and 4, without `/stats`."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Any

from neargate.model.ecs import Task, TaskContainer, TaskDefinition
from neargate.model.records import Json


def document(task: Task, definition: TaskDefinition, path: str) -> Json | None:
    """The answer at `/v4/ID`, `/v4/ID/task` or `/v4/ID/taskWithTags` (v3 too); None where nothing is."""
    by_id = {container.docker_id: container for container in task.containers}
    match path.strip("/").split("/"):
        case ["v3" | "v4", docker_id] if docker_id in by_id:
            return _container(task, definition, by_id[docker_id])
        case ["v3" | "v4", docker_id, "task"] if docker_id in by_id:
            return _task(task, definition)
        case ["v3" | "v4", docker_id, "taskWithTags"] if docker_id in by_id:
            return {**_task(task, definition), "TaskTags": dict(task.tags)}
        case _:
            return None


def _task(task: Task, definition: TaskDefinition) -> Json:
    answer: dict[str, Any] = {
        "Cluster": task.cluster_arn,
        "TaskARN": task.arn,
        "Family": definition.family,
        "Revision": str(definition.revision),
        "DesiredStatus": task.desired_status,
        "KnownStatus": task.status,
        "Limits": {"CPU": int(task.cpu) / 1024, "Memory": int(task.memory)},
        "PullStartedAt": _time(task.pull_started),
        "PullStoppedAt": _time(task.pull_stopped),
        "AvailabilityZone": task.zone,
        "LaunchType": task.launch_type,
        "ServiceName": task.service or None,
        "Containers": [_container(task, definition, container) for container in task.containers],
        "FaultInjectionEnabled": False,
    }
    return _without_none(answer)


def _container(task: Task, definition: TaskDefinition, container: TaskContainer) -> Json:
    wanted = definition.container(container.name)
    log = wanted.get("logConfiguration")
    answer: dict[str, Any] = {
        "DockerId": container.docker_id,
        "Name": container.name,
        "DockerName": container.name,
        "Image": container.image,
        "ImageID": container.image_id or None,
        "Labels": {
            "com.amazonaws.ecs.cluster": task.cluster_arn,
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": task.arn,
            "com.amazonaws.ecs.task-definition-family": definition.family,
            "com.amazonaws.ecs.task-definition-version": str(definition.revision),
        },
        "DesiredStatus": task.desired_status,
        "KnownStatus": container.status,
        "ExitCode": container.exit_code,
        "Limits": _limits(container),
        "CreatedAt": _time(container.created or container.started),
        "StartedAt": _time(container.started),
        "FinishedAt": _time(container.stopped),
        "Type": "NORMAL",
        "Health": {"status": container.health} if wanted.get("healthCheck") else None,
        "LogDriver": log["logDriver"] if log else None,
        "LogOptions": _log_options(task, container, log) if log else None,
        "ContainerARN": task.ecs_arn(f"container/{task.cluster}/{task.id}/{container.id}"),
        "Networks": [_network(task)],
        "Snapshotter": "overlayfs",
    }
    return _without_none(answer)


def _limits(container: TaskContainer) -> Json:
    limits: Json = {"CPU": int(container.cpu)}
    if container.memory:
        limits["Memory"] = int(container.memory)
    return limits


def _log_options(task: Task, container: TaskContainer, log: Json) -> Json:
    options = log.get("options") or {}
    return {
        "awslogs-group": options.get("awslogs-group"),
        "awslogs-region": options.get("awslogs-region"),
        "awslogs-stream": f"{options.get('awslogs-stream-prefix')}/{container.name}/{task.id}",
    }


def _network(task: Task) -> Json:
    attachment = task.attachment
    subnet = ipaddress.IPv4Network(attachment.cidr)
    answer = {
        "NetworkMode": "awsvpc",
        "IPv4Addresses": [attachment.ip],
        "AttachmentIndex": 0,
        "MACAddress": attachment.mac,
        "IPv4SubnetCIDRBlock": attachment.cidr,
        "PrivateDNSName": attachment.private_dns or None,
        "SubnetGatewayIpv4Address": f"{subnet.network_address + 1}/{subnet.prefixlen}",
    }
    return _without_none(answer)


def _time(at: float | None) -> str | None:
    """RFC 3339 with microseconds, as the agent writes it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _without_none(answer: dict[str, Any]) -> Json:
    return {member: value for member, value in answer.items() if value is not None}
