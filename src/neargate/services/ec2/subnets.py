"""Subnets."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Any

import attrs

from neargate.model import tags
from neargate.model.ec2 import NetworkInterface, RouteAssociation, RouteTable, Subnet, Vpc
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.zones import Zone, zones
from neargate.services.ec2 import cidr_blocks, tagging
from neargate.services.ec2.cidr import parsed_cidr
from neargate.services.ec2.estate import (
    chosen,
    dependency,
    everything,
    invalid,
    leases,
    new_id,
    reads,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

RESERVED = 5
"""Addresses of every subnet that AWS keeps: network, router, DNS, future use, broadcast."""


@writes("CreateSubnet", "VpcId CidrBlock Ipv6CidrBlock AvailabilityZone AvailabilityZoneId TagSpecifications")
def create_subnet(cx: Context, request: Json) -> Json:
    vpc = require(cx, Vpc, request["VpcId"])
    if not request.get("CidrBlock"):
        raise AwsError(
            "MissingParameter",
            "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided when creating a subnet.",
        )
    network = parsed_cidr(request["CidrBlock"])
    inside = any(network.subnet_of(ipaddress.IPv4Network(cidr)) for cidr in vpc.cidrs)
    if not 16 <= network.prefixlen <= 28 or not inside:
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{request['CidrBlock']}' is invalid.")
    _refuse_overlap(cx, vpc.id, network)
    zone = _zone(cx, request.get("AvailabilityZone"), request.get("AvailabilityZoneId"))
    subnet = plant(cx, new_id(cx, "subnet"), vpc.id, str(network), zone)
    subnet = attrs.evolve(subnet, tags=tagging.given(cx, request, "subnet"))
    cx.tx.put(subnet)
    if request.get("Ipv6CidrBlock"):
        subnet, _ = cidr_blocks.give_subnet_ipv6(cx, subnet, request["Ipv6CidrBlock"])
    return {"Subnet": {**_described(subnet, 0), "State": "pending"}}


def plant(cx: Context, subnet_id: str, vpc_id: str, cidr: str, zone: Zone) -> Subnet:
    """A subnet of that id, recorded."""
    subnet = Subnet(
        account=cx.account,
        region=cx.region,
        id=subnet_id,
        vpc_id=vpc_id,
        cidr=cidr,
        zone=zone.name,
        zone_id=zone.id,
        acl_association_id=new_id(cx, "aclassoc"),
    )
    cx.tx.put(subnet)
    return subnet


@reads("DescribeSubnets")
def describe_subnets(cx: Context, request: Json) -> Json:
    used = Counter(lease.subnet_id for lease in leases(cx))
    found = select(
        chosen(cx, Subnet, request.get("SubnetIds")),
        request.get("Filters"),
        lambda subnet: _fields(subnet, used[subnet.id]),
    )
    return page(request, "Subnets", found, lambda subnet: _described(subnet, used[subnet.id]))


@writes(
    "ModifySubnetAttribute",
    "SubnetId AssignIpv6AddressOnCreation EnableDns64 EnableResourceNameDnsAAAARecordOnLaunch "
    "EnableResourceNameDnsARecordOnLaunch MapPublicIpOnLaunch PrivateDnsHostnameTypeOnLaunch",
)
def modify_subnet_attribute(cx: Context, request: Json) -> Json:
    subnet = require(cx, Subnet, request["SubnetId"])
    if (request.get("AssignIpv6AddressOnCreation") or {}).get("Value") and not subnet.ipv6:
        raise invalid(
            "Invalid value 'true' for assignIpv6AddressOnCreation. Subnet must be associated with an IPv6 CIDR block."
        )
    new: dict[str, Any] = {
        field: bool(request[member].get("Value")) for member, field in _SWITCHES.items() if member in request
    }
    subnet = attrs.evolve(subnet, **new)
    if "PrivateDnsHostnameTypeOnLaunch" in request:
        subnet = attrs.evolve(subnet, hostname_type=request["PrivateDnsHostnameTypeOnLaunch"])
    cx.tx.put(subnet)
    return {}


_SWITCHES = {
    "AssignIpv6AddressOnCreation": "assign_ipv6",
    "EnableDns64": "dns64",
    "EnableResourceNameDnsAAAARecordOnLaunch": "dns_aaaa_records",
    "EnableResourceNameDnsARecordOnLaunch": "dns_a_records",
    "MapPublicIpOnLaunch": "map_public_ip",
}


@writes("DeleteSubnet", "SubnetId")
def delete_subnet(cx: Context, request: Json) -> Json:
    """Its route table association goes with it; a network interface in it stands in the way."""
    subnet = require(cx, Subnet, request["SubnetId"])
    if any(interface.subnet_id == subnet.id for interface in everything(cx, NetworkInterface)):
        raise dependency(f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")
    for table in everything(cx, RouteTable):
        if any(association.subnet_id == subnet.id for association in table.associations):
            cx.tx.put(attrs.evolve(table, associations=_without(table.associations, subnet.id)))
    cx.tx.delete(Subnet, subnet.key)
    return {}


def _without(associations: tuple[RouteAssociation, ...], subnet_id: str) -> tuple[RouteAssociation, ...]:
    return tuple(association for association in associations if association.subnet_id != subnet_id)


def _refuse_overlap(cx: Context, vpc_id: str, network: ipaddress.IPv4Network) -> None:
    for other in everything(cx, Subnet):
        if other.vpc_id == vpc_id and network.overlaps(ipaddress.IPv4Network(other.cidr)):
            raise AwsError("InvalidSubnet.Conflict", f"The CIDR '{network}' conflicts with another subnet")


def _zone(cx: Context, name: str | None, zone_id: str | None) -> Zone:
    """The zone that is named, or the region's first."""
    every = zones(cx.region)
    if name is not None and zone_id is not None:
        raise AwsError(
            "InvalidParameterCombination",
            "The parameters availabilityZone and availabilityZoneId cannot be used together.",
        )
    for zone in every:
        if (name is None and zone_id is None) or zone.name == name or zone.id == zone_id:
            return zone
    word = "availabilityZone" if name is not None else "availabilityZoneId"
    allowed = ", ".join(zone.name if name is not None else zone.id for zone in every)
    raise invalid(
        f"Value ({name or zone_id}) for parameter {word} is invalid. Subnets can currently only be created in "
        f"the following availability zones: {allowed}."
    )


