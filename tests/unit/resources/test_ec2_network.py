"""The AWS::EC2:: types of the network, as stacks make, change and remove them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.resources import registry, schemas
from tests.unit.resources.stacks import Stacks

pytestmark = pytest.mark.anyio

Resources = dict[str, dict[str, Any]]
REF = "Ref"


def a(kind: str, /, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::EC2::{kind}", "Properties": properties}


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


VPC = a("VPC", CidrBlock="10.0.0.0/16", EnableDnsHostnames="true")
SUBNET = a("Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/24", MapPublicIpOnLaunch=True)
PUBLIC: Resources = {
    "Vpc": VPC,
    "Subnet": SUBNET,
    "Gateway": a("InternetGateway"),
    "Attachment": a("VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Gateway")),
}


def public(**more: dict[str, Any]) -> Resources:
    """A VPC with a subnet and an internet gateway, and what else a test needs. Copies: tests change them."""
    return copy.deepcopy({**PUBLIC, **more})


async def one(stacks: Stacks, operation: str, member: str, **request: Any) -> dict[str, Any]:
    (found,) = (await stacks.call("ec2", operation, **request))[member]
    return dict(found)


def after(name: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {**resource, "DependsOn": name}


# -- every type: attributes --------------------------------------------------------------------------------

EVERYTHING: Resources = {
    **PUBLIC,
    "Address": after("Attachment", a("EIP", Domain="vpc")),
    "Nat": a("NatGateway", SubnetId=ref("Subnet"), AllocationId=att("Address", "AllocationId")),
    "Table": a("RouteTable", VpcId=ref("Vpc")),
    "Route": a("Route", RouteTableId=ref("Table"), DestinationCidrBlock="0.0.0.0/0", NatGatewayId=ref("Nat")),
    "Association": a("SubnetRouteTableAssociation", RouteTableId=ref("Table"), SubnetId=ref("Subnet")),
    "Interface": a("NetworkInterface", SubnetId=ref("Subnet"), SecondaryPrivateIpAddressCount=1),
    "Second": after("Attachment", a("EIP")),
    "Associated": a(
        "EIPAssociation", AllocationId=att("Second", "AllocationId"), NetworkInterfaceId=ref("Interface")
    ),
    "Acl": a("NetworkAcl", VpcId=ref("Vpc")),
    "Entry": a(
        "NetworkAclEntry",
        NetworkAclId=ref("Acl"),
        RuleNumber=100,
        Protocol=6,
        RuleAction="allow",
        CidrBlock="0.0.0.0/0",
        PortRange={"From": 80, "To": 80},
    ),
    "AclAssociation": a("SubnetNetworkAclAssociation", NetworkAclId=ref("Acl"), SubnetId=ref("Subnet")),
    "Options": a("DHCPOptions", DomainName="shop.internal", NtpServers=["10.0.0.1"]),
    "OptionsAssociation": a("VPCDHCPOptionsAssociation", DhcpOptionsId=ref("Options"), VpcId=ref("Vpc")),
    "Block": a("VPCCidrBlock", VpcId=ref("Vpc"), AmazonProvidedIpv6CidrBlock=True),
    "SubnetBlock": after(
        "Block",
        a(
            "SubnetCidrBlock",
            SubnetId=ref("Subnet"),
            Ipv6CidrBlock={
                "Fn::Select": [
                    0,
                    {"Fn::Cidr": [{"Fn::Select": [0, att("Vpc", "Ipv6CidrBlocks")]}, 1, 64]},
                ]
            },
        ),
    ),
    "Egress": a("EgressOnlyInternetGateway", VpcId=ref("Vpc")),
    "Vpn": a("VPNGateway", Type="ipsec.1"),
    "VpnAttachment": a("VPCGatewayAttachment", VpcId=ref("Vpc"), VpnGatewayId=ref("Vpn")),
    "Propagation": after(
        "VpnAttachment",
        a("VPNGatewayRoutePropagation", RouteTableIds=[ref("Table")], VpnGatewayId=ref("Vpn")),
    ),
    "Other": a("VPC", CidrBlock="10.9.0.0/16"),
    "Peering": a("VPCPeeringConnection", VpcId=ref("Vpc"), PeerVpcId=ref("Other")),
    "Transit": a("TransitGateway", AmazonSideAsn=65000, Description="all"),
    "TransitAttachment": a(
        "TransitGatewayAttachment",
        TransitGatewayId=ref("Transit"),
        VpcId=ref("Vpc"),
        SubnetIds=[ref("Subnet")],
    ),
    "Logs": a(
        "VPCEndpoint",
        VpcId=ref("Vpc"),
        VpcEndpointType="Interface",
        ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.logs"},
        SubnetIds=[ref("Subnet")],
        PrivateDnsEnabled=True,
    ),
    "Offices": a(
        "PrefixList",
        PrefixListName="offices",
        AddressFamily="IPv4",
        MaxEntries=2,
        Entries=[{"Cidr": "192.0.2.0/24"}],
    ),
    "Flow": a(
        "FlowLog",
        ResourceId=ref("Vpc"),
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName="flow",
        DeliverLogsPermissionArn="arn:aws:iam::000000000000:role/flow",
    ),
}


async def test_every_type_is_made_with_every_attribute_and_removed_again(stacks: Stacks) -> None:
    await stacks.make(**EVERYTHING)
    wanted = {
        f"{name}{attribute}": att(name, attribute)
        for name, resource in EVERYTHING.items()
        for attribute in schemas.schema(resource["Type"]).read_only
        if "/" not in attribute and attribute not in ("BlockPublicAccessStates", "PublicIpDnsNameOptions")
    }

    texts = {key: value for key, value in wanted.items() if not key.endswith(_LISTS)}
    lists = {key: {"Fn::Join": [",", wanted[key]]} for key in wanted if key.endswith(_LISTS)}
    seen = await stacks.outputs(EVERYTHING, **texts, **lists)

    assert seen["VpcVpcId"] == await stacks.physical("Vpc")
    assert seen["AddressPublicIp"] == await stacks.physical("Address")
    assert seen["AddressAllocationId"].startswith("eipalloc-")
    assert seen["NatEniId"].startswith("eni-")
    assert seen["RouteCidrBlock"] == "0.0.0.0/0"
    assert (seen["AttachmentAttachmentType"], seen["VpnAttachmentAttachmentType"]) == ("IGW", "VGW")
    assert (seen["BlockIpSource"], seen["BlockIpv6AddressAttribute"]) == ("amazon", "public")
    assert seen["InterfacePrimaryPrivateIpAddress"].startswith("10.0.0.")
    assert seen["LogsCreationTimestamp"] == "Thu Jan 01 00:00:00 UTC 2026"
    assert seen["LogsDnsEntries"].count("logs.us-east-1.vpce.amazonaws.com") == 2
    assert (seen["OfficesVersion"], seen["OfficesOwnerId"]) == ("1", "000000000000")
    await stacks.remove()
    assert len((await stacks.call("ec2", "DescribeVpcs"))["Vpcs"]) == 1
    assert (await stacks.call("ec2", "DescribeAddresses"))["Addresses"] == []


_LISTS = (
    "CidrBlockAssociations",
    "DnsEntries",
    "Ipv6CidrBlocks",
    "NetworkInterfaceIds",
    "SecondaryPrivateIpAddresses",
)


async def test_physical_ids_are_awss(stacks: Stacks) -> None:
    await stacks.make(**EVERYTHING)
    vpc, table, acl = [await stacks.physical(name) for name in ("Vpc", "Table", "Acl")]
    assert await stacks.physical("Attachment") == f"IGW|{vpc}"
    assert await stacks.physical("VpnAttachment") == f"VGW|{vpc}"
    assert await stacks.physical("Route") == f"{table}|0.0.0.0/0"
    assert await stacks.physical("Entry") == f"{acl}|false|100"
    assert await stacks.physical("OptionsAssociation") == f"{await stacks.physical('Options')}|{vpc}"
    for name, prefix in (("Association", "rtbassoc-"), ("AclAssociation", "aclassoc-"), ("Logs", "vpce-")):
        assert (await stacks.physical(name)).startswith(prefix)


# -- VPC and subnet ----------------------------------------------------------------------------------------


async def test_a_vpc_changes_in_place_and_is_replaced_for_another_block(stacks: Stacks) -> None:
    await stacks.make(Vpc=VPC)
    made = await stacks.physical("Vpc")

    async def hostnames() -> bool:
        found = await stacks.call("ec2", "DescribeVpcAttribute", VpcId=made, Attribute="enableDnsHostnames")
        return bool(found["EnableDnsHostnames"]["Value"])

    assert await hostnames()
    await stacks.change(Vpc=a("VPC", CidrBlock="10.0.0.0/16", Tags=[{"Key": "Name", "Value": "main"}]))
    assert await stacks.physical("Vpc") == made
    assert not await hostnames()  # the property is gone: back to the default
    vpc = await one(stacks, "DescribeVpcs", "Vpcs", VpcIds=[made])
    assert {"Key": "Name", "Value": "main"} in vpc["Tags"]
    await stacks.change(Vpc=a("VPC", CidrBlock="10.1.0.0/16"))
    assert await stacks.physical("Vpc") != made
    assert len((await stacks.call("ec2", "DescribeVpcs"))["Vpcs"]) == 2  # with the default one


async def test_a_subnets_switches_and_names(stacks: Stacks) -> None:
    names = {"HostnameType": "resource-name", "EnableResourceNameDnsARecord": True}
    resources = public()
    resources["Subnet"]["Properties"].update(PrivateDnsNameOptionsOnLaunch=names)
    await stacks.make(**resources)

    async def shown() -> dict[str, Any]:
        return await one(stacks, "DescribeSubnets", "Subnets", SubnetIds=[await stacks.physical("Subnet")])

    first = await shown()
    options = first["PrivateDnsNameOptionsOnLaunch"]
    assert first["MapPublicIpOnLaunch"] is True
    assert (options["HostnameType"], options["EnableResourceNameDnsARecord"]) == ("resource-name", True)
    for name in ("PrivateDnsNameOptionsOnLaunch", "MapPublicIpOnLaunch"):
        del resources["Subnet"]["Properties"][name]
    await stacks.change(**resources)
    second = await shown()
    assert (second["SubnetId"], second["MapPublicIpOnLaunch"]) == (first["SubnetId"], False)
    assert second["PrivateDnsNameOptionsOnLaunch"]["HostnameType"] == "ip-name"


async def test_a_dual_stack_vpc(stacks: Stacks) -> None:
    block = {"Fn::Select": [0, {"Fn::Cidr": [{"Fn::Select": [0, att("Vpc", "Ipv6CidrBlocks")]}, 4, 64]}]}
    resources = public(Block=a("VPCCidrBlock", VpcId=ref("Vpc"), AmazonProvidedIpv6CidrBlock=True))
    resources["Subnet"] = after("Block", resources["Subnet"])
    resources["Subnet"]["Properties"].update(Ipv6CidrBlock=block, AssignIpv6AddressOnCreation=True)
    await stacks.make(**resources)
    subnet = await one(stacks, "DescribeSubnets", "Subnets", SubnetIds=[await stacks.physical("Subnet")])
    assert subnet["AssignIpv6AddressOnCreation"] is True
    assert subnet["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].endswith("/64")
    await stacks.remove()


async def test_what_ec2_refuses_is_the_resources_reason(stacks: Stacks) -> None:
    resources = public()
    resources["Subnet"]["Properties"]["CidrBlock"] = "10.1.0.0/24"
    stack = await stacks.carry_out("CreateStack", **resources)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [text for text in await stacks.reasons() if "Resource handler" in text]
    assert reason.startswith(
        "Resource handler returned message: \"The CIDR '10.1.0.0/24' is invalid. (Service: Ec2, Status Code: 400, "
    )
    assert reason.endswith("HandlerErrorCode: InvalidRequest)")


async def test_an_association_makes_way_for_its_successor(stacks: Stacks) -> None:
    """A subnet has one route table at a time: the old association goes before the new one comes."""
    tables = {name: a("RouteTable", VpcId=ref("Vpc")) for name in ("One", "Two")}

    def associated(table: str) -> dict[str, Any]:
        return a("SubnetRouteTableAssociation", RouteTableId=ref(table), SubnetId=ref("Subnet"))

    async def table_of_subnet() -> str:
        filters = [{"Name": "association.subnet-id", "Values": [await stacks.physical("Subnet")]}]
        table = await one(stacks, "DescribeRouteTables", "RouteTables", Filters=filters)
        (association,) = table["Associations"]
        assert association["RouteTableAssociationId"] == await stacks.physical("Of")
        return str(table["RouteTableId"])

    await stacks.make(**public(**tables, Of=associated("One")))
    await stacks.change(**public(**tables, Of=associated("Two")))
    assert await table_of_subnet() == await stacks.physical("Two")

    nothing = a("Subnet", VpcId=ref("Vpc"), CidrBlock="10.9.0.0/24")
    bad = {**nothing, "DependsOn": "Of"}
    stack = await stacks.carry_out("UpdateStack", **public(**tables, Of=associated("One"), Bad=bad))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert await table_of_subnet() == await stacks.physical("Two")


async def test_zones_are_those_with_a_default_subnet(stacks: Stacks) -> None:
    names = {"Fn::Join": [",", {"Fn::GetAZs": ""}]}
    every = "us-east-1a,us-east-1b,us-east-1c,us-east-1d,us-east-1e,us-east-1f"
    await stacks.make(Vpc=VPC)
    assert (await stacks.outputs({"Vpc": VPC}, Zones=names))["Zones"] == every
    filters = [{"Name": "availability-zone", "Values": ["us-east-1b"]}]
    subnet = await one(stacks, "DescribeSubnets", "Subnets", Filters=filters)
    await stacks.call("ec2", "DeleteSubnet", SubnetId=subnet["SubnetId"])
    tagged = {"Vpc": {**VPC, "Metadata": {"Changed": True}}}
    assert (await stacks.outputs(tagged, Zones=names, More="x"))["Zones"] == every.replace("us-east-1b,", "")


async def test_a_dedicated_vpc_is_another_one(stacks: Stacks) -> None:
    await stacks.make(Vpc=a("VPC", CidrBlock="10.0.0.0/16"))
    shared = await stacks.physical("Vpc")
    await stacks.change(Vpc=a("VPC", CidrBlock="10.0.0.0/16", InstanceTenancy="dedicated"))
    dedicated = await stacks.physical("Vpc")
    assert dedicated != shared
    await stacks.change(Vpc=a("VPC", CidrBlock="10.0.0.0/16", InstanceTenancy="default"))
    assert await stacks.physical("Vpc") == dedicated


# -- gateways, addresses, routes ---------------------------------------------------------------------------


async def test_a_nat_gateway_without_an_internet_gateway_fails_with_its_message(stacks: Stacks) -> None:
    resources = {
        "Vpc": VPC,
        "Subnet": SUBNET,
        "Address": a("EIP"),
        "Nat": a("NatGateway", SubnetId=ref("Subnet"), AllocationId=att("Address", "AllocationId")),
    }
    stack = await stacks.carry_out("CreateStack", **resources)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [text for text in await stacks.reasons() if "Resource handler" in text]
    assert (
        "is in state failed and hence failed to stabilize. Detailed failure message: Network vpc-" in reason
    )
    assert "has no Internet gateway attached" in reason
    assert reason.endswith("HandlerErrorCode: NotStabilized)")


async def test_a_route_gets_another_target_in_place(stacks: Stacks) -> None:
    more = {
        "Table": a("RouteTable", VpcId=ref("Vpc")),
        "Nat": a("NatGateway", SubnetId=ref("Subnet"), ConnectivityType="private"),
    }
    route = {"RouteTableId": ref("Table"), "DestinationCidrBlock": "0.0.0.0/0"}
    first = after("Attachment", a("Route", **route, GatewayId=ref("Gateway")))
    await stacks.make(**public(**more, Route=first))
    await stacks.change(**public(**more, Route=a("Route", **route, NatGatewayId=ref("Nat"))))
    table = await one(
        stacks, "DescribeRouteTables", "RouteTables", RouteTableIds=[await stacks.physical("Table")]
    )
    assert table["Routes"][1]["NatGatewayId"] == await stacks.physical("Nat")
    await stacks.change(**public(**more))
    table = await one(stacks, "DescribeRouteTables", "RouteTables", RouteTableIds=[table["RouteTableId"]])
    assert len(table["Routes"]) == 1


async def test_a_gateway_is_detached_once_no_address_needs_it(stacks: Stacks) -> None:
    """The template says nothing of the order in which the two go."""
    more = {
        "Interface": a("NetworkInterface", SubnetId=ref("Subnet")),
        "Address": a("EIP"),
        "On": after(
            "Gateway",
            a("EIPAssociation", EIP=ref("Address"), NetworkInterfaceId=ref("Interface")),
        ),
    }
    await stacks.make(**public(**more))
    await stacks.remove()
    assert len((await stacks.call("ec2", "DescribeInternetGateways"))["InternetGateways"]) == 1


async def test_an_attachment_takes_another_gateway(stacks: Stacks) -> None:
    await stacks.make(**public())
    vpc = await stacks.physical("Vpc")
    resources = public(Another=a("InternetGateway"))
    resources["Attachment"]["Properties"]["InternetGatewayId"] = ref("Another")
    await stacks.change(**resources)
    filters = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
    gateway = await one(stacks, "DescribeInternetGateways", "InternetGateways", Filters=filters)
    assert gateway["InternetGatewayId"] == await stacks.physical("Another")


async def test_a_transit_gateway_and_its_attachment_change_in_place(stacks: Stacks) -> None:
    other = a("Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1b")
    net = {"Vpc": VPC, "Subnet": SUBNET, "Other": other}

    def attached(*subnets: str) -> dict[str, Any]:
        placed = [ref(name) for name in subnets]
        return a("TransitGatewayAttachment", TransitGatewayId=ref("Hub"), VpcId=ref("Vpc"), SubnetIds=placed)

    first = a("TransitGateway", DnsSupport="enable", VpnEcmpSupport="disable")
    await stacks.make(**net, Hub=first, On=attached("Subnet"))
    hub = await stacks.physical("Hub")
    changed = a("TransitGateway", DnsSupport="disable", Description="hub")
    await stacks.change(**net, Hub=changed, On=attached("Other"))
    assert await stacks.physical("Hub") == hub
    shown = await one(stacks, "DescribeTransitGateways", "TransitGateways", TransitGatewayIds=[hub])
    assert (shown["Options"]["DnsSupport"], shown["Description"]) == ("disable", "hub")
    assert shown["Options"]["VpnEcmpSupport"] == "enable"  # the property is gone: back to the default
    on = await one(stacks, "DescribeTransitGatewayVpcAttachments", "TransitGatewayVpcAttachments")
    assert on["SubnetIds"] == [await stacks.physical("Other")]
    await stacks.remove()


async def test_tags_of_an_address_change(stacks: Stacks) -> None:
    await stacks.make(Address=a("EIP", Tags=[{"Key": "team", "Value": "shop"}]))
    await stacks.change(Address=a("EIP", Tags=[{"Key": "team", "Value": "web"}]))
    address = await one(stacks, "DescribeAddresses", "Addresses")
    assert {"Key": "team", "Value": "web"} in address["Tags"]


# -- ACLs, endpoints, lists, interfaces --------------------------------------------------------------------


async def test_a_subnet_goes_back_to_the_default_acl(stacks: Stacks) -> None:
    more = {
        "Acl": a("NetworkAcl", VpcId=ref("Vpc")),
        "Of": a("SubnetNetworkAclAssociation", NetworkAclId=ref("Acl"), SubnetId=ref("Subnet")),
    }
    await stacks.make(**public(**more))
    subnet = await stacks.physical("Subnet")
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    acl = await one(stacks, "DescribeNetworkAcls", "NetworkAcls", Filters=filters)
    assert acl["NetworkAclId"] == await stacks.physical("Acl")
    await stacks.change(**public(Acl=more["Acl"]))
    acl = await one(stacks, "DescribeNetworkAcls", "NetworkAcls", Filters=filters)
    assert acl["IsDefault"] is True


async def test_an_entry_changes_in_place(stacks: Stacks) -> None:
    entry = {"NetworkAclId": ref("Acl"), "RuleNumber": 100, "CidrBlock": "0.0.0.0/0", "Protocol": -1}
    acl = {"Vpc": VPC, "Acl": a("NetworkAcl", VpcId=ref("Vpc"))}
    await stacks.make(**acl, Entry=a("NetworkAclEntry", **entry, RuleAction="deny"))
    ping = {**entry, "Protocol": 1, "Icmp": {"Type": 8, "Code": -1}}
    await stacks.change(**acl, Entry=a("NetworkAclEntry", **ping, RuleAction="allow"))
    shown = await one(
        stacks, "DescribeNetworkAcls", "NetworkAcls", NetworkAclIds=[await stacks.physical("Acl")]
    )
    (changed,) = [e for e in shown["Entries"] if e["RuleNumber"] == 100]
    assert (changed["RuleAction"], changed["IcmpTypeCode"]) == ("allow", {"Type": 8, "Code": -1})


async def test_an_endpoints_tables_and_policy_change(stacks: Stacks) -> None:
    tables = {name: a("RouteTable", VpcId=ref("Vpc")) for name in ("One", "Two")}
    plain = {"VpcId": ref("Vpc"), "ServiceName": "com.amazonaws.us-east-1.s3"}
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}
    first = a("VPCEndpoint", **plain, RouteTableIds=[ref("One")], PolicyDocument=policy)
    await stacks.make(Vpc=VPC, **tables, Endpoint=first)
    made = await stacks.physical("Endpoint")

    async def shown() -> dict[str, Any]:
        return await one(stacks, "DescribeVpcEndpoints", "VpcEndpoints", VpcEndpointIds=[made])

    assert "s3:GetObject" in (await shown())["PolicyDocument"]
    await stacks.change(Vpc=VPC, **tables, Endpoint=a("VPCEndpoint", **plain, RouteTableIds=[ref("Two")]))
    assert (await shown())["RouteTableIds"] == [await stacks.physical("Two")]
    assert "s3:GetObject" not in (await shown())["PolicyDocument"]


async def test_a_prefix_lists_entries_change_and_it_grows(stacks: Stacks) -> None:
    def listed(most: int, *cidrs: str) -> dict[str, Any]:
        entries = [{"Cidr": cidr, "Description": str(most)} for cidr in cidrs]
        about = {"PrefixListName": "offices", "AddressFamily": "IPv4"}
        return a("PrefixList", **about, MaxEntries=most, Entries=entries)

    await stacks.make(Offices=listed(1, "192.0.2.0/24"))
    made = await stacks.physical("Offices")
    await stacks.change(Offices=listed(3, "192.0.2.0/24", "198.51.100.0/24"))
    entries = (await stacks.call("ec2", "GetManagedPrefixListEntries", PrefixListId=made))["Entries"]
    assert entries == [
        {"Cidr": "192.0.2.0/24", "Description": "3"},
        {"Cidr": "198.51.100.0/24", "Description": "3"},
    ]
    shown = await one(stacks, "DescribeManagedPrefixLists", "PrefixLists", PrefixListIds=[made])
    assert (shown["MaxEntries"], shown["Version"]) == (3, 2)
    await stacks.change(Offices=listed(1, "198.51.100.0/24"))
    shown = await one(stacks, "DescribeManagedPrefixLists", "PrefixLists", PrefixListIds=[made])
    assert (await stacks.physical("Offices"), shown["MaxEntries"]) == (made, 1)


async def test_an_interface_changes_in_place(stacks: Stacks) -> None:
    group = a("SecurityGroup", GroupDescription="web", VpcId=ref("Vpc"))
    base = {"Vpc": VPC, "Subnet": SUBNET, "Group": group}
    first = a("NetworkInterface", SubnetId=ref("Subnet"), GroupSet=[ref("Group")], SourceDestCheck=False)
    await stacks.make(**base, Interface=first)
    made = await stacks.physical("Interface")

    async def shown() -> dict[str, Any]:
        return await one(stacks, "DescribeNetworkInterfaces", "NetworkInterfaces", NetworkInterfaceIds=[made])

    before = await shown()
    assert (before["SourceDestCheck"], before["Groups"][0]["GroupId"]) == (
        False,
        await stacks.physical("Group"),
    )
    grown = a("NetworkInterface", SubnetId=ref("Subnet"), Description="db", SecondaryPrivateIpAddressCount=2)
    await stacks.change(**base, Interface=grown)
    later = await shown()
    assert (later["Description"], later["SourceDestCheck"]) == ("db", True)
    assert (len(later["PrivateIpAddresses"]), later["Groups"][0]["GroupName"]) == (3, "default")
    fewer = a("NetworkInterface", SubnetId=ref("Subnet"), SecondaryPrivateIpAddressCount=1)
    await stacks.change(**base, Interface=fewer)
    assert len((await shown())["PrivateIpAddresses"]) == 2


# -- drift -------------------------------------------------------------------------------------------------


async def test_drift_of_a_network(stacks: Stacks) -> None:
    net = public(
        Address=after("Attachment", a("EIP", Domain="vpc")),
        Nat=a("NatGateway", SubnetId=ref("Subnet"), AllocationId=att("Address", "AllocationId")),
        Table=a("RouteTable", VpcId=ref("Vpc"), Tags=[{"Key": "Name", "Value": "main"}]),
        Route=a(
            "Route", RouteTableId=ref("Table"), DestinationCidrBlock="0.0.0.0/0", NatGatewayId=ref("Nat")
        ),
        Of=a("SubnetRouteTableAssociation", RouteTableId=ref("Table"), SubnetId=ref("Subnet")),
        S3=a(
            "VPCEndpoint",
            VpcId=ref("Vpc"),
            ServiceName="com.amazonaws.us-east-1.s3",
            RouteTableIds=[ref("Table")],
        ),
    )
    await stacks.make(**net)

    async def drifts() -> dict[str, Any]:
        """The status of each resource that is not in sync, or the paths in which one differs."""
        await stacks.call("cloudformation", "DetectStackDrift", StackName="net")
        found = await stacks.call("cloudformation", "DescribeStackResourceDrifts", StackName="net")
        return {
            one["LogicalResourceId"]: [d["PropertyPath"] for d in one.get("PropertyDifferences") or ()]
            or one["StackResourceDriftStatus"]
            for one in found["StackResourceDrifts"]
            if one["StackResourceDriftStatus"] != "IN_SYNC"
        }

    assert set((await drifts()).values()) <= {"NOT_CHECKED", "UNKNOWN"}
    vpc, subnet, table = [await stacks.physical(name) for name in ("Vpc", "Subnet", "Table")]
    await stacks.call("ec2", "ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": False})
    await stacks.call("ec2", "ModifySubnetAttribute", SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    await stacks.call("ec2", "DeleteRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    await stacks.call("ec2", "DeleteNatGateway", NatGatewayId=await stacks.physical("Nat"))
    await stacks.call("ec2", "DeleteTags", Resources=[table], Tags=[{"Key": "Name"}])
    seen = await drifts()
    assert (seen["Vpc"], seen["Subnet"]) == (["/EnableDnsHostnames"], ["/MapPublicIpOnLaunch"])
    assert (seen["Route"], seen["Nat"], len(seen["Table"])) == ("DELETED", "DELETED", 1)


# -- key pairs ---------------------------------------------------------------------------------------------


async def test_the_private_key_of_a_new_pair_is_in_parameter_store(stacks: Stacks) -> None:
    await stacks.make(Key=a("KeyPair", KeyName="shop", KeyType="ed25519"))
    assert await stacks.physical("Key") == "shop"
    pair = await one(stacks, "DescribeKeyPairs", "KeyPairs", KeyNames=["shop"])
    name = f"/ec2/keypair/{pair['KeyPairId']}"
    kept = (await stacks.call("ssm", "GetParameter", Name=name, WithDecryption=True))["Parameter"]
    assert kept["Type"] == "SecureString"
    assert kept["Value"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    await stacks.remove()
    assert (await stacks.call("ec2", "DescribeKeyPairs"))["KeyPairs"] == []
    with pytest.raises(AwsError) as gone:
        await stacks.call("ssm", "GetParameter", Name=name)
    assert gone.value.code == "ParameterNotFound"


async def test_an_imported_key_pair_has_the_fingerprint_that_aws_gives_it(stacks: Stacks) -> None:
    """Recorded on AWS: LocalStack's test_keypair_create_import."""
    material = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILR+zNQbYY5ORuhYXGMTSnjRLzS9C5dUdWRKdlqi20q2"
    key = {"Key": a("KeyPair", KeyName="shop", PublicKeyMaterial=material)}
    await stacks.make(**key)
    seen = await stacks.outputs(key, Print=att("Key", "KeyFingerprint"), Id=att("Key", "KeyPairId"))
    assert seen["Print"] == "4LmcYnyBOqlloHZ5TKAxfa8BgMK2wL6WeOOTvXVdhmw="
    assert seen["Id"].startswith("key-0")
    assert (await stacks.call("ssm", "DescribeParameters"))["Parameters"] == []
    await stacks.remove()


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Instance", "LaunchTemplate", "Volume"])
async def test_types_that_would_compute_are_refused_by_name(stacks: Stacks, name: str) -> None:
    with pytest.raises(Exception, match=rf"does not support these resource types yet: \[AWS::EC2::{name}\]"):
        await stacks.carry_out("CreateStack", Machine=a(name))


