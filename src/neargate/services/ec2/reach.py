"""Whether a network interface leads to AWS's services (facts 5.4): asked by whoever needs them from inside a VPC.

On AWS packets of a subnet without a way out are lost. Here they would get out all the same, so the subnet's routes,
the public address, VPC endpoints and the security groups' egress are asked instead.
"""

from __future__ import annotations

from collections.abc import Iterable

from neargate.model.ec2 import ANYWHERE, Route, RouteTable, SecurityGroup, Subnet
from neargate.model.ec2_edges import NatGateway, VpcEndpoint
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ec2.estate import everything, find

_HTTPS = 443


@operation("ec2.reach", "Reaches", reads=True)
def reaches(cx: Context, request: Json) -> Json:
    """`{SubnetId, GroupIds, PublicIp, Services}` → `{Reached}`. `Services` are the names in endpoints' names
    (`ecr.api`, `logs`); without any the way out of the VPC is asked for. Not an operation of AWS's."""
    reached = _reaches(
        cx, request["SubnetId"], request["GroupIds"], bool(request["PublicIp"]), request["Services"]
    )
    return {"Reached": reached}


def _reaches(
    cx: Context, subnet_id: str, groups: Iterable[str], public_ip: bool, services: Iterable[str]
) -> bool:
    subnet = find(cx, Subnet, subnet_id)
    if subnet is None:
        return True  # it has gone; whoever needs it will say so
    if subnet.adopted:
        return True  # a real account's subnet, whose routes nobody knows here
    if not _lets_https_out(cx, groups):
        return False
    table = _table_of(cx, subnet)
    if table is not None and _leads_out(cx, table, public_ip):
        return True
    wanted = [f"com.amazonaws.{cx.region}.{name}" for name in services]
    return bool(wanted) and all(_has_endpoint(cx, subnet, table, name) for name in wanted)


def _lets_https_out(cx: Context, group_ids: Iterable[str]) -> bool:
    """A VPC's default group, which a task without groups gets, is asked only where it is named."""
    groups = [find(cx, SecurityGroup, group_id) for group_id in group_ids]
    if not groups:
        return True
    rules = [rule for group in groups if group is not None for rule in group.rules if rule.egress]
    return any(
        rule.protocol == "-1" or (rule.protocol in ("tcp", "6") and rule.from_port <= _HTTPS <= rule.to_port)
        for rule in rules
    )


def _table_of(cx: Context, subnet: Subnet) -> RouteTable | None:
    tables = [table for table in everything(cx, RouteTable) if table.vpc_id == subnet.vpc_id]
    for table in tables:
        if any(association.subnet_id == subnet.id for association in table.associations):
            return table
    return next((table for table in tables if table.main), None)


def _leads_out(cx: Context, table: RouteTable, public_ip: bool) -> bool:
    return any(_carries(cx, route, public_ip) for route in table.routes if route.destination == ANYWHERE)


def _carries(cx: Context, route: Route, public_ip: bool) -> bool:
    """An internet gateway serves public addresses only; what leads to other networks is taken to lead on."""
    kind = route.gateway.partition("-")[0]
    if kind == "igw":
        return public_ip
    if kind == "nat":
        gateway = find(cx, NatGateway, route.gateway)
        return gateway is not None and gateway.connectivity == "public" and gateway.failure is None
    return kind not in ("local", "blackhole")


def _has_endpoint(cx: Context, subnet: Subnet, table: RouteTable | None, service: str) -> bool:
    for endpoint in everything(cx, VpcEndpoint):
        if endpoint.vpc_id != subnet.vpc_id or endpoint.service != service:
            continue
        if endpoint.type == "Gateway":
            if table is not None and table.id in endpoint.route_table_ids:
                return True
        elif endpoint.private_dns:
            return True
    return False
