"""Route tables and their associations with subnets."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import InternetGateway, Route, RouteAssociation, RouteTable, Subnet, Vpc
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

_ASSOCIATED = {"State": "associated"}


@writes("CreateRouteTable", "VpcId TagSpecifications")
def create_route_table(cx: Context, request: Json) -> Json:
    vpc = require(cx, Vpc, request["VpcId"])
    table = RouteTable(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "rtb"),
        vpc_id=vpc.id,
        routes=(Route(destination=vpc.cidr, gateway="local", origin="CreateRouteTable"),),
        tags=tagging.given(cx, request, "route-table"),
    )
    cx.tx.put(table)
    return {"RouteTable": _described(cx, table)}


@writes("DeleteRouteTable", "RouteTableId")
def delete_route_table(cx: Context, request: Json) -> Json:
    table = require(cx, RouteTable, request["RouteTableId"])
    if table.associations:
        raise dependency(f"The routeTable '{table.id}' has dependencies and cannot be deleted.")
    cx.tx.delete(RouteTable, table.key)
    return {}


@reads("DescribeRouteTables")
def describe_route_tables(cx: Context, request: Json) -> Json:
    described = [_described(cx, table) for table in chosen(cx, RouteTable, request.get("RouteTableIds"))]
    return page(request, "RouteTables", select(described, request.get("Filters"), _fields), dict)


@writes("AssociateRouteTable", "RouteTableId SubnetId")
def associate_route_table(cx: Context, request: Json) -> Json:
    table = require(cx, RouteTable, request["RouteTableId"])
    if not request.get("SubnetId"):
        raise AwsError("MissingParameter", "The request must contain the parameter subnetId or gatewayId")
    subnet = require(cx, Subnet, request["SubnetId"])
    if subnet.vpc_id != table.vpc_id:
        raise invalid(f"Route table {table.id} and subnet {subnet.id} belong to different networks")
    for other in everything(cx, RouteTable):
        for association in other.associations:
            if association.subnet_id == subnet.id and other.id == table.id:
                return {"AssociationId": association.id, "AssociationState": _ASSOCIATED}
            if association.subnet_id == subnet.id:
                raise AwsError(
                    "Resource.AlreadyAssociated",
                    f"the specified association for route table {table.id} conflicts with an existing association",
                )
    made = RouteAssociation(id=new_id(cx, "rtbassoc"), subnet_id=subnet.id)
    cx.tx.put(attrs.evolve(table, associations=(*table.associations, made)))
    return {"AssociationId": made.id, "AssociationState": _ASSOCIATED}


@writes("DisassociateRouteTable", "AssociationId")
def disassociate_route_table(cx: Context, request: Json) -> Json:
    table, association = _association(cx, request["AssociationId"])
    if association.main:
        raise invalid(f"cannot disassociate the main route table association {association.id}")
    _drop(cx, table, association)
    return {}


@writes("ReplaceRouteTableAssociation", "AssociationId RouteTableId")
def replace_route_table_association(cx: Context, request: Json) -> Json:
    """Also how a VPC's main route table is changed."""
    old, association = _association(cx, request["AssociationId"])
    new = require(cx, RouteTable, request["RouteTableId"])
    if new.vpc_id != old.vpc_id:
        raise invalid(f"Route table {new.id} and route table {old.id} belong to different networks")
    if new.id == old.id:
        return {"NewAssociationId": association.id, "AssociationState": _ASSOCIATED}
    _drop(cx, old, association)
    made = attrs.evolve(association, id=new_id(cx, "rtbassoc"))
    cx.tx.put(attrs.evolve(new, associations=(*new.associations, made)))
    return {"NewAssociationId": made.id, "AssociationState": _ASSOCIATED}


def _association(cx: Context, wanted: str) -> tuple[RouteTable, RouteAssociation]:
    for table in everything(cx, RouteTable):
        for association in table.associations:
            if association.id == wanted:
                return table, association
    raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")


def _drop(cx: Context, table: RouteTable, association: RouteAssociation) -> None:
    kept = tuple(other for other in table.associations if other.id != association.id)
    cx.tx.put(attrs.evolve(table, associations=kept))


def _described(cx: Context, table: RouteTable) -> Json:
    associations = []
    for association in table.associations:
        shown: Json = {
            "Main": association.main,
            "RouteTableAssociationId": association.id,
            "RouteTableId": table.id,
            "AssociationState": _ASSOCIATED,
        }
        if association.subnet_id is not None:
            shown["SubnetId"] = association.subnet_id
        associations.append(shown)
    return {
        "Associations": associations,
        "PropagatingVgws": [],
        "RouteTableId": table.id,
        "Routes": [_described_route(cx, table, route) for route in table.routes],
        "Tags": tags.upper(table.tags),
        "VpcId": table.vpc_id,
        "OwnerId": table.account,
    }


def _described_route(cx: Context, table: RouteTable, route: Route) -> Json:
    """A route to a gateway that is gone or detached is a blackhole."""
    state = "active"
    if route.gateway != "local":
        gateway = find(cx, InternetGateway, route.gateway)
        state = "active" if gateway is not None and gateway.vpc_id == table.vpc_id else "blackhole"
    return {
        "DestinationCidrBlock": route.destination,
        "GatewayId": route.gateway,
        "Origin": route.origin,
        "State": state,
    }


def _fields(table: Json) -> Fields:
    associations, routes = table["Associations"], table["Routes"]
    nothing: tuple[str, ...] = ()
    return {
        "association.gateway-id": nothing,
        "association.main": ["true" if one["Main"] else "false" for one in associations],
        "association.route-table-association-id": [one["RouteTableAssociationId"] for one in associations],
        "association.route-table-id": [one["RouteTableId"] for one in associations],
        "association.subnet-id": [one["SubnetId"] for one in associations if "SubnetId" in one],
        "owner-id": table["OwnerId"],
        "route-table-id": table["RouteTableId"],
        "route.destination-cidr-block": [one["DestinationCidrBlock"] for one in routes],
        "route.destination-ipv6-cidr-block": nothing,
        "route.destination-prefix-list-id": nothing,
        "route.egress-only-internet-gateway-id": nothing,
        "route.gateway-id": [one["GatewayId"] for one in routes],
        "route.instance-id": nothing,
        "route.nat-gateway-id": nothing,
        "route.origin": [one["Origin"] for one in routes],
        "route.state": [one["State"] for one in routes],
        "route.transit-gateway-id": nothing,
        "route.vpc-peering-connection-id": nothing,
        "tags": tags.from_list(table["Tags"]),
        "vpc-id": table["VpcId"],
    }
