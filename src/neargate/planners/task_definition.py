"""What RegisterTaskDefinition accepts, and in which form it is kept.

`checked(request)` answers the task definition with AWS's defaults filled in, or raises the first error that
ECS would report (it reports one at a time). Rules that hold on Fargate only are checked where FARGATE is in
requiresCompatibilities; otherwise they decide the `compatibilities`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from neargate.model.errors import AwsError, not_implemented
from neargate.model.records import Json
from neargate.planners import task_definition_fargate as fargate
from neargate.planners.task_definition_errors import refused

_FAMILY = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")
_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")
_ROLE = re.compile(r"(arn:aws[a-z-]*:iam::\d{12}:role/.+|[\w+=,.@/-]{1,512})\Z")
_MEMORY_AT_LEAST = 6  # MiB, Docker's own minimum on Linux


def checked(request: Json) -> Json:
    """The request with defaults, sizes as integer text and `compatibilities`. Raises AwsError."""
    if not _FAMILY.match(request["family"]):
        raise refused("Family contains invalid characters.")
    for role in (request.get("taskRoleArn"), request.get("executionRoleArn")):
        if role and not _ROLE.match(role):
            raise refused("Role is not valid")
    containers = request["containerDefinitions"]
    if not containers:
        raise refused("Container list cannot be empty.")
    wants_fargate = "FARGATE" in (request.get("requiresCompatibilities") or ())
    definition = dict(request)
    if wants_fargate:
        definition = fargate.sized(definition)
    _check_containers(definition)
    definition["containerDefinitions"] = [_with_defaults(c, definition) for c in containers]
    if wants_fargate:
        fargate.check(definition)
        definition["compatibilities"] = ["EC2", "FARGATE"]
        return definition
    try:
        sized = fargate.sized(definition)
        fargate.check(sized)
    except AwsError:
        definition["compatibilities"] = ["EXTERNAL", "EC2"] if _may_be_external(definition) else ["EC2"]
        return definition
    return {**sized, "compatibilities": ["EC2", "FARGATE"]}


def _may_be_external(definition: Json) -> bool:
    return definition.get("networkMode") != "awsvpc"


def _check_containers(definition: Json) -> None:
    containers = definition["containerDefinitions"]
    names: set[str] = set()
    for container in containers:
        name = container.get("name") or ""
        if not name:
            raise refused("Container.name should not be null or empty.")
        if not container.get("image"):
            raise refused("Container.image should not be null or empty.")
        if not _CONTAINER_NAME.match(name):
            raise refused(f"Invalid container name: {name}. Container name contains invalid characters.")
        if name in names:
            raise refused(f"Container name must be unique: {name}.")
        names.add(name)
    for container in containers:
        _check_memory(container, definition)
        _check_ports(container, definition)
        _check_health_check(container)
        _check_mounts(container, definition)
    _check_dependencies(containers)
    if not any(container.get("essential", True) for container in containers):
        raise refused(
            f"Invalid setting for task definition '{definition['family']}'. "
            "The task definition doesn't have any essential container."
        )


def _check_memory(container: Json, definition: Json) -> None:
    name = container["name"]
    memory, reservation = container.get("memory"), container.get("memoryReservation")
    if memory is None and reservation is None and not definition.get("memory"):
        raise refused(
            f"Invalid setting for container '{name}'. "
            "At least one of 'memory' or 'memoryReservation' must be specified."
        )
    for value in (memory, reservation):
        if value is not None and value < _MEMORY_AT_LEAST:
            raise refused(
                f"Invalid setting for container '{name}'. "
                f"Minimum memory limit allowed is {_MEMORY_AT_LEAST} MiB."
            )
    if memory is not None and reservation is not None and reservation > memory:
        raise refused(
            f"Invalid setting for container '{name}'. "
            "The 'memory' value must be greater than the 'memoryReservation' value."
        )


def _check_ports(container: Json, definition: Json) -> None:
    for mapping in container.get("portMappings") or ():
        port = mapping.get("containerPort")
        if mapping.get("containerPortRange"):
            raise not_implemented("ecs:RegisterTaskDefinition portMappings.containerPortRange", "ecs")
        if port is None:
            raise refused("Container port should not be null.")
        for value in (port, mapping.get("hostPort") or 0):
            if not 0 <= value <= 65535:
                raise refused("Invalid port mapping: the port must be between 0 and 65535.")
        host_port = mapping.get("hostPort")
        if definition.get("networkMode") == "awsvpc" and host_port not in (None, 0, port):
            raise refused(
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
            )


def _check_health_check(container: Json) -> None:
    check = container.get("healthCheck")
    if check is None:
        return
    name = container["name"]
    if not check["command"]:
        raise refused(f"Invalid setting for container '{name}'. Health check command must not be empty.")
    limits = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
    for member, (low, high) in limits.items():
        value = check.get(member)
        if value is not None and not low <= value <= high:
            raise refused(
                f"Invalid setting for container '{name}'. "
                f"Health check {member} must be between {low} and {high}."
            )


def _check_mounts(container: Json, definition: Json) -> None:
    volumes = {volume.get("name") for volume in definition.get("volumes") or ()}
    for mount in container.get("mountPoints") or ():
        if mount.get("sourceVolume") not in volumes:
            raise refused(f"Unknown volume '{mount.get('sourceVolume')}'.")
        if not mount.get("containerPath"):
            raise refused("Container path should not be null or empty.")


def _check_dependencies(containers: Iterable[Json]) -> None:
    by_name = {container["name"]: container for container in containers}
    for container in by_name.values():
        for dependency in container.get("dependsOn") or ():
            target = by_name.get(dependency["containerName"])
            if target is None:
                raise refused(
                    f"Cannot depend on container + '{dependency['containerName']}' because it does not exist"
                )
            condition = dependency["condition"]
            if condition in ("SUCCESS", "COMPLETE") and target.get("essential", True):
                raise refused(
                    "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
                )
            if condition == "HEALTHY" and not target.get("healthCheck"):
                raise refused(
                    "A dependency container with HEALTHY condition must have health check configured"
                )
    if start_order(list(by_name.values())) is None:
        raise refused("Container dependencies cannot contain a cycle.")


def start_order(containers: list[Json]) -> list[str] | None:
    """The containers' names, each behind those it depends on; None where they depend in a circle."""
    needs = {c["name"]: {d["containerName"] for d in c.get("dependsOn") or ()} for c in containers}
    order: list[str] = []
    while len(order) < len(needs):
        free = [name for name, needed in needs.items() if name not in order and needed <= set(order)]
        if not free:
            return None
        order.extend(free)
    return order


