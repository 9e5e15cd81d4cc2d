"""VPC peering connections between VPCs of one account and region. They are recorded; tasks of one server reach
each other with one or without."""

from __future__ import annotations

import ipaddress
from typing import Any

import attrs

from neargate.model import tags
from neargate.model.ec2 import Vpc
from neargate.model.ec2_edges import Peering
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import (
    everything,
    invalid,
    let_linger,
    new_id,
    reads,
    require,
    shown,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

_WEEK = 7 * 24 * 3600.0
_MESSAGES = {
    "pending-acceptance": "Pending Acceptance by {account}",
    "active": "Active",
    "rejected": "Inactive",
    "deleted": "Deleted by {account}",
    "expired": "Expired",
}


@writes("CreateVpcPeeringConnection", "VpcId PeerVpcId PeerOwnerId PeerRegion TagSpecifications")
def create_vpc_peering_connection(cx: Context, request: Json) -> Json:
    """Two VPCs whose blocks overlap make a connection that has failed, as on AWS; it is shown for an hour."""
    for member, own in (("PeerOwnerId", cx.account), ("PeerRegion", cx.region)):
        if request.get(member) not in (None, "", own):
            raise not_implemented(f"ec2:CreateVpcPeeringConnection with another {member}", "ec2")
    requester = require(cx, Vpc, request["VpcId"])
    if not request.get("PeerVpcId"):
        raise AwsError("MissingParameter", "The request must contain the parameter peerVpcId")
    accepter = require(cx, Vpc, request["PeerVpcId"])
    if requester.id == accepter.id:
        raise invalid("requester VPC and accepter VPC must be different")
    if any(
        set(p.vpc_ids) == {requester.id, accepter.id} for p in everything(cx, Peering) if p.status != "failed"
    ):
        raise AwsError(
            "VpcPeeringConnectionAlreadyExists",
            f"A VPC peering connection between {requester.id} and {accepter.id} already exists",
        )
    peering = Peering(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "pcx"),
        requester_vpc_id=requester.id,
        accepter_vpc_id=accepter.id,
        requester_cidrs=requester.cidrs,
        accepter_cidrs=accepter.cidrs,
        status="pending-acceptance",
        expires=cx.now + _WEEK,
        tags=tagging.given(cx, request, "vpc-peering-connection"),
    )
    if _overlap(requester.cidrs, accepter.cidrs):
        peering = attrs.evolve(peering, status="failed")
        let_linger(cx, peering)
    else:
        cx.tx.put(peering)
    status = {"Code": "initiating-request", "Message": f"Initiating Request to {cx.account}"}
    return {"VpcPeeringConnection": {**_described(cx, peering), "Status": status}}


