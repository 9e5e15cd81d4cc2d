"""Security groups and their rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.ec2 import default_network
from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

DEFAULT = default_network(ACCOUNT, REGION)
HTTP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as error:
        aws.call("ec2", operation, **request)
    return error.value.code, error.value.message


def group(aws: Cloud, name: str = "web") -> str:
    return str(aws.call("ec2", "CreateSecurityGroup", GroupName=name, Description="tests")["GroupId"])


def shown(aws: Cloud, group_id: str) -> Any:
    (found,) = aws.call("ec2", "DescribeSecurityGroups", GroupIds=[group_id])["SecurityGroups"]
    return found


def test_a_new_group_lives_in_the_default_vpc_and_lets_everything_out(aws: Cloud) -> None:
    made = shown(aws, group(aws))
    assert made["VpcId"] == DEFAULT.vpc.id
    assert made["IpPermissions"] == []
    (out,) = made["IpPermissionsEgress"]
    assert (out["IpProtocol"], out["IpRanges"]) == ("-1", [{"CidrIp": "0.0.0.0/0"}])
    assert "FromPort" not in out


def test_the_default_group_lets_its_members_in(aws: Cloud) -> None:
    (inside,) = shown(aws, DEFAULT.security_group.id)["IpPermissions"]
    assert inside["UserIdGroupPairs"] == [{"GroupId": DEFAULT.security_group.id, "UserId": ACCOUNT}]


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (
            {"GroupName": "default"},
            "InvalidParameterValue",
            "Cannot use reserved security group name: default",
        ),
        (
            {"GroupName": "sg-web"},
            "InvalidParameterValue",
            "Invalid group name 'sg-web'. Group names may not be in the format sg-*",
        ),
        (
            {"GroupName": "web", "VpcId": "vpc-1"},
            "InvalidVpcID.NotFound",
            "The vpc ID 'vpc-1' does not exist",
        ),
    ],
)
def test_names_and_vpcs_that_are_refused(
    aws: Cloud, request_: dict[str, str], code: str, message: str
) -> None:
    assert refused(aws, "CreateSecurityGroup", Description="tests", **request_) == (code, message)


def test_a_name_is_taken_once_in_a_vpc(aws: Cloud) -> None:
    group(aws)
    assert refused(aws, "CreateSecurityGroup", GroupName="web", Description="again") == (
        "InvalidGroup.Duplicate",
        f"The security group 'web' already exists for VPC '{DEFAULT.vpc.id}'",
    )


def test_rules_are_added_once_and_taken_away(aws: Cloud) -> None:
    made = group(aws)
    answer = aws.call("ec2", "AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=[HTTP])
    (rule,) = answer["SecurityGroupRules"]
    assert rule["SecurityGroupRuleId"].startswith("sgr-0")
    assert (rule["IsEgress"], rule["CidrIpv4"]) == (False, "0.0.0.0/0")
    assert refused(aws, "AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=[HTTP]) == (
        "InvalidPermission.Duplicate",
        'the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists',
    )
    listed = aws.call("ec2", "DescribeSecurityGroupRules", Filters=[{"Name": "group-id", "Values": [made]}])[
        "SecurityGroupRules"
    ]
    assert {one["IsEgress"] for one in listed} == {True, False}
    aws.call("ec2", "RevokeSecurityGroupIngress", GroupId=made, IpPermissions=[HTTP])
    assert refused(aws, "RevokeSecurityGroupIngress", GroupId=made, IpPermissions=[HTTP]) == (
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )
    (out,) = [one["SecurityGroupRuleId"] for one in listed if one["IsEgress"]]
    aws.call("ec2", "RevokeSecurityGroupEgress", GroupId=made, SecurityGroupRuleIds=[out])
    assert shown(aws, made)["IpPermissionsEgress"] == []
    assert refused(aws, "DescribeSecurityGroupRules", SecurityGroupRuleIds=[out]) == (
        "InvalidSecurityGroupRuleId.NotFound",
        f"The security group rule ID '{out}' does not exist",
    )


def test_rules_of_the_same_ports_are_shown_together(aws: Cloud) -> None:
    made = group(aws)
    ranges = [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "192.168.1.7/24", "Description": "office"}]
    aws.call(
        "ec2", "AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=[{**HTTP, "IpRanges": ranges}]
    )
    (permission,) = shown(aws, made)["IpPermissions"]
    assert permission["IpRanges"] == [
        {"CidrIp": "10.0.0.0/8"},
        {"CidrIp": "192.168.1.0/24", "Description": "office"},
    ]
    assert (permission["FromPort"], permission["ToPort"]) == (80, 80)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"IpRanges": [{"CidrIp": "10.0.0.0"}]}, "InvalidParameterValue", "CIDR block 10.0.0.0 is malformed"),
        ({"FromPort": 90}, "InvalidParameterValue", "Invalid TCP/UDP port range (90:80)"),
        (
            {"IpProtocol": "smtp"},
            "InvalidParameterValue",
            "Invalid value 'smtp' for IP protocol. Unknown protocol.",
        ),
        (
            {"IpRanges": [], "UserIdGroupPairs": [{"GroupId": "sg-1"}]},
            "InvalidGroup.NotFound",
            "The security group 'sg-1' does not exist",
        ),
    ],
)
def test_rules_that_are_refused(aws: Cloud, change: dict[str, Any], code: str, message: str) -> None:
    made = group(aws)
    answer = refused(aws, "AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=[{**HTTP, **change}])
    assert answer == (code, message)


def test_a_rule_is_rewritten_in_place(aws: Cloud) -> None:
    made = group(aws)
    answer = aws.call("ec2", "AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=[HTTP])
    rule_id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    new = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "CidrIpv4": "10.0.0.0/8",
        "Description": "tls",
    }
    update = [{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": new}]
    aws.call("ec2", "ModifySecurityGroupRules", GroupId=made, SecurityGroupRules=update)
    (permission,) = shown(aws, made)["IpPermissions"]
    assert (permission["FromPort"], permission["IpRanges"]) == (
        443,
        [{"CidrIp": "10.0.0.0/8", "Description": "tls"}],
    )
    described = [{"SecurityGroupRuleId": rule_id, "Description": "https"}]
    aws.call(
        "ec2",
        "UpdateSecurityGroupRuleDescriptionsIngress",
        GroupId=made,
        SecurityGroupRuleDescriptions=described,
    )
    assert shown(aws, made)["IpPermissions"][0]["IpRanges"][0]["Description"] == "https"


def test_a_group_that_another_names_cannot_go(aws: Cloud) -> None:
    front, back = group(aws, "front"), group(aws, "back")
    from_front = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": front}]}
    aws.call("ec2", "AuthorizeSecurityGroupIngress", GroupId=back, IpPermissions=[from_front])
    assert refused(aws, "DeleteSecurityGroup", GroupId=front) == (
        "DependencyViolation",
        f"resource {front} has a dependent object",
    )
    aws.call("ec2", "DeleteSecurityGroup", GroupId=back)
    aws.call("ec2", "DeleteSecurityGroup", GroupId=front)
    assert refused(aws, "DescribeSecurityGroups", GroupIds=[front]) == (
        "InvalidGroup.NotFound",
        f"The security group '{front}' does not exist",
    )


def test_a_group_in_use_cannot_go_and_the_default_group_never(aws: Cloud) -> None:
    made = group(aws)
    interface = aws.call("ec2", "CreateNetworkInterface", SubnetId=DEFAULT.subnets[0].id, Groups=[made])
    assert refused(aws, "DeleteSecurityGroup", GroupId=made) == (
        "DependencyViolation",
        f"resource {made} has a dependent object",
    )
    created = interface["NetworkInterface"]["NetworkInterfaceId"]
    aws.call("ec2", "DeleteNetworkInterface", NetworkInterfaceId=created)
    aws.call("ec2", "DeleteSecurityGroup", GroupId=made)
    own = DEFAULT.security_group.id
    assert refused(aws, "DeleteSecurityGroup", GroupId=own) == (
        "CannotDelete",
        f'the specified group: "{own}" name: "default" cannot be deleted by a user',
    )


def test_groups_by_name_and_malformed_ids(aws: Cloud) -> None:
    made = group(aws)
    (found,) = aws.call("ec2", "DescribeSecurityGroups", GroupNames=["web"])["SecurityGroups"]
    assert found["GroupId"] == made
    assert refused(aws, "DescribeSecurityGroups", GroupNames=["gone"]) == (
        "InvalidGroup.NotFound",
        f"The security group 'gone' does not exist in default VPC '{DEFAULT.vpc.id}'",
    )
    assert refused(aws, "DescribeSecurityGroups", GroupIds=["web"]) == (
        "InvalidGroupId.Malformed",
        'Invalid id: "web" (expecting "sg-...")',
    )
