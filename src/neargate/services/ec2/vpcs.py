"""VPCs, their attributes, and the parts that come with one: default ACL, DHCP options."""

from __future__ import annotations

import ipaddress

import attrs

from neargate.model import tags
from neargate.model.ec2 import (
    DhcpOptions,
    InternetGateway,
    NetworkAcl,
    NetworkInterface,
    Route,
    RouteAssociation,
    RouteTable,
    SecurityGroup,
    Subnet,
    Vpc,
    default_network,
    default_security_group,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import (
    chosen,
    dependency,
    everything,
    find,
    invalid,
    new_id,
    reads,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select


@writes("CreateVpc", "CidrBlock InstanceTenancy TagSpecifications")
def create_vpc(cx: Context, request: Json) -> Json:
    cidr = vpc_cidr(request.get("CidrBlock"))
    vpc = attrs.evolve(
        plant(cx, new_id(cx, "vpc"), cidr),
        tenancy=request.get("InstanceTenancy") or "default",
        tags=tagging.given(cx, request, "vpc"),
    )
    cx.tx.put(vpc)
    return {"Vpc": {**_described(vpc), "State": "pending"}}


def plant(cx: Context, vpc_id: str, cidr: str) -> Vpc:
    """A VPC of that id with what AWS makes along with it: main route table, default ACL, default group."""
    options = _dhcp_options(cx)
    vpc = Vpc(
        account=cx.account,
        region=cx.region,
        id=vpc_id,
        cidr=cidr,
        association_id=new_id(cx, "vpc-cidr-assoc"),
        dhcp_options_id=options.id,
    )
    table = RouteTable(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "rtb"),
        vpc_id=vpc_id,
        routes=(Route(destination=cidr, gateway="local", origin="CreateRouteTable"),),
        associations=(RouteAssociation(id=new_id(cx, "rtbassoc"), main=True),),
    )
    acl = NetworkAcl(account=cx.account, region=cx.region, id=new_id(cx, "acl"), vpc_id=vpc_id)
    group = default_security_group(
        cx.account, cx.region, vpc_id, new_id(cx, "sg"), (new_id(cx, "sgr"), new_id(cx, "sgr"))
    )
    for record in (vpc, table, acl, group):
        cx.tx.put(record)
    return vpc


def _dhcp_options(cx: Context) -> DhcpOptions:
    """The account's default option set; made anew where it went with the default VPC."""
    derived = default_network(cx.account, cx.region).dhcp_options
    found = find(cx, DhcpOptions, derived.id)
    if found is None:
        cx.tx.put(derived)
        return derived
    return found


def vpc_cidr(text: str | None) -> str:
    """A VPC's CIDR block, canonical: /16 to /28."""
    if text is None:
        raise AwsError(
            "MissingParameter",
            "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided when creating VPC resource.",
        )
    network = parsed_cidr(text)
    if not 16 <= network.prefixlen <= 28:
        raise AwsError("InvalidVpc.Range", f"The CIDR '{text}' is invalid.")
    return str(network)


def parsed_cidr(text: str) -> ipaddress.IPv4Network:
    """A CIDR block; bits right of the mask are cleared, as AWS does."""
    if "/" not in text:
        raise invalid(f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.")
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise invalid(
            f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        ) from None


@reads("DescribeVpcs")
def describe_vpcs(cx: Context, request: Json) -> Json:
    found = select(chosen(cx, Vpc, request.get("VpcIds")), request.get("Filters"), _fields)
    return page(request, "Vpcs", found, _described)


@reads("DescribeVpcAttribute")
def describe_vpc_attribute(cx: Context, request: Json) -> Json:
    vpc = require(cx, Vpc, request["VpcId"])
    values = {
        "enableDnsSupport": ("EnableDnsSupport", vpc.dns_support),
        "enableDnsHostnames": ("EnableDnsHostnames", vpc.dns_hostnames),
        "enableNetworkAddressUsageMetrics": ("EnableNetworkAddressUsageMetrics", vpc.address_usage_metrics),
    }
    member, value = values[request["Attribute"]]
    return {"VpcId": vpc.id, member: {"Value": value}}


@writes("ModifyVpcAttribute", "VpcId EnableDnsHostnames EnableDnsSupport EnableNetworkAddressUsageMetrics")
def modify_vpc_attribute(cx: Context, request: Json) -> Json:
    vpc = require(cx, Vpc, request["VpcId"])
    members = ("EnableDnsHostnames", "EnableDnsSupport", "EnableNetworkAddressUsageMetrics")
    changed = [member for member in members if request.get(member) is not None]
    if len(changed) != 1:
        raise AwsError("InvalidParameterCombination", "Exactly one attribute must be given")
    value = bool(request[changed[0]].get("Value"))
    if changed[0] == "EnableDnsHostnames":
        vpc = attrs.evolve(vpc, dns_hostnames=value)
    elif changed[0] == "EnableDnsSupport":
        vpc = attrs.evolve(vpc, dns_support=value)
    else:
        vpc = attrs.evolve(vpc, address_usage_metrics=value)
    cx.tx.put(vpc)
    return {}


@writes("DeleteVpc", "VpcId")
def delete_vpc(cx: Context, request: Json) -> Json:
    """The main route table, default ACL and default group go with it; anything else stands in the way."""
    vpc = require(cx, Vpc, request["VpcId"])
    tables = [table for table in everything(cx, RouteTable) if table.vpc_id == vpc.id]
    groups = [group for group in everything(cx, SecurityGroup) if group.vpc_id == vpc.id]
    occupied = (
        any(subnet.vpc_id == vpc.id for subnet in everything(cx, Subnet))
        or any(gateway.vpc_id == vpc.id for gateway in everything(cx, InternetGateway))
        or any(not table.main for table in tables)
        or any(group.name != "default" for group in groups)
        or any(interface.vpc_id == vpc.id for interface in everything(cx, NetworkInterface))
    )
    if occupied:
        raise dependency(f"The vpc '{vpc.id}' has dependencies and cannot be deleted.")
    acls = [acl for acl in everything(cx, NetworkAcl) if acl.vpc_id == vpc.id]
    for table in tables:
        cx.tx.delete(RouteTable, table.key)
    for group in groups:
        cx.tx.delete(SecurityGroup, group.key)
    for acl in acls:
        cx.tx.delete(NetworkAcl, acl.key)
    cx.tx.delete(Vpc, vpc.key)
    return {}


@reads("DescribeNetworkAcls")
def describe_network_acls(cx: Context, request: Json) -> Json:
    subnets = everything(cx, Subnet)
    described = [_described_acl(acl, subnets) for acl in chosen(cx, NetworkAcl, request.get("NetworkAclIds"))]
    found = select(described, request.get("Filters"), _acl_fields)
    return page(request, "NetworkAcls", found, dict)


@reads("DescribeDhcpOptions")
def describe_dhcp_options(cx: Context, request: Json) -> Json:
    found = select(
        chosen(cx, DhcpOptions, request.get("DhcpOptionsIds")),
        request.get("Filters"),
        lambda options: {
            "dhcp-options-id": options.id,
            "key": ("domain-name", "domain-name-servers"),
            "value": (options.domain, "AmazonProvidedDNS"),
            "owner-id": options.account,
            "tags": options.tags,
        },
    )
    return page(request, "DhcpOptions", found, _described_options)


def _described(vpc: Vpc) -> Json:
    association = {
        "AssociationId": vpc.association_id,
        "CidrBlock": vpc.cidr,
        "CidrBlockState": {"State": "associated"},
    }
    return {
        "OwnerId": vpc.account,
        "InstanceTenancy": vpc.tenancy,
        "Ipv6CidrBlockAssociationSet": [],
        "CidrBlockAssociationSet": [association],
        "IsDefault": vpc.is_default,
        "Tags": tags.upper(vpc.tags),
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
        "VpcId": vpc.id,
        "State": "available",
        "CidrBlock": vpc.cidr,
        "DhcpOptionsId": vpc.dhcp_options_id,
    }


def _fields(vpc: Vpc) -> Fields:
    return {
        "cidr": vpc.cidr,
        "cidr-block-association.association-id": vpc.association_id,
        "cidr-block-association.cidr-block": vpc.cidr,
        "cidr-block-association.state": "associated",
        "dhcp-options-id": vpc.dhcp_options_id,
        "ipv6-cidr-block-association.association-id": (),
        "ipv6-cidr-block-association.ipv6-cidr-block": (),
        "ipv6-cidr-block-association.ipv6-pool": (),
        "ipv6-cidr-block-association.state": (),
        "is-default": vpc.is_default,
        "isDefault": vpc.is_default,
        "owner-id": vpc.account,
        "state": "available",
        "tags": vpc.tags,
        "vpc-id": vpc.id,
    }


def _described_acl(acl: NetworkAcl, subnets: list[Subnet]) -> Json:
    entries = [
        {
            "CidrBlock": "0.0.0.0/0",
            "Egress": egress,
            "Protocol": "-1",
            "RuleAction": action,
            "RuleNumber": number,
        }
        for egress in (True, False)
        for number, action in ((100, "allow"), (32767, "deny"))
    ]
    associations = [
        {"NetworkAclAssociationId": s.acl_association_id, "NetworkAclId": acl.id, "SubnetId": s.id}
        for s in subnets
        if s.vpc_id == acl.vpc_id
    ]
    return {
        "Associations": associations,
        "Entries": entries,
        "IsDefault": acl.is_default,
        "NetworkAclId": acl.id,
        "Tags": tags.upper(acl.tags),
        "VpcId": acl.vpc_id,
        "OwnerId": acl.account,
    }


def _acl_fields(acl: Json) -> Fields:
    associations, entries = acl["Associations"], acl["Entries"]
    return {
        "association.association-id": [one["NetworkAclAssociationId"] for one in associations],
        "association.network-acl-id": [one["NetworkAclId"] for one in associations],
        "association.subnet-id": [one["SubnetId"] for one in associations],
        "default": acl["IsDefault"],
        "entry.cidr": [one["CidrBlock"] for one in entries],
        "entry.egress": ("true", "false"),
        "entry.protocol": [one["Protocol"] for one in entries],
        "entry.rule-action": [one["RuleAction"] for one in entries],
        "entry.rule-number": [str(one["RuleNumber"]) for one in entries],
        "network-acl-id": acl["NetworkAclId"],
        "owner-id": acl["OwnerId"],
        "tags": tags.from_list(acl["Tags"]),
        "vpc-id": acl["VpcId"],
    }


def _described_options(options: DhcpOptions) -> Json:
    values = {"domain-name": options.domain, "domain-name-servers": "AmazonProvidedDNS"}
    return {
        "DhcpOptionsId": options.id,
        "OwnerId": options.account,
        "Tags": tags.upper(options.tags),
        "DhcpConfigurations": [{"Key": key, "Values": [{"Value": value}]} for key, value in values.items()],
    }
