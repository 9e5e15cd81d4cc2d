"""What the task metadata endpoint answers inside a task (facts 3.7): versions 2, 3 and 4, without the measurements.

Members as in the agent's public sources: version 4 has the network interface at length, the log driver, the ARN and
what Fargate adds of the task; versions 2 and 3 have not.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Any

import attrs

from neargate.model.ecs import Task, TaskContainer, TaskDefinition
from neargate.model.records import Json


@attrs.frozen
class Surroundings:
    """What a task's document says beside its record."""

    zone_id: str = ""
    name_servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    clock: Json | None = None
    """ClockDrift, where the machine tells of its clock."""


def task_document(
    task: Task, definition: TaskDefinition, version: int, around: Surroundings, *, tags: bool = False
) -> Json:
    """The task with all its containers; `tags` for `/taskWithTags`."""
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
        "ExecutionStoppedAt": _time(task.execution_stopped),
        "AvailabilityZone": task.zone,
        "LaunchType": "FARGATE",
        "Containers": [
            container_document(task, definition, container, version, around) for container in task.containers
        ],
    }
    if tags:
        answer["TaskTags"] = dict(task.tags) or None
    if version == 4:
        answer |= {
            "AvailabilityZoneID": around.zone_id or None,
            "ServiceName": task.service or None,
            "ClockDrift": around.clock,
            "FaultInjectionEnabled": False,
        }
    return _without_none(answer)


def container_document(
    task: Task, definition: TaskDefinition, container: TaskContainer, version: int, around: Surroundings
) -> Json:
    wanted = definition.container(container.name)
    answer: dict[str, Any] = {
        "DockerId": container.docker_id,
        "Name": container.name,
        "DockerName": container.name,
        "Image": container.image,
        "ImageID": container.image_id or None,
        "Ports": _ports(wanted) or None,
        "Labels": {
            **(wanted.get("dockerLabels") or {}),
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
        "Networks": [_network(task, version, around)],
        "Health": _health(container) if wanted.get("healthCheck") else None,
        "Volumes": _volumes(wanted) or None,
    }
    if version == 4:
        log = wanted.get("logConfiguration")
        answer |= {
            "LogDriver": log["logDriver"] if log else None,
            "LogOptions": _log_options(task, container, log) if log else None,
            "ContainerARN": task.ecs_arn(f"container/{task.cluster}/{task.id}/{container.id}"),
            "Snapshotter": "overlayfs",
            "RestartCount": container.restarts if wanted.get("restartPolicy") else None,
        }
    return _without_none(answer)


def _ports(wanted: Json) -> list[Json]:
    return [
        {
            "ContainerPort": mapping["containerPort"],
            "Protocol": mapping.get("protocol") or "tcp",
            "HostPort": mapping["containerPort"],
        }
        for mapping in wanted.get("portMappings") or ()
        if "containerPort" in mapping
    ]


def _health(container: TaskContainer) -> Json:
    return _without_none({"status": container.health, "statusSince": _time(container.health_since)})


def _volumes(wanted: Json) -> list[Json]:
    return [
        {"DockerName": mount["sourceVolume"], "Destination": mount["containerPath"]}
        for mount in wanted.get("mountPoints") or ()
    ]


def _limits(container: TaskContainer) -> Json:
    limits: Json = {"CPU": int(container.cpu)}
    if container.memory:
        limits["Memory"] = int(container.memory)
    return limits


def _log_options(task: Task, container: TaskContainer, log: Json) -> Json:
    options = log.get("options") or {}
    answer = {name: value for name, value in options.items() if name != "awslogs-stream-prefix"}
    if log["logDriver"] == "awslogs":
        prefix = options.get("awslogs-stream-prefix")
        answer["awslogs-stream"] = f"{prefix}/{container.name}/{task.id}"
    return answer


def _network(task: Task, version: int, around: Surroundings) -> Json:
    attachment = task.attachment
    answer: dict[str, Any] = {"NetworkMode": "awsvpc", "IPv4Addresses": [attachment.ip]}
    if version < 4:
        return answer
    subnet = ipaddress.IPv4Network(attachment.cidr)
    answer |= {
        "AttachmentIndex": 0,
        "MACAddress": attachment.mac,
        "IPv4SubnetCIDRBlock": attachment.cidr,
        "DomainNameServers": list(around.name_servers) or None,
        "DomainNameSearchList": list(around.search) or None,
        "PrivateDNSName": attachment.private_dns or None,
        "SubnetGatewayIpv4Address": f"{subnet.network_address + 1}/{subnet.prefixlen}",
    }
    return _without_none(answer)


def with_previous(now: Json, before: Json | None, seconds: float) -> Json:
    """Docker's stats with the reading before it, and what the agent adds: the network's rates between the two."""
    if before is None or seconds <= 0:
        return now
    received = _bytes(now, "rx_bytes") - _bytes(before, "rx_bytes")
    sent = _bytes(now, "tx_bytes") - _bytes(before, "tx_bytes")
    return {
        **now,
        "preread": before["read"],
        "precpu_stats": before["cpu_stats"],
        "network_rate_stats": {"rx_bytes_per_sec": received / seconds, "tx_bytes_per_sec": sent / seconds},
    }


def _bytes(stats: Json, member: str) -> int:
    return sum(int(interface.get(member, 0)) for interface in stats["networks"].values())


def _time(at: float | None) -> str | None:
    """RFC 3339 with microseconds, as the agent writes it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _without_none(answer: dict[str, Any]) -> Json:
    return {member: value for member, value in answer.items() if value is not None}
