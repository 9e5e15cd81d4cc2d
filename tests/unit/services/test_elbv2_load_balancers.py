"""Load balancers: where they stand, what they hold there, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION
from tests.unit.services.elbv2_calls import NETWORK, SUBNETS, ZONES, Balancing, balancing, forward

HERE = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
UNKNOWN = f"{HERE}:loadbalancer/app/front/0123456789abcdef"


@pytest.fixture
def elb() -> Iterator[Balancing]:
    with balancing() as made:
        yield made


def interfaces(elb: Balancing) -> list[dict[str, Any]]:
    return list(elb.aws.call("ec2", "DescribeNetworkInterfaces")["NetworkInterfaces"])


def other_vpc(elb: Balancing) -> tuple[str, list[str]]:
    """A VPC without an internet gateway, and two subnets of it."""
    vpc = elb.aws.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = []
    for number, zone in enumerate(ZONES):
        made = elb.aws.call(
            "ec2", "CreateSubnet", VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone
        )
        subnets.append(made["Subnet"]["SubnetId"])
    return vpc, subnets


def test_a_new_load_balancer_is_provisioning_and_has_a_name_on_this_machine(elb: Balancing) -> None:
    (made,) = elb("CreateLoadBalancer", Name="Front", Subnets=SUBNETS)["LoadBalancers"]
    assert made["State"] == {"Code": "provisioning"}
    assert made["LoadBalancerArn"].startswith(f"{HERE}:loadbalancer/app/Front/")
    name, digits = made["DNSName"].removesuffix(f".{REGION}.elb.localhost").rsplit("-", 1)
    assert name == "Front"
    assert digits.isdecimal()
    assert (made["Scheme"], made["Type"], made["IpAddressType"]) == (
        "internet-facing",
        "application",
        "ipv4",
    )
    assert made["CanonicalHostedZoneId"] == "Z35SXDOTRQ7X7K"
    assert made["SecurityGroups"] == [NETWORK.security_group.id]
    assert [zone["SubnetId"] for zone in made["AvailabilityZones"]] == SUBNETS


def test_the_first_one_brings_the_service_linked_role(elb: Balancing) -> None:
    for name in ("one", "two"):
        elb.balancer(name)
    (role,) = elb.aws.call("iam", "ListRoles", PathPrefix="/aws-service-role/")["Roles"]
    assert role["RoleName"] == "AWSServiceRoleForElasticLoadBalancing"


def test_names_of_internal_and_network_load_balancers(elb: Balancing) -> None:
    (inside,) = elb("CreateLoadBalancer", Name="in", Subnets=SUBNETS, Scheme="internal")["LoadBalancers"]
    assert inside["DNSName"].startswith("internal-in-")
    (net,) = elb("CreateLoadBalancer", Name="net", Subnets=SUBNETS[:1], Type="network")["LoadBalancers"]
    assert net["DNSName"] == f"net-{net['LoadBalancerArn'][-16:]}.elb.{REGION}.localhost"
    assert net["CanonicalHostedZoneId"] == "Z26RNL4JYFTOTI"
    assert "SecurityGroups" not in net


def test_its_interfaces_are_the_services_own_and_go_with_it(elb: Balancing) -> None:
    arn = elb.balancer()
    found = interfaces(elb)
    assert [one["Description"] for one in found] == [f"ELB {arn.partition('loadbalancer/')[2]}"] * 2
    assert {(one["RequesterId"], one["RequesterManaged"], one["Status"]) for one in found} == {
        ("amazon-elb", True, "in-use")
    }
    with pytest.raises(AwsError, match="is currently in use"):
        elb.aws.call("ec2", "DeleteNetworkInterface", NetworkInterfaceId=found[0]["NetworkInterfaceId"])
    with pytest.raises(AwsError, match="has dependencies and cannot be deleted"):
        elb.aws.call("ec2", "DeleteSubnet", SubnetId=SUBNETS[0])
    elb("DeleteLoadBalancer", LoadBalancerArn=arn)
    assert interfaces(elb) == []


def test_a_group_of_a_load_balancer_cannot_be_deleted(elb: Balancing) -> None:
    group = elb.aws.call("ec2", "CreateSecurityGroup", GroupName="web", Description="web")["GroupId"]
    arn = elb.balancer(SecurityGroups=[group])
    with pytest.raises(AwsError, match="has a dependent object"):
        elb.aws.call("ec2", "DeleteSecurityGroup", GroupId=group)
    elb("SetSecurityGroups", LoadBalancerArn=arn, SecurityGroups=[NETWORK.security_group.id])
    elb.aws.call("ec2", "DeleteSecurityGroup", GroupId=group)


def test_subnets_that_stay_keep_their_interfaces(elb: Balancing) -> None:
    arn = elb.balancer()
    before = {one["SubnetId"]: one["NetworkInterfaceId"] for one in interfaces(elb)}
    third = NETWORK.subnets[2].id
    answer = elb("SetSubnets", LoadBalancerArn=arn, Subnets=[SUBNETS[0], third])
    assert [zone["SubnetId"] for zone in answer["AvailabilityZones"]] == [SUBNETS[0], third]
    after = {one["SubnetId"]: one["NetworkInterfaceId"] for one in interfaces(elb)}
    assert after.keys() == {SUBNETS[0], third}
    assert after[SUBNETS[0]] == before[SUBNETS[0]]


def test_a_network_load_balancer_takes_addresses_of_ones_own(elb: Balancing) -> None:
    address = elb.aws.call("ec2", "AllocateAddress")
    mapping = {"SubnetId": SUBNETS[0], "AllocationId": address["AllocationId"]}
    (made,) = elb("CreateLoadBalancer", Name="net", Type="network", SubnetMappings=[mapping])["LoadBalancers"]
    (zone,) = made["AvailabilityZones"]
    assert zone["LoadBalancerAddresses"] == [
        {"IpAddress": address["PublicIp"], "AllocationId": address["AllocationId"]}
    ]
    elb("DeleteLoadBalancer", LoadBalancerArn=made["LoadBalancerArn"])
    (free,) = elb.aws.call("ec2", "DescribeAddresses")["Addresses"]
    assert "AssociationId" not in free
    fixed = {"SubnetId": SUBNETS[0], "PrivateIPv4Address": "172.31.0.77"}
    request = {"Type": "network", "Scheme": "internal", "SubnetMappings": [fixed]}
    (made,) = elb("CreateLoadBalancer", Name="in", **request)["LoadBalancers"]
    assert interfaces(elb)[0]["PrivateIpAddress"] == "172.31.0.77"


def test_the_same_load_balancer_again_is_no_error_and_another_of_its_name_is(elb: Balancing) -> None:
    assert elb.balancer() == elb.balancer()
    assert len(interfaces(elb)) == 2
    assert elb.refused("CreateLoadBalancer", Name="front", Subnets=SUBNETS, Scheme="internal") == (
        "DuplicateLoadBalancerName",
        "A load balancer with the same name 'front' exists, but with different settings",
    )


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"Subnets": SUBNETS[:1]}, "ValidationError", "At least two subnets in two different Availability Zones "
         "must be specified"),
        ({"Subnets": []}, "ValidationError", "At least one subnet must be specified"),
        ({"Subnets": ["subnet-0123"]}, "SubnetNotFound", "The subnet ID 'subnet-0123' does not exist"),
        ({"Name": "a" * 33}, "ValidationError",
         f"The load balancer name '{'a' * 33}' cannot be longer than '32' characters"),
        ({"Name": "a_b"}, "ValidationError", "The load balancer name 'a_b' can only contain characters that are "
         "alphanumeric characters and hyphens(-)"),
        ({"Name": "-a"}, "ValidationError", "The load balancer name '-a' cannot begin or end with '-'"),
        ({"Name": "internal-a"}, "ValidationError",
         "The load balancer name 'internal-a' cannot begin with 'internal-'"),
        ({"SecurityGroups": ["sg-0123"]}, "InvalidConfigurationRequest",
         "One or more security groups are invalid"),
        ({"Type": "gateway"}, "NotImplemented", "elbv2:CreateLoadBalancer of type gateway is not implemented by "
         "Neargate yet (docs/coverage.md#elbv2)"),
        ({"IpAddressType": "dualstack"}, "NotImplemented",
         "elbv2 IpAddressType dualstack is not implemented by Neargate yet (docs/coverage.md#elbv2)"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "DuplicateTagKeys",
         "Tag key was specified more than once: a"),
    ],
    ids=lambda value: None if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_cannot_be_made(elb: Balancing, request_: dict[str, Any], code: str, message: str) -> None:
    wanted = {"Name": "front", "Subnets": SUBNETS, **request_}
    assert elb.refused("CreateLoadBalancer", **wanted) == (code, message)
    assert interfaces(elb) == []


def test_subnets_of_one_zone_and_of_two_networks(elb: Balancing) -> None:
    vpc, subnets = other_vpc(elb)
    made = elb.aws.call("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.9.0/24", AvailabilityZone=ZONES[0])
    twin = made["Subnet"]["SubnetId"]
    assert elb.refused("CreateLoadBalancer", Name="x", Subnets=[subnets[0], twin], Scheme="internal") == (
        "InvalidConfigurationRequest",
        "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
    )
    code, _ = elb.refused("CreateLoadBalancer", Name="x", Subnets=[subnets[0], SUBNETS[1]])
    assert code == "InvalidConfigurationRequest"
    assert elb.refused("CreateLoadBalancer", Name="x", Subnets=subnets) == (
        "InvalidSubnet",
        f"VPC {vpc} has no internet gateway",
    )
    group = NETWORK.security_group.id
    assert elb.refused(
        "CreateLoadBalancer", Name="x", Subnets=subnets, Scheme="internal", SecurityGroups=[group]
    ) == ("InvalidConfigurationRequest", f"Security group '{group}' does not belong to VPC '{vpc}'")


def test_deletion_protection(elb: Balancing) -> None:
    arn = elb.balancer()
    guard = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    elb("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=guard)
    assert elb.refused("DeleteLoadBalancer", LoadBalancerArn=arn) == (
        "OperationNotPermitted",
        f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
    )


def test_attributes_have_awss_defaults_and_limits(elb: Balancing) -> None:
    arn = elb.balancer()

    def refused(key: str, value: str) -> str:
        attributes = [{"Key": key, "Value": value}]
        code, message = elb.refused(
            "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=attributes
        )
        assert code == "ValidationError"
        return message

    shown = elb("DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]
    values = {one["Key"]: one["Value"] for one in shown}
    assert values["idle_timeout.timeout_seconds"] == "60"
    assert values["client_keep_alive.seconds"] == "3600"
    assert values["routing.http2.enabled"] == "true"
    assert refused("idle_timeout.timeout_seconds", "4001") == (
        "'idle_timeout.timeout_seconds' value '4001' must be between '1-4000' inclusive"
    )
    assert refused("bogus", "1") == "Load balancer attribute key 'bogus' is not recognized"
    assert refused("routing.http2.enabled", "yes") == (
        "'routing.http2.enabled' value 'yes' must be either 'true' or 'false'"
    )


def test_deleting_takes_listeners_and_rules_along_and_frees_the_groups(elb: Balancing) -> None:
    arn, group = elb.balancer(), elb.group()
    elb.rule(elb.listener(arn, forward(group)))
    elb("DeleteLoadBalancer", LoadBalancerArn=arn)
    elb("DeleteLoadBalancer", LoadBalancerArn=arn)
    elb("DeleteTargetGroup", TargetGroupArn=group)
    for operation, member in (
        ("DescribeLoadBalancers", "LoadBalancers"),
        ("DescribeTargetGroups", "TargetGroups"),
    ):
        assert elb(operation)[member] == []


def test_who_is_not_there(elb: Balancing) -> None:
    assert elb.refused("DescribeLoadBalancers", Names=["ghost"]) == (
        "LoadBalancerNotFound",
        "Load balancers '[ghost]' not found",
    )
    assert elb.refused("DescribeLoadBalancers", LoadBalancerArns=[UNKNOWN]) == (
        "LoadBalancerNotFound",
        f"Load balancers '[{UNKNOWN}]' not found",
    )
    elsewhere = UNKNOWN.replace(REGION, "eu-west-1")
    for arn in ("ghost", elsewhere):
        assert elb.refused("SetSubnets", LoadBalancerArn=arn, Subnets=SUBNETS) == (
            "ValidationError",
            f"'{arn}' is not a valid load balancer ARN",
        )


def test_pages(elb: Balancing) -> None:
    for name in ("a", "b", "c"):
        elb.balancer(name)
    first = elb("DescribeLoadBalancers", PageSize=2)
    second = elb("DescribeLoadBalancers", PageSize=2, Marker=first["NextMarker"])
    shown = [one["LoadBalancerName"] for one in (*first["LoadBalancers"], *second["LoadBalancers"])]
    assert sorted(shown) == ["a", "b", "c"]
    assert "NextMarker" not in second


def test_tags(elb: Balancing) -> None:
    arn = elb.balancer(Tags=[{"Key": "team", "Value": "web"}])
    listener = elb.listener(arn)
    rules = elb("DescribeRules", ListenerArn=listener)["Rules"]
    arns = [arn, listener, rules[0]["RuleArn"]]
    elb("AddTags", ResourceArns=arns, Tags=[{"Key": "stage", "Value": "dev"}])
    elb("RemoveTags", ResourceArns=[arn], TagKeys=["team"])
    described = elb("DescribeTags", ResourceArns=arns)["TagDescriptions"]
    assert [one["Tags"] for one in described] == [[{"Key": "stage", "Value": "dev"}]] * 3
    assert elb.refused("AddTags", ResourceArns=[arn], Tags=[{"Key": "aws:x", "Value": "1"}])[0] == (
        "ValidationError"
    )
    assert elb.refused("DescribeTags", ResourceArns=[UNKNOWN])[0] == "LoadBalancerNotFound"
