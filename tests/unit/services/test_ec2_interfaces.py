"""Network interfaces and their addresses; adoption of a real account's ids."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.ec2 import AddressLease, NetworkInterface, default_network
from neargate.model.errors import AwsError
from neargate.services.ec2.adoption import adopt
from neargate.services.ec2.interfaces import create_managed, release
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

DEFAULT = default_network(ACCOUNT, REGION)
TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:attachment/7f3c"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as error:
        aws.call("ec2", operation, **request)
    return error.value.code, error.value.message


def small_subnet(aws: Cloud) -> str:
    vpc = aws.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return str(aws.call("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.0.0/28")["Subnet"]["SubnetId"])


def managed(aws: Cloud, subnet: str, avoid: tuple[str, ...] = ()) -> NetworkInterface:
    return aws.write(
        lambda tx: create_managed(aws.dispatcher.context(tx, aws.caller), subnet, (), TASK, ACCOUNT, avoid)
    )


def free(aws: Cloud, subnet: str) -> int:
    (found,) = aws.call("ec2", "DescribeSubnets", SubnetIds=[subnet])["Subnets"]
    return int(found["AvailableIpAddressCount"])


def test_a_tasks_interface_has_an_address_of_its_subnet_and_the_default_group(aws: Cloud) -> None:
    subnet = DEFAULT.subnets[0]
    made = managed(aws, subnet.id)
    assert ipaddress.IPv4Address(made.private_ip) in ipaddress.IPv4Network(subnet.cidr)
    assert free(aws, subnet.id) == 4090
    (shown,) = aws.call("ec2", "DescribeNetworkInterfaces", NetworkInterfaceIds=[made.id])[
        "NetworkInterfaces"
    ]
    assert (shown["Status"], shown["Description"], shown["RequesterManaged"]) == ("in-use", TASK, True)
    assert shown["PrivateDnsName"] == f"ip-{made.private_ip.replace('.', '-')}.ec2.internal"
    assert shown["Groups"] == [{"GroupId": DEFAULT.security_group.id, "GroupName": "default"}]
    assert "Association" not in shown
    assert int(shown["MacAddress"][:2], 16) & 3 == 2


def test_a_small_subnet_gives_each_address_once_and_never_a_reserved_one(aws: Cloud) -> None:
    subnet = small_subnet(aws)
    given = [managed(aws, subnet).private_ip for _ in range(11)]
    assert sorted(given, key=ipaddress.IPv4Address) == [f"10.0.0.{n}" for n in range(4, 15)]
    assert free(aws, subnet) == 0
    assert refused(aws, "CreateNetworkInterface", SubnetId=subnet) == (
        "InsufficientFreeAddressesInSubnet",
        "The specified subnet does not have enough free addresses to satisfy the request.",
    )


def test_addresses_to_avoid_are_avoided(aws: Cloud) -> None:
    avoid = tuple(f"10.0.0.{n}" for n in range(4, 14))
    assert managed(aws, small_subnet(aws), avoid).private_ip == "10.0.0.14"


def test_a_released_address_is_free_again(aws: Cloud) -> None:
    subnet = small_subnet(aws)
    made = managed(aws, subnet)

    def let_go() -> bool:
        return aws.write(lambda tx: release(aws.dispatcher.context(tx, aws.caller), made.id))

    assert (let_go(), let_go()) == (True, False)
    assert free(aws, subnet) == 11
    assert aws.store.read(lambda view: view.scan(AddressLease)) == []


def test_nobody_takes_a_tasks_interface_away(aws: Cloud) -> None:
    made = managed(aws, DEFAULT.subnets[0].id)
    assert refused(aws, "DeleteNetworkInterface", NetworkInterfaceId=made.id) == (
        "InvalidParameterValue",
        f"Network interface '{made.id}' is currently in use.",
    )
    subnet = DEFAULT.subnets[0].id
    assert refused(aws, "DeleteSubnet", SubnetId=subnet) == (
        "DependencyViolation",
        f"The subnet '{subnet}' has dependencies and cannot be deleted.",
    )


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [
        ("10.9.0.1", "InvalidParameterValue", "Address does not fall within the subnet's address range"),
        ("10.0.0.3", "InvalidParameterValue", "Address is in subnet's reserved address range"),
        ("10.0.0.15", "InvalidParameterValue", "Address is in subnet's reserved address range"),
        ("10.0.0.5", "InvalidIPAddress.InUse", "The specified address is already in use."),
    ],
)
def test_an_address_that_cannot_be_had(aws: Cloud, address: str, code: str, message: str) -> None:
    subnet = small_subnet(aws)
    aws.call("ec2", "CreateNetworkInterface", SubnetId=subnet, PrivateIpAddress="10.0.0.5")
    answer = refused(aws, "CreateNetworkInterface", SubnetId=subnet, PrivateIpAddress=address)
    assert answer == (code, message)


def test_an_interface_needs_a_subnet_and_groups_that_exist(aws: Cloud) -> None:
    assert refused(aws, "CreateNetworkInterface", SubnetId="subnet-1") == (
        "InvalidSubnetID.NotFound",
        "The subnet ID 'subnet-1' does not exist",
    )
    assert refused(aws, "CreateNetworkInterface", SubnetId=DEFAULT.subnets[0].id, Groups=["sg-1"]) == (
        "InvalidGroup.NotFound",
        "The security group 'sg-1' does not exist",
    )


def adopted(aws: Cloud, *groups: dict[str, list[str]]) -> dict[str, list[str]]:
    return aws.write(lambda tx: adopt(aws.dispatcher.context(tx, aws.caller), list(groups)))


def test_adopted_ids_make_a_network_with_a_way_out(aws: Cloud) -> None:
    group = {
        "vpcs": ["vpc-0a1b2c3d"],
        "subnets": ["subnet-11111111", "subnet-22222222"],
        "security_groups": ["sg-33333333"],
    }
    ids = [*group["vpcs"], *group["subnets"], *group["security_groups"]]
    assert adopted(aws, group) == {"adopted": ids, "existing": []}
    subnets = aws.call("ec2", "DescribeSubnets", SubnetIds=group["subnets"])["Subnets"]
    assert [
        (s["VpcId"], s["CidrBlock"], s["AvailabilityZone"], s["MapPublicIpOnLaunch"]) for s in subnets
    ] == [
        ("vpc-0a1b2c3d", "172.31.0.0/20", "us-east-1a", True),
        ("vpc-0a1b2c3d", "172.31.16.0/20", "us-east-1b", True),
    ]
    filters = [{"Name": "vpc-id", "Values": group["vpcs"]}]
    (table,) = aws.call("ec2", "DescribeRouteTables", Filters=filters)["RouteTables"]
    assert [(r["DestinationCidrBlock"], r["State"]) for r in table["Routes"]] == [
        ("172.31.0.0/16", "active"),
        ("0.0.0.0/0", "active"),
    ]
    (held,) = aws.call("ec2", "DescribeSecurityGroups", GroupIds=group["security_groups"])["SecurityGroups"]
    assert held["VpcId"] == "vpc-0a1b2c3d"
    assert managed(aws, "subnet-11111111").vpc_id == "vpc-0a1b2c3d"


def test_adopting_again_changes_nothing(aws: Cloud) -> None:
    group = {"vpcs": ["vpc-0a1b2c3d"], "subnets": ["subnet-11111111"], "security_groups": []}
    adopted(aws, group)
    before = aws.call("ec2", "DescribeSubnets"), aws.call("ec2", "DescribeVpcs")
    assert adopted(aws, group, group) == {"adopted": [], "existing": ["vpc-0a1b2c3d", "subnet-11111111"]}
    assert (aws.call("ec2", "DescribeSubnets"), aws.call("ec2", "DescribeVpcs")) == before


def test_ids_without_a_vpc_join_the_known_subnets_vpc_or_the_default_one(aws: Cloud) -> None:
    adopted(aws, {"vpcs": ["vpc-0a1b2c3d"], "subnets": ["subnet-11111111"]})
    adopted(aws, {"subnets": ["subnet-11111111", "subnet-22222222"]}, {"subnets": ["subnet-33333333"]})
    found = aws.call("ec2", "DescribeSubnets", SubnetIds=["subnet-22222222", "subnet-33333333"])["Subnets"]
    assert [s["VpcId"] for s in found] == ["vpc-0a1b2c3d", DEFAULT.vpc.id]
    assert found[1]["CidrBlock"] == "172.31.96.0/20"


def test_text_that_is_no_id_is_not_adopted(aws: Cloud) -> None:
    with pytest.raises(AwsError) as error:
        adopted(aws, {"vpcs": ["RELEASE_VPC"]})
    assert error.value.message == 'Invalid id: "RELEASE_VPC" (expecting "vpc-...")'
    assert len(aws.call("ec2", "DescribeVpcs")["Vpcs"]) == 1
