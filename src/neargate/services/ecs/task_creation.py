"""Making a task's record: the same for RunTask and for a service's rollout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from neargate.model.ecs import (
    TASK_STATES,
    Service,
    ServiceTask,
    Task,
    TaskAttachment,
    TaskContainer,
    TaskDefinition,
    TaskRegistration,
    TaskTarget,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.tags import Tags
from neargate.planners import task_definition_fargate as fargate
from neargate.services.ecs.lookup import invalid
from neargate.services.ecs.roles import role_arn

_MOST_SUBNETS = 16
_MOST_GROUPS = 5


@attrs.frozen
class Place:
    """Where tasks may go: `zones` maps each subnet to its availability zone, `cidrs` to its CIDR block."""

    zones: Mapping[str, str]
    cidrs: Mapping[str, str]
    groups: tuple[str, ...]
    public_ip: bool

    def subnet_for(self, used: Sequence[str], zone: str = "") -> str:
        """The subnet for the next task, given the zones of those that live: the emptiest zone, in order; or one in
        `zone`, where there is one."""
        there = [subnet for subnet, its_zone in self.zones.items() if its_zone == zone]
        return min(there or self.zones, key=lambda subnet: used.count(self.zones[subnet]))


def checked_place(cx: Context, network: Json | None) -> Place:
    """The subnets and security groups of a networkConfiguration; InvalidParameterException in ECS's words."""
    configuration = (network or {}).get("awsvpcConfiguration")
    if not configuration:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    subnets, groups = configuration["subnets"], configuration.get("securityGroups") or []
    if not subnets:
        raise invalid("subnets can not be empty.")
    if len(subnets) > _MOST_SUBNETS:
        raise invalid(f"subnets can have at most {_MOST_SUBNETS} items.")
    if len(groups) > _MOST_GROUPS:
        raise invalid(f"securityGroups can have at most {_MOST_GROUPS} items.")
    found = _retrieve(cx, "subnet", subnets)
    vpcs = {subnet["VpcId"] for subnet in found}
    if len(vpcs) > 1:
        raise invalid("The provided subnets must be in the same VPC.")
    if groups:
        for group in _retrieve(cx, "security group", groups):
            if group["VpcId"] not in vpcs:
                raise invalid("Security groups and subnets must be in the same VPC.")
    by_id = {subnet["SubnetId"]: subnet for subnet in found}
    return Place(
        zones={subnet: by_id[subnet]["AvailabilityZone"] for subnet in subnets},
        cidrs={subnet: by_id[subnet]["CidrBlock"] for subnet in subnets},
        groups=tuple(groups),
        public_ip=configuration.get("assignPublicIp") == "ENABLED",
    )


def _retrieve(cx: Context, what: str, ids: Sequence[str]) -> list[Json]:
    call, member, answer = (
        ("DescribeSubnets", "SubnetIds", "Subnets")
        if what == "subnet"
        else ("DescribeSecurityGroups", "GroupIds", "SecurityGroups")
    )
    try:
        found: list[Json] = cx.invoke("ec2", call, {member: list(dict.fromkeys(ids))})[answer]
    except AwsError as error:
        message = error.message.rstrip(".")
        raise invalid(
            f"Error retrieving {what} information for [{', '.join(ids)}]: {message} (ErrorCode: {error.code})"
        ) from None
    return found


@attrs.frozen(kw_only=True)
class Wanted:
    """What a new task is to be, besides its definition."""

    cluster: str
    definition: TaskDefinition
    place: Place
    subnet: str
    group: str
    started_by: str = ""
    service: str = ""
    deployment: str = ""
    launch_type: str | None = "FARGATE"
    capacity_provider: str | None = None
    platform_version: str = "1.4.0"
    overrides: Json = attrs.field(factory=dict)
    enable_execute_command: bool = False
    targets: tuple[TaskTarget, ...] = ()
    registrations: tuple[TaskRegistration, ...] = ()
    connect_namespace: str = ""
    tags: Tags = attrs.field(factory=dict)


