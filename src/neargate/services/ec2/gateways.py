"""Internet gateways, and egress-only ones for IPv6. They are recorded; tasks reach the world without one."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import InternetGateway, NetworkInterface, Vpc
from neargate.model.ec2_edges import EgressOnlyGateway, ElasticAddress
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
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


@writes("CreateInternetGateway", "TagSpecifications")
def create_internet_gateway(cx: Context, request: Json) -> Json:
    gateway = InternetGateway(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "igw"),
        tags=tagging.given(cx, request, "internet-gateway"),
    )
    cx.tx.put(gateway)
    return {"InternetGateway": _described(gateway)}


@writes("AttachInternetGateway", "InternetGatewayId VpcId")
def attach_internet_gateway(cx: Context, request: Json) -> Json:
    gateway = require(cx, InternetGateway, request["InternetGatewayId"])
    vpc = require(cx, Vpc, request["VpcId"])
    if gateway.vpc_id is not None:
        raise AwsError(
            "Resource.AlreadyAssociated",
            f"resource {gateway.id} is already attached to network {gateway.vpc_id}",
        )
    if any(other.vpc_id == vpc.id for other in everything(cx, InternetGateway)):
        raise invalid(f"Network {vpc.id} already has an internet gateway attached")
    cx.tx.put(attrs.evolve(gateway, vpc_id=vpc.id))
    return {}


@writes("DetachInternetGateway", "InternetGatewayId VpcId")
def detach_internet_gateway(cx: Context, request: Json) -> Json:
    """Refused while an interface in the VPC has a public address."""
    gateway = require(cx, InternetGateway, request["InternetGatewayId"])
    vpc = require(cx, Vpc, request["VpcId"])
    if gateway.vpc_id != vpc.id:
        raise AwsError("Gateway.NotAttached", f"resource {gateway.id} is not attached to network {vpc.id}")
    inside = {interface.id for interface in everything(cx, NetworkInterface) if interface.vpc_id == vpc.id}
    if any(address.interface_id in inside for address in everything(cx, ElasticAddress)):
        raise dependency(
            f"Network {vpc.id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway."
        )
    cx.tx.put(attrs.evolve(gateway, vpc_id=None))
    return {}


@writes("DeleteInternetGateway", "InternetGatewayId")
def delete_internet_gateway(cx: Context, request: Json) -> Json:
    gateway = require(cx, InternetGateway, request["InternetGatewayId"])
    if gateway.vpc_id is not None:
        raise dependency(f"The internetGateway '{gateway.id}' has dependencies and cannot be deleted.")
    cx.tx.delete(InternetGateway, gateway.key)
    return {}


@reads("DescribeInternetGateways")
def describe_internet_gateways(cx: Context, request: Json) -> Json:
    gateways = chosen(cx, InternetGateway, request.get("InternetGatewayIds"))
    return page(request, "InternetGateways", select(gateways, request.get("Filters"), _fields), _described)


def _described(gateway: InternetGateway) -> Json:
    attached = [] if gateway.vpc_id is None else [{"State": "available", "VpcId": gateway.vpc_id}]
    return {
        "Attachments": attached,
        "InternetGatewayId": gateway.id,
        "OwnerId": gateway.account,
        "Tags": tags.upper(gateway.tags),
    }


def _fields(gateway: InternetGateway) -> Fields:
    attached = gateway.vpc_id is not None
    return {
        "attachment.state": ("available",) if attached else (),
        "attachment.vpc-id": gateway.vpc_id,
        "internet-gateway-id": gateway.id,
        "owner-id": gateway.account,
        "tags": gateway.tags,
    }


# -- egress-only -------------------------------------------------------------------------------------------


@writes("CreateEgressOnlyInternetGateway", "VpcId TagSpecifications ClientToken")
def create_egress_only_internet_gateway(cx: Context, request: Json) -> Json:
    gateway = repeated(cx, EgressOnlyGateway, request)
    if gateway is None:
        gateway = EgressOnlyGateway(
            account=cx.account,
            region=cx.region,
            id=new_id(cx, "eigw"),
            vpc_id=require(cx, Vpc, request["VpcId"]).id,
            tags=tagging.given(cx, request, "egress-only-internet-gateway"),
            token=request.get("ClientToken") or "",
        )
        cx.tx.put(gateway)
    return {"EgressOnlyInternetGateway": _described_egress_only(gateway), "ClientToken": gateway.token}


@writes("DeleteEgressOnlyInternetGateway", "EgressOnlyInternetGatewayId")
def delete_egress_only_internet_gateway(cx: Context, request: Json) -> Json:
    gateway = require(cx, EgressOnlyGateway, request["EgressOnlyInternetGatewayId"])
    cx.tx.delete(EgressOnlyGateway, gateway.key)
    return {"ReturnCode": True}


@reads("DescribeEgressOnlyInternetGateways")
def describe_egress_only_internet_gateways(cx: Context, request: Json) -> Json:
    found = select(
        chosen(cx, EgressOnlyGateway, request.get("EgressOnlyInternetGatewayIds")),
        request.get("Filters"),
        lambda gateway: {"tags": gateway.tags},
    )
    return page(request, "EgressOnlyInternetGateways", found, _described_egress_only)


def _described_egress_only(gateway: EgressOnlyGateway) -> Json:
    return {
        "Attachments": [{"State": "attached", "VpcId": gateway.vpc_id}],
        "EgressOnlyInternetGatewayId": gateway.id,
        "Tags": tags.upper(gateway.tags),
    }
