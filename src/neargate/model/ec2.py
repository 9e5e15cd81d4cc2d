"""EC2's networking nouns, and the default network that every account has in every region.

Keys are `account/region/id`. Addresses are kept as text.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import ClassVar

import attrs

from neargate.model.records import Reader, Record
from neargate.model.tags import Tags
from neargate.model.zones import default_subnet_order, zones

ANYWHERE = "0.0.0.0/0"


@attrs.frozen(kw_only=True)
class Regional:
    """What every EC2 record has: where it is, its id, its tags."""

    KIND: ClassVar[str]
    account: str
    region: str
    id: str
    tags: Tags = attrs.field(factory=dict)
    token: str = ""
    """The ClientToken that it was made with; the same token makes nothing again."""

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"

    def arn(self, resource: str) -> str:
        """`resource` is EC2's word in ARNs: `vpc`, `subnet`, `security-group`…"""
        return f"arn:aws:ec2:{self.region}:{self.account}:{resource}/{self.id}"


@attrs.frozen(kw_only=True)
class Block:
    """A CIDR block beside the first one, IPv4 or IPv6, associated with a VPC or a subnet."""

    id: str
    cidr: str


@attrs.frozen(kw_only=True)
class Vpc(Regional):
    """`cidr` is its first block, `secondary` are further IPv4 ones, `ipv6` those of IPv6."""

    KIND: ClassVar[str] = "ec2.vpc"
    cidr: str
    association_id: str
    dhcp_options_id: str
    is_default: bool = False
    dns_support: bool = True
    dns_hostnames: bool = False
    address_usage_metrics: bool = False
    tenancy: str = "default"
    secondary: tuple[Block, ...] = ()
    ipv6: tuple[Block, ...] = ()

    @property
    def cidrs(self) -> tuple[str, ...]:
        """All its IPv4 blocks."""
        return (self.cidr, *(block.cidr for block in self.secondary))


@attrs.frozen(kw_only=True)
class Subnet(Regional):
    """`acl_id` is the network ACL it is associated with, "" for its VPC's default one."""

    KIND: ClassVar[str] = "ec2.subnet"
    vpc_id: str
    cidr: str
    zone: str
    zone_id: str
    acl_association_id: str
    default_for_az: bool = False
    map_public_ip: bool = False
    dns_a_records: bool = False
    hostname_type: str = "ip-name"
    acl_id: str = ""
    ipv6: tuple[Block, ...] = ()
    assign_ipv6: bool = False
    dns64: bool = False
    dns_aaaa_records: bool = False
    adopted: bool = False  # its id is a real account's; what its routes are there nobody knows here


@attrs.frozen(kw_only=True)
class InternetGateway(Regional):
    KIND: ClassVar[str] = "ec2.internet-gateway"
    vpc_id: str | None = None


@attrs.frozen(kw_only=True)
class Route:
    """`destination` is an IPv4 or IPv6 block or a prefix list's id; `gateway` is `local` or the id of what the
    route leads to, whose prefix (`igw`, `nat`, `eni`…) says what that is."""

    destination: str
    gateway: str
    origin: str = "CreateRoute"  # or "CreateRouteTable"


@attrs.frozen(kw_only=True)
class RouteAssociation:
    """A subnet's association with a route table; `main` (without a subnet) for the VPC's main table."""

    id: str
    subnet_id: str | None = None
    main: bool = False


@attrs.frozen(kw_only=True)
class RouteTable(Regional):
    KIND: ClassVar[str] = "ec2.route-table"
    vpc_id: str
    routes: tuple[Route, ...] = ()
    associations: tuple[RouteAssociation, ...] = ()
    propagating: tuple[str, ...] = ()
    """Virtual private gateways that may propagate routes into it."""

    @property
    def main(self) -> bool:
        return any(association.main for association in self.associations)


@attrs.frozen(kw_only=True)
class AclEntry:
    """A rule of a network ACL. `protocol` is a number as text or `-1`; `ports` goes with tcp and udp, `icmp` is
    (type, code) and goes with icmp; exactly one of `cidr4` and `cidr6` is set."""

    number: int
    egress: bool
    protocol: str
    action: str
    cidr4: str | None = None
    cidr6: str | None = None
    ports: tuple[int, int] | None = None
    icmp: tuple[int, int] | None = None


