"""ECS's nouns: clusters, task definitions, services with their deployments, tasks with their containers.

Keys: `account/region/…`; a task's is `account/region/cluster/task-id`, a service's `account/region/cluster/name`.
Definitions are kept in the shape in which the API returns them. Service events live in the journal under
`SERVICE_EVENTS`, task state changes under `TASK_STATES`; the subject is the record's key.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from neargate.model.ecs_scope import Regional
from neargate.model.ecs_services import Deployment as Deployment
from neargate.model.ecs_services import Service as Service
from neargate.model.ecs_services import ServiceDeployment as ServiceDeployment
from neargate.model.ecs_services import ServiceRevision as ServiceRevision
from neargate.model.records import Json
from neargate.model.tags import Tags

SERVICE_EVENTS = "ecs.service-event"
TASK_STATES = "ecs.task-state"

KEPT_AFTER_END = 3600.0
"""Seconds for which stopped tasks, inactive services and inactive clusters can still be described."""

TaskStatus = Literal[
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
]
TASK_STATUSES: tuple[TaskStatus, ...] = (
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
)


@attrs.frozen(kw_only=True)
class Cluster(Regional):
    """`status` is ACTIVE, or INACTIVE from `deleted` on. `settings` maps setting names to values."""

    KIND: ClassVar[str] = "ecs.cluster"
    name: str
    created: float
    status: str = "ACTIVE"
    deleted: float | None = None
    settings: dict[str, str] = attrs.field(factory=dict)
    configuration: Json | None = None
    service_connect_defaults: Json | None = None
    capacity_providers: tuple[str, ...] = ()
    default_strategy: tuple[Json, ...] = ()
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.scope(self.name)

    @property
    def arn(self) -> str:
        return self.ecs_arn(f"cluster/{self.name}")


@attrs.frozen(kw_only=True)
class TaskFamily(Regional):
    """The last revision that a family gave out; revisions are never used twice."""

    KIND: ClassVar[str] = "ecs.task-family"
    name: str
    last_revision: int

    @property
    def key(self) -> str:
        return self.scope(self.name)


@attrs.frozen(kw_only=True)
class TaskDefinition(Regional):
    """One revision of a family. `containers` are ContainerDefinitions with AWS's defaults filled in.

    `cpu` (units) and `memory` (MiB) are integers as text, as in the API, or None.
    """

    KIND: ClassVar[str] = "ecs.task-definition"
    family: str
    revision: int
    containers: tuple[Json, ...]
    registered: float
    registered_by: str
    status: str = "ACTIVE"
    deregistered: float | None = None
    delete_requested: float | None = None
    cpu: str | None = None
    memory: str | None = None
    task_role: str | None = None
    execution_role: str | None = None
    network_mode: str | None = None
    volumes: tuple[Json, ...] = ()
    requires_compatibilities: tuple[str, ...] = ()
    compatibilities: tuple[str, ...] = ()
    requires_attributes: tuple[str, ...] = ()
    runtime_platform: Json | None = None
    ephemeral_storage: Json | None = None
    others: Json = attrs.field(factory=dict)
    """Members that are only returned: placementConstraints, pidMode, ipcMode…"""
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return definition_key(self.account, self.region, self.family, self.revision)

    @property
    def arn(self) -> str:
        return self.ecs_arn(f"task-definition/{self.family}:{self.revision}")

    def container(self, name: str) -> Json:
        """The definition of a container. Raises KeyError."""
        for container in self.containers:
            if container["name"] == name:
                return container
        raise KeyError(name)


def definition_key(account: str, region: str, family: str, revision: int) -> str:
    """Where a revision lies; a family's revisions sort by number."""
    return f"{account}/{region}/{family}/{revision:010d}"


def definition_key_of(arn: str) -> str:
    """The key of a task definition's ARN."""
    _, _, _, region, account, resource = arn.split(":", 5)
    family, revision = resource.removeprefix("task-definition/").rsplit(":", 1)
    return definition_key(account, region, family, int(revision))


@attrs.frozen(kw_only=True)
class TaskAttachment:
    """A task's network interface. `status`: PRECREATED, ATTACHED, DELETED; only `subnet` is known at first."""

    id: str
    subnet: str
    groups: tuple[str, ...] = ()
    public_ip: bool = False
    status: str = "PRECREATED"
    eni: str = ""
    mac: str = ""
    private_dns: str = ""
    ip: str = ""
    cidr: str = ""


@attrs.frozen(kw_only=True)
class TaskContainer:
    """A container of a task. `status`: PENDING, RUNNING, STOPPED, never back.

    `runtime_id` is the engine's id. `docker_id` is what Fargate's metadata calls it: task id, `-`, 10 digits.
    """

    name: str
    image: str
    id: str
    docker_id: str
    essential: bool = True
    status: str = "PENDING"
    runtime_id: str = ""
    image_digest: str = ""
    image_id: str = ""
    exit_code: int | None = None
    reason: str = ""
    health: str = "UNKNOWN"
    health_since: float | None = None
    cpu: str = "0"
    memory: str | None = None
    memory_reservation: str | None = None
    created: float | None = None
    started: float | None = None
    stopped: float | None = None
    signalled: float | None = None
    """When it was asked to stop."""
    stop_signal: str = ""
    restarts: int = 0
    """How often its restart policy has started it again, and when that was last decided."""
    restarted: float | None = None


