"""What a VPC and its subnets are made of: CIDR blocks, network ACLs, DHCP options, addresses of interfaces."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.cloud import cloud
from tests.unit.services.ec2_calls import Ec2, where


@pytest.fixture
def ec2() -> Iterator[Ec2]:
    with cloud() as aws:
        yield Ec2(aws)


def described(ec2: Ec2, vpc: str) -> dict[str, Any]:
    return dict(ec2("DescribeVpcs", VpcIds=[vpc])["Vpcs"][0])


# -- CIDR blocks -------------------------------------------------------------------------------------------


def test_a_second_block_takes_subnets_and_is_routed(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    table = ec2.table(vpc)
    assert ec2.refused("CreateSubnet", VpcId=vpc, CidrBlock="10.1.0.0/24")[0] == "InvalidSubnet.Range"
    made = ec2("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    assert made["CidrBlockState"] == {"State": "associating"}
    blocks = described(ec2, vpc)["CidrBlockAssociationSet"]
    assert [(b["CidrBlock"], b["CidrBlockState"]["State"]) for b in blocks] == [
        ("10.0.0.0/16", "associated"),
        ("10.1.0.0/16", "associated"),
    ]
    inside = ec2.subnet(vpc, "10.1.0.0/24")
    assert {route[0] for route in ec2.routes(table)} == {"10.0.0.0/16", "10.1.0.0/16"}
    named = {"AssociationId": made["AssociationId"]}
    assert ec2.refused("DisassociateVpcCidrBlock", **named) == (
        "DependencyViolation",
        "The vpc CIDR block '10.1.0.0/16' has dependencies and cannot be deleted.",
    )
    ec2("DeleteSubnet", SubnetId=inside)
    ec2("DisassociateVpcCidrBlock", **named)
    assert [route[0] for route in ec2.routes(table)] == ["10.0.0.0/16"]
    assert ec2.refused("DisassociateVpcCidrBlock", **named)[0] == "InvalidVpcCidrBlockAssociationID.NotFound"
    first = described(ec2, vpc)["CidrBlockAssociationSet"][0]["AssociationId"]
    assert ec2.refused("DisassociateVpcCidrBlock", AssociationId=first)[0] == "OperationNotPermitted"


def test_a_vpc_has_one_ipv6_block_and_its_subnets_parts_of_it(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    plain = ec2.subnet(vpc)
    refusal = ec2.refused(
        "ModifySubnetAttribute", SubnetId=plain, AssignIpv6AddressOnCreation={"Value": True}
    )
    assert refusal[0] == "InvalidParameterValue"
    made = ec2("AssociateVpcCidrBlock", VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)[
        "Ipv6CidrBlockAssociation"
    ]
    network = ipaddress.IPv6Network(made["Ipv6CidrBlock"])
    assert network.prefixlen == 56
    assert ec2.refused("AssociateVpcCidrBlock", VpcId=vpc, AmazonProvidedIpv6CidrBlock=True) == (
        "CidrBlockAssociationLimitExceeded",
        f"The number of IPv6 CIDR blocks associated with {vpc} has reached its limit of 1.",
    )
    one, other, *_ = (str(part) for part in network.subnets(new_prefix=64))
    subnet = ec2.subnet(vpc, "10.0.1.0/24", Ipv6CidrBlock=one)
    assert ec2.refused("AssociateSubnetCidrBlock", SubnetId=plain, Ipv6CidrBlock=one) == (
        "InvalidSubnet.Conflict",
        f"The CIDR '{one}' conflicts with another subnet",
    )
    assert ec2.refused("AssociateSubnetCidrBlock", SubnetId=plain, Ipv6CidrBlock="2001:db9::/64") == (
        "InvalidSubnet.Range",
        "The CIDR '2001:db9::/64' is invalid.",
    )
    held = ec2("AssociateSubnetCidrBlock", SubnetId=plain, Ipv6CidrBlock=other)["Ipv6CidrBlockAssociation"]
    ec2("ModifySubnetAttribute", SubnetId=plain, AssignIpv6AddressOnCreation={"Value": True})
    (shown,) = ec2("DescribeSubnets", SubnetIds=[plain])["Subnets"]
    assert shown["AssignIpv6AddressOnCreation"] is True
    assert shown["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] == other
    ec2("DisassociateSubnetCidrBlock", AssociationId=held["AssociationId"])
    (shown,) = ec2("DescribeSubnets", SubnetIds=[plain])["Subnets"]
    assert (shown["AssignIpv6AddressOnCreation"], shown["Ipv6CidrBlockAssociationSet"]) == (False, [])
    ec2("DeleteSubnet", SubnetId=subnet)
    ec2("DisassociateVpcCidrBlock", AssociationId=made["AssociationId"])
    assert described(ec2, vpc)["Ipv6CidrBlockAssociationSet"] == []


def test_the_default_acl_lets_ipv6_through_where_there_is_any(ec2: Ec2) -> None:
    made = ec2("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    (acl,) = ec2("DescribeNetworkAcls", Filters=where(vpc_id=made["VpcId"]))["NetworkAcls"]
    ingress = [(e["RuleNumber"], e["RuleAction"]) for e in acl["Entries"] if not e["Egress"]]
    assert ingress == [(100, "allow"), (101, "allow"), (32767, "deny"), (32768, "deny")]


# -- network ACLs ------------------------------------------------------------------------------------------


def test_a_network_acl_and_its_entries(ec2: Ec2) -> None:
    acl = ec2("CreateNetworkAcl", VpcId=ec2.vpc())["NetworkAcl"]
    assert [(e["RuleNumber"], e["RuleAction"]) for e in acl["Entries"]] == [(32767, "deny")] * 2
    named = {"NetworkAclId": acl["NetworkAclId"]}
    entry = {**named, "RuleNumber": 100, "Egress": False, "Protocol": "tcp", "RuleAction": "allow"}
    ports = {"CidrBlock": "10.0.0.5/8", "PortRange": {"From": 80, "To": 81}}
    ec2("CreateNetworkAclEntry", **entry, **ports)
    assert ec2.refused("CreateNetworkAclEntry", **entry, **ports) == (
        "NetworkAclEntryAlreadyExists",
        "The network acl entry identified by 100 already exists.",
    )
    (shown,) = ec2("DescribeNetworkAcls", NetworkAclIds=[acl["NetworkAclId"]])["NetworkAcls"]
    assert shown["Entries"][1] == {
        "Egress": False,
        "Protocol": "6",
        "RuleAction": "allow",
        "RuleNumber": 100,
        "CidrBlock": "10.0.0.0/8",
        "PortRange": {"From": 80, "To": 81},
    }
    ping = {"CidrBlock": "0.0.0.0/0", "IcmpTypeCode": {"Type": 8, "Code": -1}}
    ec2("ReplaceNetworkAclEntry", **{**entry, "Protocol": "icmp"}, **ping)
    found = ec2("DescribeNetworkAcls", Filters=[{"Name": "entry.icmp.type", "Values": ["8"]}])["NetworkAcls"]
    assert [one["NetworkAclId"] for one in found] == [acl["NetworkAclId"]]
    ec2("DeleteNetworkAclEntry", **named, RuleNumber=100, Egress=False)
    assert ec2.refused("DeleteNetworkAclEntry", **named, RuleNumber=100, Egress=False) == (
        "InvalidNetworkAclEntry.NotFound",
        f"The ingress entry with number '100' does not exist in network ACL '{acl['NetworkAclId']}'",
    )


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (
            {"RuleNumber": 32767},
            "InvalidParameterValue",
            "Invalid value '32767' for parameter ruleNumber. Must be between 1 and 32766.",
        ),
        (
            {"Protocol": "ipx"},
            "InvalidParameterValue",
            "Invalid value 'ipx' for IP protocol. Unknown protocol.",
        ),
        (
            {"PortRange": {"From": 81, "To": 80}},
            "InvalidParameterValue",
            "Invalid TCP/UDP port range (81:80)",
        ),
        (
            {"Ipv6CidrBlock": "::/0"},
            "MissingParameter",
            "Either the parameter CidrBlock or Ipv6CidrBlock must be provided",
        ),
        (
            {"Protocol": "icmp"},
            "MissingParameter",
            "The request must contain the parameter icmpTypeCode.type",
        ),
    ],
)
def test_entries_that_are_refused(ec2: Ec2, more: dict[str, Any], code: str, message: str) -> None:
    acl = ec2("CreateNetworkAcl", VpcId=ec2.vpc())["NetworkAcl"]["NetworkAclId"]
    good = {"RuleNumber": 1, "Egress": True, "Protocol": "6", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}
    request = {"NetworkAclId": acl, **good, "PortRange": {"From": 1, "To": 2}, **more}
    assert ec2.refused("CreateNetworkAclEntry", **request) == (code, message)


def test_a_subnet_changes_its_acl(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    acl = ec2("CreateNetworkAcl", VpcId=vpc)["NetworkAcl"]["NetworkAclId"]

    def association() -> tuple[str, str]:
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        (found,) = ec2("DescribeNetworkAcls", Filters=filters)["NetworkAcls"]
        (one,) = found["Associations"]
        return one["NetworkAclAssociationId"], found["NetworkAclId"]

    old, default = association()
    new = ec2("ReplaceNetworkAclAssociation", AssociationId=old, NetworkAclId=acl)["NewAssociationId"]
    assert association() == (new, acl)
    assert ec2.refused("DeleteNetworkAcl", NetworkAclId=acl) == (
        "DependencyViolation",
        f"The networkAcl '{acl}' has dependencies and cannot be deleted.",
    )
    assert ec2.refused("DeleteVpc", VpcId=vpc)[0] == "DependencyViolation"
    ec2("ReplaceNetworkAclAssociation", AssociationId=new, NetworkAclId=default)
    ec2("DeleteNetworkAcl", NetworkAclId=acl)
    assert ec2.refused("DeleteNetworkAcl", NetworkAclId=default) == (
        "InvalidParameterValue",
        f"cannot delete default network ACL {default}",
    )


# -- DHCP options ------------------------------------------------------------------------------------------


def test_dhcp_options_of_ones_own(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    configurations = [
        {"Key": "domain-name", "Values": ["shop.internal"]},
        {"Key": "ntp-servers", "Values": ["10.0.0.1", "10.0.0.2"]},
    ]
    made = ec2("CreateDhcpOptions", DhcpConfigurations=configurations)["DhcpOptions"]
    assert made["DhcpConfigurations"][1] == {
        "Key": "ntp-servers",
        "Values": [{"Value": "10.0.0.1"}, {"Value": "10.0.0.2"}],
    }
    options = made["DhcpOptionsId"]
    ec2("AssociateDhcpOptions", DhcpOptionsId=options, VpcId=vpc)
    assert described(ec2, vpc)["DhcpOptionsId"] == options
    assert ec2.refused("DeleteDhcpOptions", DhcpOptionsId=options) == (
        "DependencyViolation",
        f"The dhcpOptions '{options}' has dependencies and cannot be deleted.",
    )
    ec2("AssociateDhcpOptions", DhcpOptionsId="default", VpcId=vpc)
    ec2("DeleteDhcpOptions", DhcpOptionsId=options)
    assert ec2.refused("AssociateDhcpOptions", DhcpOptionsId=options, VpcId=vpc) == (
        "InvalidDhcpOptionID.NotFound",
        f"The dhcpOption ID '{options}' does not exist",
    )
    nonsense = [{"Key": "colour", "Values": ["red"]}]
    assert ec2.refused("CreateDhcpOptions", DhcpConfigurations=nonsense)[0] == "InvalidParameterValue"


# -- addresses of interfaces -------------------------------------------------------------------------------


def test_secondary_addresses_come_and_go(ec2: Ec2) -> None:
    subnet = ec2.subnet(ec2.vpc(), "10.0.0.0/28")
    wanted = [
        {"PrivateIpAddress": "10.0.0.4", "Primary": True},
        {"PrivateIpAddress": "10.0.0.5", "Primary": False},
    ]
    interface = ec2.interface(subnet, PrivateIpAddresses=wanted)
    named = {"NetworkInterfaceId": interface}
    assert ec2.refused("AssignPrivateIpAddresses", **named, PrivateIpAddresses=["10.0.0.5"]) == (
        "InvalidIPAddress.InUse",
        "The specified address is already in use.",
    )
    more = ec2("AssignPrivateIpAddresses", **named, SecondaryPrivateIpAddressCount=2)
    assert len(more["AssignedPrivateIpAddresses"]) == 2
    (shown,) = ec2("DescribeSubnets", SubnetIds=[subnet])["Subnets"]
    assert shown["AvailableIpAddressCount"] == 11 - 4
    ec2("UnassignPrivateIpAddresses", **named, PrivateIpAddresses=["10.0.0.5"])
    ec2.interface(subnet, PrivateIpAddress="10.0.0.5")
    assert ec2.refused("UnassignPrivateIpAddresses", **named, PrivateIpAddresses=["10.0.0.5"]) == (
        "InvalidParameterValue",
        f"Some of [10.0.0.5] are not assigned to interface {interface}",
    )
    ec2("DeleteNetworkInterface", **named)
    (shown,) = ec2("DescribeSubnets", SubnetIds=[subnet])["Subnets"]
    assert shown["AvailableIpAddressCount"] == 10
