"""Virtual private gateways. They are recorded; no VPN connection exists to use one."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import RouteTable, Vpc
from neargate.model.ec2_edges import VpnGateway
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import (
    everything,
    find,
    invalid,
    let_linger,
    new_id,
    reads,
    require,
    shown,
    writes,
)
from neargate.services.ec2.selection import Fields, select

_ASN = 64512


@writes("CreateVpnGateway", "Type AmazonSideAsn AvailabilityZone TagSpecifications")
def create_vpn_gateway(cx: Context, request: Json) -> Json:
    asn = int(request.get("AmazonSideAsn") or _ASN)
    if not (64512 <= asn <= 65534 or 4200000000 <= asn <= 4294967294):
        raise invalid(f"Value ({asn}) for parameter amazonSideAsn is invalid. It is not a private ASN.")
    gateway = VpnGateway(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "vgw"),
        asn=asn,
        tags=tagging.given(cx, request, "vpn-gateway"),
    )
    cx.tx.put(gateway)
    answer = _described(gateway)
    return {"VpnGateway": answer if gateway.tags else {m: v for m, v in answer.items() if m != "Tags"}}


@writes("AttachVpnGateway", "VpnGatewayId VpcId")
def attach_vpn_gateway(cx: Context, request: Json) -> Json:
    gateway, vpc = require(cx, VpnGateway, request["VpnGatewayId"]), require(cx, Vpc, request["VpcId"])
    if gateway.vpc_id not in (None, vpc.id):
        raise invalid(f"The vpnGateway '{gateway.id}' is already attached to network {gateway.vpc_id}")
    if any(other.vpc_id == vpc.id and other.id != gateway.id for other in everything(cx, VpnGateway)):
        raise AwsError(
            "VpnGatewayAttachmentLimitExceeded",
            "The maximum number of virtual private gateway attachments has been reached.",
        )
    cx.tx.put(attrs.evolve(gateway, vpc_id=vpc.id, detached_from=None))
    return {"VpcAttachment": {"State": "attaching", "VpcId": vpc.id}}


@writes("DetachVpnGateway", "VpnGatewayId VpcId")
def detach_vpn_gateway(cx: Context, request: Json) -> Json:
    """It also stops propagating routes into the VPC's tables."""
    gateway, vpc = require(cx, VpnGateway, request["VpnGatewayId"]), require(cx, Vpc, request["VpcId"])
    if gateway.vpc_id != vpc.id:
        raise AwsError(
            "InvalidVpnGatewayAttachment.NotFound",
            f"The attachment with vpn gateway ID '{gateway.id}' and vpc ID '{vpc.id}' does not exist",
        )
    for table in everything(cx, RouteTable):
        if gateway.id in table.propagating:
            _propagate(cx, table, [one for one in table.propagating if one != gateway.id])
    cx.tx.put(attrs.evolve(gateway, vpc_id=None, detached_from=vpc.id))
    return {}


@writes("DeleteVpnGateway", "VpnGatewayId")
def delete_vpn_gateway(cx: Context, request: Json) -> Json:
    gateway = require(cx, VpnGateway, request["VpnGatewayId"])
    if gateway.vpc_id is not None:
        raise AwsError("IncorrectState", f"The vpnGateway '{gateway.id}' is in use.")
    let_linger(cx, gateway)
    return {}


@reads("DescribeVpnGateways")
def describe_vpn_gateways(cx: Context, request: Json) -> Json:
    found = select(shown(cx, VpnGateway, request.get("VpnGatewayIds")), request.get("Filters"), _fields)
    return {"VpnGateways": [_described(gateway) for gateway in found]}


@writes("EnableVgwRoutePropagation", "GatewayId RouteTableId")
def enable_vgw_route_propagation(cx: Context, request: Json) -> Json:
    table, wanted = require(cx, RouteTable, request["RouteTableId"]), request["GatewayId"]
    gateway = find(cx, VpnGateway, wanted)
    if gateway is None:
        raise AwsError("InvalidGatewayID.NotFound", f"The gateway ID '{wanted}' does not exist")
    if gateway.vpc_id != table.vpc_id:
        raise AwsError(
            "Gateway.NotAttached", f"resource {gateway.id} is not attached to network {table.vpc_id}"
        )
    _propagate(cx, table, list(dict.fromkeys((*table.propagating, gateway.id))))
    return {}


@writes("DisableVgwRoutePropagation", "GatewayId RouteTableId")
def disable_vgw_route_propagation(cx: Context, request: Json) -> Json:
    table = require(cx, RouteTable, request["RouteTableId"])
    _propagate(cx, table, [one for one in table.propagating if one != request["GatewayId"]])
    return {}


def _propagate(cx: Context, table: RouteTable, gateways: list[str]) -> None:
    cx.tx.put(attrs.evolve(table, propagating=tuple(gateways)))


def _attachments(gateway: VpnGateway) -> list[dict[str, str]]:
    """The VPC that it is attached to, or the one that it was attached to last."""
    if gateway.vpc_id is not None:
        return [{"State": "attached", "VpcId": gateway.vpc_id}]
    if gateway.detached_from is not None:
        return [{"State": "detached", "VpcId": gateway.detached_from}]
    return []


def _described(gateway: VpnGateway) -> Json:
    return {
        "AmazonSideAsn": gateway.asn,
        "State": "available" if gateway.deleted is None else "deleted",
        "Tags": tags.upper(gateway.tags),
        "Type": "ipsec.1",
        "VpcAttachments": _attachments(gateway),
        "VpnGatewayId": gateway.id,
    }


def _fields(gateway: VpnGateway) -> Fields:
    return {
        "amazon-side-asn": str(gateway.asn),
        "attachment.state": [one["State"] for one in _attachments(gateway)],
        "attachment.vpc-id": [one["VpcId"] for one in _attachments(gateway)],
        "availability-zone": (),
        "state": "available" if gateway.deleted is None else "deleted",
        "tags": gateway.tags,
        "type": "ipsec.1",
        "vpn-gateway-id": gateway.id,
    }
