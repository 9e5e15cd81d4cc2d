"""EC2's nouns at the edge of a VPC: addresses, and the gateways, endpoints and peerings that lead out of it.

Keys are `account/region/id`. Times are epoch seconds.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.ec2 import Regional


@attrs.frozen(kw_only=True)
class Lingering(Regional):
    """What AWS goes on showing for an hour after it was deleted, in the state `deleted`."""

    deleted: float | None = None


@attrs.frozen(kw_only=True)
class ElasticAddress(Regional):
    """An elastic IP address; its id is the allocation's. The last three are set while it is associated."""

    KIND: ClassVar[str] = "ec2.address"
    public_ip: str
    association_id: str | None = None
    interface_id: str | None = None
    private_ip: str | None = None


@attrs.frozen(kw_only=True)
class NatGateway(Lingering):
    """`allocation_ids` are its elastic addresses, the primary one first; none where it is private.
    `private_ips` are those of its interface, in the same order."""

    KIND: ClassVar[str] = "ec2.nat-gateway"
    vpc_id: str
    subnet_id: str
    interface_id: str = ""
    private_ips: tuple[str, ...] = ()
    created: float
    connectivity: str = "public"
    allocation_ids: tuple[str, ...] = ()
    public_ips: tuple[str, ...] = ()
    """The addresses of `allocation_ids`, in the same order; kept because a deleted gateway still shows them."""
    failure: tuple[str, str] | None = None
    """Code and message, where it never worked."""


@attrs.frozen(kw_only=True)
class VpcEndpoint(Regional):
    """A gateway endpoint (in route tables) or an interface endpoint (interfaces in subnets).

    `policy` is the JSON text of its policy. `dns_label` is the part of an interface endpoint's DNS names that
    AWS makes up, `private_zone` the id of the hosted zone that private DNS is said to have.
    """

    KIND: ClassVar[str] = "ec2.vpc-endpoint"
    vpc_id: str
    service: str
    type: str
    policy: str
    created: float
    route_table_ids: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    interface_ids: tuple[str, ...] = ()
    private_dns: bool = False
    dns_label: str = ""
    private_zone: str = ""
    dns_record_type: str = "ipv4"


@attrs.frozen(kw_only=True)
class EgressOnlyGateway(Regional):
    """An egress-only internet gateway: the way out for IPv6."""

    KIND: ClassVar[str] = "ec2.egress-only-internet-gateway"
    vpc_id: str


@attrs.frozen(kw_only=True)
class VpnGateway(Lingering):
    """A virtual private gateway; `detached_from` is the VPC that it was attached to last."""

    KIND: ClassVar[str] = "ec2.vpn-gateway"
    asn: int
    vpc_id: str | None = None
    detached_from: str | None = None


@attrs.frozen(kw_only=True)
class Peering(Lingering):
    """A peering connection between two VPCs of one account and region. `status` is `pending-acceptance`,
    `active` or `rejected`."""

    KIND: ClassVar[str] = "ec2.vpc-peering-connection"
    requester_vpc_id: str
    accepter_vpc_id: str
    requester_cidrs: tuple[str, ...]
    accepter_cidrs: tuple[str, ...]
    status: str
    expires: float
    requester_resolves: bool = False
    accepter_resolves: bool = False

    @property
    def vpc_ids(self) -> tuple[str, str]:
        return (self.requester_vpc_id, self.accepter_vpc_id)


@attrs.frozen(kw_only=True)
class TransitGateway(Lingering):
    """`options` are its switches by AWS's names (`DnsSupport`: `enable`…). `route_table_id` is its own route table,
    the default one for associations and propagations."""

    KIND: ClassVar[str] = "ec2.transit-gateway"
    description: str
    asn: int
    options: dict[str, str]
    route_table_id: str
    created: float
    cidrs: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class TransitGatewayAttachment(Lingering):
    """A VPC's attachment to a transit gateway: subnets of the VPC, one per zone, each with an interface."""

    KIND: ClassVar[str] = "ec2.transit-gateway-attachment"
    gateway_id: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    interface_ids: tuple[str, ...]
    options: dict[str, str]
    created: float
