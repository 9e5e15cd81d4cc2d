"""Routes. They are recorded and shown; what a task reaches does not depend on them."""

from __future__ import annotations

import attrs

from neargate.model.ec2 import InternetGateway, NetworkInterface, Route, RouteTable
from neargate.model.ec2_edges import (
    EgressOnlyGateway,
    NatGateway,
    Peering,
    TransitGateway,
    TransitGatewayAttachment,
    VpnGateway,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import prefix_lists
from neargate.services.ec2.cidr import parsed_cidr, parsed_ipv6
from neargate.services.ec2.estate import everything, find, invalid, not_found, require, writes

TARGETS = {
    "igw": "GatewayId",
    "vgw": "GatewayId",
    "local": "GatewayId",
    "vpce": "GatewayId",
    "nat": "NatGatewayId",
    "eni": "NetworkInterfaceId",
    "pcx": "VpcPeeringConnectionId",
    "tgw": "TransitGatewayId",
    "eigw": "EgressOnlyInternetGatewayId",
}
"""The member in which a route's target is shown, by the prefix of its id."""

_DESTINATIONS = "DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId"
_GIVEN = (
    "GatewayId NatGatewayId NetworkInterfaceId VpcPeeringConnectionId EgressOnlyInternetGatewayId TransitGatewayId "
    "InstanceId"
)
_MEMBERS = f"RouteTableId {_DESTINATIONS} {_GIVEN}"


@writes("CreateRoute", _MEMBERS)
def create_route(cx: Context, request: Json) -> Json:
    """The same route again is accepted; another one to the same destination is not."""
    table, destination = _where(cx, request)
    target = _target(cx, table, request)
    existing = to(table, destination)
    if existing is not None and existing.gateway != target:
        raise AwsError("RouteAlreadyExists", f"The route identified by {destination} already exists.")
    if existing is None:
        routes = (*table.routes, Route(destination=destination, gateway=target))
        cx.tx.put(attrs.evolve(table, routes=routes))
    return {"Return": True}


@writes("ReplaceRoute", f"{_MEMBERS} LocalTarget")
def replace_route(cx: Context, request: Json) -> Json:
    table, destination = _where(cx, request)
    target = "local" if request.get("LocalTarget") else _target(cx, table, request)
    if to(table, destination) is None:
        raise invalid(
            f"There is no route defined for '{destination}' in the route table. Use CreateRoute instead."
        )
    routes = tuple(
        attrs.evolve(route, gateway=target) if route.destination == destination else route
        for route in table.routes
    )
    cx.tx.put(attrs.evolve(table, routes=routes))
    return {}


@writes("DeleteRoute", f"RouteTableId {_DESTINATIONS}")
def delete_route(cx: Context, request: Json) -> Json:
    table, destination = _where(cx, request)
    existing = to(table, destination)
    if existing is None:
        member = _member(request)[0]
        word = {
            "DestinationCidrBlock": "destination-cidr-block",
            "DestinationIpv6CidrBlock": "destination-ipv6-cidr-block",
            "DestinationPrefixListId": "destination-prefix-list-id",
        }[member]
        raise AwsError(
            "InvalidRoute.NotFound", f"no route with {word} {destination} in route table {table.id}"
        )
    if existing.gateway == "local" and existing.origin == "CreateRouteTable":
        raise invalid(f"cannot remove local route {destination} in route table {table.id}")
    if existing.gateway.startswith("vpce-"):
        raise invalid(f"cannot remove VPC endpoint route {destination} in route table {table.id}")
    kept = tuple(route for route in table.routes if route.destination != destination)
    cx.tx.put(attrs.evolve(table, routes=kept))
    return {}


def to(table: RouteTable, destination: str) -> Route | None:
    """The table's route to exactly that destination."""
    return next((route for route in table.routes if route.destination == destination), None)


def leads_somewhere(cx: Context, table: RouteTable, route: Route) -> bool:
    """Whether its target is there and attached; a route that leads nowhere is a blackhole."""
    target = route.gateway
    match target.partition("-")[0]:
        case "igw":
            gateway = find(cx, InternetGateway, target)
            return gateway is not None and gateway.vpc_id == table.vpc_id
        case "vgw":
            vpn = find(cx, VpnGateway, target)
            return vpn is not None and vpn.vpc_id == table.vpc_id
        case "nat":
            return find(cx, NatGateway, target) is not None
        case "eni":
            interface = find(cx, NetworkInterface, target)
            return interface is not None and interface.status == "in-use"
        case "pcx":
            peering = find(cx, Peering, target)
            return peering is not None and peering.status == "active"
        case "tgw":
            return _is_attached(cx, table, target)
        case "eigw":
            return find(cx, EgressOnlyGateway, target) is not None
        case _:
            return True


def _where(cx: Context, request: Json) -> tuple[RouteTable, str]:
    """The route table and the destination, canonical."""
    table = require(cx, RouteTable, request["RouteTableId"])
    member, text = _member(request)
    if member == "DestinationCidrBlock":
        return table, str(parsed_cidr(text, "destinationCidrBlock"))
    if member == "DestinationIpv6CidrBlock":
        return table, str(parsed_ipv6(text, "destinationIpv6CidrBlock"))
    prefix_lists.check_exists(cx, text)
    return table, text


def _member(request: Json) -> tuple[str, str]:
    given = [(member, str(request[member])) for member in _DESTINATIONS.split() if request.get(member)]
    if not given:
        raise AwsError("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    if len(given) > 1:
        raise AwsError(
            "InvalidParameterCombination",
            "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock or "
            "destinationPrefixListId",
        )
    return given[0]


def _target(cx: Context, table: RouteTable, request: Json) -> str:
    """The id of what the route is to lead to, checked."""
    given = [(member, str(request[member])) for member in _GIVEN.split() if request.get(member)]
    if len(given) != 1:
        raise AwsError(
            "MissingParameter",
            "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, "
            "vpcPeeringConnectionId or transitGatewayId",
        )
    member, target = given[0]
    if member == "GatewayId":
        return _gateway(cx, table, target)
    if member == "InstanceId":
        raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{target}' does not exist")
    if member == "VpcPeeringConnectionId":
        peering = find(cx, Peering, target)
        if peering is None:
            raise not_found(Peering, [target])
        _same_network(table, target, "VPC peering connection", *peering.vpc_ids)
    elif member == "NatGatewayId":
        nat = find(cx, NatGateway, target)
        if nat is None:
            raise AwsError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{target}' does not exist")
        _same_network(table, target, "nat gateway", nat.vpc_id)
    elif member == "TransitGatewayId":
        require(cx, TransitGateway, target)
        if not _is_attached(cx, table, target):
            raise AwsError(
                "InvalidTransitGatewayID.NotFound", f"The transitGateway ID '{target}' does not exist."
            )
    elif member == "NetworkInterfaceId":
        _same_network(table, target, "interface", require(cx, NetworkInterface, target).vpc_id)
    else:
        gateway = require(cx, EgressOnlyGateway, target)
        _same_network(table, target, "egress only internet gateway", gateway.vpc_id)
    return target


def _is_attached(cx: Context, table: RouteTable, gateway: str) -> bool:
    """Whether the table's VPC is attached to the transit gateway."""
    attached = [(one.gateway_id, one.vpc_id) for one in everything(cx, TransitGatewayAttachment)]
    return (gateway, table.vpc_id) in attached


def _gateway(cx: Context, table: RouteTable, target: str) -> str:
    """An internet gateway or a virtual private gateway of the table's VPC, or `local`."""
    if target == "local":
        raise invalid(
            "The destination CIDR block of a local route must equal or be inside a VPC's CIDR block."
        )
    gateway = find(cx, VpnGateway if target.startswith("vgw-") else InternetGateway, target)
    if gateway is None:
        raise AwsError("InvalidGatewayID.NotFound", f"The gateway ID '{target}' does not exist")
    _same_network(table, target, "network gateway", getattr(gateway, "vpc_id", None))
    return gateway.id


def _same_network(table: RouteTable, target: str, word: str, *vpcs: str | None) -> None:
    if table.vpc_id not in vpcs:
        raise invalid(f"route table {table.id} and {word} {target} belong to different networks")
