"""Elastic Load Balancing v2's nouns, and the contract between its API and whoever carries the traffic.

Keys follow the ARNs, so that a prefix scan lists what belongs together:

    load balancer   ACCOUNT/REGION/app/NAME/ID           (`net` instead of `app` for a network load balancer)
    listener        LOAD BALANCER/ID
    rule            LISTENER/ID
    target group    ACCOUNT/REGION/NAME/ID
    target          TARGET GROUP/IP:PORT

Times are epoch seconds. Conditions and actions are kept as the API shows them, complete: a forward action always
has a ForwardConfig with weights, a host-header or path-pattern condition always has its Config, a redirect all its
parts (`#{host}`…).

Who writes what:

- The API (`services/elbv2`) writes every record when somebody asks. A new load balancer is `provisioning`; its
  interfaces hold addresses in its subnets from the start.
- The data plane (the driver of load balancers) writes `LoadBalancer.state`, `reason` and `published`, and moves
  targets: `initial` to `healthy` or `unhealthy` and between these two, `draining` to nothing (it deletes the
  record). Into `initial`, `unused` and `draining` only the API moves a target. Each writer reads the record in the
  same transaction and changes no other field.
- RegisterTargets makes a target `initial` where a listener or rule of a load balancer uses its group and the load
  balancer has a subnet in the target's zone, `unused` elsewhere. DeregisterTargets makes it
  `draining` with `deregistered` set, and deletes it at once where it was `unused`. To register a draining target
  again makes it `initial`.
- When a group comes into use or out of use, its targets become `initial` or `unused` in the same transaction, and
  those that were draining out of an unused group are deleted.
- A deleted load balancer, listener, rule or group has no record: the driver watches the kinds of this module.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

REGISTERING = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY = ("healthy", "", "")
NOT_IN_USE = (
    "unused",
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
ZONE_NOT_ENABLED = (
    "unused",
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
)
DRAINING = ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
"""State, reason code and description of a target, as DescribeTargetHealth shows them."""

TRAFFIC_PORT = "traffic-port"


def arn_of(account: str, region: str, resource: str) -> str:
    """`resource` is what follows the account: `loadbalancer/app/NAME/ID`."""
    return f"arn:aws:elasticloadbalancing:{region}:{account}:{resource}"


@attrs.frozen(kw_only=True)
class Placed:
    """What every record here has: where it is."""

    account: str
    region: str

    @property
    def scope(self) -> str:
        return f"{self.account}/{self.region}"


@attrs.frozen(kw_only=True)
class ZoneInterface:
    """A load balancer's network interface in one zone. `ip` is private; `public_ip` and `allocation_id` are those
    of a network load balancer that was given an elastic address."""

    interface_id: str
    subnet_id: str
    zone: str
    ip: str
    public_ip: str = ""
    allocation_id: str = ""
    fixed: bool = False
    """The private address was asked for (SubnetMappings.PrivateIPv4Address)."""


@attrs.frozen(kw_only=True)
class Published:
    """Where on this machine a listener's port can be reached. Written by the data plane."""

    listener_port: int
    address: str
    port: int


@attrs.frozen(kw_only=True)
class LoadBalancer(Placed):
    """`type` is `application` or `network`; `scheme` is `internet-facing` or `internal`.

    `state` is `provisioning`, `active`, `active_impaired` or `failed`, with `reason` as a sentence for the last
    two; the data plane moves it. `attributes` has every attribute, with AWS's defaults.
    """

    KIND: ClassVar[str] = "elbv2.load-balancer"
    name: str
    id: str
    type: str = "application"
    scheme: str = "internet-facing"
    vpc_id: str
    interfaces: tuple[ZoneInterface, ...]
    """One per zone, in the order in which the subnets were named."""
    security_groups: tuple[str, ...] = ()
    ip_address_type: str = "ipv4"
    attributes: dict[str, str] = attrs.field(factory=dict)
    dns_name: str
    created: float
    tags: Tags = attrs.field(factory=dict)
    state: str = "provisioning"
    reason: str = ""
    published: tuple[Published, ...] = ()

    @property
    def full_name(self) -> str:
        """`app/NAME/ID`: LoadBalancerFullName, CloudWatch's dimension LoadBalancer."""
        return f"{'app' if self.type == 'application' else 'net'}/{self.name}/{self.id}"

    @property
    def key(self) -> str:
        return f"{self.scope}/{self.full_name}"

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, f"loadbalancer/{self.full_name}")

    @property
    def zones(self) -> tuple[str, ...]:
        return tuple(interface.zone for interface in self.interfaces)


