"""Adopting ids of a real account that a project's parameter files name.

The files stay as they are, so here the ids come to mean something: a VPC like the default one, public subnets
in successive zones, security groups that let everything out and let the VPC in.
"""

from __future__ import annotations

import re

import attrs

from neargate.model.ec2 import (
    ANYWHERE,
    InternetGateway,
    Route,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
    allow_all_egress,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.zones import zones
from neargate.services.ec2 import subnets, vpcs
from neargate.services.ec2.cidr import parsed_cidr
from neargate.services.ec2.estate import default_vpc, establish, everything, find, new_id

_CIDR = "172.31.0.0/16"
_FORMS = {"vpcs": "vpc", "subnets": "subnet", "security_groups": "sg"}


def adopt(cx: Context, groups: list[Json]) -> dict[str, list[str]]:
    """Make the ids of each group exist. A group holds what one parameter file names:
    `{"vpcs": [id…], "subnets": [id…], "security_groups": [id…]}`; its subnets and security groups belong to its
    first VPC, or, where it names none, to the VPC of a subnet that exists, or to the default VPC.

    Idempotent. Returns `{"adopted": [id…], "existing": [id…]}` in the order in which they were named. Raises
    InvalidParameterValue for text that is no such id, InvalidSubnet.Conflict where a VPC has no block left.
    """
    establish(cx)
    adopted: list[str] = []
    existing: list[str] = []

    def note(resource: str, *, known: bool) -> None:
        if resource not in adopted and resource not in existing:
            (existing if known else adopted).append(resource)

    for group in groups:
        _check_forms(group)
        for vpc_id in group.get("vpcs") or ():
            known = find(cx, Vpc, vpc_id) is not None
            note(vpc_id, known=known)
            if not known:
                _adopt_vpc(cx, vpc_id)
        home = _home(cx, group)
        for subnet_id in group.get("subnets") or ():
            known = find(cx, Subnet, subnet_id) is not None
            note(subnet_id, known=known)
            if not known:
                _adopt_subnet(cx, subnet_id, home)
        for group_id in group.get("security_groups") or ():
            known = find(cx, SecurityGroup, group_id) is not None
            note(group_id, known=known)
            if not known:
                _adopt_group(cx, group_id, home)
    return {"adopted": adopted, "existing": existing}


def _check_forms(group: Json) -> None:
    for member, prefix in _FORMS.items():
        for resource in group.get(member) or ():
            if not re.fullmatch(rf"{prefix}-[0-9a-z]{{1,40}}", resource):
                raise AwsError(
                    "InvalidParameterValue", f'Invalid id: "{resource}" (expecting "{prefix}-...")'
                )


def _home(cx: Context, group: Json) -> Vpc:
    """The VPC that the group's subnets and security groups belong to."""
    named = [*(group.get("vpcs") or ())]
    for subnet_id in group.get("subnets") or ():
        subnet = find(cx, Subnet, subnet_id)
        if subnet is not None:
            named.append(subnet.vpc_id)
    vpc = find(cx, Vpc, named[0]) if named else default_vpc(cx)
    if vpc is None:
        raise AwsError("VPCIdNotSpecified", "No default VPC for this user")
    return vpc


def _adopt_vpc(cx: Context, vpc_id: str) -> None:
    vpc = attrs.evolve(vpcs.plant(cx, vpc_id, _CIDR), dns_hostnames=True)
    gateway = InternetGateway(account=cx.account, region=cx.region, id=new_id(cx, "igw"), vpc_id=vpc_id)
    table = next(table for table in everything(cx, RouteTable) if table.vpc_id == vpc_id)
    out = Route(destination=ANYWHERE, gateway=gateway.id)
    for record in (vpc, gateway, attrs.evolve(table, routes=(*table.routes, out))):
        cx.tx.put(record)


def _adopt_subnet(cx: Context, subnet_id: str, vpc: Vpc) -> None:
    """The next free sixteenth of the VPC (/20 of a /16), in the zone that has the fewest of its subnets."""
    network = parsed_cidr(vpc.cidr)
    here = [subnet for subnet in everything(cx, Subnet) if subnet.vpc_id == vpc.id]
    taken = [parsed_cidr(subnet.cidr) for subnet in here]
    blocks = network.subnets(new_prefix=min(network.prefixlen + 4, 28))
    free = next((block for block in blocks if not any(block.overlaps(other) for other in taken)), None)
    if free is None:
        raise AwsError("InvalidSubnet.Conflict", f"The VPC {vpc.id} has no block left for subnet {subnet_id}")
    zone = min(zones(cx.region), key=lambda zone: sum(1 for subnet in here if subnet.zone == zone.name))
    subnet = subnets.plant(cx, subnet_id, vpc.id, str(free), zone)
    cx.tx.put(attrs.evolve(subnet, map_public_ip=True, adopted=True))


def _adopt_group(cx: Context, group_id: str, vpc: Vpc) -> None:
    inside = SecurityGroupRule(id=new_id(cx, "sgr"), egress=False, protocol="-1", cidr4=vpc.cidr)
    cx.tx.put(
        SecurityGroup(
            account=cx.account,
            region=cx.region,
            id=group_id,
            name=group_id.replace("sg-", "adopted-", 1),
            description="Adopted from a parameter file",
            vpc_id=vpc.id,
            rules=(inside, allow_all_egress(new_id(cx, "sgr"))),
        )
    )
