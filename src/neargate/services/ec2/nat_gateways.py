"""NAT gateways. They hold an interface and an address, as on AWS; no packet passes through one."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import InternetGateway, Subnet
from neargate.model.ec2_edges import ElasticAddress, NatGateway
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import addresses, interfaces, tagging
from neargate.services.ec2.estate import (
    everything,
    find,
    invalid,
    let_linger,
    new_id,
    reads,
    repeated,
    require,
    shown,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select


@writes(
    "CreateNatGateway",
    "SubnetId AllocationId ConnectivityType PrivateIpAddress SecondaryAllocationIds SecondaryPrivateIpAddresses "
    "SecondaryPrivateIpAddressCount TagSpecifications ClientToken",
)
def create_nat_gateway(cx: Context, request: Json) -> Json:
    gateway = repeated(cx, NatGateway, request)
    if gateway is None:
        gateway = _made(cx, request)
    pending = {"Status": "associating", "IsPrimary": True}
    first = {"AllocationId": gateway.allocation_ids[0], **pending} if gateway.allocation_ids else pending
    answer = {**_described(gateway), "State": "pending", "NatGatewayAddresses": [first]}
    return {"NatGateway": answer, "ClientToken": gateway.token}


def _made(cx: Context, request: Json) -> NatGateway:
    if not request.get("SubnetId"):
        raise AwsError("MissingParameter", "The request must contain the parameter subnetId")
    subnet = require(cx, Subnet, request["SubnetId"])
    public = (request.get("ConnectivityType") or "public") == "public"
    allocations = _allocations(cx, request, public=public)
    gateway = NatGateway(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "nat"),
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.id,
        created=cx.now,
        connectivity="public" if public else "private",
        allocation_ids=tuple(a.id for a in allocations),
        public_ips=tuple(a.public_ip for a in allocations),
        tags=tagging.given(cx, request, "natgateway"),
        token=request.get("ClientToken") or "",
    )
    if public and not any(g.vpc_id == subnet.vpc_id for g in everything(cx, InternetGateway)):
        failure = ("Gateway.NotAttached", f"Network {subnet.vpc_id} has no Internet gateway attached")
        gateway = attrs.evolve(gateway, failure=failure)
        let_linger(cx, gateway)
        return gateway
    return _connected(cx, gateway, allocations, request)


def _connected(
    cx: Context, gateway: NatGateway, allocations: list[ElasticAddress], request: Json
) -> NatGateway:
    """The gateway with its interface and its addresses on that, recorded."""
    extra = list(request.get("SecondaryPrivateIpAddresses") or ())
    count = request.get("SecondaryPrivateIpAddressCount") or max(len(allocations) - 1 - len(extra), 0)
    interface = interfaces.create_managed(
        cx,
        gateway.subnet_id,
        None,
        f"Interface for NAT Gateway {gateway.id}",
        cx.account,
        type="nat_gateway",
        address=request.get("PrivateIpAddress"),
        secondary=extra,
        secondary_count=count,
    )
    for allocation, private_ip in zip(allocations, interface.ips, strict=False):
        addresses.associate(cx, allocation, interface, private_ip)
    gateway = attrs.evolve(gateway, interface_id=interface.id, private_ips=interface.ips)
    cx.tx.put(gateway)
    return gateway


def _allocations(cx: Context, request: Json, *, public: bool) -> list[ElasticAddress]:
    """The elastic addresses of a public gateway, free and checked."""
    wanted = [request["AllocationId"]] if request.get("AllocationId") else []
    wanted += request.get("SecondaryAllocationIds") or ()
    if not public:
        if wanted:
            raise invalid("AllocationId is not supported for private NAT gateways")
        return []
    if not request.get("AllocationId"):
        raise AwsError("MissingParameter", "The request must contain the parameter AllocationId")
    found = []
    for allocation in wanted:
        address = find(cx, ElasticAddress, allocation)
        if address is None:
            raise AwsError("InvalidAllocationID.NotFound", f"The allocation ID '{allocation}' does not exist")
        if address.association_id is not None:
            raise AwsError(
                "Resource.AlreadyAssociated", f"Elastic IP address [{allocation}] is already associated"
            )
        found.append(address)
    return found


@writes("DeleteNatGateway", "NatGatewayId")
def delete_nat_gateway(cx: Context, request: Json) -> Json:
    """Its interface goes, its addresses are free again; routes to it lead nowhere then."""
    gateway = require(cx, NatGateway, request["NatGatewayId"])
    interfaces.release(cx, gateway.interface_id)
    let_linger(cx, gateway)
    return {"NatGatewayId": gateway.id}


@reads("DescribeNatGateways")
def describe_nat_gateways(cx: Context, request: Json) -> Json:
    found = shown(cx, NatGateway, request.get("NatGatewayIds"))
    filters = request.get("Filter") or request.get("Filters")
    return page(request, "NatGateways", select(found, filters, _fields), _described)


def _state(gateway: NatGateway) -> str:
    if gateway.failure is not None:
        return "failed"
    return "available" if gateway.deleted is None else "deleted"


def _described(gateway: NatGateway) -> Json:
    described = []
    for place, private_ip in enumerate(gateway.private_ips):
        address: Json = {
            "NetworkInterfaceId": gateway.interface_id,
            "PrivateIp": private_ip,
            "IsPrimary": place == 0,
            "Status": "succeeded",
        }
        if place < len(gateway.allocation_ids):
            address["AllocationId"] = gateway.allocation_ids[place]
            address["PublicIp"] = gateway.public_ips[place]
        described.append(address)
    answer: Json = {
        "CreateTime": gateway.created,
        "NatGatewayAddresses": described,
        "NatGatewayId": gateway.id,
        "State": _state(gateway),
        "SubnetId": gateway.subnet_id,
        "VpcId": gateway.vpc_id,
        "Tags": tags.upper(gateway.tags),
        "ConnectivityType": gateway.connectivity,
    }
    if gateway.failure is not None:
        answer["FailureCode"], answer["FailureMessage"] = gateway.failure
    if gateway.deleted is not None:
        answer["DeleteTime"] = gateway.deleted
    return answer


def _fields(gateway: NatGateway) -> Fields:
    return {
        "nat-gateway-id": gateway.id,
        "state": _state(gateway),
        "subnet-id": gateway.subnet_id,
        "tags": gateway.tags,
        "vpc-id": gateway.vpc_id,
    }
