"""What RegisterTaskDefinition accepts, and in which form it is kept.

`checked(request)` answers the task definition with AWS's defaults filled in, or raises the first error that
ECS would report (it reports one at a time). Rules that hold on Fargate only are checked where FARGATE is in
requiresCompatibilities; otherwise they decide the `compatibilities`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.planners import task_definition_container as container_rules
from neargate.planners import task_definition_fargate as fargate
from neargate.planners.task_definition_errors import refused
from neargate.planners.task_definition_volumes import check_mounts, check_volumes

_FAMILY = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")
_ROLE = re.compile(r"(arn:aws[a-z-]*:iam::\d{12}:role/.+|[\w+=,.@/-]{1,512})\Z")


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
    if request.get("inferenceAccelerators"):
        raise refused("Unsupported field 'inferenceAccelerators'.")
    wanted = request.get("requiresCompatibilities") or ()
    wants_fargate = "FARGATE" in wanted
    if request.get("ephemeralStorage") and wanted and not wants_fargate:
        raise refused(f"Tasks using the {wanted[0]} launch type do not support EphemeralStorage.")
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
    container_rules.check_names(containers)
    for container in containers:
        container_rules.check(container, definition)
        check_mounts(container, definition)
        if container.get("secrets") and not definition.get("executionRoleArn"):
            raise refused(
                "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
            )
    container_rules.check_ports(containers, definition.get("networkMode"))
    check_volumes(definition)
    _check_dependencies(containers)
    if not any(container.get("essential", True) for container in containers):
        raise refused("Task definition doesn't have any essential container.")


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
    if mapping.get("containerPortRange"):
        return {"protocol": "tcp", **mapping}
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