def allow_all_entries() -> tuple[AclEntry, ...]:
    """The rules that a VPC's default network ACL has from the start."""
    return tuple(
        AclEntry(number=100, egress=egress, protocol="-1", action="allow", cidr4=ANYWHERE)
        for egress in (True, False)
    )


@attrs.frozen(kw_only=True)
class NetworkAcl(Regional):
    """A network ACL without its last rule, which denies all and is always there. Each subnet says which ACL it
    is associated with."""

    KIND: ClassVar[str] = "ec2.network-acl"
    vpc_id: str
    is_default: bool = True
    entries: tuple[AclEntry, ...] = attrs.field(factory=allow_all_entries)


@attrs.frozen(kw_only=True)
class DhcpOptions(Regional):
    """An option set: values by option name (`domain-name`, `domain-name-servers`, `ntp-servers`…)."""

    KIND: ClassVar[str] = "ec2.dhcp-options"
    values: dict[str, list[str]]


@attrs.frozen(kw_only=True)
class SecurityGroupRule:
    """One rule with one peer: exactly one of `cidr4`, `cidr6`, `group_id`, `prefix_list` is set.

    `protocol` is `tcp`, `udp`, `icmp`, `icmpv6`, a number as text, or `-1` for all; ports are -1 where the
    protocol has none.
    """

    id: str
    egress: bool
    protocol: str
    from_port: int = -1
    to_port: int = -1
    cidr4: str | None = None
    cidr6: str | None = None
    group_id: str | None = None
    group_owner: str | None = None
    prefix_list: str | None = None
    description: str | None = None
    tags: Tags = attrs.field(factory=dict)

    @property
    def sameness(self) -> tuple[object, ...]:
        """What makes two rules of a group the same for AWS: all but id, description and tags."""
        peer = (self.cidr4, self.cidr6, self.group_id, self.prefix_list)
        return (self.egress, self.protocol, self.from_port, self.to_port, *peer)


@attrs.frozen(kw_only=True)
class SecurityGroup(Regional):
    KIND: ClassVar[str] = "ec2.security-group"
    name: str
    description: str
    vpc_id: str
    rules: tuple[SecurityGroupRule, ...] = ()


@attrs.frozen(kw_only=True)
class NetworkInterface(Regional):
    """An elastic network interface. `requester` is the account or service that manages it ("" for none);
    `status` is `available` or `in-use`; `attachment_id` goes with `in-use`."""

    KIND: ClassVar[str] = "ec2.network-interface"
    vpc_id: str
    subnet_id: str
    zone: str
    zone_id: str
    private_ip: str
    mac: str
    private_dns: str
    created: float
    groups: tuple[str, ...] = ()
    description: str = ""
    type: str = "interface"
    status: str = "available"
    attachment_id: str | None = None
    requester: str = ""
    requester_managed: bool = False
    source_dest_check: bool = True
    delete_on_termination: bool = True
    secondary_ips: tuple[str, ...] = ()

    @property
    def ips(self) -> tuple[str, ...]:
        """All its private IPv4 addresses, the primary one first."""
        return (self.private_ip, *self.secondary_ips)


@attrs.frozen(kw_only=True)
class AddressLease:
    """An address of a subnet in use, kept beside its interface: keyed `account/region/subnet/address`, so
    that allocating one costs one look-up however full the subnet is."""

    KIND: ClassVar[str] = "ec2.address-lease"
    account: str
    region: str
    subnet_id: str
    address: str
    interface_id: str

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.subnet_id}/{self.address}"


@attrs.frozen(kw_only=True)
class Established:
    """The default network of an account and region has been written down; from then on only records count."""

    KIND: ClassVar[str] = "ec2.established"
    account: str
    region: str

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/"


@attrs.frozen(kw_only=True)
class Network:
    """A default network, before anybody changed it."""

    vpc: Vpc
    subnets: tuple[Subnet, ...]
    internet_gateway: InternetGateway
    route_table: RouteTable
    network_acl: NetworkAcl
    security_group: SecurityGroup
    dhcp_options: DhcpOptions

    @property
    def records(self) -> tuple[Record, ...]:
        single = (self.vpc, self.internet_gateway, self.route_table, self.network_acl)
        return (*single, self.security_group, self.dhcp_options, *self.subnets)


