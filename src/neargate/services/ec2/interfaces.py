"""Elastic network interfaces and the allocation of their addresses."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Collection

import attrs

from neargate.model import tags
from neargate.model.ec2 import (
    AddressLease,
    NetworkInterface,
    SecurityGroup,
    Subnet,
    Vpc,
    dns_domain,
)
from neargate.model.ec2_edges import ElasticAddress
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import addresses, tagging
from neargate.services.ec2.estate import (
    chosen,
    establish,
    everything,
    find,
    invalid,
    leases,
    new_id,
    not_found,
    reads,
    repeated,
    require,
    writes,
)
from neargate.services.ec2.places import SECURITY_GROUPS_PER_INTERFACE
from neargate.services.ec2.selection import Fields, page, select

MANAGERS = {"elasticloadbalancing.amazonaws.com": "amazon-elb"}
"""Services whose interfaces are their own, and what DescribeNetworkInterfaces shows as their RequesterId."""
_TRIES = 16
"""Random picks before the free addresses are counted out."""


@writes(
    "CreateNetworkInterface",
    "SubnetId Description PrivateIpAddress PrivateIpAddresses SecondaryPrivateIpAddressCount Groups InterfaceType "
    "TagSpecifications ClientToken",
)
def create_network_interface(cx: Context, request: Json) -> Json:
    interface = repeated(cx, NetworkInterface, request)
    if interface is None and cx.caller.via in MANAGERS:
        interface = _for_manager(cx, request)
    if interface is None:
        if request.get("InterfaceType") not in (None, "interface"):
            raise invalid(f"Invalid interface type: {request['InterfaceType']}")
        address, secondary = _wanted_addresses(request)
        interface = _made(
            cx,
            request["SubnetId"],
            request.get("Groups") or (),
            request.get("Description") or "",
            address=address,
            secondary=secondary,
            secondary_count=request.get("SecondaryPrivateIpAddressCount") or 0,
        )
        interface = attrs.evolve(
            interface,
            tags=tagging.given(cx, request, "network-interface"),
            delete_on_termination=False,
            token=request.get("ClientToken") or "",
        )
        cx.tx.put(interface)
    described = {**_described(interface, _around(cx)), "Status": "pending"}
    return {"NetworkInterface": described, "ClientToken": interface.token}


def _for_manager(cx: Context, request: Json) -> NetworkInterface:
    """The interface that a service asks for, to manage it itself. It may be of any type, and have no group."""
    return create_managed(
        cx,
        request["SubnetId"],
        request.get("Groups") or None,
        request.get("Description") or "",
        MANAGERS[cx.caller.via],
        type=request.get("InterfaceType") or "interface",
        address=request.get("PrivateIpAddress"),
    )


def _wanted_addresses(request: Json) -> tuple[str | None, list[str]]:
    """The primary address that a request asks for, and the secondary ones."""
    primary, secondary = request.get("PrivateIpAddress"), []
    for item in request.get("PrivateIpAddresses") or ():
        if not item.get("Primary"):
            secondary.append(item["PrivateIpAddress"])
        elif primary not in (None, item["PrivateIpAddress"]):
            raise AwsError(
                "InvalidParameterCombination", "Only one primary private IP address can be specified."
            )
        else:
            primary = item["PrivateIpAddress"]
    return primary, secondary


def create_managed(
    cx: Context,
    subnet_id: str,
    groups: Collection[str] | None,
    description: str,
    requester: str,
    avoid: Collection[str] = (),
    *,
    type: str = "interface",
    address: str | None = None,
    secondary: Collection[str] = (),
    secondary_count: int = 0,
) -> NetworkInterface:
    """An interface in use that a service manages for a task, a load balancer, a gateway or an endpoint.

    `requester` is what DescribeNetworkInterfaces shows as RequesterId; `avoid` are addresses that must not be
    picked though no record holds them. With an empty list of groups it gets the VPC's default group, with None
    it has none. Raises InvalidSubnetID.NotFound, InvalidGroup.NotFound, InsufficientFreeAddressesInSubnet.
    """
    establish(cx)
    interface = _made(
        cx,
        subnet_id,
        groups,
        description,
        avoid=avoid,
        address=address,
        secondary=secondary,
        secondary_count=secondary_count,
    )
    interface = attrs.evolve(
        interface,
        type=type,
        status="in-use",
        attachment_id=f"ela-attach-0{cx.ids.hex(16)}",
        requester=requester,
        requester_managed=True,
    )
    cx.tx.put(interface)
    return interface


def release(cx: Context, interface_id: str) -> bool:
    """Remove an interface that a service managed, and free its address; False where it is gone already."""
    interface = find(cx, NetworkInterface, interface_id)
    if interface is None:
        return False
    _forget(cx, interface)
    return True


def regroup(cx: Context, interface_ids: Collection[str], groups: Collection[str]) -> None:
    """Give managed interfaces these security groups, which were checked."""
    for interface_id in interface_ids:
        interface = require(cx, NetworkInterface, interface_id)
        cx.tx.put(attrs.evolve(interface, groups=tuple(groups)))


@writes("DeleteNetworkInterface", "NetworkInterfaceId")
def delete_network_interface(cx: Context, request: Json) -> Json:
    """One that a service manages goes only when a service asks (`via`)."""
    interface = require(cx, NetworkInterface, request["NetworkInterfaceId"])
    if interface.status == "in-use" and not (interface.requester_managed and cx.caller.via):
        raise invalid(f"Network interface '{interface.id}' is currently in use.")
    _forget(cx, interface)
    return {}


@reads("DescribeNetworkInterfaces")
def describe_network_interfaces(cx: Context, request: Json) -> Json:
    around = _around(cx)
    found = select(
        chosen(cx, NetworkInterface, request.get("NetworkInterfaceIds")),
        request.get("Filters"),
        lambda interface: _fields(interface, around),
    )
    return page(request, "NetworkInterfaces", found, lambda interface: _described(interface, around))


@writes("ModifyNetworkInterfaceAttribute", "NetworkInterfaceId Description SourceDestCheck Groups")
def modify_network_interface_attribute(cx: Context, request: Json) -> Json:
    interface = require(cx, NetworkInterface, request["NetworkInterfaceId"])
    if request.get("Groups"):
        groups = _groups(cx, interface.vpc_id, request["Groups"])
        interface = attrs.evolve(interface, groups=groups)
    if "Description" in request:
        interface = attrs.evolve(interface, description=request["Description"].get("Value") or "")
    if "SourceDestCheck" in request:
        wanted = bool(request["SourceDestCheck"].get("Value"))
        interface = attrs.evolve(interface, source_dest_check=wanted)
    cx.tx.put(interface)
    return {}


def _made(
    cx: Context,
    subnet_id: str,
    groups: Collection[str] | None,
    description: str,
    *,
    address: str | None = None,
    avoid: Collection[str] = (),
    secondary: Collection[str] = (),
    secondary_count: int = 0,
) -> NetworkInterface:
    subnet = require(cx, Subnet, subnet_id)
    held = () if groups is None else _groups(cx, subnet.vpc_id, groups)
    picked = _free_address(cx, subnet, avoid) if address is None else _wanted_address(cx, subnet, address)
    further = further_addresses(cx, subnet, secondary, secondary_count, (*avoid, picked))
    vpc = require(cx, Vpc, subnet.vpc_id)
    dashed = picked.replace(".", "-")
    interface = NetworkInterface(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "eni"),
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.id,
        zone=subnet.zone,
        zone_id=subnet.zone_id,
        private_ip=picked,
        mac=":".join(("02", *(cx.ids.hex(2) for _ in range(5)))),
        private_dns=f"ip-{dashed}.{dns_domain(cx.region)}" if vpc.dns_support and vpc.dns_hostnames else "",
        created=cx.now,
        groups=held,
        description=description,
        secondary_ips=tuple(further),
    )
    lease(cx, interface, interface.ips)
    return interface


def further_addresses(
    cx: Context, subnet: Subnet, wanted: Collection[str], count: int, avoid: Collection[str] = ()
) -> list[str]:
    """The wanted addresses of the subnet, checked, and free ones until there are `count`."""
    found = [_wanted_address(cx, subnet, one) for one in wanted]
    while len(found) < count:
        found.append(_free_address(cx, subnet, (*avoid, *found)))
    return found


def _groups(cx: Context, vpc_id: str, wanted: Collection[str]) -> tuple[str, ...]:
    """The ids of the groups, checked; the VPC's default group where none is wanted."""
    if not wanted:
        own = [g for g in everything(cx, SecurityGroup) if g.vpc_id == vpc_id and g.name == "default"]
        return tuple(group.id for group in own)
    if len(set(wanted)) > SECURITY_GROUPS_PER_INTERFACE:
        raise AwsError(
            "SecurityGroupsPerInterfaceLimitExceeded",
            "The maximum number of security groups per interface has been reached.",
        )
    for group_id in wanted:
        group = find(cx, SecurityGroup, group_id)
        if group is None:
            raise not_found(SecurityGroup, [group_id])
        if group.vpc_id != vpc_id:
            raise AwsError(
                "InvalidGroup.NotFound",
                f"You have specified two resources that belong to different networks: {group_id}, {vpc_id}",
            )
    return tuple(dict.fromkeys(wanted))


