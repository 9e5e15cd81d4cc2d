"""CIDR blocks beside the first one: further IPv4 blocks of a VPC, IPv6 blocks of VPCs and subnets."""

from __future__ import annotations

import ipaddress

import attrs

from neargate.model.ec2 import AclEntry, Block, NetworkAcl, Route, RouteTable, Subnet, Vpc
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2.cidr import parsed_ipv6, vpc_cidr
from neargate.services.ec2.estate import dependency, everything, invalid, new_id, require, writes

_IPV6 = ipaddress.IPv6Network("2001:db8::/32")
"""Where the blocks that Amazon would provide come from: addresses that are nobody's (RFC 3849)."""


@writes(
    "AssociateVpcCidrBlock", "VpcId CidrBlock AmazonProvidedIpv6CidrBlock Ipv6CidrBlockNetworkBorderGroup"
)
def associate_vpc_cidr_block(cx: Context, request: Json) -> Json:
    vpc = require(cx, Vpc, request["VpcId"])
    if request.get("AmazonProvidedIpv6CidrBlock"):
        vpc, block = give_ipv6(cx, vpc)
        shown = {**described_ipv6(vpc, block), "Ipv6CidrBlockState": {"State": "associating"}}
        return {"VpcId": vpc.id, "Ipv6CidrBlockAssociation": shown}
    if not request.get("CidrBlock"):
        raise AwsError(
            "MissingParameter", "The request must contain either an IPv4 or IPv6 CIDR block, or an IPAM pool."
        )
    block = Block(id=new_id(cx, "vpc-cidr-assoc"), cidr=vpc_cidr(request["CidrBlock"]))
    network = ipaddress.IPv4Network(block.cidr)
    if any(network.overlaps(ipaddress.IPv4Network(cidr)) for cidr in vpc.cidrs):
        raise AwsError("InvalidVpc.Range", f"The CIDR '{block.cidr}' conflicts with another CIDR of the VPC")
    cx.tx.put(attrs.evolve(vpc, secondary=(*vpc.secondary, block)))
    _route_locally(cx, vpc.id, block.cidr)
    shown = {**described_ipv4(block), "CidrBlockState": {"State": "associating"}}
    return {"VpcId": vpc.id, "CidrBlockAssociation": shown}


@writes("DisassociateVpcCidrBlock", "AssociationId")
def disassociate_vpc_cidr_block(cx: Context, request: Json) -> Json:
    wanted = request["AssociationId"]
    vpc = next((vpc for vpc in everything(cx, Vpc) if wanted in {b.id for b in _blocks(vpc)}), None)
    if vpc is None:
        raise AwsError(
            "InvalidVpcCidrBlockAssociationID.NotFound",
            f"The vpc CIDR block association ID '{wanted}' does not exist",
        )
    if wanted == vpc.association_id:
        raise AwsError(
            "OperationNotPermitted",
            f"The vpc CIDR block with association ID {wanted} may not be disassociated. It is the primary IPv4 "
            "CIDR block of the VPC",
        )
    block = next(block for block in _blocks(vpc) if block.id == wanted)
    _refuse_used(cx, vpc, block)
    vpc = attrs.evolve(
        vpc,
        secondary=tuple(b for b in vpc.secondary if b.id != wanted),
        ipv6=tuple(b for b in vpc.ipv6 if b.id != wanted),
    )
    cx.tx.put(vpc)
    for table in everything(cx, RouteTable):
        if table.vpc_id == vpc.id:
            kept = tuple(r for r in table.routes if (r.destination, r.gateway) != (block.cidr, "local"))
            cx.tx.put(attrs.evolve(table, routes=kept))
    gone = {"State": "disassociating"}
    if ":" in block.cidr:
        shown = {**described_ipv6(vpc, block), "Ipv6CidrBlockState": gone}
        return {"VpcId": vpc.id, "Ipv6CidrBlockAssociation": shown}
    return {"VpcId": vpc.id, "CidrBlockAssociation": {**described_ipv4(block), "CidrBlockState": gone}}


@writes("AssociateSubnetCidrBlock", "SubnetId Ipv6CidrBlock")
def associate_subnet_cidr_block(cx: Context, request: Json) -> Json:
    subnet = require(cx, Subnet, request["SubnetId"])
    if not request.get("Ipv6CidrBlock"):
        raise AwsError("MissingParameter", "The request must contain the parameter ipv6CidrBlock")
    subnet, block = give_subnet_ipv6(cx, subnet, request["Ipv6CidrBlock"])
    shown = {**described_subnet_ipv6(block), "Ipv6CidrBlockState": {"State": "associating"}}
    return {"SubnetId": subnet.id, "Ipv6CidrBlockAssociation": shown}


