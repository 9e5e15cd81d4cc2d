"""Elastic IP addresses. They are recorded and shown; no packet arrives at one."""

from __future__ import annotations

import ipaddress

import attrs

from neargate.model import tags
from neargate.model.ec2 import InternetGateway, NetworkInterface, Vpc
from neargate.model.ec2_edges import ElasticAddress
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import (
    chosen,
    everything,
    find,
    invalid,
    new_id,
    reads,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

_POOL = ipaddress.IPv4Network("198.18.0.0/16")
"""Where addresses come from: they are nobody's (RFC 2544)."""


@writes("AllocateAddress", "Domain PublicIpv4Pool NetworkBorderGroup TagSpecifications")
def allocate_address(cx: Context, request: Json) -> Json:
    pool = request.get("PublicIpv4Pool") or "amazon"
    if pool != "amazon":
        raise AwsError("InvalidIpv4PoolID.NotFound", f"The pool ID '{pool}' does not exist")
    if request.get("NetworkBorderGroup") not in (None, "", cx.region):
        raise invalid(f"Invalid network border group: {request['NetworkBorderGroup']}")
    address = ElasticAddress(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "eipalloc"),
        public_ip=_free(cx),
        tags=tagging.given(cx, request, "elastic-ip"),
    )
    cx.tx.put(address)
    return {
        "PublicIp": address.public_ip,
        "AllocationId": address.id,
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": cx.region,
        "Domain": "vpc",
    }


def _free(cx: Context) -> str:
    taken = {address.public_ip for address in everything(cx, ElasticAddress)}
    while True:
        offset = int(cx.ids.hex(5), 16) % _POOL.num_addresses
        picked = str(_POOL.network_address + offset)
        if picked not in taken:
            return picked


@writes("ReleaseAddress", "AllocationId PublicIp NetworkBorderGroup")
def release_address(cx: Context, request: Json) -> Json:
    address = _named(cx, request)
    if address.association_id is not None:
        raise AwsError("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")
    cx.tx.delete(ElasticAddress, address.key)
    return {}


@writes(
    "AssociateAddress",
    "AllocationId PublicIp NetworkInterfaceId PrivateIpAddress AllowReassociation InstanceId",
)
def associate_address(cx: Context, request: Json) -> Json:
    address = _named(cx, request)
    if request.get("InstanceId"):
        raise AwsError(
            "InvalidInstanceID.NotFound", f"The instance ID '{request['InstanceId']}' does not exist"
        )
    if not request.get("NetworkInterfaceId"):
        raise AwsError("MissingParameter", "Either instanceId or networkInterfaceId must be specified")
    interface = require(cx, NetworkInterface, request["NetworkInterfaceId"])
    made = associate(
        cx,
        address,
        interface,
        request.get("PrivateIpAddress") or interface.private_ip,
        again=request.get("AllowReassociation", True) is not False,
    )
    return {"AssociationId": made.association_id}


def associate(
    cx: Context, address: ElasticAddress, interface: NetworkInterface, private_ip: str, *, again: bool = False
) -> ElasticAddress:
    """Put the address on one of the interface's own, recorded. `again`: it may be taken from another."""
    if private_ip not in interface.ips:
        raise invalid(f"The private IP address {private_ip} is not assigned to interface {interface.id}")
    holder = next(
        (
            o
            for o in everything(cx, ElasticAddress)
            if (o.interface_id, o.private_ip) == (interface.id, private_ip)
        ),
        None,
    )
    if holder is not None and holder.id == address.id:
        return address
    if (address.association_id is not None or holder is not None) and not again:
        busy = address if address.association_id is not None else holder
        assert busy is not None
        raise AwsError(
            "Resource.AlreadyAssociated",
            f"resource {address.id} is already associated with associate-id {busy.association_id}",
        )
    if not any(gateway.vpc_id == interface.vpc_id for gateway in everything(cx, InternetGateway)):
        raise AwsError(
            "Gateway.NotAttached", f"Network {interface.vpc_id} is not attached to any internet gateway"
        )
    if holder is not None:
        loose(cx, holder)
    made = attrs.evolve(
        address,
        association_id=new_id(cx, "eipassoc"),
        interface_id=interface.id,
        private_ip=private_ip,
    )
    cx.tx.put(made)
    return made