def available(subnet: Subnet, used: int) -> int:
    """How many addresses of a subnet are free."""
    network = ipaddress.IPv4Network(subnet.cidr)
    return int(network.num_addresses) - RESERVED - used


def _described(subnet: Subnet, used: int) -> Json:
    return {
        "AvailabilityZoneId": subnet.zone_id,
        "MapCustomerOwnedIpOnLaunch": False,
        "OwnerId": subnet.account,
        "AssignIpv6AddressOnCreation": subnet.assign_ipv6,
        "Ipv6CidrBlockAssociationSet": [cidr_blocks.described_subnet_ipv6(block) for block in subnet.ipv6],
        "Tags": tags.upper(subnet.tags),
        "SubnetArn": subnet.arn("subnet"),
        "EnableDns64": subnet.dns64,
        "Ipv6Native": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": subnet.hostname_type,
            "EnableResourceNameDnsARecord": subnet.dns_a_records,
            "EnableResourceNameDnsAAAARecord": subnet.dns_aaaa_records,
        },
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
        "SubnetId": subnet.id,
        "State": "available",
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr,
        "AvailableIpAddressCount": available(subnet, used),
        "AvailabilityZone": subnet.zone,
        "DefaultForAz": subnet.default_for_az,
        "MapPublicIpOnLaunch": subnet.map_public_ip,
    }


def _fields(subnet: Subnet, used: int) -> Fields:
    return {
        "availability-zone": subnet.zone,
        "availabilityZone": subnet.zone,
        "availability-zone-id": subnet.zone_id,
        "availabilityZoneId": subnet.zone_id,
        "available-ip-address-count": available(subnet, used),
        "cidr-block": subnet.cidr,
        "cidr": subnet.cidr,
        "cidrBlock": subnet.cidr,
        "customer-owned-ipv4-pool": (),
        "default-for-az": subnet.default_for_az,
        "defaultForAz": subnet.default_for_az,
        "enable-dns64": subnet.dns64,
        "enable-lni-at-device-index": (),
        "ipv6-cidr-block-association.ipv6-cidr-block": [block.cidr for block in subnet.ipv6],
        "ipv6-cidr-block-association.association-id": [block.id for block in subnet.ipv6],
        "ipv6-cidr-block-association.state": "associated" if subnet.ipv6 else (),
        "ipv6-native": "false",
        "map-customer-owned-ip-on-launch": "false",
        "map-public-ip-on-launch": subnet.map_public_ip,
        "outpost-arn": (),
        "owner-id": subnet.account,
        "private-dns-name-options-on-launch.hostname-type": subnet.hostname_type,
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": subnet.dns_a_records,
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": subnet.dns_aaaa_records,
        "state": "available",
        "subnet-arn": subnet.arn("subnet"),
        "subnet-id": subnet.id,
        "tags": subnet.tags,
        "vpc-id": subnet.vpc_id,
    }
