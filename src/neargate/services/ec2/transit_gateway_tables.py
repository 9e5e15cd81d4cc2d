"""The route table that every transit gateway has: who is associated with it, and what propagates routes to it."""

from __future__ import annotations

from neargate.model.ec2_edges import TransitGateway, TransitGatewayAttachment
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2.estate import everything, reads
from neargate.services.ec2.selection import Fields, page, select


@reads("DescribeTransitGatewayRouteTables")
def describe_transit_gateway_route_tables(cx: Context, request: Json) -> Json:
    gateways = everything(cx, TransitGateway)
    for wanted in request.get("TransitGatewayRouteTableIds") or ():
        _gateway(gateways, wanted)
    ids = request.get("TransitGatewayRouteTableIds")
    found = [gateway for gateway in gateways if not ids or gateway.route_table_id in ids]
    return page(
        request, "TransitGatewayRouteTables", select(found, request.get("Filters"), _fields), _described
    )


@reads("GetTransitGatewayRouteTableAssociations")
def get_transit_gateway_route_table_associations(cx: Context, request: Json) -> Json:
    return _users(cx, request, "Association", "Associations", "associated")


@reads("GetTransitGatewayRouteTablePropagations")
def get_transit_gateway_route_table_propagations(cx: Context, request: Json) -> Json:
    return _users(cx, request, "Propagation", "TransitGatewayRouteTablePropagations", "enabled")


def _users(cx: Context, request: Json, use: str, member: str, state: str) -> Json:
    """The attachments that use the table, where the gateway lets all of them."""
    gateway = _gateway(everything(cx, TransitGateway), request["TransitGatewayRouteTableId"])
    attachments = [a for a in everything(cx, TransitGatewayAttachment) if a.gateway_id == gateway.id]
    if gateway.options[f"DefaultRouteTable{use}"] != "enable":
        attachments = []
    found = select(attachments, request.get("Filters"), _attachment_fields)
    return page(
        request,
        member,
        found,
        lambda one: {
            "TransitGatewayAttachmentId": one.id,
            "ResourceId": one.vpc_id,
            "ResourceType": "vpc",
            "State": state,
        },
    )


def _gateway(gateways: list[TransitGateway], table: str) -> TransitGateway:
    for gateway in gateways:
        if gateway.route_table_id == table:
            return gateway
    raise AwsError(
        "InvalidRouteTableID.NotFound", f"Transit Gateway Route Table {table} was deleted or does not exist."
    )


def _described(gateway: TransitGateway) -> Json:
    return {
        "TransitGatewayRouteTableId": gateway.route_table_id,
        "TransitGatewayId": gateway.id,
        "State": "available",
        "DefaultAssociationRouteTable": gateway.options["DefaultRouteTableAssociation"] == "enable",
        "DefaultPropagationRouteTable": gateway.options["DefaultRouteTablePropagation"] == "enable",
        "CreationTime": gateway.created,
        "Tags": [],
    }


def _fields(gateway: TransitGateway) -> Fields:
    return {
        "default-association-route-table": gateway.options["DefaultRouteTableAssociation"] == "enable",
        "default-propagation-route-table": gateway.options["DefaultRouteTablePropagation"] == "enable",
        "state": "available",
        "tags": {},
        "transit-gateway-id": gateway.id,
        "transit-gateway-route-table-id": gateway.route_table_id,
    }


def _attachment_fields(attachment: TransitGatewayAttachment) -> Fields:
    return {
        "resource-id": attachment.vpc_id,
        "resource-type": "vpc",
        "transit-gateway-attachment-id": attachment.id,
        "tags": {},
    }
