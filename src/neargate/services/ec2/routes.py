"""Routes: to internet gateways, the one kind of target that exists here."""

from __future__ import annotations

import attrs

from neargate.model.ec2 import InternetGateway, Route, RouteTable
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2.estate import find, invalid, require, writes
from neargate.services.ec2.vpcs import parsed_cidr


@writes("CreateRoute", "RouteTableId DestinationCidrBlock GatewayId")
def create_route(cx: Context, request: Json) -> Json:
    """The same route again is accepted; another one to the same destination is not."""
    table, destination, gateway = _wanted(cx, request)
    existing = _to(table, destination)
    if existing is not None and existing.gateway != gateway:
        raise AwsError("RouteAlreadyExists", f"The route identified by {destination} already exists.")
    if existing is None:
        routes = (*table.routes, Route(destination=destination, gateway=gateway))
        cx.tx.put(attrs.evolve(table, routes=routes))
    return {"Return": True}


@writes("ReplaceRoute", "RouteTableId DestinationCidrBlock GatewayId")
def replace_route(cx: Context, request: Json) -> Json:
    table, destination, gateway = _wanted(cx, request)
    if _to(table, destination) is None:
        raise invalid(
            f"There is no route defined for '{destination}' in the route table. Use CreateRoute instead."
        )
    routes = tuple(
        attrs.evolve(route, gateway=gateway) if route.destination == destination else route
        for route in table.routes
    )
    cx.tx.put(attrs.evolve(table, routes=routes))
    return {}


@writes("DeleteRoute", "RouteTableId DestinationCidrBlock")
def delete_route(cx: Context, request: Json) -> Json:
    table = require(cx, RouteTable, request["RouteTableId"])
    destination = str(parsed_cidr(_destination(request)))
    existing = _to(table, destination)
    if existing is None:
        raise AwsError(
            "InvalidRoute.NotFound",
            f"no route with destination-cidr-block {destination} in route table {table.id}",
        )
    if existing.gateway == "local":
        raise invalid(f"cannot remove local route {destination} in route table {table.id}")
    kept = tuple(route for route in table.routes if route.destination != destination)
    cx.tx.put(attrs.evolve(table, routes=kept))
    return {}


def _wanted(cx: Context, request: Json) -> tuple[RouteTable, str, str]:
    table = require(cx, RouteTable, request["RouteTableId"])
    destination = str(parsed_cidr(_destination(request)))
    gateway_id = request.get("GatewayId")
    if not gateway_id:
        raise AwsError(
            "MissingParameter",
            "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, "
            "vpcPeeringConnectionId or transitGatewayId",
        )
    gateway = find(cx, InternetGateway, gateway_id)
    if gateway is None:
        raise AwsError("InvalidGatewayID.NotFound", f"The gateway ID '{gateway_id}' does not exist")
    if gateway.vpc_id != table.vpc_id:
        raise invalid(f"route table {table.id} and network gateway {gateway.id} belong to different networks")
    return table, destination, gateway.id


def _destination(request: Json) -> str:
    destination = request.get("DestinationCidrBlock")
    if not destination:
        raise AwsError("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    return str(destination)


def _to(table: RouteTable, destination: str) -> Route | None:
    return next((route for route in table.routes if route.destination == destination), None)
