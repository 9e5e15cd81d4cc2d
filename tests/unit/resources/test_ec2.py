"""AWS::EC2::SecurityGroup and its rules, as stacks make, change and remove them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.resources import registry, schemas
from tests.unit.resources.stacks import Stacks

pytestmark = pytest.mark.anyio

GROUP = "AWS::EC2::SecurityGroup"
ALL_OUT = [("-1", None, None, "0.0.0.0/0")]


async def group_of(stacks: Stacks, group: str) -> dict[str, Any]:
    """A group by its id, or by its name in the default VPC."""
    by = "GroupIds" if group.startswith("sg-") else "GroupNames"
    found = await stacks.call("ec2", "DescribeSecurityGroups", **{by: [group]})
    return dict(found["SecurityGroups"][0])


async def id_of(stacks: Stacks, logical_id: str) -> str:
    return str((await group_of(stacks, await stacks.physical(logical_id)))["GroupId"])


def web(**more: Any) -> dict[str, Any]:
    return {"Type": GROUP, "Properties": {"GroupDescription": "web", **more}}


def rules(permissions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(protocol, from, to, peer) of each rule, sorted."""
    found = []
    for each in permissions:
        peers = [r["CidrIp"] for r in each["IpRanges"]] + [r["CidrIpv6"] for r in each["Ipv6Ranges"]]
        peers += [r["GroupId"] for r in each["UserIdGroupPairs"]]
        found += [(each["IpProtocol"], each.get("FromPort"), each.get("ToPort"), peer) for peer in peers]
    return sorted(found, key=str)


HTTP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": "80", "CidrIp": "0.0.0.0/0", "Description": "http"}
TLS = {"IpProtocol": 6, "FromPort": 443, "ToPort": 443, "CidrIpv6": "::/0"}


async def test_a_group_with_its_rules_and_tags(stacks: Stacks) -> None:
    tags = [{"Key": "team", "Value": "shop"}]
    made = await stacks.carry_out("CreateStack", Web=web(SecurityGroupIngress=[HTTP, TLS], Tags=tags))
    assert made["StackStatus"] == "CREATE_COMPLETE"

    group = await group_of(stacks, await stacks.physical("Web"))

    assert rules(group["IpPermissions"]) == [
        ("tcp", 443, 443, "::/0"),
        ("tcp", 80, 80, "0.0.0.0/0"),
    ]
    assert rules(group["IpPermissionsEgress"]) == ALL_OUT  # CloudFormation keeps EC2's own rule
    assert group["GroupName"].startswith("net-Web-")
    tagged = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    assert tagged["team"] == "shop"
    assert tagged["aws:cloudformation:logical-id"] == "Web"


async def test_egress_rules_of_a_template_stand_instead_of_allow_all(stacks: Stacks) -> None:
    await stacks.carry_out("CreateStack", Web=web(SecurityGroupEgress=[TLS]))
    group = await group_of(stacks, await stacks.physical("Web"))
    assert rules(group["IpPermissionsEgress"]) == [("tcp", 443, 443, "::/0")]

    updated = await stacks.carry_out("UpdateStack", Web=web())
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert rules((await group_of(stacks, group["GroupId"]))["IpPermissionsEgress"]) == ALL_OUT


async def test_an_update_changes_rules_in_place(stacks: Stacks) -> None:
    await stacks.carry_out("CreateStack", Web=web(SecurityGroupIngress=[HTTP, TLS]))
    group = await id_of(stacks, "Web")
    by_hand = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    await stacks.call("ec2", "RevokeSecurityGroupIngress", GroupId=group, IpPermissions=[by_hand])

    renamed = {**HTTP, "Description": "the shop"}
    updated = await stacks.carry_out("UpdateStack", Web=web(SecurityGroupIngress=[renamed]))

    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert await id_of(stacks, "Web") == group
    assert (await group_of(stacks, group))["IpPermissions"][0]["IpRanges"] == [
        {"CidrIp": "0.0.0.0/0", "Description": "the shop"}
    ]


async def test_another_description_of_the_group_replaces_it(stacks: Stacks) -> None:
    await stacks.carry_out("CreateStack", Web=web())
    old = await stacks.physical("Web")
    await stacks.carry_out("UpdateStack", Web=web(GroupDescription="shop"))
    assert await stacks.physical("Web") != old
    with pytest.raises(AwsError, match=f"The security group '{old}' does not exist"):
        await group_of(stacks, old)


