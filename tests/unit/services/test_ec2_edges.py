"""What leads out of a VPC: elastic addresses, NAT gateways, other gateways, routes to them, peerings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.cloud import Cloud, cloud
from tests.unit.services.ec2_calls import Ec2, where


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


@pytest.fixture
def ec2(aws: Cloud) -> Ec2:
    return Ec2(aws)


# -- elastic addresses -------------------------------------------------------------------------------------


def test_an_address_goes_onto_an_interface_and_off_again(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    interface = ec2.interface(ec2.subnet(vpc))
    allocation = ec2.address()
    wanted = {"AllocationId": allocation, "NetworkInterfaceId": interface}
    assert ec2.refused("AssociateAddress", **wanted) == (
        "Gateway.NotAttached",
        f"Network {vpc} is not attached to any internet gateway",
    )
    gateway = ec2.gateway(vpc)
    association = ec2("AssociateAddress", **wanted)["AssociationId"]

    (shown,) = ec2("DescribeAddresses", AllocationIds=[allocation])["Addresses"]
    assert (shown["AssociationId"], shown["NetworkInterfaceId"]) == (association, interface)
    public = [{"Name": "association.public-ip", "Values": [shown["PublicIp"]]}]
    (seen,) = ec2("DescribeNetworkInterfaces", Filters=public)["NetworkInterfaces"]
    assert seen["NetworkInterfaceId"] == interface
    assert seen["Association"]["PublicIp"] == shown["PublicIp"]
    assert ec2.refused("ReleaseAddress", AllocationId=allocation) == (
        "InvalidIPAddress.InUse",
        f"Address {shown['PublicIp']} is in use.",
    )
    code, message = ec2.refused("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    assert code == "DependencyViolation"
    assert message.startswith(f"Network {vpc} has some mapped public address(es).")

    ec2("DisassociateAddress", AssociationId=association)
    ec2("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    ec2("ReleaseAddress", AllocationId=allocation)
    assert ec2("DescribeAddresses")["Addresses"] == []
    assert ec2.refused("DisassociateAddress", AssociationId=association) == (
        "InvalidAssociationID.NotFound",
        f"The association ID '{association}' does not exist",
    )


def test_an_address_moves_only_where_that_is_allowed(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    ec2.gateway(vpc)
    subnet = ec2.subnet(vpc)
    one, other = ec2.interface(subnet), ec2.interface(subnet)
    allocation = ec2.address()
    held = ec2("AssociateAddress", AllocationId=allocation, NetworkInterfaceId=one)["AssociationId"]
    wanted = {"AllocationId": allocation, "NetworkInterfaceId": other}
    assert ec2.refused("AssociateAddress", **wanted, AllowReassociation=False) == (
        "Resource.AlreadyAssociated",
        f"resource {allocation} is already associated with associate-id {held}",
    )
    moved = ec2("AssociateAddress", **wanted, AllowReassociation=True)["AssociationId"]
    assert moved != held
    ec2("DeleteNetworkInterface", NetworkInterfaceId=other)
    assert "AssociationId" not in ec2("DescribeAddresses", AllocationIds=[allocation])["Addresses"][0]


# -- NAT gateways ------------------------------------------------------------------------------------------


@pytest.fixture
def public(ec2: Ec2) -> tuple[str, str]:
    """A VPC with an internet gateway, and a subnet of it."""
    vpc = ec2.vpc()
    ec2.gateway(vpc)
    return vpc, ec2.subnet(vpc)


def nat(ec2: Ec2, subnet: str, **more: Any) -> dict[str, Any]:
    made = ec2("CreateNatGateway", SubnetId=subnet, **more)["NatGateway"]
    assert made["State"] == "pending"
    return made


def test_a_nat_gateway_is_available_at_the_next_look_and_deleted_for_an_hour(
    aws: Cloud, ec2: Ec2, public: tuple[str, str]
) -> None:
    vpc, subnet = public
    allocation = ec2.address()
    made = nat(ec2, subnet, AllocationId=allocation)["NatGatewayId"]
    (shown,) = ec2("DescribeNatGateways", NatGatewayIds=[made])["NatGateways"]
    (address,) = shown["NatGatewayAddresses"]
    assert (shown["State"], shown["VpcId"], address["AllocationId"]) == ("available", vpc, allocation)
    (interface,) = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert (interface["InterfaceType"], interface["Groups"]) == ("nat_gateway", [])
    assert interface["Description"] == f"Interface for NAT Gateway {made}"
    assert ec2.refused("CreateNatGateway", SubnetId=subnet, AllocationId=allocation) == (
        "Resource.AlreadyAssociated",
        f"Elastic IP address [{allocation}] is already associated",
    )
    blocked = f"The subnet '{subnet}' has dependencies and cannot be deleted."
    assert ec2.refused("DeleteSubnet", SubnetId=subnet) == ("DependencyViolation", blocked)

    assert ec2("DeleteNatGateway", NatGatewayId=made) == {"NatGatewayId": made}

    ec2("ReleaseAddress", AllocationId=allocation)
    ec2("DeleteSubnet", SubnetId=subnet)
    (shown,) = ec2("DescribeNatGateways", Filter=where(state="deleted"))["NatGateways"]
    assert shown["NatGatewayAddresses"][0]["PublicIp"] == address["PublicIp"]
    assert ec2.refused("DeleteNatGateway", NatGatewayId=made)[0] == "NatGatewayNotFound"
    aws.clock.advance(3601)
    assert ec2("DescribeNatGateways")["NatGateways"] == []


def test_a_public_nat_gateway_without_an_internet_gateway_fails(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    made = nat(ec2, subnet, AllocationId=ec2.address())["NatGatewayId"]
    (shown,) = ec2("DescribeNatGateways", NatGatewayIds=[made])["NatGateways"]
    assert (shown["State"], shown["FailureCode"]) == ("failed", "Gateway.NotAttached")
    assert shown["FailureMessage"] == f"Network {vpc} has no Internet gateway attached"
    assert ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []


def test_a_private_nat_gateway_needs_no_address(ec2: Ec2) -> None:
    subnet = ec2.subnet(ec2.vpc())
    made = nat(ec2, subnet, ConnectivityType="private", SecondaryPrivateIpAddressCount=2)
    (shown,) = ec2("DescribeNatGateways", NatGatewayIds=[made["NatGatewayId"]])["NatGateways"]
    primaries = [address["IsPrimary"] for address in shown["NatGatewayAddresses"]]
    assert (shown["State"], primaries) == ("available", [True, False, False])


def test_the_same_token_makes_one_nat_gateway(ec2: Ec2) -> None:
    subnet = ec2.subnet(ec2.vpc())
    request = {"ConnectivityType": "private", "ClientToken": "once"}
    assert nat(ec2, subnet, **request)["NatGatewayId"] == nat(ec2, subnet, **request)["NatGatewayId"]
    assert len(ec2("DescribeNatGateways")["NatGateways"]) == 1


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ({}, "MissingParameter", "The request must contain the parameter AllocationId"),
        (
            {"AllocationId": "eipalloc-1"},
            "InvalidAllocationID.NotFound",
            "The allocation ID 'eipalloc-1' does not exist",
        ),
        (
            {"AllocationId": "eipalloc-1", "ConnectivityType": "private"},
            "InvalidParameterValue",
            "AllocationId is not supported for private NAT gateways",
        ),
    ],
)
def test_nat_gateways_that_are_refused(
    ec2: Ec2, public: tuple[str, str], more: dict[str, str], code: str, message: str
) -> None:
    assert ec2.refused("CreateNatGateway", SubnetId=public[1], **more) == (code, message)


# -- routes ------------------------------------------------------------------------------------------------


def test_routes_lead_to_every_kind_of_gateway_and_go_black_when_that_goes(
    ec2: Ec2, public: tuple[str, str]
) -> None:
    vpc, subnet = public
    table = ec2.table(vpc)
    gateway = nat(ec2, subnet, AllocationId=ec2.address())["NatGatewayId"]
    interface = ec2.interface(subnet)
    egress = ec2("CreateEgressOnlyInternetGateway", VpcId=vpc)["EgressOnlyInternetGateway"]
    egress_only = egress["EgressOnlyInternetGatewayId"]
    ec2("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway)
    ec2("CreateRoute", RouteTableId=table, DestinationCidrBlock="10.9.0.0/16", NetworkInterfaceId=interface)
    ec2(
        "CreateRoute",
        RouteTableId=table,
        DestinationIpv6CidrBlock="::/0",
        EgressOnlyInternetGatewayId=egress_only,
    )
    assert ec2.routes(table) == [
        ("10.0.0.0/16", "local", "active"),
        ("0.0.0.0/0", gateway, "active"),
        ("10.9.0.0/16", interface, "blackhole"),  # attached to nothing
        ("::/0", egress_only, "active"),
    ]
    assert ec2.refused(
        "CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=interface
    ) == ("RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists.")

    ec2("DeleteNatGateway", NatGatewayId=gateway)
    ec2("DeleteEgressOnlyInternetGateway", EgressOnlyInternetGatewayId=egress_only)
    assert {state for _, target, state in ec2.routes(table) if target != "local"} == {"blackhole"}
    ec2("DeleteRoute", RouteTableId=table, DestinationIpv6CidrBlock="::/0")
    assert len(ec2.routes(table)) == 3


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (
            {"NatGatewayId": "nat-1"},
            "InvalidNatGatewayID.NotFound",
            "The natGateway ID 'nat-1' does not exist",
        ),
        ({"InstanceId": "i-1"}, "InvalidInstanceID.NotFound", "The instance ID 'i-1' does not exist"),
        (
            {"NetworkInterfaceId": "eni-1"},
            "InvalidNetworkInterfaceID.NotFound",
            "The networkInterface ID 'eni-1' does not exist",
        ),
        (
            {"VpcPeeringConnectionId": "pcx-1"},
            "InvalidVpcPeeringConnectionID.NotFound",
            "The vpcPeeringConnection ID 'pcx-1' does not exist",
        ),
        (
            {"TransitGatewayId": "tgw-1"},
            "InvalidTransitGatewayID.NotFound",
            "Transit Gateway tgw-1 was deleted or does not exist.",
        ),
        (
            {},
            "MissingParameter",
            "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, "
            "vpcPeeringConnectionId or transitGatewayId",
        ),
    ],
)
def test_routes_that_are_refused(ec2: Ec2, more: dict[str, str], code: str, message: str) -> None:
    table = ec2.table(ec2.vpc())
    refusal = ec2.refused("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **more)
    assert refusal == (code, message)


# -- virtual private gateways ------------------------------------------------------------------------------


def test_a_virtual_private_gateway_is_attached_and_propagates_routes(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    table = ec2.table(vpc)
    made = ec2("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    both = {"VpnGatewayId": made, "VpcId": vpc}
    assert ec2.refused("EnableVgwRoutePropagation", GatewayId=made, RouteTableId=table) == (
        "Gateway.NotAttached",
        f"resource {made} is not attached to network {vpc}",
    )
    assert ec2("AttachVpnGateway", **both)["VpcAttachment"]["State"] == "attaching"
    ec2("EnableVgwRoutePropagation", GatewayId=made, RouteTableId=table)
    (shown,) = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    assert shown["PropagatingVgws"] == [{"GatewayId": made}]
    found = ec2("DescribeVpnGateways", Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])
    assert [gateway["VpnGatewayId"] for gateway in found["VpnGateways"]] == [made]
    assert ec2.refused("DeleteVpnGateway", VpnGatewayId=made) == (
        "IncorrectState",
        f"The vpnGateway '{made}' is in use.",
    )
    ec2("DetachVpnGateway", **both)
    (shown,) = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    assert shown["PropagatingVgws"] == []
    detached = ec2("DescribeVpnGateways", Filters=[{"Name": "attachment.state", "Values": ["detached"]}])
    assert detached["VpnGateways"][0]["VpcAttachments"] == [{"State": "detached", "VpcId": vpc}]
    ec2("DeleteVpnGateway", VpnGatewayId=made)
    assert ec2("DescribeVpnGateways")["VpnGateways"][0]["State"] == "deleted"


# -- peerings ----------------------------------------------------------------------------------------------


def peering(ec2: Ec2, one: str, other: str) -> tuple[str, str]:
    """The id of a new connection, and what its status is afterwards."""
    made = ec2("CreateVpcPeeringConnection", VpcId=one, PeerVpcId=other)["VpcPeeringConnection"]
    assert made["Status"]["Code"] == "initiating-request"
    return made["VpcPeeringConnectionId"], status(ec2, made["VpcPeeringConnectionId"])


def status(ec2: Ec2, connection: str) -> str:
    found = ec2("DescribeVpcPeeringConnections", VpcPeeringConnectionIds=[connection])
    return str(found["VpcPeeringConnections"][0]["Status"]["Code"])


def test_a_peering_waits_to_be_accepted(aws: Cloud, ec2: Ec2) -> None:
    one, other = ec2.vpc(), ec2.vpc("10.1.0.0/16")
    made, state = peering(ec2, one, other)
    assert state == "pending-acceptance"
    ec2("AcceptVpcPeeringConnection", VpcPeeringConnectionId=made)
    assert status(ec2, made) == "active"
    table = ec2.table(one)
    ec2("CreateRoute", RouteTableId=table, DestinationCidrBlock="10.1.0.0/16", VpcPeeringConnectionId=made)
    options = {"AllowDnsResolutionFromRemoteVpc": True}
    ec2(
        "ModifyVpcPeeringConnectionOptions",
        VpcPeeringConnectionId=made,
        AccepterPeeringConnectionOptions=options,
    )
    (shown,) = ec2("DescribeVpcPeeringConnections")["VpcPeeringConnections"]
    assert shown["AccepterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] is True
    assert shown["RequesterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] is False
    assert ec2.refused("DeleteVpc", VpcId=other)[0] == "DependencyViolation"
    ec2("DeleteVpcPeeringConnection", VpcPeeringConnectionId=made)
    assert status(ec2, made) == "deleted"
    assert ec2.routes(table)[1] == ("10.1.0.0/16", made, "blackhole")
    ec2("DeleteVpc", VpcId=other)


def test_peerings_that_come_to_nothing(aws: Cloud, ec2: Ec2) -> None:
    one, other, same = ec2.vpc(), ec2.vpc("10.1.0.0/16"), ec2.vpc()
    assert peering(ec2, one, same)[1] == "failed"  # their blocks overlap
    rejected, _ = peering(ec2, one, other)
    assert ec2.refused("CreateVpcPeeringConnection", VpcId=other, PeerVpcId=one) == (
        "VpcPeeringConnectionAlreadyExists",
        f"A VPC peering connection between {other} and {one} already exists",
    )
    ec2("RejectVpcPeeringConnection", VpcPeeringConnectionId=rejected)
    assert status(ec2, rejected) == "rejected"
    forgotten, _ = peering(ec2, one, other)
    aws.clock.advance(8 * 24 * 3600)
    assert status(ec2, forgotten) == "expired"
    assert ec2.refused("AcceptVpcPeeringConnection", VpcPeeringConnectionId=forgotten)[0] == (
        "InvalidStateTransition"
    )
    assert ec2.refused(
        "CreateVpcPeeringConnection", VpcId=one, PeerVpcId=other, PeerOwnerId="111111111111"
    ) == (
        "NotImplemented",
        "ec2:CreateVpcPeeringConnection with another PeerOwnerId is not implemented by Neargate yet "
        "(docs/coverage.md#ec2)",
    )


# -- transit gateways --------------------------------------------------------------------------------------


def test_a_vpc_is_attached_to_a_transit_gateway_and_routes_lead_there(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    one = ec2.subnet(vpc, AvailabilityZone="us-east-1a")
    other = ec2.subnet(vpc, "10.0.1.0/24", AvailabilityZone="us-east-1b")
    made = ec2("CreateTransitGateway", Options={"AmazonSideAsn": 65000})["TransitGateway"]
    assert (made["State"], made["Options"]["AmazonSideAsn"]) == ("pending", 65000)
    gateway = made["TransitGatewayId"]
    table = ec2.table(vpc)
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": gateway}
    assert ec2.refused("CreateRoute", **route)[0] == "InvalidTransitGatewayID.NotFound"  # not attached
    request = {"TransitGatewayId": gateway, "VpcId": vpc, "SubnetIds": [one]}
    attached = ec2("CreateTransitGatewayVpcAttachment", **request)["TransitGatewayVpcAttachment"]
    attachment = attached["TransitGatewayAttachmentId"]
    assert ec2.refused("CreateTransitGatewayVpcAttachment", **request) == (
        "DuplicateTransitGatewayAttachment",
        f"{gateway} has non-deleted Transit Gateway Attachments with same VPC ID.",
    )
    ec2("CreateRoute", **route)
    assert ec2.routes(table)[1] == ("0.0.0.0/0", gateway, "active")
    ec2(
        "ModifyTransitGatewayVpcAttachment",
        TransitGatewayAttachmentId=attachment,
        AddSubnetIds=[other],
        RemoveSubnetIds=[one],
    )
    (interface,) = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert (interface["InterfaceType"], interface["SubnetId"]) == ("transit_gateway", other)
    (shown,) = ec2("DescribeTransitGatewayAttachments", Filters=where(resource_id=vpc))[
        "TransitGatewayAttachments"
    ]
    assert (shown["State"], shown["Association"]["State"]) == ("available", "associated")
    (tgw_table,) = ec2("DescribeTransitGatewayRouteTables")["TransitGatewayRouteTables"]
    named = {"TransitGatewayRouteTableId": tgw_table["TransitGatewayRouteTableId"]}
    (user,) = ec2("GetTransitGatewayRouteTableAssociations", **named)["Associations"]
    assert (user["TransitGatewayAttachmentId"], user["State"]) == (attachment, "associated")
    (user,) = ec2("GetTransitGatewayRouteTablePropagations", **named)["TransitGatewayRouteTablePropagations"]
    assert (user["ResourceId"], user["State"]) == (vpc, "enabled")
    missing = ec2.refused("GetTransitGatewayRouteTableAssociations", TransitGatewayRouteTableId="tgw-rtb-1")
    assert missing[0] == "InvalidRouteTableID.NotFound"
    assert ec2.refused("DeleteTransitGateway", TransitGatewayId=gateway) == (
        "IncorrectState",
        f"{gateway} has non-deleted VPC Attachments: {attachment}.",
    )
    ec2("DeleteTransitGatewayVpcAttachment", TransitGatewayAttachmentId=attachment)
    assert ec2.routes(table)[1][2] == "blackhole"
    ec2("DeleteTransitGateway", TransitGatewayId=gateway)
    (gone,) = ec2("DescribeTransitGateways", TransitGatewayIds=[gateway])["TransitGateways"]
    assert gone["State"] == "deleted"
    ec2("CreateTags", Resources=[ec2.address()], Tags=[{"Key": "a", "Value": "b"}])
    assert ec2.refused("CreateTags", Resources=[gateway], Tags=[{"Key": "a", "Value": "b"}])[0] == (
        "InvalidTransitGatewayID.NotFound"
    )


def test_groups_for_a_vpc_are_its_own(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    found = ec2("GetSecurityGroupsForVpc", VpcId=vpc)["SecurityGroupForVpcs"]
    assert [(group["GroupName"], group["PrimaryVpcId"]) for group in found] == [("default", vpc)]