def _free_address(cx: Context, subnet: Subnet, avoid: Collection[str]) -> str:
    """A random free address of the subnet.

    Random, because two servers on one machine share its routes: a clash is rare, and the one who meets it
    asks again with that address in `avoid`.
    """
    network = ipaddress.IPv4Network(subnet.cidr)
    first, count = int(network.network_address) + 4, network.num_addresses - 5
    for _ in range(_TRIES):
        address = str(ipaddress.IPv4Address(first + int(cx.ids.hex(8), 16) % count))
        if address not in avoid and _holder(cx, subnet, address) is None:
            return address
    taken = {lease.address for lease in leases(cx, subnet.id)} | set(avoid)
    every = (str(ipaddress.IPv4Address(first + offset)) for offset in range(count))
    free = [address for address in every if address not in taken]
    if not free:
        raise AwsError(
            "InsufficientFreeAddressesInSubnet",
            "The specified subnet does not have enough free addresses to satisfy the request.",
        )
    return free[int(cx.ids.hex(8), 16) % len(free)]


def _wanted_address(cx: Context, subnet: Subnet, address: str) -> str:
    network = ipaddress.IPv4Network(subnet.cidr)
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        raise invalid(f"Invalid value '{address}' for privateIpAddress. Not a valid IPv4 address.") from None
    if parsed not in network:
        raise invalid("Address does not fall within the subnet's address range")
    offset = int(parsed) - int(network.network_address)
    if offset < 4 or parsed == network.broadcast_address:
        raise invalid("Address is in subnet's reserved address range")
    if _holder(cx, subnet, str(parsed)) is not None:
        raise AwsError("InvalidIPAddress.InUse", "The specified address is already in use.")
    return str(parsed)


