"""AWS::EC2:: types of the network itself: VPC, Subnet, CIDR blocks, DHCP options, network ACLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import Call, Desired, Existing, Identity, ResourceType, Steps
from neargate.resources.ec2_steps import (
    NEIGHBOURS,
    changed,
    deleting,
    described,
    error,
    honoured,
    patient,
    retag,
    retag_only,
    tagged,
    unless_used,
)
from neargate.resources.shapes import call, missing_is_fine, pick

# -- VPC ---------------------------------------------------------------------------------------------------

_VPC_ATTRIBUTES = {"EnableDnsSupport": True, "EnableDnsHostnames": False}
"""With what a new VPC has."""


def _create_vpc(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("CidrBlock", "InstanceTenancy"))
    answer = yield call("ec2", "CreateVpc", given, **tagged(want, "vpc"))
    vpc: str = answer["Vpc"]["VpcId"]
    for name in _VPC_ATTRIBUTES:
        if name in want.properties:
            yield _vpc_attribute(vpc, name, want.properties[name])
    return Identity(vpc)


def _vpc_attribute(vpc: str, name: str, value: Any) -> Call:
    return call("ec2", "ModifyVpcAttribute", {"VpcId": vpc, name: {"Value": value}})


def _update_vpc(old: Existing, want: Desired) -> Steps[None]:
    for name in changed(old, want, _VPC_ATTRIBUTES):
        yield _vpc_attribute(old.id, name, want.properties.get(name, _VPC_ATTRIBUTES[name]))
    if changed(old, want, ["InstanceTenancy"]):
        tenancy = want.properties.get("InstanceTenancy", "default")
        yield Call("ec2", "ModifyVpcTenancy", {"VpcId": old.id, "InstanceTenancy": tenancy})
    yield from retag(old.id, old.desired, want)


def _read_vpc(existing: Existing) -> Steps[Json]:
    vpc = yield from described("DescribeVpcs", "VpcIds", "Vpcs", existing.id)
    within = [{"Name": "vpc-id", "Values": [existing.id]}]
    acls = yield Call(
        "ec2", "DescribeNetworkAcls", {"Filters": [*within, {"Name": "default", "Values": ["true"]}]}
    )
    groups = yield Call(
        "ec2", "DescribeSecurityGroups", {"Filters": [*within, {"Name": "group-name", "Values": ["default"]}]}
    )
    answer: Json = {
        "VpcId": vpc["VpcId"],
        "CidrBlock": vpc["CidrBlock"],
        "CidrBlockAssociations": [one["AssociationId"] for one in vpc["CidrBlockAssociationSet"]],
        "DefaultNetworkAcl": acls["NetworkAcls"][0]["NetworkAclId"],
        "DefaultSecurityGroup": groups["SecurityGroups"][0]["GroupId"],
        "InstanceTenancy": vpc["InstanceTenancy"],
        "Ipv6CidrBlocks": [one["Ipv6CidrBlock"] for one in vpc["Ipv6CidrBlockAssociationSet"]],
    }
    for name in _VPC_ATTRIBUTES:
        attribute = name[0].lower() + name[1:]
        shown = yield Call("ec2", "DescribeVpcAttribute", {"VpcId": existing.id, "Attribute": attribute})
        answer[name] = shown[name]["Value"]
    return answer


def _needs_another_vpc(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """A tenancy can only be given up in place."""
    return new.get("InstanceTenancy", "default") not in ("default", old.get("InstanceTenancy"))


_delete_vpc = deleting("DeleteVpc", "VpcId")


# -- Subnet ------------------------------------------------------------------------------------------------

_SWITCHES = ("AssignIpv6AddressOnCreation", "EnableDns64", "MapPublicIpOnLaunch")
_NAMES = "PrivateDnsNameOptionsOnLaunch"
_NAME_OPTIONS = {
    "HostnameType": ("PrivateDnsHostnameTypeOnLaunch", "ip-name"),
    "EnableResourceNameDnsARecord": ("EnableResourceNameDnsARecordOnLaunch", False),
    "EnableResourceNameDnsAAAARecord": ("EnableResourceNameDnsAAAARecordOnLaunch", False),
}
"""The property's parts: the API's member for each, and its default."""


def _create_subnet(want: Desired) -> Steps[Identity]:
    placed = ("VpcId", "CidrBlock", "Ipv6CidrBlock", "AvailabilityZone", "AvailabilityZoneId")
    answer = yield call("ec2", "CreateSubnet", pick(want.properties, placed), **tagged(want, "subnet"))
    subnet: str = answer["Subnet"]["SubnetId"]
    for name in _SWITCHES:
        if name in want.properties:
            yield _subnet_attribute(subnet, name, want.properties[name])
    if _NAMES in want.properties:
        yield from _name_options(subnet, {}, want.properties[_NAMES])
    return Identity(subnet)


def _subnet_attribute(subnet: str, name: str, value: Any) -> Call:
    return call("ec2", "ModifySubnetAttribute", {"SubnetId": subnet, name: {"Value": value}})


def _name_options(subnet: str, old: Json, new: Json) -> Steps[None]:
    for part, (member, default) in _NAME_OPTIONS.items():
        before, after = old.get(part, default), new.get(part, default)
        if before == after:
            continue
        value = after if part == "HostnameType" else {"Value": after}
        yield call("ec2", "ModifySubnetAttribute", {"SubnetId": subnet, member: value})


def _update_subnet(old: Existing, want: Desired) -> Steps[None]:
    if changed(old, want, ["Ipv6CidrBlock"]):
        subnet = yield from described("DescribeSubnets", "SubnetIds", "Subnets", old.id)
        for block in subnet["Ipv6CidrBlockAssociationSet"]:
            yield Call("ec2", "DisassociateSubnetCidrBlock", {"AssociationId": block["AssociationId"]})
        if "Ipv6CidrBlock" in want.properties:
            given = {"SubnetId": old.id, **pick(want.properties, ["Ipv6CidrBlock"])}
            yield call("ec2", "AssociateSubnetCidrBlock", given)
    for name in changed(old, want, _SWITCHES):
        yield _subnet_attribute(old.id, name, want.properties.get(name, False))
    before, after = old.desired.properties.get(_NAMES) or {}, want.properties.get(_NAMES) or {}
    yield from _name_options(old.id, before, after)
    yield from retag(old.id, old.desired, want)


def _read_subnet(existing: Existing) -> Steps[Json]:
    subnet = yield from described("DescribeSubnets", "SubnetIds", "Subnets", existing.id)
    filters = [{"Name": "association.subnet-id", "Values": [existing.id]}]
    acls = yield Call("ec2", "DescribeNetworkAcls", {"Filters": filters})
    (association,) = [
        one["NetworkAclAssociationId"]
        for one in acls["NetworkAcls"][0]["Associations"]
        if one["SubnetId"] == existing.id
    ]
    plain = (
        "SubnetId VpcId CidrBlock AvailabilityZone AvailabilityZoneId AssignIpv6AddressOnCreation EnableDns64"
    )
    return {
        **pick(subnet, (*plain.split(), "Ipv6Native", "MapPublicIpOnLaunch", _NAMES)),
        "BlockPublicAccessStates": subnet["BlockPublicAccessStates"],
        "Ipv6CidrBlocks": [one["Ipv6CidrBlock"] for one in subnet["Ipv6CidrBlockAssociationSet"]],
        "Ipv6CidrBlock": next((o["Ipv6CidrBlock"] for o in subnet["Ipv6CidrBlockAssociationSet"]), ""),
        "NetworkAclAssociationId": association,
    }


_delete_subnet = deleting("DeleteSubnet", "SubnetId")


# -- CIDR blocks -------------------------------------------------------------------------------------------


def _create_vpc_block(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("VpcId", "CidrBlock", "AmazonProvidedIpv6CidrBlock"))
    answer = yield call("ec2", "AssociateVpcCidrBlock", given)
    block = answer.get("CidrBlockAssociation") or answer["Ipv6CidrBlockAssociation"]
    return Identity(block["AssociationId"])


def _read_vpc_block(existing: Existing) -> Steps[Json]:
    vpc = yield from described("DescribeVpcs", "VpcIds", "Vpcs", existing.desired.properties["VpcId"])
    for block in vpc["Ipv6CidrBlockAssociationSet"]:
        if block["AssociationId"] == existing.id:
            return {"Id": existing.id, **pick(block, ("Ipv6AddressAttribute", "IpSource"))}
    return {"Id": existing.id, "Ipv6AddressAttribute": "", "IpSource": ""}


_delete_vpc_block = deleting("DisassociateVpcCidrBlock", "AssociationId")


def _create_subnet_block(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("SubnetId", "Ipv6CidrBlock"))
    answer = yield call("ec2", "AssociateSubnetCidrBlock", given)
    return Identity(answer["Ipv6CidrBlockAssociation"]["AssociationId"])


def _read_subnet_block(existing: Existing) -> Steps[Json]:
    wanted = existing.desired.properties["SubnetId"]
    subnet = yield from described("DescribeSubnets", "SubnetIds", "Subnets", wanted)
    for block in subnet["Ipv6CidrBlockAssociationSet"]:
        if block["AssociationId"] == existing.id:
            return {"Id": existing.id, **pick(block, ("Ipv6AddressAttribute", "IpSource"))}
    return {"Id": existing.id}


# -- DHCP options ------------------------------------------------------------------------------------------

_OPTIONS = {
    "DomainName": "domain-name",
    "DomainNameServers": "domain-name-servers",
    "Ipv6AddressPreferredLeaseTime": "ipv6-address-preferred-lease-time",
    "NetbiosNameServers": "netbios-name-servers",
    "NetbiosNodeType": "netbios-node-type",
    "NtpServers": "ntp-servers",
}


def _create_options(want: Desired) -> Steps[Identity]:
    configurations = [
        {"Key": key, "Values": [str(one) for one in (value if isinstance(value, list) else [value])]}
        for name, key in _OPTIONS.items()
        if (value := want.properties.get(name)) is not None
    ]
    request = {"DhcpConfigurations": configurations, **tagged(want, "dhcp-options")}
    answer = yield Call("ec2", "CreateDhcpOptions", request)
    return Identity(answer["DhcpOptions"]["DhcpOptionsId"])


def _read_options(existing: Existing) -> Steps[Json]:
    yield from described("DescribeDhcpOptions", "DhcpOptionsIds", "DhcpOptions", existing.id)
    return {"DhcpOptionsId": existing.id}


_delete_options = deleting("DeleteDhcpOptions", "DhcpOptionsId")


def _associate_options(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("DhcpOptionsId", "VpcId"))
    yield call("ec2", "AssociateDhcpOptions", given)
    return Identity(f"{given['DhcpOptionsId']}|{given['VpcId']}")


def _read_options_association(existing: Existing) -> Steps[Json]:
    yield from described("DescribeVpcs", "VpcIds", "Vpcs", existing.desired.properties["VpcId"])
    return {}


def _disassociate_options(existing: Existing) -> Steps[None]:
    """The VPC is left without options; AWS's handler does the same."""
    request = {"DhcpOptionsId": "default", "VpcId": existing.desired.properties["VpcId"]}
    yield from missing_is_fine(Call("ec2", "AssociateDhcpOptions", request), "InvalidVpcID.NotFound")


