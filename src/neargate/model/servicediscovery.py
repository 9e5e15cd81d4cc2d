"""AWS Cloud Map: namespaces, the services in them, and the instances that are to be found under a service's name.

What was asked for asynchronously (an operation) lies in the journal under `OPERATIONS`; the subject is
`account/region/operation-id`.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

OPERATIONS = "servicediscovery.operation"

HTTP = "HTTP"
DNS_PRIVATE = "DNS_PRIVATE"
DNS_PUBLIC = "DNS_PUBLIC"


@attrs.frozen(kw_only=True)
class _Regional:
    account: str
    region: str

    def scope(self, *parts: str) -> str:
        return "/".join((self.account, self.region, *parts))

    def discovery_arn(self, resource: str) -> str:
        return f"arn:aws:servicediscovery:{self.region}:{self.account}:{resource}"


@attrs.frozen(kw_only=True)
class Namespace(_Regional):
    """A namespace. `type` is HTTP, DNS_PRIVATE (then `vpc` is the one that can resolve it) or DNS_PUBLIC.

    `operation` is the id of the operation that made it; the same `creator_request_id` gets the same answer.
    """

    KIND: ClassVar[str] = "servicediscovery.namespace"
    id: str
    name: str
    type: str
    created: float
    creator_request_id: str
    operation: str
    description: str | None = None
    vpc: str = ""
    zone: str = ""
    """The hosted zone's id; "" for HTTP."""
    soa_ttl: int = 15
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.scope(self.id)

    @property
    def arn(self) -> str:
        return self.discovery_arn(f"namespace/{self.id}")


@attrs.frozen(kw_only=True)
class DiscoveryService(_Regional):
    """A service of a namespace. `dns` is its DnsConfig (RoutingPolicy, DnsRecords), None where only the API finds it.

    `revision` grows with every change of its instances, as DiscoverInstancesRevision tells.
    """

    KIND: ClassVar[str] = "servicediscovery.service"
    id: str
    name: str
    namespace: str
    created: float
    creator_request_id: str
    description: str | None = None
    type: str = "HTTP"
    """HTTP, DNS or DNS_HTTP: how its instances are found."""
    dns: Json | None = None
    health_check: Json | None = None
    custom_health: Json | None = None
    attributes: dict[str, str] = attrs.field(factory=dict)
    revision: int = 1
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.scope(self.id)

    @property
    def arn(self) -> str:
        return self.discovery_arn(f"service/{self.id}")

    @property
    def record_types(self) -> tuple[str, ...]:
        """The DNS record types that its instances get."""
        return tuple(record["Type"] for record in (self.dns or {}).get("DnsRecords", ()))


@attrs.frozen(kw_only=True)
class DiscoveryInstance(_Regional):
    """An instance of a service. `healthy` is its custom health status; True where the service has none."""

    KIND: ClassVar[str] = "servicediscovery.instance"
    service: str
    """The service's id."""
    id: str
    creator_request_id: str
    attributes: dict[str, str]
    healthy: bool = True

    @property
    def key(self) -> str:
        return self.scope(self.service, self.id)