def test_the_types_honour_what_their_api_honours() -> None:
    """What a type does not honour is what this list says, no more: a new property of a schema shows up here."""
    found = {}
    for resource in [*EVERYTHING.values(), a("SubnetCidrBlock")]:
        schema = schemas.schema(resource["Type"])
        settable = {name for name in schema.properties if name not in schema.read_only}
        left = sorted(settable - registry.find(resource["Type"]).honoured)
        if left:
            found[resource["Type"].removeprefix("AWS::EC2::")] = " ".join(left)
    assert found == {
        "EIP": "Address InstanceId IpamPoolId TransferAddress",
        "EIPAssociation": "InstanceId",
        "FlowLog": "TagFieldSpecifications",
        "NatGateway": "AvailabilityMode AvailabilityZoneAddresses MaxDrainDurationSeconds SecondaryAllocationIds "
        "SecondaryPrivateIpAddressCount SecondaryPrivateIpAddresses VpcId",
        "NetworkInterface": "ConnectionTrackingSpecification EnablePrimaryIpv6 Ipv4PrefixCount Ipv4Prefixes "
        "Ipv6AddressCount Ipv6Addresses Ipv6PrefixCount Ipv6Prefixes PublicIpDnsHostnameTypeSpecification",
        "Route": "CarrierGatewayId CoreNetworkArn InstanceId LocalGatewayId OdbNetworkArn VpcEndpointId",
        "Subnet": "EnableLniAtDeviceIndex Ipv4IpamPoolId Ipv4NetmaskLength Ipv6IpamPoolId Ipv6Native "
        "Ipv6NetmaskLength OutpostArn",
        "SubnetCidrBlock": "Ipv6IpamPoolId Ipv6NetmaskLength",
        "TransitGateway": "AssociationDefaultRouteTableId EncryptionSupport PropagationDefaultRouteTableId",
        "VPC": "Ipv4IpamPoolId Ipv4NetmaskLength VpcEncryptionControl",
        "VPCCidrBlock": "Ipv4IpamPoolId Ipv4NetmaskLength Ipv6CidrBlock Ipv6CidrBlockNetworkBorderGroup "
        "Ipv6IpamPoolId Ipv6NetmaskLength Ipv6Pool",
        "VPCEndpoint": "ResourceConfigurationArn ServiceNetworkArn ServiceRegion",
        "VPCPeeringConnection": "AssumeRoleRegion PeerRoleArn",
    }