# -- network ACLs ------------------------------------------------------------------------------------------


def _create_acl(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ["VpcId"])
    answer = yield call("ec2", "CreateNetworkAcl", given, **tagged(want, "network-acl"))
    return Identity(answer["NetworkAcl"]["NetworkAclId"])


def _read_acl(existing: Existing) -> Steps[Json]:
    yield from described("DescribeNetworkAcls", "NetworkAclIds", "NetworkAcls", existing.id)
    return {"Id": existing.id}


_delete_acl = deleting("DeleteNetworkAcl", "NetworkAclId")


def _entry(want: Desired, operation: str) -> Call:
    given = dict(want.properties)
    if "Icmp" in given:
        given["IcmpTypeCode"] = given.pop("Icmp")
    return call("ec2", operation, {"Egress": False, **given})


def _create_entry(want: Desired) -> Steps[Identity]:
    """The id is `acl|egress|number`."""
    yield _entry(want, "CreateNetworkAclEntry")
    properties = want.properties
    egress = "true" if str(properties.get("Egress", False)).lower() == "true" else "false"
    return Identity(f"{properties['NetworkAclId']}|{egress}|{properties['RuleNumber']}")


def _update_entry(old: Existing, want: Desired) -> Steps[None]:
    yield _entry(want, "ReplaceNetworkAclEntry")


