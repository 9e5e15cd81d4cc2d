"""VPCs, subnets, gateways and routes: the default network, one's own, and what AWS says to mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from neargate.model.ec2 import Established, Vpc, default_network
from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

DEFAULT = default_network(ACCOUNT, REGION)


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as error:
        aws.call("ec2", operation, **request)
    return error.value.code, error.value.message


def vpc(aws: Cloud, cidr: str = "10.0.0.0/16") -> str:
    return str(aws.call("ec2", "CreateVpc", CidrBlock=cidr)["Vpc"]["VpcId"])


def subnet(aws: Cloud, vpc_id: str, cidr: str = "10.0.0.0/24", **more: Any) -> str:
    made = aws.call("ec2", "CreateSubnet", VpcId=vpc_id, CidrBlock=cidr, **more)
    return str(made["Subnet"]["SubnetId"])


def where(**filters: str | list[str]) -> list[dict[str, Any]]:
    return [
        {"Name": name.replace("__", ".").replace("_", "-"), "Values": [v] if isinstance(v, str) else v}
        for name, v in filters.items()
    ]


def test_the_default_network_is_there_before_anybody_wrote(aws: Cloud) -> None:
    (found,) = aws.call("ec2", "DescribeVpcs", Filters=where(is_default="true"))["Vpcs"]
    assert (found["VpcId"], found["CidrBlock"]) == (DEFAULT.vpc.id, "172.31.0.0/16")
    subnets = aws.call("ec2", "DescribeSubnets", Filters=where(vpc_id=found["VpcId"]))["Subnets"]
    assert len(subnets) == 6
    assert {one["AvailableIpAddressCount"] for one in subnets} == {4091}
    assert {one["MapPublicIpOnLaunch"] for one in subnets} == {True}
    (table,) = aws.call("ec2", "DescribeRouteTables", Filters=where(association__main="true"))["RouteTables"]
    assert [(r["DestinationCidrBlock"], r["GatewayId"]) for r in table["Routes"]] == [
        ("172.31.0.0/16", "local"),
        ("0.0.0.0/0", DEFAULT.internet_gateway.id),
    ]
    for attribute, member in (
        ("enableDnsSupport", "EnableDnsSupport"),
        ("enableDnsHostnames", "EnableDnsHostnames"),
    ):
        answer = aws.call("ec2", "DescribeVpcAttribute", VpcId=found["VpcId"], Attribute=attribute)
        assert answer[member] == {"Value": True}
    assert aws.store.read(lambda view: view.scan(Vpc)) == []


def test_a_write_establishes_the_default_network_once_and_changes_nothing_of_it(aws: Cloud) -> None:
    before = {
        name: aws.call("ec2", name) for name in ("DescribeVpcs", "DescribeSubnets", "DescribeRouteTables")
    }
    aws.call("ec2", "CreateInternetGateway")
    aws.call("ec2", "CreateInternetGateway")
    assert {name: aws.call("ec2", name) for name in before} == before
    assert len(aws.store.read(lambda view: view.scan(Established))) == 1


def test_accounts_and_regions_have_networks_of_their_own(aws: Cloud) -> None:
    vpc(aws)
    aws.caller = attrs.evolve(aws.caller, region="eu-west-1")
    (found,) = aws.call("ec2", "DescribeVpcs")["Vpcs"]
    assert found["VpcId"] != DEFAULT.vpc.id
    zones = aws.call("ec2", "DescribeAvailabilityZones")["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


@pytest.mark.parametrize(
    ("operation", "request_", "code", "message"),
    [
        ("DescribeVpcs", {"VpcIds": ["vpc-1"]}, "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist"),
        (
            "DescribeVpcs",
            {"VpcIds": ["vpc-1", "vpc-2"]},
            "InvalidVpcID.NotFound",
            "The vpc IDs 'vpc-1, vpc-2' do not exist",
        ),
        (
            "DescribeSubnets",
            {"SubnetIds": ["subnet-1"]},
            "InvalidSubnetID.NotFound",
            "The subnet ID 'subnet-1' does not exist",
        ),
        (
            "DescribeInternetGateways",
            {"InternetGatewayIds": ["igw-1"]},
            "InvalidInternetGatewayID.NotFound",
            "The internetGateway ID 'igw-1' does not exist",
        ),
        (
            "DescribeRouteTables",
            {"RouteTableIds": ["rtb-1"]},
            "InvalidRouteTableID.NotFound",
            "The routeTable ID 'rtb-1' does not exist",
        ),
        (
            "DescribeNatGateways",
            {"NatGatewayIds": ["nat-1"]},
            "NatGatewayNotFound",
            "The Nat Gateway nat-1 was not found",
        ),
        (
            "DescribeVpcs",
            {"Filters": where(colour="red")},
            "InvalidParameterValue",
            "The filter 'colour' is invalid",
        ),
        (
            "DescribeAvailabilityZones",
            {"ZoneNames": ["us-east-1z"]},
            "InvalidParameterValue",
            "Invalid availability zone: [us-east-1z]",
        ),
        ("CreateVpc", {"CidrBlock": "10.0.0.0/8"}, "InvalidVpc.Range", "The CIDR '10.0.0.0/8' is invalid."),
        (
            "CreateVpc",
            {"CidrBlock": "ten"},
            "InvalidParameterValue",
            "Value (ten) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        ),
        (
            "CreateVpc",
            {"CidrBlock": "10.0.0.0/16", "Ipv6Pool": "mine"},
            "NotImplemented",
            "ec2:CreateVpc with Ipv6Pool is not implemented by Neargate yet (docs/coverage.md#ec2)",
        ),
        (
            "DescribeVpcs",
            {"DryRun": True},
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        ),
        ("CreateTags", {"Resources": ["x-1"], "Tags": []}, "InvalidID", "The ID 'x-1' is not valid"),
    ],
)
def test_refusals(aws: Cloud, operation: str, request_: dict[str, Any], code: str, message: str) -> None:
    assert refused(aws, operation, **request_) == (code, message)


def test_filters_take_wildcards_tags_and_several_values(aws: Cloud) -> None:
    made = vpc(aws)
    one, two = subnet(aws, made), subnet(aws, made, "10.0.1.0/24", AvailabilityZone="us-east-1b")
    aws.call("ec2", "CreateTags", Resources=[one], Tags=[{"Key": "Name", "Value": "blue*green"}])

    def ids(**filters: str | list[str]) -> set[str]:
        found = aws.call("ec2", "DescribeSubnets", Filters=where(vpc_id=made) + where(**filters))
        return {item["SubnetId"] for item in found["Subnets"]}

    named = [{"Name": "tag:Name", "Values": ["blue?green"]}]
    found = aws.call("ec2", "DescribeSubnets", Filters=named)["Subnets"]
    assert [item["SubnetId"] for item in found] == [one]
    escaped = [{"Name": "tag:Name", "Values": ["blue\\?green"]}]
    assert aws.call("ec2", "DescribeSubnets", Filters=escaped)["Subnets"] == []
    assert ids(tag_key="Name") == {one}
    assert ids(availability_zone="us-east-1?") == {one, two}
    assert ids(cidr_block=["10.0.1.0/24", "10.9.0.0/24"]) == {two}
    assert ids(default_for_az="true") == set()


def test_pages(aws: Cloud) -> None:
    first = aws.call("ec2", "DescribeSubnets", MaxResults=5)
    second = aws.call("ec2", "DescribeSubnets", MaxResults=5, NextToken=first["NextToken"])
    assert "NextToken" not in second
    found = {item["SubnetId"] for item in [*first["Subnets"], *second["Subnets"]]}
    assert found == {item.id for item in DEFAULT.subnets}
    assert refused(aws, "DescribeSubnets", NextToken="!")[0] == "InvalidParameterValue"


def test_a_vpc_comes_with_table_acl_and_group_and_goes_with_them(aws: Cloud) -> None:
    made = vpc(aws)
    answer = aws.call("ec2", "DescribeVpcAttribute", VpcId=made, Attribute="enableDnsHostnames")
    assert answer["EnableDnsHostnames"] == {"Value": False}
    aws.call("ec2", "ModifyVpcAttribute", VpcId=made, EnableDnsHostnames={"Value": True})
    answer = aws.call("ec2", "DescribeVpcAttribute", VpcId=made, Attribute="enableDnsHostnames")
    assert answer["EnableDnsHostnames"] == {"Value": True}
    (acl,) = aws.call("ec2", "DescribeNetworkAcls", Filters=where(vpc_id=made))["NetworkAcls"]
    assert acl["IsDefault"] is True
    inside = subnet(aws, made)
    blocked = ("DependencyViolation", f"The vpc '{made}' has dependencies and cannot be deleted.")
    assert refused(aws, "DeleteVpc", VpcId=made) == blocked
    aws.call("ec2", "DeleteSubnet", SubnetId=inside)
    aws.call("ec2", "DeleteVpc", VpcId=made)
    for operation, member in (
        ("DescribeVpcs", "Vpcs"),
        ("DescribeRouteTables", "RouteTables"),
        ("DescribeNetworkAcls", "NetworkAcls"),
        ("DescribeSecurityGroups", "SecurityGroups"),
    ):
        assert len(aws.call("ec2", operation)[member]) == 1


def test_subnets_lie_inside_their_vpc_beside_each_other(aws: Cloud) -> None:
    made = vpc(aws)
    subnet(aws, made)
    assert refused(aws, "CreateSubnet", VpcId=made, CidrBlock="10.0.0.128/25") == (
        "InvalidSubnet.Conflict",
        "The CIDR '10.0.0.128/25' conflicts with another subnet",
    )
    assert refused(aws, "CreateSubnet", VpcId=made, CidrBlock="10.1.0.0/24") == (
        "InvalidSubnet.Range",
        "The CIDR '10.1.0.0/24' is invalid.",
    )
    wrong = refused(aws, "CreateSubnet", VpcId=made, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1z")
    assert wrong == (
        "InvalidParameterValue",
        "Value (us-east-1z) for parameter availabilityZone is invalid. Subnets can currently only be created in "
        "the following availability zones: us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e, "
        "us-east-1f.",
    )
    by_id = subnet(aws, made, "10.0.2.0/28", AvailabilityZoneId="use1-az1")
    (found,) = aws.call("ec2", "DescribeSubnets", SubnetIds=[by_id])["Subnets"]
    assert (found["AvailabilityZone"], found["AvailableIpAddressCount"]) == ("us-east-1b", 11)
    aws.call("ec2", "ModifySubnetAttribute", SubnetId=by_id, MapPublicIpOnLaunch={"Value": True})
    (found,) = aws.call("ec2", "DescribeSubnets", SubnetIds=[by_id])["Subnets"]
    assert found["MapPublicIpOnLaunch"] is True


def test_an_internet_gateway_has_one_vpc_and_a_vpc_one_gateway(aws: Cloud) -> None:
    made = vpc(aws)
    gateway = aws.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    other = aws.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    assert refused(aws, "DetachInternetGateway", InternetGatewayId=gateway, VpcId=made) == (
        "Gateway.NotAttached",
        f"resource {gateway} is not attached to network {made}",
    )
    aws.call("ec2", "AttachInternetGateway", InternetGatewayId=gateway, VpcId=made)
    assert refused(aws, "AttachInternetGateway", InternetGatewayId=gateway, VpcId=made) == (
        "Resource.AlreadyAssociated",
        f"resource {gateway} is already attached to network {made}",
    )
    assert refused(aws, "AttachInternetGateway", InternetGatewayId=other, VpcId=made) == (
        "InvalidParameterValue",
        f"Network {made} already has an internet gateway attached",
    )
    assert refused(aws, "DeleteInternetGateway", InternetGatewayId=gateway) == (
        "DependencyViolation",
        f"The internetGateway '{gateway}' has dependencies and cannot be deleted.",
    )
    aws.call("ec2", "DetachInternetGateway", InternetGatewayId=gateway, VpcId=made)
    aws.call("ec2", "DeleteInternetGateway", InternetGatewayId=gateway)


def test_routes_lead_to_gateways_of_the_same_network(aws: Cloud) -> None:
    made = vpc(aws)
    table = aws.call("ec2", "CreateRouteTable", VpcId=made)["RouteTable"]["RouteTableId"]
    gateway = aws.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    assert refused(aws, "CreateRoute", **route, GatewayId="igw-1") == (
        "InvalidGatewayID.NotFound",
        "The gateway ID 'igw-1' does not exist",
    )
    assert refused(aws, "CreateRoute", **route, GatewayId=gateway) == (
        "InvalidParameterValue",
        f"route table {table} and network gateway {gateway} belong to different networks",
    )
    aws.call("ec2", "AttachInternetGateway", InternetGatewayId=gateway, VpcId=made)
    assert aws.call("ec2", "CreateRoute", **route, GatewayId=gateway) == {"Return": True}
    assert refused(aws, "DeleteRoute", RouteTableId=table, DestinationCidrBlock="10.0.0.0/16") == (
        "InvalidParameterValue",
        f"cannot remove local route 10.0.0.0/16 in route table {table}",
    )
    aws.call("ec2", "DetachInternetGateway", InternetGatewayId=gateway, VpcId=made)
    (shown,) = aws.call("ec2", "DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    assert [r["State"] for r in shown["Routes"]] == ["active", "blackhole"]
    aws.call("ec2", "DeleteRoute", **route)
    assert refused(aws, "DeleteRoute", **route) == (
        "InvalidRoute.NotFound",
        f"no route with destination-cidr-block 0.0.0.0/0 in route table {table}",
    )


def test_a_subnet_is_associated_with_one_route_table(aws: Cloud) -> None:
    made = vpc(aws)
    inside = subnet(aws, made)
    table = aws.call("ec2", "CreateRouteTable", VpcId=made)["RouteTable"]["RouteTableId"]
    other = aws.call("ec2", "CreateRouteTable", VpcId=made)["RouteTable"]["RouteTableId"]
    associated = aws.call("ec2", "AssociateRouteTable", RouteTableId=table, SubnetId=inside)["AssociationId"]
    again = aws.call("ec2", "AssociateRouteTable", RouteTableId=table, SubnetId=inside)["AssociationId"]
    assert again == associated
    assert refused(aws, "AssociateRouteTable", RouteTableId=other, SubnetId=inside) == (
        "Resource.AlreadyAssociated",
        f"the specified association for route table {other} conflicts with an existing association",
    )
    assert refused(aws, "DeleteRouteTable", RouteTableId=table) == (
        "DependencyViolation",
        f"The routeTable '{table}' has dependencies and cannot be deleted.",
    )
    moved = aws.call("ec2", "ReplaceRouteTableAssociation", AssociationId=associated, RouteTableId=other)
    aws.call("ec2", "DeleteRouteTable", RouteTableId=table)
    aws.call("ec2", "DisassociateRouteTable", AssociationId=moved["NewAssociationId"])
    assert refused(aws, "DisassociateRouteTable", AssociationId=moved["NewAssociationId"]) == (
        "InvalidAssociationID.NotFound",
        f"The association ID '{moved['NewAssociationId']}' does not exist",
    )
    aws.call("ec2", "DeleteRouteTable", RouteTableId=other)


def test_tags_are_listed_and_aws_own_are_reserved(aws: Cloud) -> None:
    tag = {"Key": "Name", "Value": "main"}
    made = aws.call(
        "ec2",
        "CreateVpc",
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [tag]}],
    )["Vpc"]
    listed = aws.call("ec2", "DescribeTags", Filters=where(resource_id=made["VpcId"]))["Tags"]
    assert listed == [{**tag, "ResourceId": made["VpcId"], "ResourceType": "vpc"}]
    code, message = refused(
        aws, "CreateTags", Resources=[made["VpcId"]], Tags=[{"Key": "aws:x", "Value": "1"}]
    )
    assert code == "InvalidParameterValue"
    assert "Tag keys starting with 'aws:' are reserved for internal use" in message
    aws.call("ec2", "DeleteTags", Resources=[made["VpcId"]], Tags=[{"Key": "Name", "Value": "other"}])
    assert len(aws.call("ec2", "DescribeTags")["Tags"]) == 1
    aws.call("ec2", "DeleteTags", Resources=[made["VpcId"]])
    assert aws.call("ec2", "DescribeTags")["Tags"] == []


def test_regions_are_those_that_need_no_opting_in_and_all_on_request(aws: Cloud) -> None:
    names = [region["RegionName"] for region in aws.call("ec2", "DescribeRegions")["Regions"]]
    assert len(names) == 17
    assert "af-south-1" not in names
    everywhere = aws.call("ec2", "DescribeRegions", AllRegions=True)["Regions"]
    statuses = {region["RegionName"]: region["OptInStatus"] for region in everywhere}
    assert (statuses["us-east-1"], statuses["af-south-1"]) == ("opt-in-not-required", "not-opted-in")
    assert refused(aws, "DescribeRegions", RegionNames=["mars-1"]) == (
        "InvalidParameterValue",
        "Invalid region name: 'mars-1'",
    )
