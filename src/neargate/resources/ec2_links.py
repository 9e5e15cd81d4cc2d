"""AWS::EC2:: types that join networks: virtual private gateways, peerings, transit gateways."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Failed,
    Identity,
    Readiness,
    Ready,
    ResourceType,
    Steps,
)
from neargate.resources.ec2_steps import (
    NEIGHBOURS,
    changed,
    deleting,
    described,
    difference,
    error,
    honoured,
    patient,
    retag,
    retag_only,
    tagged,
    unless_used,
)
from neargate.resources.shapes import call, missing_is_fine, pick

# -- virtual private gateways ------------------------------------------------------------------------------


def _create_vpn(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("AmazonSideAsn", "Type"))
    answer = yield call("ec2", "CreateVpnGateway", given, **tagged(want, "vpn-gateway"))
    return Identity(answer["VpnGateway"]["VpnGatewayId"])


def _read_vpn(existing: Existing) -> Steps[Json]:
    yield from described("DescribeVpnGateways", "VpnGatewayIds", "VpnGateways", existing.id)
    return {"VPNGatewayId": existing.id}


_delete_vpn = deleting("DeleteVpnGateway", "VpnGatewayId")


def _propagation(verb: str, gateway: str, tables: list[str]) -> Steps[None]:
    for table in tables:
        yield Call("ec2", f"{verb}VgwRoutePropagation", {"GatewayId": gateway, "RouteTableId": table})


def _propagate(want: Desired) -> Steps[Identity]:
    """The id is formed, as CloudFormation's own."""
    gateway = want.properties["VpnGatewayId"]
    yield from _propagation("Enable", gateway, want.properties["RouteTableIds"])
    return Identity(f"{want.stack_name[:5]}-{want.logical_id[:5]}-{want.token.replace('-', '')[:12].upper()}")


def _propagate_anew(old: Existing, want: Desired) -> Steps[None]:
    yield from _stop_propagating(old)
    yield from _propagation("Enable", want.properties["VpnGatewayId"], want.properties["RouteTableIds"])


def _stop_propagating(existing: Existing) -> Steps[None]:
    properties = existing.desired.properties
    for table in properties["RouteTableIds"]:
        request = {"GatewayId": properties["VpnGatewayId"], "RouteTableId": table}
        yield from missing_is_fine(
            Call("ec2", "DisableVgwRoutePropagation", request), "InvalidRouteTableID.NotFound"
        )


def _read_propagation(existing: Existing) -> Steps[Json]:
    gateway = existing.desired.properties["VpnGatewayId"]
    yield from described("DescribeVpnGateways", "VpnGatewayIds", "VpnGateways", gateway)
    return {"Id": existing.id}


# -- peerings ----------------------------------------------------------------------------------------------


