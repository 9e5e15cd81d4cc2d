"""Network ACLs. They are recorded and shown; no packet is filtered by them."""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model import tags
from neargate.model.ec2 import AclEntry, NetworkAcl, Subnet, Vpc
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.cidr import parsed_cidr, parsed_ipv6
from neargate.services.ec2.estate import (
    chosen,
    dependency,
    everything,
    find,
    invalid,
    new_id,
    reads,
    repeated,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

_NUMBERS = {"icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58", "all": "-1"}
_HIGHEST = 32766
_LAST = 32767
"""The number of the rule that denies all; the IPv6 one has the next number."""


@writes("CreateNetworkAcl", "VpcId TagSpecifications ClientToken")
def create_network_acl(cx: Context, request: Json) -> Json:
    """A new ACL lets nothing through."""
    acl = repeated(cx, NetworkAcl, request)
    if acl is None:
        acl = NetworkAcl(
            account=cx.account,
            region=cx.region,
            id=new_id(cx, "acl"),
            vpc_id=require(cx, Vpc, request["VpcId"]).id,
            is_default=False,
            entries=(),
            tags=tagging.given(cx, request, "network-acl"),
            token=request.get("ClientToken") or "",
        )
        cx.tx.put(acl)
    return {"NetworkAcl": _described(cx, acl, [])}


@writes("DeleteNetworkAcl", "NetworkAclId")
def delete_network_acl(cx: Context, request: Json) -> Json:
    acl = require(cx, NetworkAcl, request["NetworkAclId"])
    if acl.is_default:
        raise invalid(f"cannot delete default network ACL {acl.id}")
    if any(subnet.acl_id == acl.id for subnet in everything(cx, Subnet)):
        raise dependency(f"The networkAcl '{acl.id}' has dependencies and cannot be deleted.")
    cx.tx.delete(NetworkAcl, acl.key)
    return {}


_ENTRY = "NetworkAclId RuleNumber Egress Protocol RuleAction CidrBlock Ipv6CidrBlock PortRange IcmpTypeCode"


@writes("CreateNetworkAclEntry", _ENTRY)
def create_network_acl_entry(cx: Context, request: Json) -> Json:
    acl = require(cx, NetworkAcl, request["NetworkAclId"])
    entry = _entry(request)
    if _position(acl, entry.number, egress=entry.egress) is not None:
        raise AwsError(
            "NetworkAclEntryAlreadyExists",
            f"The network acl entry identified by {entry.number} already exists.",
        )
    cx.tx.put(attrs.evolve(acl, entries=(*acl.entries, entry)))
    return {}


@writes("ReplaceNetworkAclEntry", _ENTRY)
def replace_network_acl_entry(cx: Context, request: Json) -> Json:
    acl = require(cx, NetworkAcl, request["NetworkAclId"])
    entry = _entry(request)
    position = _required(acl, entry.number, egress=entry.egress)
    entries = (*acl.entries[:position], entry, *acl.entries[position + 1 :])
    cx.tx.put(attrs.evolve(acl, entries=entries))
    return {}


@writes("DeleteNetworkAclEntry", "NetworkAclId RuleNumber Egress")
def delete_network_acl_entry(cx: Context, request: Json) -> Json:
    acl = require(cx, NetworkAcl, request["NetworkAclId"])
    position = _required(acl, request["RuleNumber"], egress=bool(request["Egress"]))
    cx.tx.put(attrs.evolve(acl, entries=(*acl.entries[:position], *acl.entries[position + 1 :])))
    return {}


@writes("ReplaceNetworkAclAssociation", "AssociationId NetworkAclId")
def replace_network_acl_association(cx: Context, request: Json) -> Json:
    """Associate a subnet with another ACL: the association gets a new id."""
    acl = require(cx, NetworkAcl, request["NetworkAclId"])
    wanted = request["AssociationId"]
    subnet = next((one for one in everything(cx, Subnet) if one.acl_association_id == wanted), None)
    if subnet is None:
        raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")
    if subnet.vpc_id != acl.vpc_id:
        raise invalid(f"Network ACL {acl.id} and subnet {subnet.id} belong to different networks")
    association = new_id(cx, "aclassoc")
    cx.tx.put(attrs.evolve(subnet, acl_id="" if acl.is_default else acl.id, acl_association_id=association))
    return {"NewAssociationId": association}


@reads("DescribeNetworkAcls")
def describe_network_acls(cx: Context, request: Json) -> Json:
    subnets = everything(cx, Subnet)
    found = chosen(cx, NetworkAcl, request.get("NetworkAclIds"))
    described = [_described(cx, acl, subnets) for acl in found]
    return page(request, "NetworkAcls", select(described, request.get("Filters"), _fields), dict)


# -- entries -----------------------------------------------------------------------------------------------


def _entry(request: Json) -> AclEntry:
    number = int(request["RuleNumber"])
    if not 1 <= number <= _HIGHEST:
        raise invalid(f"Invalid value '{number}' for parameter ruleNumber. Must be between 1 and {_HIGHEST}.")
    protocol = _protocol(str(request["Protocol"]))
    cidr4, cidr6 = request.get("CidrBlock"), request.get("Ipv6CidrBlock")
    if bool(cidr4) == bool(cidr6):
        raise AwsError("MissingParameter", "Either the parameter CidrBlock or Ipv6CidrBlock must be provided")
    return AclEntry(
        number=number,
        egress=bool(request["Egress"]),
        protocol=protocol,
        action=request["RuleAction"],
        cidr4=str(parsed_cidr(cidr4)) if cidr4 else None,
        cidr6=str(parsed_ipv6(cidr6)) if cidr6 else None,
        ports=_ports(protocol, request.get("PortRange")),
        icmp=_icmp(protocol, request.get("IcmpTypeCode")),
    )


def _protocol(text: str) -> str:
    protocol = _NUMBERS.get(text.lower(), text)
    if protocol != "-1" and not (protocol.isdecimal() and int(protocol) <= 255):
        raise invalid(f"Invalid value '{text}' for IP protocol. Unknown protocol.")
    return protocol


def _ports(protocol: str, given: dict[str, Any] | None) -> tuple[int, int] | None:
    if protocol not in ("6", "17"):
        return None
    low, high = (given or {}).get("From"), (given or {}).get("To")
    if low is None or high is None:
        raise invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
    if not 0 <= low <= high <= 65535:
        raise invalid(f"Invalid TCP/UDP port range ({low}:{high})")
    return int(low), int(high)


def _icmp(protocol: str, given: dict[str, Any] | None) -> tuple[int, int] | None:
    if protocol not in ("1", "58"):
        return None
    if given is None:
        raise AwsError("MissingParameter", "The request must contain the parameter icmpTypeCode.type")
    return int(given.get("Type", -1)), int(given.get("Code", -1))


def _position(acl: NetworkAcl, number: int, *, egress: bool) -> int | None:
    for position, entry in enumerate(acl.entries):
        if (entry.number, entry.egress) == (number, egress):
            return position
    return None


def _required(acl: NetworkAcl, number: int, *, egress: bool) -> int:
    position = _position(acl, number, egress=egress)
    if position is None:
        direction = "egress" if egress else "ingress"
        raise AwsError(
            "InvalidNetworkAclEntry.NotFound",
            f"The {direction} entry with number '{number}' does not exist in network ACL '{acl.id}'",
        )
    return position


# -- describing --------------------------------------------------------------------------------------------


def _described(cx: Context, acl: NetworkAcl, subnets: list[Subnet]) -> Json:
    own = [
        s
        for s in subnets
        if s.acl_id == acl.id or (acl.is_default and s.vpc_id == acl.vpc_id and not s.acl_id)
    ]
    return {
        "Associations": [
            {"NetworkAclAssociationId": s.acl_association_id, "NetworkAclId": acl.id, "SubnetId": s.id}
            for s in own
        ],
        "Entries": [_described_entry(entry) for entry in _all_entries(cx, acl)],
        "IsDefault": acl.is_default,
        "NetworkAclId": acl.id,
        "Tags": tags.upper(acl.tags),
        "VpcId": acl.vpc_id,
        "OwnerId": acl.account,
    }


def _all_entries(cx: Context, acl: NetworkAcl) -> list[AclEntry]:
    """Its entries and those that deny the rest: egress first, by number."""
    vpc = find(cx, Vpc, acl.vpc_id)
    last = [
        AclEntry(number=_LAST, egress=egress, protocol="-1", action="deny", cidr4="0.0.0.0/0")
        for egress in (True, False)
    ]
    if vpc is not None and vpc.ipv6:
        last += [
            AclEntry(number=_LAST + 1, egress=egress, protocol="-1", action="deny", cidr6="::/0")
            for egress in (True, False)
        ]
    return sorted((*acl.entries, *last), key=lambda entry: (not entry.egress, entry.number))


def _described_entry(entry: AclEntry) -> Json:
    answer: Json = {
        "Egress": entry.egress,
        "Protocol": entry.protocol,
        "RuleAction": entry.action,
        "RuleNumber": entry.number,
    }
    if entry.cidr4 is not None:
        answer["CidrBlock"] = entry.cidr4
    if entry.cidr6 is not None:
        answer["Ipv6CidrBlock"] = entry.cidr6
    if entry.ports is not None:
        answer["PortRange"] = {"From": entry.ports[0], "To": entry.ports[1]}
    if entry.icmp is not None:
        answer["IcmpTypeCode"] = {"Type": entry.icmp[0], "Code": entry.icmp[1]}
    return answer


def _fields(acl: Json) -> Fields:
    associations, entries = acl["Associations"], acl["Entries"]
    ranges = [entry["PortRange"] for entry in entries if "PortRange" in entry]
    codes = [entry["IcmpTypeCode"] for entry in entries if "IcmpTypeCode" in entry]
    return {
        "association.association-id": [one["NetworkAclAssociationId"] for one in associations],
        "association.network-acl-id": [one["NetworkAclId"] for one in associations],
        "association.subnet-id": [one["SubnetId"] for one in associations],
        "default": acl["IsDefault"],
        "entry.cidr": [one["CidrBlock"] for one in entries if "CidrBlock" in one],
        "entry.ipv6-cidr": [one["Ipv6CidrBlock"] for one in entries if "Ipv6CidrBlock" in one],
        "entry.egress": ["true" if one["Egress"] else "false" for one in entries],
        "entry.icmp.code": [str(code["Code"]) for code in codes],
        "entry.icmp.type": [str(code["Type"]) for code in codes],
        "entry.port-range.from": [str(one["From"]) for one in ranges],
        "entry.port-range.to": [str(one["To"]) for one in ranges],
        "entry.protocol": [one["Protocol"] for one in entries],
        "entry.rule-action": [one["RuleAction"] for one in entries],
        "entry.rule-number": [str(one["RuleNumber"]) for one in entries],
        "network-acl-id": acl["NetworkAclId"],
        "owner-id": acl["OwnerId"],
        "tags": tags.from_list(acl["Tags"]),
        "vpc-id": acl["VpcId"],
    }