def create_task(cx: Context, wanted: Wanted) -> Task:
    """Record a new task, PROVISIONING; the task driver does the rest."""
    definition, overrides = wanted.definition, wanted.overrides
    task_id = cx.ids.hex(32)
    task_role = role_arn(cx, overrides.get("taskRoleArn") or definition.task_role)
    storage = overrides.get("ephemeralStorage") or definition.ephemeral_storage or {}
    platform = definition.runtime_platform or {}
    task = Task(
        account=cx.account,
        region=cx.region,
        cluster=wanted.cluster,
        id=task_id,
        task_definition=definition.arn,
        created=cx.now,
        containers=tuple(_container(cx, task_id, c, overrides) for c in definition.containers),
        attachment=TaskAttachment(
            id=cx.ids.uuid(),
            subnet=wanted.subnet,
            groups=wanted.place.groups,
            public_ip=wanted.place.public_ip,
            cidr=wanted.place.cidrs[wanted.subnet],
        ),
        zone=wanted.place.zones[wanted.subnet],
        group=wanted.group,
        cpu=_override_size(overrides, "cpu") or definition.cpu or "256",
        memory=_override_size(overrides, "memory") or definition.memory or "512",
        started_by=wanted.started_by,
        service=wanted.service,
        deployment=wanted.deployment,
        overrides=overrides,
        task_role=task_role,
        execution_role=role_arn(cx, overrides.get("executionRoleArn") or definition.execution_role),
        credentials_id=cx.ids.uuid() if task_role else "",
        launch_type=wanted.launch_type,
        capacity_provider=wanted.capacity_provider,
        platform_version=wanted.platform_version,
        cpu_architecture="arm64" if platform.get("cpuArchitecture") == "ARM64" else "x86_64",
        ephemeral_storage=storage.get("sizeInGiB", 20),
        enable_execute_command=wanted.enable_execute_command,
        targets=wanted.targets,
        registrations=wanted.registrations,
        connect_namespace=wanted.connect_namespace,
        tags=wanted.tags,
    )
    cx.tx.put(task)
    if wanted.service:
        cx.tx.put(
            ServiceTask(
                account=cx.account,
                region=cx.region,
                cluster=wanted.cluster,
                service=wanted.service,
                task=task_id,
            )
        )
    cx.tx.append(TASK_STATES, task.key, {"lastStatus": task.status, "desiredStatus": task.desired_status})
    return task


def _override_size(overrides: Json, member: str) -> str | None:
    value = overrides.get(member)
    if not value:
        return None
    return str(fargate.cpu_units(value) if member == "cpu" else fargate.memory_mib(value))


def _container(cx: Context, task_id: str, container: Json, overrides: Json) -> TaskContainer:
    override = container_override(overrides, container["name"])
    memory = override.get("memory", container.get("memory"))
    reservation = override.get("memoryReservation", container.get("memoryReservation"))
    return TaskContainer(
        name=container["name"],
        image=container["image"],
        id=cx.ids.uuid(),
        docker_id=f"{task_id}-{cx.ids.digits(10)}",
        essential=container["essential"],
        cpu=str(override.get("cpu", container["cpu"])),
        memory=None if memory is None else str(memory),
        memory_reservation=None if reservation is None else str(reservation),
    )


def container_override(overrides: Json, name: str) -> Json:
    """The override of one container, {} where there is none."""
    for override in overrides.get("containerOverrides") or ():
        if override.get("name") == name:
            return dict(override)
    return {}


def propagated_tags(
    propagate: str | None, given: Tags, definition: TaskDefinition, service: Service | None
) -> Tags:
    """A task's tags: those of its definition or service where they are propagated, then those given."""
    if propagate == "TASK_DEFINITION":
        return {**_own(definition.tags), **given}
    if propagate == "SERVICE" and service is not None:
        return {**_own(service.tags), **given}
    return given


def _own(tags: Tags) -> Tags:
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def managed_tags(cluster: str, service: str = "") -> Tags:
    """The tags that enableECSManagedTags adds."""
    tags = {"aws:ecs:clusterName": cluster}
    return {**tags, "aws:ecs:serviceName": service} if service else tags