def _peer(want: Desired) -> Steps[Identity]:
    """CloudFormation accepts for the peer where that is the same account."""
    given = pick(want.properties, ("VpcId", "PeerVpcId", "PeerOwnerId", "PeerRegion"))
    specifications = tagged(want, "vpc-peering-connection")
    answer = yield call("ec2", "CreateVpcPeeringConnection", given, **specifications)
    peering: str = answer["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    shown = yield from _peering(peering)
    if shown["Status"]["Code"] == "pending-acceptance":
        yield Call("ec2", "AcceptVpcPeeringConnection", {"VpcPeeringConnectionId": peering})
    return Identity(peering)


def _peering(peering: str) -> Steps[Json]:
    shown = yield from described(
        "DescribeVpcPeeringConnections", "VpcPeeringConnectionIds", "VpcPeeringConnections", peering
    )
    return shown


def _peering_ready(existing: Existing) -> Steps[Readiness]:
    shown = yield from _peering(existing.id)
    status = shown["Status"]
    if status["Code"] == "active":
        return Ready()
    return Failed(f"VpcPeeringConnection failed to stabilize: {status['Message']}")


def _read_peering(existing: Existing) -> Steps[Json]:
    yield from _peering(existing.id)
    return {"Id": existing.id}


# -- transit gateways --------------------------------------------------------------------------------------

_SWITCHES = {
    "AutoAcceptSharedAttachments": "disable",
    "DefaultRouteTableAssociation": "enable",
    "DefaultRouteTablePropagation": "enable",
    "DnsSupport": "enable",
    "SecurityGroupReferencingSupport": "disable",
    "VpnEcmpSupport": "enable",
}
"""With what a new transit gateway has, and one whose template says nothing of it any more."""
_BLOCKS = "TransitGatewayCidrBlocks"
_TRANSIT = (*_SWITCHES, _BLOCKS, "AmazonSideAsn", "MulticastSupport")


def _create_transit(want: Desired) -> Steps[Identity]:
    given: Json = {**pick(want.properties, ["Description"]), "Options": pick(want.properties, _TRANSIT)}
    answer = yield call("ec2", "CreateTransitGateway", given, **tagged(want, "transit-gateway"))
    return Identity(answer["TransitGateway"]["TransitGatewayId"])


def _update_transit(old: Existing, want: Desired) -> Steps[None]:
    options: Json = {
        name: want.properties.get(name, _SWITCHES[name]) for name in changed(old, want, _SWITCHES)
    }
    added, removed = difference(old, want, _BLOCKS)
    options.update({f"Add{_BLOCKS}": added} if added else {})
    options.update({f"Remove{_BLOCKS}": removed} if removed else {})
    request: Json = {"Options": options} if options else {}
    if changed(old, want, ["Description"]):
        request["Description"] = want.properties.get("Description", "")
    if request:
        yield call("ec2", "ModifyTransitGateway", {"TransitGatewayId": old.id, **request})
    yield from retag(old.id, old.desired, want)


def _read_transit(existing: Existing) -> Steps[Json]:
    shown = yield from described(
        "DescribeTransitGateways", "TransitGatewayIds", "TransitGateways", existing.id
    )
    return {
        "Id": existing.id,
        "TransitGatewayArn": shown["TransitGatewayArn"],
        "EncryptionSupportState": "disabled",
    }


_delete_transit = deleting("DeleteTransitGateway", "TransitGatewayId")


def _attach_vpc(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("TransitGatewayId", "VpcId", "SubnetIds", "Options"))
    specifications = tagged(want, "transit-gateway-attachment")
    answer = yield call("ec2", "CreateTransitGatewayVpcAttachment", given, **specifications)
    return Identity(answer["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"])


def _update_vpc_attachment(old: Existing, want: Desired) -> Steps[None]:
    added, removed = difference(old, want, "SubnetIds")
    request: Json = pick(want.properties, changed(old, want, ["Options"]))
    request.update({"AddSubnetIds": added} if added else {})
    request.update({"RemoveSubnetIds": removed} if removed else {})
    if request:
        named = {"TransitGatewayAttachmentId": old.id}
        yield call("ec2", "ModifyTransitGatewayVpcAttachment", {**named, **request})
    yield from retag(old.id, old.desired, want)


def _read_vpc_attachment(existing: Existing) -> Steps[Json]:
    yield from described(
        "DescribeTransitGatewayVpcAttachments",
        "TransitGatewayAttachmentIds",
        "TransitGatewayVpcAttachments",
        existing.id,
    )
    return {"Id": existing.id}


TYPES = (
    ResourceType(
        type="AWS::EC2::VPNGateway",
        honoured=honoured("AmazonSideAsn Tags Type"),
        create=_create_vpn,
        read=_read_vpn,
        update=retag_only,
        delete=patient(_delete_vpn),
        gone=unless_used(_delete_vpn),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::VPNGatewayRoutePropagation",
        honoured=honoured("RouteTableIds VpnGatewayId"),
        create=_propagate,
        read=_read_propagation,
        update=_propagate_anew,
        delete=_stop_propagating,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::VPCPeeringConnection",
        honoured=honoured("PeerOwnerId PeerRegion PeerVpcId Tags VpcId"),
        create=_peer,
        read=_read_peering,
        update=retag_only,
        delete=deleting("DeleteVpcPeeringConnection", "VpcPeeringConnectionId"),
        ready=_peering_ready,
        watches=frozenset({"ec2.vpc-peering-connection"}),
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::TransitGateway",
        honoured=honoured(f"{' '.join(_TRANSIT)} Description Tags"),
        create=_create_transit,
        read=_read_transit,
        update=_update_transit,
        delete=patient(_delete_transit),
        gone=unless_used(_delete_transit),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::TransitGatewayAttachment",
        honoured=honoured("Options SubnetIds Tags TransitGatewayId VpcId"),
        create=_attach_vpc,
        read=_read_vpc_attachment,
        update=_update_vpc_attachment,
        delete=deleting("DeleteTransitGatewayVpcAttachment", "TransitGatewayAttachmentId"),
        error=error,
    ),
)