def _read_entry(existing: Existing) -> Steps[Json]:
    acl = existing.desired.properties["NetworkAclId"]
    yield from described("DescribeNetworkAcls", "NetworkAclIds", "NetworkAcls", acl)
    return {"Id": existing.id}


def _delete_entry(existing: Existing) -> Steps[None]:
    acl, egress, number = existing.id.split("|")
    request = {"NetworkAclId": acl, "Egress": egress == "true", "RuleNumber": int(number)}
    yield Call("ec2", "DeleteNetworkAclEntry", request)


def _associate_acl(want: Desired) -> Steps[Identity]:
    association = yield from _association(want.properties["SubnetId"])
    request = {"AssociationId": association, "NetworkAclId": want.properties["NetworkAclId"]}
    answer = yield Call("ec2", "ReplaceNetworkAclAssociation", request)
    return Identity(answer["NewAssociationId"])


def _association(subnet: str) -> Steps[str]:
    """The id of the subnet's association with whatever ACL it has."""
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    answer = yield Call("ec2", "DescribeNetworkAcls", {"Filters": filters})
    for acl in answer["NetworkAcls"]:
        for association in acl["Associations"]:
            if association["SubnetId"] == subnet:
                return str(association["NetworkAclAssociationId"])
    raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist")


def _read_acl_association(existing: Existing) -> Steps[Json]:
    association = yield from _association(existing.desired.properties["SubnetId"])
    return {"AssociationId": association}