def _overlap(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return any(
        ipaddress.IPv4Network(one).overlaps(ipaddress.IPv4Network(other)) for one in some for other in others
    )


@writes("AcceptVpcPeeringConnection", "VpcPeeringConnectionId")
def accept_vpc_peering_connection(cx: Context, request: Json) -> Json:
    """Accepting an active one again changes nothing."""
    peering = require(cx, Peering, request.get("VpcPeeringConnectionId") or "")
    if _status(cx, peering) not in ("pending-acceptance", "active"):
        raise _wrong_state(cx, peering)
    peering = attrs.evolve(peering, status="active")
    cx.tx.put(peering)
    return {"VpcPeeringConnection": _described(cx, peering)}


@writes("RejectVpcPeeringConnection", "VpcPeeringConnectionId")
def reject_vpc_peering_connection(cx: Context, request: Json) -> Json:
    peering = require(cx, Peering, request["VpcPeeringConnectionId"])
    if _status(cx, peering) != "pending-acceptance":
        raise _wrong_state(cx, peering)
    let_linger(cx, attrs.evolve(peering, status="rejected"))
    return {"Return": True}


def _wrong_state(cx: Context, peering: Peering) -> AwsError:
    return AwsError(
        "InvalidStateTransition",
        f"The VPC peering connection {peering.id} is in state {_status(cx, peering)} and cannot be changed.",
    )


@writes("DeleteVpcPeeringConnection", "VpcPeeringConnectionId")
def delete_vpc_peering_connection(cx: Context, request: Json) -> Json:
    let_linger(cx, attrs.evolve(require(cx, Peering, request["VpcPeeringConnectionId"]), status="deleted"))
    return {"Return": True}


@writes(
    "ModifyVpcPeeringConnectionOptions",
    "VpcPeeringConnectionId AccepterPeeringConnectionOptions RequesterPeeringConnectionOptions",
)
def modify_vpc_peering_connection_options(cx: Context, request: Json) -> Json:
    peering = require(cx, Peering, request["VpcPeeringConnectionId"])
    answer: Json = {}
    new: dict[str, Any] = {}
    for side, field in (("Accepter", "accepter_resolves"), ("Requester", "requester_resolves")):
        options = request.get(f"{side}PeeringConnectionOptions") or {}
        wanted = options.get("AllowDnsResolutionFromRemoteVpc")
        if wanted is not None:
            new[field] = bool(wanted)
            answer[f"{side}PeeringConnectionOptions"] = {"AllowDnsResolutionFromRemoteVpc": bool(wanted)}
    cx.tx.put(attrs.evolve(peering, **new))
    return answer


@reads("DescribeVpcPeeringConnections")
def describe_vpc_peering_connections(cx: Context, request: Json) -> Json:
    found = shown(cx, Peering, request.get("VpcPeeringConnectionIds"))
    described = [_described(cx, peering) for peering in found]
    return page(request, "VpcPeeringConnections", select(described, request.get("Filters"), _fields), dict)


def _status(cx: Context, peering: Peering) -> str:
    """Nobody accepted it within a week: it has expired."""
    return (
        "expired" if peering.status == "pending-acceptance" and cx.now > peering.expires else peering.status
    )


def _described(cx: Context, peering: Peering) -> Json:
    status = _status(cx, peering)
    message = _MESSAGES.get(status, "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range")
    answer: Json = {
        "AccepterVpcInfo": _end(
            peering, peering.accepter_vpc_id, peering.accepter_cidrs, resolves=peering.accepter_resolves
        ),
        "RequesterVpcInfo": _end(
            peering, peering.requester_vpc_id, peering.requester_cidrs, resolves=peering.requester_resolves
        ),
        "Status": {"Code": status, "Message": message.format(account=peering.account)},
        "Tags": tags.upper(peering.tags),
        "VpcPeeringConnectionId": peering.id,
    }
    if status == "pending-acceptance":
        answer["ExpirationTime"] = peering.expires
    return answer


def _end(peering: Peering, vpc_id: str, cidrs: tuple[str, ...], *, resolves: bool) -> Json:
    return {
        "CidrBlock": cidrs[0],
        "CidrBlockSet": [{"CidrBlock": cidr} for cidr in cidrs],
        "OwnerId": peering.account,
        "PeeringOptions": {
            "AllowDnsResolutionFromRemoteVpc": resolves,
            "AllowEgressFromLocalClassicLinkToRemoteVpc": False,
            "AllowEgressFromLocalVpcToRemoteClassicLink": False,
        },
        "VpcId": vpc_id,
        "Region": peering.region,
    }


def _fields(peering: Json) -> Fields:
    accepter, requester = peering["AccepterVpcInfo"], peering["RequesterVpcInfo"]
    return {
        "accepter-vpc-info.cidr-block": accepter["CidrBlock"],
        "accepter-vpc-info.owner-id": accepter["OwnerId"],
        "accepter-vpc-info.vpc-id": accepter["VpcId"],
        "expiration-time": (),
        "requester-vpc-info.cidr-block": requester["CidrBlock"],
        "requester-vpc-info.owner-id": requester["OwnerId"],
        "requester-vpc-info.vpc-id": requester["VpcId"],
        "status-code": peering["Status"]["Code"],
        "status-message": peering["Status"]["Message"],
        "tags": tags.from_list(peering["Tags"]),
        "vpc-peering-connection-id": peering["VpcPeeringConnectionId"],
    }