def _holder(cx: Context, subnet: Subnet, address: str) -> AddressLease | None:
    return cx.tx.get(AddressLease, cx.caller.scope(subnet.id, address))


def lease(cx: Context, interface: NetworkInterface, ips: Collection[str]) -> None:
    """Record that these addresses of its subnet are the interface's."""
    for address in ips:
        cx.tx.put(
            AddressLease(
                account=interface.account,
                region=interface.region,
                subnet_id=interface.subnet_id,
                address=address,
                interface_id=interface.id,
            )
        )


def _forget(cx: Context, interface: NetworkInterface) -> None:
    """Remove the interface: its addresses are free again, the elastic ones too."""
    for address in everything(cx, ElasticAddress):
        if address.interface_id == interface.id:
            addresses.loose(cx, address)
    cx.tx.delete(NetworkInterface, interface.key)
    for ip in interface.ips:
        cx.tx.delete(AddressLease, cx.caller.scope(interface.subnet_id, ip))


@attrs.frozen
class _Around:
    """What is shown with an interface: names of groups, elastic addresses by (interface, private address) with
    their host names."""

    names: dict[str, str]
    elastic: dict[tuple[str, str], ElasticAddress]
    dns: Callable[[str, str], str]


def _around(cx: Context) -> _Around:
    return _Around(
        {group.id: group.name for group in everything(cx, SecurityGroup)},
        addresses.on_interfaces(cx),
        functools.partial(addresses.dns_name, cx),
    )