async def test_rules_of_their_own_let_two_groups_name_each_other(stacks: Stacks) -> None:
    def between(direction: str, member: str, group: str, peer: str) -> dict[str, Any]:
        properties = {
            "GroupId": {"Fn::GetAtt": [group, "GroupId"]},
            member: {"Fn::GetAtt": [peer, "GroupId"]},
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5432,
        }
        return {"Type": f"AWS::EC2::SecurityGroup{direction}", "Properties": properties}

    resources = {
        "Web": web(),
        "Data": web(GroupDescription="data"),
        "In": between("Ingress", "SourceSecurityGroupId", "Data", "Web"),
        "Out": between("Egress", "DestinationSecurityGroupId", "Web", "Data"),
    }
    made = await stacks.carry_out("CreateStack", **resources)
    assert made["StackStatus"] == "CREATE_COMPLETE"
    web_id, data_id = await id_of(stacks, "Web"), await id_of(stacks, "Data")
    assert (await stacks.physical("In")).startswith("sgr-")
    assert rules((await group_of(stacks, data_id))["IpPermissions"]) == [("tcp", 5432, 5432, web_id)]
    assert ("tcp", 5432, 5432, data_id) in rules((await group_of(stacks, web_id))["IpPermissionsEgress"])

    resources["In"]["Properties"]["Description"] = "postgres"
    rule = await stacks.physical("In")
    await stacks.carry_out("UpdateStack", **resources)
    assert await stacks.physical("In") == rule
    pair = (await group_of(stacks, data_id))["IpPermissions"][0]["UserIdGroupPairs"][0]
    assert pair["Description"] == "postgres"

    del resources["In"]
    await stacks.carry_out("UpdateStack", **resources)
    assert rules((await group_of(stacks, data_id))["IpPermissions"]) == []


async def test_a_group_in_use_is_deleted_once_nothing_uses_it(stacks: Stacks) -> None:
    made = await stacks.carry_out("CreateStack", Web=web())
    group = await id_of(stacks, "Web")
    subnet = (await stacks.call("ec2", "DescribeSubnets"))["Subnets"][0]["SubnetId"]
    interface = await stacks.call("ec2", "CreateNetworkInterface", SubnetId=subnet, Groups=[group])
    stacks.id = made["StackId"]
    await stacks.call("cloudformation", "DeleteStack", StackName="net")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await stacks.settled()
    assert (await group_of(stacks, group))["GroupId"] == group

    await stacks.call(
        "ec2",
        "DeleteNetworkInterface",
        NetworkInterfaceId=interface["NetworkInterface"]["NetworkInterfaceId"],
    )

    assert (await stacks.settled())["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(AwsError, match="does not exist"):
        await group_of(stacks, group)


async def test_what_ec2_refuses_is_in_the_event(stacks: Stacks) -> None:
    endless = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 90000, "CidrIp": "0.0.0.0/0"}
    made = await stacks.carry_out("CreateStack", Web=web(SecurityGroupIngress=[endless]))
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [text for text in await stacks.reasons() if "Resource handler" in text]
    assert reason.startswith(
        'Resource handler returned message: "Invalid TCP/UDP port range (80:90000) (Service: Ec2, Status Code: 400, '
        "Request ID: "
    )
    names = [g["GroupName"] for g in (await stacks.call("ec2", "DescribeSecurityGroups"))["SecurityGroups"]]
    assert names == ["default"]  # the group was made and taken back in one transaction


async def test_a_name_that_is_taken(stacks: Stacks) -> None:
    await stacks.call("ec2", "CreateSecurityGroup", GroupName="shop", Description="by hand")
    await stacks.carry_out("CreateStack", Web=web(GroupName="shop"))
    (reason,) = [text for text in await stacks.reasons() if "Resource handler" in text]
    assert "The security group 'shop' already exists for VPC" in reason
    assert reason.endswith("HandlerErrorCode: AlreadyExists)")


async def test_a_rule_has_one_peer(stacks: Stacks) -> None:
    group = (await stacks.call("ec2", "CreateSecurityGroup", GroupName="shop", Description="by hand"))[
        "GroupId"
    ]
    rule = {"Type": f"{GROUP}Ingress", "Properties": {**HTTP, "GroupId": group, "CidrIpv6": "::/0"}}
    await stacks.carry_out("CreateStack", In=rule)
    assert any("A rule has one source or destination" in text for text in await stacks.reasons())
    assert (await group_of(stacks, group))["IpPermissions"] == []


@pytest.mark.parametrize("type_name", [GROUP, f"{GROUP}Ingress", f"{GROUP}Egress"])
def test_every_settable_property_of_the_types_is_honoured(type_name: str) -> None:
    schema = schemas.schema(type_name)
    assert registry.find(type_name).honoured == set(schema.properties) - set(schema.read_only)