@writes("DisassociateSubnetCidrBlock", "AssociationId")
def disassociate_subnet_cidr_block(cx: Context, request: Json) -> Json:
    wanted = request["AssociationId"]
    for subnet in everything(cx, Subnet):
        for block in subnet.ipv6:
            if block.id == wanted:
                kept = tuple(other for other in subnet.ipv6 if other.id != wanted)
                cx.tx.put(attrs.evolve(subnet, ipv6=kept, assign_ipv6=subnet.assign_ipv6 and bool(kept)))
                shown = {**described_subnet_ipv6(block), "Ipv6CidrBlockState": {"State": "disassociating"}}
                return {"SubnetId": subnet.id, "Ipv6CidrBlockAssociation": shown}
    raise AwsError(
        "InvalidSubnetCidrBlockAssociationID.NotFound",
        f"The subnet CIDR block association ID '{wanted}' does not exist",
    )


def give_ipv6(cx: Context, vpc: Vpc) -> tuple[Vpc, Block]:
    """Give the VPC a /56 of its own, recorded."""
    if vpc.ipv6:
        raise AwsError(
            "CidrBlockAssociationLimitExceeded",
            f"The number of IPv6 CIDR blocks associated with {vpc.id} has reached its limit of 1.",
        )
    address = int(_IPV6.network_address) + (int(cx.ids.hex(6), 16) << 72)
    cidr = str(ipaddress.IPv6Network((address, 56)))
    block = Block(id=new_id(cx, "vpc-cidr-assoc"), cidr=cidr)
    vpc = attrs.evolve(vpc, ipv6=(block,))
    cx.tx.put(vpc)
    _route_locally(cx, vpc.id, cidr)
    for acl in everything(cx, NetworkAcl):
        if acl.vpc_id == vpc.id and acl.is_default:
            cx.tx.put(attrs.evolve(acl, entries=(*acl.entries, *_allow_ipv6(acl))))
    return vpc, block


def _allow_ipv6(acl: NetworkAcl) -> list[AclEntry]:
    """The default ACL lets IPv6 through as soon as its VPC has any."""
    have = {(entry.number, entry.egress) for entry in acl.entries}
    return [
        AclEntry(number=101, egress=egress, protocol="-1", action="allow", cidr6="::/0")
        for egress in (True, False)
        if (101, egress) not in have
    ]


def give_subnet_ipv6(cx: Context, subnet: Subnet, cidr: str) -> tuple[Subnet, Block]:
    """Associate a block of its VPC's with the subnet, recorded."""
    network = parsed_ipv6(cidr)
    vpc = require(cx, Vpc, subnet.vpc_id)
    inside = any(network.subnet_of(ipaddress.IPv6Network(block.cidr)) for block in vpc.ipv6)
    if not inside or not 44 <= network.prefixlen <= 64 or network.prefixlen % 4:
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    if subnet.ipv6:
        raise invalid(f"The subnet {subnet.id} already has an IPv6 CIDR block")
    for other in everything(cx, Subnet):
        if any(network.overlaps(ipaddress.IPv6Network(block.cidr)) for block in other.ipv6):
            raise AwsError("InvalidSubnet.Conflict", f"The CIDR '{network}' conflicts with another subnet")
    block = Block(id=new_id(cx, "subnet-cidr-assoc"), cidr=str(network))
    subnet = attrs.evolve(subnet, ipv6=(block,))
    cx.tx.put(subnet)
    return subnet, block


def _refuse_used(cx: Context, vpc: Vpc, block: Block) -> None:
    network = ipaddress.ip_network(block.cidr)
    for subnet in everything(cx, Subnet):
        cidrs = (subnet.cidr, *(other.cidr for other in subnet.ipv6))
        if subnet.vpc_id == vpc.id and any(network.overlaps(ipaddress.ip_network(cidr)) for cidr in cidrs):
            raise dependency(f"The vpc CIDR block '{block.cidr}' has dependencies and cannot be deleted.")


def _route_locally(cx: Context, vpc_id: str, cidr: str) -> None:
    """Every route table of a VPC has a local route for each of its blocks."""
    for table in everything(cx, RouteTable):
        if table.vpc_id == vpc_id:
            local = Route(destination=cidr, gateway="local", origin="CreateRouteTable")
            cx.tx.put(attrs.evolve(table, routes=(local, *table.routes)))


def ipv4_blocks(vpc: Vpc) -> list[Block]:
    """The VPC's IPv4 blocks, the first one first."""
    return [Block(id=vpc.association_id, cidr=vpc.cidr), *vpc.secondary]


def _blocks(vpc: Vpc) -> list[Block]:
    return [*ipv4_blocks(vpc), *vpc.ipv6]


def described_ipv4(block: Block) -> Json:
    return {"AssociationId": block.id, "CidrBlock": block.cidr, "CidrBlockState": {"State": "associated"}}


def described_ipv6(vpc: Vpc, block: Block) -> Json:
    return {
        **described_subnet_ipv6(block),
        "NetworkBorderGroup": vpc.region,
        "Ipv6Pool": "Amazon",
    }


def described_subnet_ipv6(block: Block) -> Json:
    return {
        "AssociationId": block.id,
        "Ipv6CidrBlock": block.cidr,
        "Ipv6CidrBlockState": {"State": "associated"},
        "Ipv6AddressAttribute": "public",
        "IpSource": "amazon",
    }