def _described_address(interface: NetworkInterface, private_ip: str, around: _Around) -> Json:
    address: Json = {"Primary": private_ip == interface.private_ip, "PrivateIpAddress": private_ip}
    if interface.private_dns:
        dashed = private_ip.replace(".", "-")
        address["PrivateDnsName"] = f"ip-{dashed}.{interface.private_dns.partition('.')[2]}"
    elastic = around.elastic.get((interface.id, private_ip))
    if elastic is not None:
        address["Association"] = {
            "AllocationId": elastic.id,
            "AssociationId": elastic.association_id,
            "IpOwnerId": elastic.account,
            "PublicDnsName": around.dns(interface.vpc_id, elastic.public_ip),
            "PublicIp": elastic.public_ip,
        }
    return address


def _described(interface: NetworkInterface, around: _Around) -> Json:
    described = [_described_address(interface, ip, around) for ip in interface.ips]
    answer: Json = {
        "AvailabilityZone": interface.zone,
        "AvailabilityZoneId": interface.zone_id,
        "Description": interface.description,
        "Groups": [
            {"GroupId": group, "GroupName": around.names.get(group, "")} for group in interface.groups
        ],
        "InterfaceType": interface.type,
        "Ipv6Addresses": [],
        "MacAddress": interface.mac,
        "NetworkInterfaceId": interface.id,
        "OwnerId": interface.account,
        "PrivateIpAddress": interface.private_ip,
        "PrivateIpAddresses": described,
        "RequesterManaged": interface.requester_managed,
        "SourceDestCheck": interface.source_dest_check,
        "Status": interface.status,
        "SubnetId": interface.subnet_id,
        "TagSet": tags.upper(interface.tags),
        "VpcId": interface.vpc_id,
    }
    if interface.private_dns:
        answer["PrivateDnsName"] = interface.private_dns
    if "Association" in described[0]:
        answer["Association"] = described[0]["Association"]
    if interface.requester:
        answer["RequesterId"] = interface.requester
    if interface.attachment_id is not None:
        answer["Attachment"] = {
            "AttachTime": interface.created,
            "AttachmentId": interface.attachment_id,
            "DeleteOnTermination": interface.delete_on_termination,
            "DeviceIndex": 1,
            "InstanceOwnerId": interface.requester or interface.account,
            "Status": "attached",
        }
    return answer


def _fields(interface: NetworkInterface, around: _Around) -> Fields:
    attached = interface.attachment_id is not None
    nothing: tuple[str, ...] = ()
    elastic = [
        around.elastic[(interface.id, ip)] for ip in interface.ips if (interface.id, ip) in around.elastic
    ]
    return {
        "addresses.association.public-ip": [address.public_ip for address in elastic],
        "addresses.primary": "true",
        "addresses.private-ip-address": interface.ips,
        "association.allocation-id": [address.id for address in elastic],
        "association.association-id": [address.association_id or "" for address in elastic],
        "association.public-ip": [address.public_ip for address in elastic],
        "attachment.attachment-id": interface.attachment_id,
        "attachment.delete-on-termination": interface.delete_on_termination if attached else nothing,
        "attachment.instance-id": nothing,
        "attachment.instance-owner-id": (interface.requester or interface.account) if attached else nothing,
        "attachment.status": "attached" if attached else nothing,
        "availability-zone": interface.zone,
        "availability-zone-id": interface.zone_id,
        "description": interface.description,
        "group-id": interface.groups,
        "group-name": [around.names.get(group, "") for group in interface.groups],
        "interface-type": interface.type,
        "mac-address": interface.mac,
        "network-interface-id": interface.id,
        "owner-id": interface.account,
        "private-dns-name": interface.private_dns,
        "private-ip-address": interface.private_ip,
        "requester-id": interface.requester,
        "requester-managed": interface.requester_managed,
        "source-dest-check": interface.source_dest_check,
        "status": interface.status,
        "subnet-id": interface.subnet_id,
        "tags": interface.tags,
        "vpc-id": interface.vpc_id,
    }