def dns_domain(region: str) -> str:
    """The domain of private host names: `ec2.internal`, or `REGION.compute.internal`."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def default_dhcp_values(region: str) -> dict[str, list[str]]:
    """What the option set that AWS makes says."""
    return {"domain-name": [dns_domain(region)], "domain-name-servers": ["AmazonProvidedDNS"]}


def allow_all_egress(rule_id: str) -> SecurityGroupRule:
    """The rule that every new security group has."""
    return SecurityGroupRule(id=rule_id, egress=True, protocol="-1", cidr4=ANYWHERE)


def default_security_group(
    account: str, region: str, vpc_id: str, group_id: str, rule_ids: tuple[str, str]
) -> SecurityGroup:
    """A VPC's own group `default`: all traffic among its members, all traffic out."""
    among = SecurityGroupRule(
        id=rule_ids[0], egress=False, protocol="-1", group_id=group_id, group_owner=account
    )
    return SecurityGroup(
        account=account,
        region=region,
        id=group_id,
        name="default",
        description="default VPC security group",
        vpc_id=vpc_id,
        rules=(among, allow_all_egress(rule_ids[1])),
    )


def derived_id(prefix: str, *parts: str) -> str:
    """An id in EC2's form (prefix, 0, 16 hex digits) that is the same for the same parts."""
    digest = hashlib.sha256("/".join((prefix, *parts)).encode()).hexdigest()
    return f"{prefix}-0{digest[:16]}"


@lru_cache(maxsize=64)
def default_network(account: str, region: str) -> Network:
    """The default VPC as AWS makes it: 172.31.0.0/16, a public /20 per zone, everything it needs.

    The same ids for the same account and region, always.
    """

    def made(prefix: str, *what: str) -> str:
        return derived_id(prefix, account, region, *what)

    vpc_id, gateway_id = made("vpc"), made("igw")
    subnets = tuple(
        Subnet(
            account=account,
            region=region,
            id=made("subnet", zone.name),
            vpc_id=vpc_id,
            cidr=f"172.31.{16 * number}.0/20",
            zone=zone.name,
            zone_id=zone.id,
            acl_association_id=made("aclassoc", zone.name),
            default_for_az=True,
            map_public_ip=True,
        )
        for number, zone in enumerate(default_subnet_order(region))
    )
    return Network(
        vpc=Vpc(
            account=account,
            region=region,
            id=vpc_id,
            cidr="172.31.0.0/16",
            association_id=made("vpc-cidr-assoc"),
            dhcp_options_id=made("dopt"),
            is_default=True,
            dns_hostnames=True,
        ),
        subnets=subnets,
        internet_gateway=InternetGateway(account=account, region=region, id=gateway_id, vpc_id=vpc_id),
        route_table=RouteTable(
            account=account,
            region=region,
            id=made("rtb"),
            vpc_id=vpc_id,
            routes=(
                Route(destination="172.31.0.0/16", gateway="local", origin="CreateRouteTable"),
                Route(destination=ANYWHERE, gateway=gateway_id),
            ),
            associations=(RouteAssociation(id=made("rtbassoc"), main=True),),
        ),
        network_acl=NetworkAcl(account=account, region=region, id=made("acl"), vpc_id=vpc_id),
        security_group=default_security_group(
            account, region, vpc_id, made("sg"), (made("sgr", "in"), made("sgr", "out"))
        ),
        dhcp_options=DhcpOptions(
            account=account, region=region, id=made("dopt"), values=default_dhcp_values(region)
        ),
    )


def zones_with_default_subnet(view: Reader, account: str, region: str) -> tuple[str, ...]:
    """What Fn::GetAZs returns: the names of the zones that have a default subnet, or of all where none has."""
    every = tuple(zone.name for zone in zones(region))
    if view.get(Established, f"{account}/{region}/") is None:
        return every
    subnets = view.scan(Subnet, f"{account}/{region}/")
    return tuple(sorted({subnet.zone for subnet in subnets if subnet.default_for_az})) or every