@attrs.frozen(kw_only=True)
class Listener(Placed):
    """`balancer` is its load balancer's full name (`app/NAME/ID`). `certificates` are ARNs, the default one first.
    `attributes` has every attribute, with AWS's defaults."""

    KIND: ClassVar[str] = "elbv2.listener"
    balancer: str
    id: str
    port: int
    protocol: str
    default_actions: tuple[Json, ...]
    certificates: tuple[str, ...] = ()
    ssl_policy: str = ""
    alpn_policy: tuple[str, ...] = ()
    attributes: dict[str, str] = attrs.field(factory=dict)
    created: float
    tags: Tags = attrs.field(factory=dict)
    default_rule_id: str = ""
    """The default rule has an ARN of its own; it has no record: its actions are `default_actions`."""
    default_rule_tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.balancer_key}/{self.id}"

    @property
    def balancer_key(self) -> str:
        return f"{self.scope}/{self.balancer}"

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, f"listener/{self.balancer}/{self.id}")

    @property
    def default_rule_arn(self) -> str:
        resource = f"listener-rule/{self.balancer}/{self.id}/{self.default_rule_id}"
        return arn_of(self.account, self.region, resource)


@attrs.frozen(kw_only=True)
class Rule(Placed):
    """A rule that is not its listener's default one. `listener` is `app/NAME/ID/LISTENER ID`; rules are tried by
    ascending `priority`."""

    KIND: ClassVar[str] = "elbv2.rule"
    listener: str
    id: str
    priority: int
    conditions: tuple[Json, ...]
    actions: tuple[Json, ...]
    created: float
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.listener_key}/{self.id}"

    @property
    def listener_key(self) -> str:
        return f"{self.scope}/{self.listener}"

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, f"listener-rule/{self.listener}/{self.id}")


@attrs.frozen(kw_only=True)
class AdoptedCertificate(Placed):
    """A certificate of a real account's ACM that a project's parameter file names. Nothing is known of its names."""

    KIND: ClassVar[str] = "elbv2.adopted-certificate"
    arn: str

    @property
    def key(self) -> str:
        return f"{self.scope}/{self.arn}"


@attrs.frozen(kw_only=True)
class HealthCheck:
    """`port` is a number as text or `traffic-port`. `matcher` is HttpCode's or GrpcCode's text, "" for TCP.
    `interval` and `timeout` are seconds."""

    enabled: bool = True
    protocol: str = "HTTP"
    port: str = TRAFFIC_PORT
    path: str = "/"
    interval: int = 30
    timeout: int = 5
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"


@attrs.frozen(kw_only=True)
class TargetGroup(Placed):
    """`target_type` is `ip` or `instance`; `protocol_version` is HTTP1, HTTP2 or GRPC, "" for TCP and its kin.

    `load_balancers` are the keys of the load balancers with a listener or rule that forwards to it (one at most for
    an application load balancer's group); the API keeps it up to date. `attributes` has every attribute, with AWS's
    defaults.
    """

    KIND: ClassVar[str] = "elbv2.target-group"
    name: str
    id: str
    protocol: str
    port: int
    vpc_id: str
    target_type: str = "instance"
    protocol_version: str = "HTTP1"
    ip_address_type: str = "ipv4"
    health_check: HealthCheck
    attributes: dict[str, str] = attrs.field(factory=dict)
    load_balancers: tuple[str, ...] = ()
    created: float
    tags: Tags = attrs.field(factory=dict)

    @property
    def full_name(self) -> str:
        """`targetgroup/NAME/ID`: TargetGroupFullName, CloudWatch's dimension TargetGroup."""
        return f"targetgroup/{self.name}/{self.id}"

    @property
    def key(self) -> str:
        return f"{self.scope}/{self.name}/{self.id}"

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, self.full_name)

    @property
    def deregistration_delay(self) -> int:
        """Seconds."""
        return int(self.attributes["deregistration_delay.timeout_seconds"])


@attrs.frozen(kw_only=True)
class Target(Placed):
    """One address and port in a target group. `group` is `NAME/ID` of its group.

    `state`, `reason`, `description`: one of the triples at the head of this module, or what the health checker
    found. `zone` is a zone's name, or `all` for an address outside the VPC. `registered` is when it was registered
    last, `deregistered` when draining began. The rest is the health checker's memory: when `state` was entered,
    and how many checks in a row passed or failed until now.
    """

    KIND: ClassVar[str] = "elbv2.target"
    group: str
    id: str
    port: int
    zone: str
    zone_given: bool = False
    """The zone was named by whoever registered it."""
    state: str
    reason: str = ""
    description: str = ""
    registered: float
    deregistered: float | None = None
    since: float = 0.0
    passed: int = 0
    failed: int = 0

    @property
    def key(self) -> str:
        return f"{self.group_key}/{self.id}:{self.port}"

    @property
    def group_key(self) -> str:
        return f"{self.scope}/{self.group}"

    def entered(self, state: tuple[str, str, str], now: float) -> Target:
        """The target in another state (a triple of this module), its counts of checks begun anew."""
        name, reason, description = state
        return attrs.evolve(
            self, state=name, reason=reason, description=description, since=now, passed=0, failed=0
        )


def key_of(arn: str) -> str:
    """The key of the load balancer, listener, rule or target group that an ARN names; "" where it names none."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "elasticloadbalancing":
        return ""
    return "/".join((parts[4], parts[3], parts[5].partition("/")[2]))


def groups_of(actions: tuple[Json, ...]) -> tuple[str, ...]:
    """The ARNs of the target groups that actions forward to."""
    return tuple(
        group["TargetGroupArn"]
        for action in actions
        if action["Type"] == "forward"
        for group in action["ForwardConfig"]["TargetGroups"]
    )
