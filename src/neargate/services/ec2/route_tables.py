"""Route tables and their associations with subnets."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import Route, RouteAssociation, RouteTable, Subnet, Vpc
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import routes, tagging
from neargate.services.ec2.estate import (
    chosen,
    dependency,
    everything,
    invalid,
    new_id,
    reads,
    repeated,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

_ASSOCIATED = {"State": "associated"}


@writes("CreateRouteTable", "VpcId TagSpecifications ClientToken")
def create_route_table(cx: Context, request: Json) -> Json:
    table = repeated(cx, RouteTable, request)
    if table is None:
        vpc = require(cx, Vpc, request["VpcId"])
        cidrs = (*vpc.cidrs, *(block.cidr for block in vpc.ipv6))
        table = RouteTable(
            account=cx.account,
            region=cx.region,
            id=new_id(cx, "rtb"),
            vpc_id=vpc.id,
            routes=tuple(Route(destination=c, gateway="local", origin="CreateRouteTable") for c in cidrs),
            tags=tagging.given(cx, request, "route-table"),
            token=request.get("ClientToken") or "",
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
        "PropagatingVgws": [{"GatewayId": gateway} for gateway in table.propagating],
        "RouteTableId": table.id,
        "Routes": [_described_route(cx, table, route) for route in table.routes],
        "Tags": tags.upper(table.tags),
        "VpcId": table.vpc_id,
        "OwnerId": table.account,
    }


def _described_route(cx: Context, table: RouteTable, route: Route) -> Json:
    destination = "DestinationCidrBlock"
    if route.destination.startswith("pl-"):
        destination = "DestinationPrefixListId"
    elif ":" in route.destination:
        destination = "DestinationIpv6CidrBlock"
    return {
        destination: route.destination,
        routes.TARGETS[route.gateway.partition("-")[0]]: route.gateway,
        "Origin": route.origin,
        "State": "active" if routes.leads_somewhere(cx, table, route) else "blackhole",
    }


def _fields(table: Json) -> Fields:
    associations, found = table["Associations"], table["Routes"]
    nothing: tuple[str, ...] = ()

    def of_routes(member: str) -> list[str]:
        return [route[member] for route in found if member in route]

    return {
        "association.gateway-id": nothing,
        "association.main": ["true" if one["Main"] else "false" for one in associations],
        "association.route-table-association-id": [one["RouteTableAssociationId"] for one in associations],
        "association.route-table-id": [one["RouteTableId"] for one in associations],
        "association.subnet-id": [one["SubnetId"] for one in associations if "SubnetId" in one],
        "owner-id": table["OwnerId"],
        "route-table-id": table["RouteTableId"],
        "route.destination-cidr-block": of_routes("DestinationCidrBlock"),
        "route.destination-ipv6-cidr-block": of_routes("DestinationIpv6CidrBlock"),
        "route.destination-prefix-list-id": of_routes("DestinationPrefixListId"),
        "route.egress-only-internet-gateway-id": of_routes("EgressOnlyInternetGatewayId"),
        "route.gateway-id": of_routes("GatewayId"),
        "route.instance-id": nothing,
        "route.nat-gateway-id": of_routes("NatGatewayId"),
        "route.origin": of_routes("Origin"),
        "route.state": of_routes("State"),
        "route.transit-gateway-id": of_routes("TransitGatewayId"),
        "route.vpc-peering-connection-id": of_routes("VpcPeeringConnectionId"),
        "tags": tags.from_list(table["Tags"]),
        "vpc-id": table["VpcId"],
    }
