"""Secondary private addresses of network interfaces."""

from __future__ import annotations

import attrs

from neargate.model.ec2 import AddressLease, NetworkInterface, Subnet
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import addresses, interfaces
from neargate.services.ec2.estate import invalid, require, writes


@writes(
    "AssignPrivateIpAddresses",
    "NetworkInterfaceId PrivateIpAddresses SecondaryPrivateIpAddressCount AllowReassignment",
)
def assign_private_ip_addresses(cx: Context, request: Json) -> Json:
    interface = require(cx, NetworkInterface, request["NetworkInterfaceId"])
    subnet = require(cx, Subnet, interface.subnet_id)
    wanted, count = (
        request.get("PrivateIpAddresses") or [],
        request.get("SecondaryPrivateIpAddressCount") or 0,
    )
    if bool(wanted) == bool(count):
        raise AwsError(
            "InvalidParameterCombination",
            "Exactly one of secondaryPrivateIpAddressCount and privateIpAddresses must be specified.",
        )
    new = interfaces.further_addresses(cx, subnet, wanted, len(wanted) or count)
    interfaces.lease(cx, interface, new)
    cx.tx.put(attrs.evolve(interface, secondary_ips=(*interface.secondary_ips, *new)))
    return {
        "NetworkInterfaceId": interface.id,
        "AssignedPrivateIpAddresses": [{"PrivateIpAddress": ip} for ip in new],
    }


@writes("UnassignPrivateIpAddresses", "NetworkInterfaceId PrivateIpAddresses")
def unassign_private_ip_addresses(cx: Context, request: Json) -> Json:
    """An elastic address on one of them is free again."""
    interface = require(cx, NetworkInterface, request["NetworkInterfaceId"])
    gone = request.get("PrivateIpAddresses") or []
    for ip in gone:
        if ip not in interface.secondary_ips:
            raise invalid(f"Some of [{', '.join(gone)}] are not assigned to interface {interface.id}")
    held = addresses.on_interfaces(cx)
    for ip in gone:
        if (interface.id, ip) in held:
            addresses.loose(cx, held[(interface.id, ip)])
        cx.tx.delete(AddressLease, cx.caller.scope(interface.subnet_id, ip))
    kept = tuple(ip for ip in interface.secondary_ips if ip not in gone)
    cx.tx.put(attrs.evolve(interface, secondary_ips=kept))
    return {}
