"""VPCs and their attributes. What comes with one: main route table, default ACL, default group."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import (
    InternetGateway,
    NetworkAcl,
    NetworkInterface,
    Route,
    RouteAssociation,
    RouteTable,
    SecurityGroup,
    Subnet,
    Vpc,
    default_security_group,
)
from neargate.model.ec2_edges import EgressOnlyGateway, NatGateway, Peering, VpcEndpoint, VpnGateway
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import cidr_blocks, dhcp_options, tagging
from neargate.services.ec2.cidr import vpc_cidr
from neargate.services.ec2.estate import (
    chosen,
    dependency,
    everything,
    invalid,
    new_id,
    reads,
    require,
    vpc_of,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select


@writes("CreateVpc", "CidrBlock InstanceTenancy TagSpecifications AmazonProvidedIpv6CidrBlock")
def create_vpc(cx: Context, request: Json) -> Json:
    cidr = vpc_cidr(request.get("CidrBlock"))
    vpc = attrs.evolve(
        plant(cx, new_id(cx, "vpc"), cidr),
        tenancy=request.get("InstanceTenancy") or "default",
        tags=tagging.given(cx, request, "vpc"),
    )
    cx.tx.put(vpc)
    if request.get("AmazonProvidedIpv6CidrBlock"):
        vpc, _ = cidr_blocks.give_ipv6(cx, vpc)
    answer = {**_described(vpc), "State": "pending"}
    del answer["BlockPublicAccessStates"]  # only shown later
    return {"Vpc": answer}


def plant(cx: Context, vpc_id: str, cidr: str) -> Vpc:
    """A VPC of that id with what AWS makes along with it: main route table, default ACL, default group."""
    options = dhcp_options.default_options(cx)
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


@writes("ModifyVpcTenancy", "VpcId InstanceTenancy")
def modify_vpc_tenancy(cx: Context, request: Json) -> Json:
    """Only from `dedicated` to `default`."""
    vpc = require(cx, Vpc, request["VpcId"])
    if request["InstanceTenancy"] != "default":
        raise invalid(f"Value ({request['InstanceTenancy']}) for parameter instanceTenancy is invalid.")
    cx.tx.put(attrs.evolve(vpc, tenancy="default"))
    return {"ReturnValue": True}


@writes("DeleteVpc", "VpcId")
def delete_vpc(cx: Context, request: Json) -> Json:
    """The main route table, default ACL and default group go with it; anything else stands in the way."""
    vpc = require(cx, Vpc, request["VpcId"])
    if _is_occupied(cx, vpc):
        raise dependency(f"The vpc '{vpc.id}' has dependencies and cannot be deleted.")
    for kind in (RouteTable, SecurityGroup, NetworkAcl):
        for record in everything(cx, kind):
            if vpc_of(record) == vpc.id:
                cx.tx.delete(kind, record.key)
    cx.tx.delete(Vpc, vpc.key)
    return {}


def _is_occupied(cx: Context, vpc: Vpc) -> bool:
    """Whether anything stands in it but what came with it."""
    tables = [table for table in everything(cx, RouteTable) if table.vpc_id == vpc.id]
    groups = [group for group in everything(cx, SecurityGroup) if group.vpc_id == vpc.id]
    acls = [acl for acl in everything(cx, NetworkAcl) if acl.vpc_id == vpc.id]
    own = (
        any(not table.main for table in tables)
        or any(group.name != "default" for group in groups)
        or any(not acl.is_default for acl in acls)
    )
    ends = {end for peering in everything(cx, Peering) for end in peering.vpc_ids}
    kinds = (
        Subnet,
        InternetGateway,
        NetworkInterface,
        NatGateway,
        VpcEndpoint,
        EgressOnlyGateway,
        VpnGateway,
    )
    return (
        own
        or vpc.id in ends
        or any(vpc_of(other) == vpc.id for kind in kinds for other in everything(cx, kind))
    )


def _described(vpc: Vpc) -> Json:
    return {
        "OwnerId": vpc.account,
        "InstanceTenancy": vpc.tenancy,
        "Ipv6CidrBlockAssociationSet": [cidr_blocks.described_ipv6(vpc, block) for block in vpc.ipv6],
        "CidrBlockAssociationSet": [
            cidr_blocks.described_ipv4(block) for block in cidr_blocks.ipv4_blocks(vpc)
        ],
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
        "cidr-block-association.association-id": [block.id for block in cidr_blocks.ipv4_blocks(vpc)],
        "cidr-block-association.cidr-block": vpc.cidrs,
        "cidr-block-association.state": "associated",
        "dhcp-options-id": vpc.dhcp_options_id,
        "ipv6-cidr-block-association.association-id": [block.id for block in vpc.ipv6],
        "ipv6-cidr-block-association.ipv6-cidr-block": [block.cidr for block in vpc.ipv6],
        "ipv6-cidr-block-association.ipv6-pool": "Amazon" if vpc.ipv6 else (),
        "ipv6-cidr-block-association.state": "associated" if vpc.ipv6 else (),
        "is-default": vpc.is_default,
        "isDefault": vpc.is_default,
        "owner-id": vpc.account,
        "state": "available",
        "tags": vpc.tags,
        "vpc-id": vpc.id,
    }