def _with_defaults(container: Json, definition: Json) -> Json:
    awsvpc = definition.get("networkMode") == "awsvpc"
    answer = {
        "cpu": 0,
        "portMappings": [],
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        **container,
    }
    answer["portMappings"] = [_port_with_defaults(mapping, awsvpc) for mapping in answer["portMappings"]]
    check = container.get("healthCheck")
    if check is not None:
        answer["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **check}
    return answer


def _port_with_defaults(mapping: Json, awsvpc: bool) -> Json:
    host_port = mapping["containerPort"] if awsvpc else mapping.get("hostPort") or 0
    return {"protocol": "tcp", **mapping, "hostPort": host_port}


def required_attributes(definition: Json) -> list[str]:
    """The `requiresAttributes` that ECS derives from a definition."""
    found: dict[str, None] = {}
    containers = definition["containerDefinitions"]
    prefix = "com.amazonaws.ecs.capability."
    for container in containers:
        log = container.get("logConfiguration")
        if log is not None:
            found[f"{prefix}logging-driver.{log['logDriver']}"] = None
            if definition.get("executionRoleArn"):
                found[f"ecs.capability.execution-role-{log['logDriver']}"] = None
        if fargate.is_ecr(container["image"]):
            found[f"{prefix}ecr-auth"] = None
            if definition.get("executionRoleArn"):
                found["ecs.capability.execution-role-ecr-pull"] = None
        if container.get("healthCheck"):
            found["ecs.capability.container-health-check"] = None
        if container.get("dependsOn"):
            found["ecs.capability.container-ordering"] = None
    if definition.get("taskRoleArn"):
        found[f"{prefix}task-iam-role"] = None
    if definition.get("networkMode") == "awsvpc":
        found["ecs.capability.task-eni"] = None
    found[f"{prefix}docker-remote-api.1.18"] = None
    return list(found)