@attrs.frozen(kw_only=True)
class TaskTarget:
    """A task's place in a target group (its ARN).

    `state` is "" until it is registered, then what the load balancer says (initial, healthy, unhealthy, unused,
    draining; with its description as `reason`), and `gone` once it left. `left` is when the service took it out.
    """

    group: str
    container: str
    port: int
    state: str = ""
    reason: str = ""
    left: float | None = None

    @property
    def is_in(self) -> bool:
        """It was registered, and has not left yet."""
        return self.state not in ("", "gone")


@attrs.frozen(kw_only=True)
class TaskRegistration:
    """A task's place in a Cloud Map service (its ARN). `port` goes into its SRV record.

    `state` is "" until it is registered, then `in`, and `gone` once it left. `checked` tells that the task's
    containers have health checks, `healthy` what Cloud Map was told of it last.
    """

    registry: str
    port: int | None = None
    checked: bool = False
    state: str = ""
    healthy: bool = True

    @property
    def is_in(self) -> bool:
        """It was registered, and has not left yet."""
        return self.state == "in"


@attrs.frozen(kw_only=True)
class Task(Regional):
    """A task: what is wanted of it (`desired_status`) and how far it is (`status`, never back).

    `service` and `deployment` are set for a service's task. `ready` is when it began to count as healthy.
    """

    KIND: ClassVar[str] = "ecs.task"
    cluster: str
    id: str
    task_definition: str
    created: float
    containers: tuple[TaskContainer, ...]
    attachment: TaskAttachment
    zone: str
    group: str
    cpu: str
    memory: str
    status: TaskStatus = "PROVISIONING"
    desired_status: str = "RUNNING"
    version: int = 1
    started_by: str = ""
    service: str = ""
    deployment: str = ""
    overrides: Json = attrs.field(factory=dict)
    task_role: str | None = None
    execution_role: str | None = None
    credentials_id: str = ""
    """The id in AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, `/v2/credentials/ID`; "" without a task role."""
    launch_type: str | None = "FARGATE"
    capacity_provider: str | None = None
    platform_version: str = "1.4.0"
    cpu_architecture: str = "x86_64"
    ephemeral_storage: int = 20
    enable_execute_command: bool = False
    connected: float | None = None
    pull_started: float | None = None
    pull_stopped: float | None = None
    started: float | None = None
    ready: float | None = None
    stopping: float | None = None
    execution_stopped: float | None = None
    stopped: float | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    targets: tuple[TaskTarget, ...] = ()
    """Its places in its service's target groups. The service driver keeps them."""
    registrations: tuple[TaskRegistration, ...] = ()
    """Its places in Cloud Map. The service driver keeps them, too."""
    connect_namespace: str = ""
    """The id of the namespace whose Service Connect endpoints it reaches by their names; "" for none."""
    protected_until: float | None = None
    """Until when the service does not stop it to scale in or to roll out."""
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.id)

    @property
    def arn(self) -> str:
        return self.ecs_arn(f"task/{self.cluster}/{self.id}")

    @property
    def cluster_arn(self) -> str:
        return self.ecs_arn(f"cluster/{self.cluster}")

    @property
    def service_key(self) -> str:
        """The key of its service; "" for a task of its own."""
        return self.scope(self.cluster, self.service) if self.service else ""

    @property
    def health(self) -> str:
        """HEALTHY if all essential containers with a check are; UNHEALTHY if one is; else UNKNOWN."""
        health = "UNKNOWN"
        for container in self.containers:
            if container.essential and container.health != "UNKNOWN":
                if container.health == "UNHEALTHY":
                    return "UNHEALTHY"
                health = "HEALTHY"
        return health


@attrs.frozen(kw_only=True)
class ServiceTask(Regional):
    """A service's way to its tasks: those that live, and those whose end it has not taken into account yet."""

    KIND: ClassVar[str] = "ecs.service-task"
    cluster: str
    service: str
    task: str

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.service, self.task)

    @property
    def task_key(self) -> str:
        return self.scope(self.cluster, self.task)


@attrs.frozen(kw_only=True)
class ImageVersion(Regional):
    """What the image of a container means for all tasks of one service deployment: `digest`, the manifest's where
    a registry has it, else the image's id. `pinned` is the name under which exactly that image is had again."""

    KIND: ClassVar[str] = "ecs.image-version"
    cluster: str
    service: str
    deployment: str
    container: str
    image: str
    digest: str
    pinned: str

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.service, self.deployment, self.container)

    @staticmethod
    def key_of(task: Task, container: str) -> str:
        """Where the version lies that holds for a service's task."""
        return f"{task.service_key}/{task.deployment}/{container}"


@attrs.frozen(kw_only=True)
class LogCursor(Regional):
    """How far a container's lines are in CloudWatch Logs: the runtime's position behind the last one.

    Older records have the engine's timestamp (ns) of that line, in `at`.
    """

    KIND: ClassVar[str] = "ecs.log-cursor"
    cluster: str
    task: str
    container: str
    at: int = 0
    position: str = ""

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.task, self.container)


@attrs.frozen(kw_only=True)
class ClientToken(Regional):
    """A RunTask that was made with a clientToken: the same call again gets the same tasks."""

    KIND: ClassVar[str] = "ecs.client-token"
    cluster: str
    token: str
    digest: str
    tasks: tuple[str, ...]
    created: float

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.token)


@attrs.frozen(kw_only=True)
class AccountSetting(Regional):
    """An account setting that was put; `principal` is an ARN, or "" for the account's default."""

    KIND: ClassVar[str] = "ecs.account-setting"
    principal: str
    name: str
    value: str

    @property
    def key(self) -> str:
        return self.scope(self.principal, self.name)