@writes("DisassociateAddress", "AssociationId PublicIp")
def disassociate_address(cx: Context, request: Json) -> Json:
    wanted = request.get("AssociationId")
    for address in everything(cx, ElasticAddress):
        if address.association_id is None:
            continue
        if wanted == address.association_id or (not wanted and request.get("PublicIp") == address.public_ip):
            _refuse_managed(cx, address)
            loose(cx, address)
            return {}
    if wanted:
        raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")
    raise _no_address(request.get("PublicIp") or "")


def _refuse_managed(cx: Context, address: ElasticAddress) -> None:
    interface = find(cx, NetworkInterface, address.interface_id or "")
    if interface is not None and interface.requester_managed:
        raise AwsError(
            "OperationNotPermitted", "You do not have permission to access the specified resource."
        )


def loose(cx: Context, address: ElasticAddress) -> None:
    """Take the address from its interface."""
    cx.tx.put(attrs.evolve(address, association_id=None, interface_id=None, private_ip=None))


@reads("DescribeAddresses")
def describe_addresses(cx: Context, request: Json) -> Json:
    found = chosen(cx, ElasticAddress, request.get("AllocationIds"))
    ips = request.get("PublicIps") or []
    for wanted in ips:
        if not any(address.public_ip == wanted for address in found):
            raise _no_address(wanted)
    found = [address for address in found if not ips or address.public_ip in ips]
    interfaces = {interface.id: interface for interface in everything(cx, NetworkInterface)}
    described = [_described(address, interfaces.get(address.interface_id or "")) for address in found]
    return {"Addresses": select(described, request.get("Filters"), _fields)}


@reads("DescribeAddressesAttribute")
def describe_addresses_attribute(cx: Context, request: Json) -> Json:
    """No address has a reverse DNS name here."""
    found = chosen(cx, ElasticAddress, request.get("AllocationIds"))
    return page(request, "Addresses", found, lambda a: {"PublicIp": a.public_ip, "AllocationId": a.id})


def _named(cx: Context, request: Json) -> ElasticAddress:
    if request.get("AllocationId"):
        return require(cx, ElasticAddress, request["AllocationId"])
    if not request.get("PublicIp"):
        raise AwsError("MissingParameter", "Either public IP or allocation id must be specified")
    for address in everything(cx, ElasticAddress):
        if address.public_ip == request["PublicIp"]:
            return address
    raise _no_address(request["PublicIp"])


def _no_address(ip: str) -> AwsError:
    return AwsError("InvalidAddress.NotFound", f"Address '{ip}' not found.")


def on_interfaces(cx: Context) -> dict[tuple[str, str], ElasticAddress]:
    """The associated addresses by (interface, private address)."""
    return {
        (address.interface_id, address.private_ip): address
        for address in everything(cx, ElasticAddress)
        if address.interface_id is not None and address.private_ip is not None
    }


def dns_name(cx: Context, vpc_id: str, ip: str) -> str:
    """The public host name of an address in a VPC with DNS host names, else ""."""
    vpc = find(cx, Vpc, vpc_id)
    if vpc is None or not vpc.dns_hostnames:
        return ""
    domain = "compute-1" if cx.region == "us-east-1" else f"{cx.region}.compute"
    return f"ec2-{ip.replace('.', '-')}.{domain}.amazonaws.com"


def _described(address: ElasticAddress, interface: NetworkInterface | None) -> Json:
    answer: Json = {
        "AllocationId": address.id,
        "Domain": "vpc",
        "NetworkBorderGroup": address.region,
        "PublicIp": address.public_ip,
        "PublicIpv4Pool": "amazon",
        "Tags": tags.upper(address.tags),
    }
    if address.association_id is not None:
        answer["AssociationId"] = address.association_id
        answer["NetworkInterfaceId"] = address.interface_id
        answer["PrivateIpAddress"] = address.private_ip
    if interface is not None:
        answer["NetworkInterfaceOwnerId"] = interface.account
    return answer


def _fields(address: Json) -> Fields:
    return {
        "allocation-id": address["AllocationId"],
        "association-id": address.get("AssociationId"),
        "domain": "vpc",
        "instance-id": (),
        "network-border-group": address["NetworkBorderGroup"],
        "network-interface-id": address.get("NetworkInterfaceId"),
        "network-interface-owner-id": address.get("NetworkInterfaceOwnerId"),
        "private-ip-address": address.get("PrivateIpAddress"),
        "public-ip": address["PublicIp"],
        "public-ipv4-pool": "amazon",
        "tags": tags.from_list(address["Tags"]),
    }
