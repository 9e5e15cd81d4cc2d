"""ECS's services, their deployments and the history of these. `model.ecs` has the rest, and these names, too."""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.ecs_scope import Regional
from neargate.model.records import Json
from neargate.model.tags import Tags


@attrs.frozen(kw_only=True)
class Hook:
    """A pause of a deployment at a lifecycle stage. `status` is AWAITING_ACTION, SUCCEEDED, FAILED or TIMED_OUT;
    `answer` what ContinueServiceDeployment said: CONTINUE, ROLLBACK."""

    id: str
    stage: str
    expires: float
    timeout_action: str
    status: str = "AWAITING_ACTION"
    answer: str = ""


@attrs.frozen(kw_only=True)
class Deployment:
    """One rollout of a service: what it starts, and how far it is.

    `status` is PRIMARY or ACTIVE (being replaced); `desired` the number of tasks it is to have now.
    `failed_tasks` are failures in a row that count for the circuit breaker. `launch_failures` counts waves of
    launches that failed, `quick_exits` tasks in a row that ended soon after they ran; until `retry_at` nothing
    is started. `healthy_at` is when a task of it was last seen to become healthy.
    """

    id: str
    status: str
    task_definition: str
    desired: int
    created: float
    updated: float
    rollout_state: str = "IN_PROGRESS"
    rollout_reason: str = ""
    failed_tasks: int = 0
    launch_failures: int = 0
    quick_exits: int = 0
    retry_at: float = 0.0
    healthy_at: float = 0.0
    noted: tuple[str, ...] = ()
    """Tasks that are still stopping but whose end was counted already."""
    failing: tuple[str, ...] = ()
    """Tasks whose failing health checks were counted already."""
    rolls_back: str = ""
    """The id of the service deployment that failed, while this one is being gone back to."""
    failed_by: str = ""
    """The monitor that failed it, or the one that it rolls back: `circuit-breaker`, `alarms NAME,NAME`, `user`,
    `traffic`. `status_reason` is the service deployment's statusReason."""
    status_reason: str = ""
    rollback_wanted: bool = False
    stop_requested: str = ""
    """ROLLBACK or ABORT: StopServiceDeployment was called."""
    ignored_alarms: tuple[str, ...] | None = None
    """Alarms that were in ALARM when it began; None while nobody has looked."""
    bake_since: float | None = None
    traffic: str = "ROLLING"
    """How it takes over the traffic: ROLLING, BLUE_GREEN, CANARY, LINEAR. The next six are for the last three."""
    stage: str = ""
    stage_since: float = 0.0
    weight: float = 0.0
    """Percent of the production traffic that goes to it; `weighed` is when that last changed."""
    weighed: float | None = None
    test_weight: float = 0.0
    hooks: tuple[Hook, ...] = ()
    traffic_error: str = ""
    """Why the load balancer could not be told to shift its traffic."""
    network: Json = attrs.field(factory=dict)
    zones: tuple[str, ...] = ()
    """The availability zones of its subnets, in their order."""
    platform_version: str = "1.4.0"
    launch_type: str | None = "FARGATE"
    strategy: tuple[Json, ...] = ()
    load_balancers: tuple[Json, ...] = ()
    """As the API shows them; `targetGroupArn` is the group that this deployment's tasks join."""
    registries: tuple[Json, ...] = ()
    """The serviceRegistries that its tasks register in."""
    service_connect: Json | None = None
    """serviceConnectConfiguration, its namespace as an ARN."""
    revision_id: str = ""
    """The service revision and the service deployment that it carries out (their ids in ARNs)."""
    service_deployment_id: str = ""


@attrs.frozen(kw_only=True)
class Service(Regional):
    """A service. `deployments` has the PRIMARY first; `last_completed` is where a rollback goes.

    `said` holds when a sentence that ECS repeats only every six hours was last an event.
    """

    KIND: ClassVar[str] = "ecs.service"
    cluster: str
    name: str
    desired: int
    created: float
    created_by: str
    status: str = "ACTIVE"
    ended: float | None = None
    deployments: tuple[Deployment, ...] = ()
    last_completed: Deployment | None = None
    steady: bool = False
    rebalancing: int = 0
    """How many tasks beyond `desired` it may have while its zones are being balanced."""
    held: int = 0
    """How many protected tasks keep it from what it wants."""
    said: dict[str, float] = attrs.field(factory=dict)
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    circuit_breaker: Json = attrs.field(factory=dict)
    deployment_configuration: Json = attrs.field(factory=dict)
    grace_period: int | None = None
    """healthCheckGracePeriodSeconds."""
    load_balancers: tuple[Json, ...] = ()
    """As they were asked for."""
    platform_version: str = "LATEST"
    enable_managed_tags: bool = False
    propagate_tags: str = "NONE"
    enable_execute_command: bool = False
    zone_rebalancing: str = "ENABLED"
    request_digest: str = ""
    client_token: str = ""
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.name)

    @property
    def arn(self) -> str:
        return self.ecs_arn(f"service/{self.cluster}/{self.name}")

    @property
    def primary(self) -> Deployment:
        """The deployment that is wanted."""
        return self.deployments[0]


@attrs.frozen(kw_only=True)
class ServiceRevision(Regional):
    """What a deployment of a service wants, written once. `id` is 19 digits."""

    KIND: ClassVar[str] = "ecs.service-revision"
    cluster: str
    service: str
    id: str
    created: float
    task_definition: str
    network: Json = attrs.field(factory=dict)
    platform_version: str = "1.4.0"
    launch_type: str | None = "FARGATE"
    strategy: tuple[Json, ...] = ()
    load_balancers: tuple[Json, ...] = ()
    groups: tuple[str, ...] = ()
    """The target group that its tasks join, for each load balancer."""
    registries: tuple[Json, ...] = ()
    service_connect: Json | None = None

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.service, self.id)

    @property
    def arn(self) -> str:
        return self.ecs_arn(f"service-revision/{self.cluster}/{self.service}/{self.id}")


@attrs.frozen(kw_only=True)
class ServiceDeployment(Regional):
    """How one rollout went, as ListServiceDeployments tells it."""

    KIND: ClassVar[str] = "ecs.service-deployment"
    cluster: str
    service: str
    id: str
    deployment_id: str
    target_revision: str
    source_revisions: tuple[str, ...]
    created: float
    updated: float
    status: str = "IN_PROGRESS"
    reason: str | None = None
    finished: float | None = None
    desired: int = 0
    failure_count: int = 0
    threshold: int = 0
    configuration: Json = attrs.field(factory=dict)
    rollback: Json | None = None
    stopped: float | None = None
    failed_by: str = ""
    """The monitor that failed it: `circuit-breaker`, `alarms`, `user`, `traffic`."""
    triggered_alarms: tuple[str, ...] = ()
    stage: str = ""
    weight: float | None = None
    """Percent of the production traffic that goes to its target revision; None for a rolling update."""
    test_weight: float | None = None
    hooks: tuple[Hook, ...] = ()

    @property
    def key(self) -> str:
        return self.scope(self.cluster, self.service, self.id)

    @property
    def arn(self) -> str:
        return self.ecs_arn(f"service-deployment/{self.cluster}/{self.service}/{self.id}")
