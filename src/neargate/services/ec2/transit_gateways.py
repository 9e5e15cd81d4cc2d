"""Transit gateways and the VPCs attached to them. They are recorded; tasks of one server reach each other anyway."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import Subnet, Vpc
from neargate.model.ec2_edges import TransitGateway, TransitGatewayAttachment
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import interfaces, tagging
from neargate.services.ec2.cidr import parsed_cidr
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
from neargate.services.ec2.selection import Fields, page, select

_GATEWAY_OPTIONS = {
    "AutoAcceptSharedAttachments": "disable",
    "DefaultRouteTableAssociation": "enable",
    "DefaultRouteTablePropagation": "enable",
    "DnsSupport": "enable",
    "MulticastSupport": "disable",
    "SecurityGroupReferencingSupport": "disable",
    "VpnEcmpSupport": "enable",
}
_ATTACHMENT_OPTIONS = {
    "ApplianceModeSupport": "disable",
    "DnsSupport": "enable",
    "Ipv6Support": "disable",
    "SecurityGroupReferencingSupport": "enable",
}


def _options(defaults: dict[str, str], given: Json) -> dict[str, str]:
    """The switches, checked; members that are no switches are left to the caller."""
    for name, value in given.items():
        if name in defaults and value not in ("enable", "disable"):
            raise invalid(f"Value ({value}) for parameter {name} is invalid.")
    return {name: given.get(name) or default for name, default in defaults.items()}


# -- gateways ----------------------------------------------------------------------------------------------


@writes("CreateTransitGateway", "Description Options TagSpecifications")
def create_transit_gateway(cx: Context, request: Json) -> Json:
    given = request.get("Options") or {}
    gateway = TransitGateway(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "tgw"),
        description=request.get("Description") or "",
        asn=int(given.get("AmazonSideAsn") or 64512),
        options=_options(_GATEWAY_OPTIONS, given),
        route_table_id=new_id(cx, "tgw-rtb"),
        cidrs=_cidrs(given.get("TransitGatewayCidrBlocks") or ()),
        created=cx.now,
        tags=tagging.given(cx, request, "transit-gateway"),
    )
    cx.tx.put(gateway)
    return {"TransitGateway": {**_described(gateway), "State": "pending"}}


def _cidrs(texts: list[str] | tuple[()]) -> tuple[str, ...]:
    return tuple(str(parsed_cidr(text, "TransitGatewayCidrBlocks")) for text in texts)


@writes("ModifyTransitGateway", "TransitGatewayId Description Options")
def modify_transit_gateway(cx: Context, request: Json) -> Json:
    gateway = require(cx, TransitGateway, request["TransitGatewayId"])
    given = request.get("Options") or {}
    for member in ("AssociationDefaultRouteTableId", "PropagationDefaultRouteTableId"):
        if given.get(member) not in (None, gateway.route_table_id):
            raise AwsError(
                "InvalidRouteTableID.NotFound",
                f"Transit Gateway Route Table {given[member]} was deleted or does not exist.",
            )
    gone = set(given.get("RemoveTransitGatewayCidrBlocks") or ())
    kept = tuple(cidr for cidr in gateway.cidrs if cidr not in gone)
    gateway = attrs.evolve(
        gateway,
        description=request.get("Description", gateway.description),
        asn=int(given.get("AmazonSideAsn") or gateway.asn),
        options=_options(gateway.options, given),
        cidrs=tuple(dict.fromkeys((*kept, *_cidrs(given.get("AddTransitGatewayCidrBlocks") or ())))),
    )
    cx.tx.put(gateway)
    return {"TransitGateway": {**_described(gateway), "State": "modifying"}}


@writes("DeleteTransitGateway", "TransitGatewayId")
def delete_transit_gateway(cx: Context, request: Json) -> Json:
    gateway = require(cx, TransitGateway, request["TransitGatewayId"])
    attached = [a.id for a in everything(cx, TransitGatewayAttachment) if a.gateway_id == gateway.id]
    if attached:
        raise AwsError(
            "IncorrectState", f"{gateway.id} has non-deleted VPC Attachments: {', '.join(attached)}."
        )
    let_linger(cx, gateway)
    return {"TransitGateway": {**_described(gateway), "State": "deleting"}}


@reads("DescribeTransitGateways")
def describe_transit_gateways(cx: Context, request: Json) -> Json:
    found = shown(cx, TransitGateway, request.get("TransitGatewayIds"))
    return page(request, "TransitGateways", select(found, request.get("Filters"), _fields), _described)


def _described(gateway: TransitGateway) -> Json:
    options: Json = {"AmazonSideAsn": gateway.asn, **gateway.options}
    for use in ("Association", "Propagation"):
        if gateway.options[f"DefaultRouteTable{use}"] == "enable":
            options[f"{use}DefaultRouteTableId"] = gateway.route_table_id
    if gateway.cidrs:
        options["TransitGatewayCidrBlocks"] = list(gateway.cidrs)
    return {
        "TransitGatewayId": gateway.id,
        "TransitGatewayArn": gateway.arn("transit-gateway"),
        "State": "available" if gateway.deleted is None else "deleted",
        "OwnerId": gateway.account,
        "Description": gateway.description,
        "CreationTime": gateway.created,
        "Options": options,
        "Tags": tags.upper(gateway.tags),
    }


def _fields(gateway: TransitGateway) -> Fields:
    return {
        "options.amazon-side-asn": str(gateway.asn),
        "options.dns-support": gateway.options["DnsSupport"],
        "owner-id": gateway.account,
        "state": "available" if gateway.deleted is None else "deleted",
        "tags": gateway.tags,
        "transit-gateway-id": gateway.id,
    }


# -- attachments -------------------------------------------------------------------------------------------


@writes("CreateTransitGatewayVpcAttachment", "TransitGatewayId VpcId SubnetIds Options TagSpecifications")
def create_transit_gateway_vpc_attachment(cx: Context, request: Json) -> Json:
    gateway = require(cx, TransitGateway, request["TransitGatewayId"])
    vpc = require(cx, Vpc, request["VpcId"])
    if any(
        (a.gateway_id, a.vpc_id) == (gateway.id, vpc.id) for a in everything(cx, TransitGatewayAttachment)
    ):
        raise AwsError(
            "DuplicateTransitGatewayAttachment",
            f"{gateway.id} has non-deleted Transit Gateway Attachments with same VPC ID.",
        )
    attachment = TransitGatewayAttachment(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "tgw-attach"),
        gateway_id=gateway.id,
        vpc_id=vpc.id,
        subnet_ids=(),
        interface_ids=(),
        options=_options(_ATTACHMENT_OPTIONS, request.get("Options") or {}),
        created=cx.now,
        tags=tagging.given(cx, request, "transit-gateway-attachment"),
    )
    attachment = _spread(cx, attachment, request["SubnetIds"])
    cx.tx.put(attachment)
    return {"TransitGatewayVpcAttachment": {**_described_vpc(attachment), "State": "pending"}}


def _spread(cx: Context, attachment: TransitGatewayAttachment, wanted: list[str]) -> TransitGatewayAttachment:
    """Add subnets of its VPC, one per zone, with an interface in each."""
    here = [found for found in (find(cx, Subnet, one) for one in attachment.subnet_ids) if found is not None]
    zones = {subnet.zone for subnet in here}
    for subnet_id in wanted:
        subnet = require(cx, Subnet, subnet_id)
        if subnet.vpc_id != attachment.vpc_id:
            raise invalid(f"Subnet {subnet.id} is not in VPC {attachment.vpc_id}.")
        if subnet.zone in zones:
            raise AwsError("DuplicateSubnetsInSameZone", f"Duplicate Subnets for same AZ {subnet.zone}")
        zones.add(subnet.zone)
        about = f"Network Interface for Transit Gateway Attachment {attachment.id}"
        interface = interfaces.create_managed(cx, subnet.id, None, about, cx.account, type="transit_gateway")
        attachment = attrs.evolve(
            attachment,
            subnet_ids=(*attachment.subnet_ids, subnet.id),
            interface_ids=(*attachment.interface_ids, interface.id),
        )
    return attachment


def _withdraw(cx: Context, attachment: TransitGatewayAttachment, gone: list[str]) -> TransitGatewayAttachment:
    kept = []
    for subnet_id, interface_id in zip(attachment.subnet_ids, attachment.interface_ids, strict=True):
        if subnet_id in gone:
            interfaces.release(cx, interface_id)
        else:
            kept.append((subnet_id, interface_id))
    return attrs.evolve(
        attachment, subnet_ids=tuple(s for s, _ in kept), interface_ids=tuple(i for _, i in kept)
    )


@writes(
    "ModifyTransitGatewayVpcAttachment", "TransitGatewayAttachmentId AddSubnetIds RemoveSubnetIds Options"
)
def modify_transit_gateway_vpc_attachment(cx: Context, request: Json) -> Json:
    attachment = require(cx, TransitGatewayAttachment, request["TransitGatewayAttachmentId"])
    attachment = _withdraw(cx, attachment, request.get("RemoveSubnetIds") or [])
    attachment = _spread(cx, attachment, request.get("AddSubnetIds") or [])
    if not attachment.subnet_ids:
        raise AwsError("InsufficientSubnetsException", f"{attachment.id} must have at least one subnet.")
    options = _options(attachment.options, request.get("Options") or {})
    attachment = attrs.evolve(attachment, options=options)
    cx.tx.put(attachment)
    return {"TransitGatewayVpcAttachment": {**_described_vpc(attachment), "State": "modifying"}}


@writes("DeleteTransitGatewayVpcAttachment", "TransitGatewayAttachmentId")
def delete_transit_gateway_vpc_attachment(cx: Context, request: Json) -> Json:
    attachment = require(cx, TransitGatewayAttachment, request["TransitGatewayAttachmentId"])
    _withdraw(cx, attachment, list(attachment.subnet_ids))
    let_linger(cx, attachment)
    return {"TransitGatewayVpcAttachment": {**_described_vpc(attachment), "State": "deleting"}}


@reads("DescribeTransitGatewayVpcAttachments")
def describe_transit_gateway_vpc_attachments(cx: Context, request: Json) -> Json:
    found = shown(cx, TransitGatewayAttachment, request.get("TransitGatewayAttachmentIds"))
    selected = select(found, request.get("Filters"), _attachment_fields)
    return page(request, "TransitGatewayVpcAttachments", selected, _described_vpc)


@reads("DescribeTransitGatewayAttachments")
def describe_transit_gateway_attachments(cx: Context, request: Json) -> Json:
    """All kinds of attachments: here, VPCs."""
    found = shown(cx, TransitGatewayAttachment, request.get("TransitGatewayAttachmentIds"))
    selected = select(found, request.get("Filters"), _attachment_fields)
    return page(request, "TransitGatewayAttachments", selected, lambda one: _described_attachment(cx, one))


def _described_vpc(attachment: TransitGatewayAttachment) -> Json:
    return {
        "TransitGatewayAttachmentId": attachment.id,
        "TransitGatewayId": attachment.gateway_id,
        "VpcId": attachment.vpc_id,
        "VpcOwnerId": attachment.account,
        "State": "available" if attachment.deleted is None else "deleted",
        "SubnetIds": list(attachment.subnet_ids),
        "CreationTime": attachment.created,
        "Options": dict(attachment.options),
        "Tags": tags.upper(attachment.tags),
    }


def _described_attachment(cx: Context, attachment: TransitGatewayAttachment) -> Json:
    answer: Json = {
        "TransitGatewayAttachmentId": attachment.id,
        "TransitGatewayId": attachment.gateway_id,
        "TransitGatewayOwnerId": attachment.account,
        "ResourceOwnerId": attachment.account,
        "ResourceType": "vpc",
        "ResourceId": attachment.vpc_id,
        "State": "available" if attachment.deleted is None else "deleted",
        "CreationTime": attachment.created,
        "Tags": tags.upper(attachment.tags),
    }
    gateway = find(cx, TransitGateway, attachment.gateway_id)
    if gateway is None or attachment.deleted is not None:
        return answer
    if gateway.options["DefaultRouteTableAssociation"] == "enable":
        table = {"TransitGatewayRouteTableId": gateway.route_table_id}
        answer["Association"] = {**table, "State": "associated"}
    return answer


def _attachment_fields(attachment: TransitGatewayAttachment) -> Fields:
    return {
        "resource-id": attachment.vpc_id,
        "resource-owner-id": attachment.account,
        "resource-type": "vpc",
        "state": "available" if attachment.deleted is None else "deleted",
        "tags": attachment.tags,
        "transit-gateway-attachment-id": attachment.id,
        "transit-gateway-id": attachment.gateway_id,
        "transit-gateway-owner-id": attachment.account,
        "vpc-id": attachment.vpc_id,
    }
