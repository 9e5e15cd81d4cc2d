"""Security groups; their rules change in `security_group_rules`."""

from __future__ import annotations

import re

from neargate.model import tags
from neargate.model.ec2 import (
    NetworkInterface,
    SecurityGroup,
    SecurityGroupRule,
    Vpc,
    allow_all_egress,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import (
    chosen,
    default_vpc,
    dependency,
    everything,
    find,
    invalid,
    new_id,
    not_found,
    reads,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, Values, page, select

_NAME = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")


@writes("CreateSecurityGroup", "GroupName Description VpcId TagSpecifications")
def create_security_group(cx: Context, request: Json) -> Json:
    name, description = request["GroupName"], request["Description"]
    vpc = _vpc(cx, request.get("VpcId"))
    _check_name(name)
    if not _NAME.fullmatch(description):
        raise invalid(
            "Invalid security group description. Valid descriptions are strings less than 256 characters from "
            "the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
        )
    if any(group.vpc_id == vpc.id and group.name == name for group in everything(cx, SecurityGroup)):
        raise AwsError(
            "InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc.id}'"
        )
    group = SecurityGroup(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "sg"),
        name=name,
        description=description,
        vpc_id=vpc.id,
        rules=(allow_all_egress(new_id(cx, "sgr")),),
        tags=tagging.given(cx, request, "security-group"),
    )
    cx.tx.put(group)
    answer = {"GroupId": group.id, "SecurityGroupArn": group.arn("security-group")}
    return {**answer, "Tags": tags.upper(group.tags)} if group.tags else answer


def _vpc(cx: Context, wanted: str | None) -> Vpc:
    if wanted is not None:
        return require(cx, Vpc, wanted)
    vpc = default_vpc(cx)
    if vpc is None:
        raise AwsError("VPCIdNotSpecified", "No default VPC for this user")
    return vpc


def _check_name(name: str) -> None:
    if name == "default":
        raise invalid("Cannot use reserved security group name: default")
    if name.startswith("sg-"):
        raise invalid(f"Invalid group name '{name}'. Group names may not be in the format sg-*")
    if not _NAME.fullmatch(name) or not name:
        raise invalid(
            f"Value ({name}) for parameter GroupName is invalid. Character sets beyond ASCII are not supported."
        )


@writes("DeleteSecurityGroup", "GroupId GroupName")
def delete_security_group(cx: Context, request: Json) -> Json:
    group = named(cx, request)
    if group.name == "default":
        raise AwsError(
            "CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
        )
    referenced = any(
        rule.group_id == group.id
        for other in everything(cx, SecurityGroup)
        if other.id != group.id
        for rule in other.rules
    )
    if referenced or any(group.id in interface.groups for interface in everything(cx, NetworkInterface)):
        raise dependency(f"resource {group.id} has a dependent object")
    cx.tx.delete(SecurityGroup, group.key)
    return {"Return": True, "GroupId": group.id}


@reads("DescribeSecurityGroups")
def describe_security_groups(cx: Context, request: Json) -> Json:
    for wanted in request.get("GroupIds") or ():
        if not wanted.startswith("sg-"):
            raise AwsError("InvalidGroupId.Malformed", f'Invalid id: "{wanted}" (expecting "sg-...")')
    groups = chosen(cx, SecurityGroup, request.get("GroupIds"))
    names = request.get("GroupNames")
    if names:
        groups = _by_names(cx, groups, names)
    found = select(groups, request.get("Filters"), _fields)
    return page(request, "SecurityGroups", found, _described)


@reads("GetSecurityGroupsForVpc")
def get_security_groups_for_vpc(cx: Context, request: Json) -> Json:
    vpc = require(cx, Vpc, request["VpcId"])
    groups = [group for group in everything(cx, SecurityGroup) if group.vpc_id == vpc.id]
    found = select(groups, request.get("Filters"), _usable_fields)
    return page(request, "SecurityGroupForVpcs", found, _usable)


def _usable(group: SecurityGroup) -> Json:
    return {
        "Description": group.description,
        "GroupName": group.name,
        "OwnerId": group.account,
        "GroupId": group.id,
        "Tags": tags.upper(group.tags),
        "PrimaryVpcId": group.vpc_id,
    }


def _usable_fields(group: SecurityGroup) -> Fields:
    return {
        "description": group.description,
        "group-id": group.id,
        "group-name": group.name,
        "owner-id": group.account,
        "primary-vpc-id": group.vpc_id,
        "tags": group.tags,
    }


def named(cx: Context, request: Json) -> SecurityGroup:
    """The group that a request means by GroupId, or by GroupName in the default VPC."""
    if request.get("GroupId"):
        wanted = request["GroupId"]
        if not wanted.startswith("sg-"):
            raise AwsError("InvalidGroupId.Malformed", f'Invalid id: "{wanted}" (expecting "sg-...")')
        found = find(cx, SecurityGroup, wanted)
        if found is None:
            raise not_found(SecurityGroup, [wanted])
        return found
    if request.get("GroupName"):
        return _by_names(cx, everything(cx, SecurityGroup), [request["GroupName"]])[0]
    raise AwsError("MissingParameter", "The request must contain the parameter groupName or groupId")


def _by_names(cx: Context, groups: list[SecurityGroup], names: list[str]) -> list[SecurityGroup]:
    vpc = default_vpc(cx)
    here = [group for group in groups if vpc is not None and group.vpc_id == vpc.id]
    for name in names:
        if not any(group.name == name for group in here):
            where = "" if vpc is None else f" in default VPC '{vpc.id}'"
            raise AwsError("InvalidGroup.NotFound", f"The security group '{name}' does not exist{where}")
    return [group for group in here if group.name in names]


def permissions(rules: list[SecurityGroupRule]) -> list[Json]:
    """Rules as IpPermissions: those of the same protocol and ports in one entry."""
    grouped: dict[tuple[str, int, int], Json] = {}
    for rule in rules:
        entry = grouped.setdefault(
            (rule.protocol, rule.from_port, rule.to_port),
            {
                "IpProtocol": rule.protocol,
                "UserIdGroupPairs": [],
                "IpRanges": [],
                "Ipv6Ranges": [],
                "PrefixListIds": [],
            },
        )
        if rule.protocol in ("tcp", "udp", "icmp", "icmpv6"):
            entry["FromPort"], entry["ToPort"] = rule.from_port, rule.to_port
        member, peer = _peer(rule)
        if rule.description is not None:
            peer["Description"] = rule.description
        entry[member].append(peer)
    return list(grouped.values())


def _peer(rule: SecurityGroupRule) -> tuple[str, Json]:
    if rule.cidr4 is not None:
        return "IpRanges", {"CidrIp": rule.cidr4}
    if rule.cidr6 is not None:
        return "Ipv6Ranges", {"CidrIpv6": rule.cidr6}
    if rule.prefix_list is not None:
        return "PrefixListIds", {"PrefixListId": rule.prefix_list}
    pair: Json = {"GroupId": rule.group_id, "UserId": rule.group_owner}
    return "UserIdGroupPairs", pair


def _described(group: SecurityGroup) -> Json:
    return {
        "GroupId": group.id,
        "IpPermissionsEgress": permissions([rule for rule in group.rules if rule.egress]),
        "Tags": tags.upper(group.tags),
        "VpcId": group.vpc_id,
        "SecurityGroupArn": group.arn("security-group"),
        "OwnerId": group.account,
        "GroupName": group.name,
        "Description": group.description,
        "IpPermissions": permissions([rule for rule in group.rules if not rule.egress]),
    }


def _fields(group: SecurityGroup) -> Fields:
    fields: dict[str, Values] = {}
    for prefix, rules in (
        ("ip-permission", [rule for rule in group.rules if not rule.egress]),
        ("egress.ip-permission", [rule for rule in group.rules if rule.egress]),
    ):
        fields[f"{prefix}.cidr"] = [rule.cidr4 for rule in rules if rule.cidr4]
        fields[f"{prefix}.ipv6-cidr"] = [rule.cidr6 for rule in rules if rule.cidr6]
        fields[f"{prefix}.from-port"] = [str(rule.from_port) for rule in rules]
        fields[f"{prefix}.to-port"] = [str(rule.to_port) for rule in rules]
        fields[f"{prefix}.protocol"] = [rule.protocol for rule in rules]
        fields[f"{prefix}.group-id"] = [rule.group_id for rule in rules if rule.group_id]
        fields[f"{prefix}.user-id"] = [rule.group_owner for rule in rules if rule.group_owner]
        fields[f"{prefix}.prefix-list-id"] = [rule.prefix_list for rule in rules if rule.prefix_list]
    return {
        **fields,
        "description": group.description,
        "group-id": group.id,
        "group-name": group.name,
        "owner-id": group.account,
        "tags": group.tags,
        "vpc-id": group.vpc_id,
    }