def _disassociate_acl(existing: Existing) -> Steps[None]:
    """Back to the VPC's default ACL, unless another association came since."""
    association = yield from _association(existing.desired.properties["SubnetId"])
    if association != existing.id:
        return
    subnet = yield from described(
        "DescribeSubnets", "SubnetIds", "Subnets", existing.desired.properties["SubnetId"]
    )
    filters = [
        {"Name": "vpc-id", "Values": [subnet["VpcId"]]},
        {"Name": "default", "Values": ["true"]},
    ]
    answer = yield Call("ec2", "DescribeNetworkAcls", {"Filters": filters})
    request = {"AssociationId": association, "NetworkAclId": answer["NetworkAcls"][0]["NetworkAclId"]}
    yield Call("ec2", "ReplaceNetworkAclAssociation", request)


TYPES = (
    ResourceType(
        type="AWS::EC2::VPC",
        honoured=honoured("CidrBlock EnableDnsHostnames EnableDnsSupport InstanceTenancy Tags"),
        create=_create_vpc,
        read=_read_vpc,
        update=_update_vpc,
        replaces=_needs_another_vpc,
        delete=patient(_delete_vpc),
        gone=unless_used(_delete_vpc),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::Subnet",
        honoured=honoured(
            "AssignIpv6AddressOnCreation AvailabilityZone AvailabilityZoneId CidrBlock EnableDns64 Ipv6CidrBlock "
            "MapPublicIpOnLaunch PrivateDnsNameOptionsOnLaunch Tags VpcId"
        ),
        create=_create_subnet,
        read=_read_subnet,
        update=_update_subnet,
        delete=patient(_delete_subnet),
        gone=unless_used(_delete_subnet),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::VPCCidrBlock",
        honoured=honoured("AmazonProvidedIpv6CidrBlock CidrBlock VpcId"),
        create=_create_vpc_block,
        alters=frozenset({"AWS::EC2::VPC"}),
        read=_read_vpc_block,
        delete=patient(_delete_vpc_block),
        gone=unless_used(_delete_vpc_block),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::SubnetCidrBlock",
        honoured=honoured("Ipv6CidrBlock SubnetId"),
        create=_create_subnet_block,
        alters=frozenset({"AWS::EC2::Subnet"}),
        read=_read_subnet_block,
        delete=deleting("DisassociateSubnetCidrBlock", "AssociationId"),
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::DHCPOptions",
        honoured=honoured(f"{' '.join(_OPTIONS)} Tags"),
        create=_create_options,
        read=_read_options,
        update=retag_only,
        delete=patient(_delete_options),
        gone=unless_used(_delete_options),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::VPCDHCPOptionsAssociation",
        honoured=honoured("DhcpOptionsId VpcId"),
        create=_associate_options,
        read=_read_options_association,
        delete=_disassociate_options,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::NetworkAcl",
        honoured=honoured("Tags VpcId"),
        create=_create_acl,
        read=_read_acl,
        update=retag_only,
        delete=patient(_delete_acl),
        gone=unless_used(_delete_acl),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::NetworkAclEntry",
        honoured=honoured(
            "CidrBlock Egress Icmp Ipv6CidrBlock NetworkAclId PortRange Protocol RuleAction RuleNumber"
        ),
        create=_create_entry,
        read=_read_entry,
        update=_update_entry,
        delete=_delete_entry,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::SubnetNetworkAclAssociation",
        honoured=honoured("NetworkAclId SubnetId"),
        create=_associate_acl,
        alters=frozenset({"AWS::EC2::Subnet"}),
        read=_read_acl_association,
        delete=_disassociate_acl,
        error=error,
    ),
)
