"""AWS::EC2::SecurityGroup, SecurityGroupIngress, SecurityGroupEgress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    Readiness,
    Ready,
    ResourceType,
    Steps,
    Waiting,
    handler_code,
    sdk_error,
)
from neargate.resources.shapes import call, missing_is_fine

Direction = Literal["Ingress", "Egress"]
Rule = Mapping[str, Any]

_ALLOW_ALL: Json = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
"""The egress rule that EC2 gives every new group."""


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    code = "AlreadyExists" if error.code.endswith(".Duplicate") else handler_code(error)
    return sdk_error("Ec2", error), code


# -- rules -------------------------------------------------------------------------------------------------


def _permission(direction: Direction, rule: Rule) -> Json:
    """A rule of a template as an IpPermission of the API."""
    far = "Source" if direction == "Ingress" else "Destination"
    about = {"Description": rule["Description"]} if "Description" in rule else {}
    permission: Json = {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in rule}
    group = {
        name: rule[given]
        for name, given in (
            ("GroupId", f"{far}SecurityGroupId"),
            ("GroupName", "SourceSecurityGroupName"),
            ("UserId", "SourceSecurityGroupOwnerId"),
        )
        if given in rule
    }
    peers = {
        "IpRanges": {"CidrIp": rule["CidrIp"]} if "CidrIp" in rule else {},
        "Ipv6Ranges": {"CidrIpv6": rule["CidrIpv6"]} if "CidrIpv6" in rule else {},
        "PrefixListIds": {"PrefixListId": rule[f"{far}PrefixListId"]} if f"{far}PrefixListId" in rule else {},
        "UserIdGroupPairs": group,
    }
    permission.update({name: [{**peer, **about}] for name, peer in peers.items() if peer})
    return permission


def _rules(direction: Direction, properties: Rule) -> list[Rule]:
    """The rules that a group is to have; without a word about egress it keeps EC2's own."""
    given: list[Rule] = properties.get(f"SecurityGroup{direction}") or []
    return given if given or direction == "Ingress" else [_ALLOW_ALL]


def _change_rules(group: str, direction: Direction, old: list[Rule], new: list[Rule]) -> Steps[None]:
    """Take away what the template no longer has, then add what it has now."""
    added = [_permission(direction, rule) for rule in new if rule not in old]
    for rule in old:
        if rule not in new:
            request = {"GroupId": group, "IpPermissions": [_permission(direction, rule)]}
            # One that somebody revoked by hand is gone, as wanted.
            yield from missing_is_fine(
                call("ec2", f"RevokeSecurityGroup{direction}", request), "InvalidPermission.NotFound"
            )
    if added:
        yield call("ec2", f"AuthorizeSecurityGroup{direction}", {"GroupId": group, "IpPermissions": added})


# -- the group ---------------------------------------------------------------------------------------------


def _create_group(want: Desired) -> Steps[Identity]:
    request: Json = {"GroupName": want.name, "Description": want.properties["GroupDescription"]}
    if "VpcId" in want.properties:
        request["VpcId"] = want.properties["VpcId"]
    if want.all_tags:
        request["TagSpecifications"] = [{"ResourceType": "security-group", "Tags": upper(want.all_tags)}]
    answer = yield Call("ec2", "CreateSecurityGroup", request)
    group: str = answer["GroupId"]
    yield from _change_rules(group, "Ingress", [], _rules("Ingress", want.properties))
    yield from _change_rules(group, "Egress", [_ALLOW_ALL], _rules("Egress", want.properties))
    return Identity(group)


def _update_group(old: Existing, want: Desired) -> Steps[None]:
    directions: tuple[Direction, ...] = ("Ingress", "Egress")
    for direction in directions:
        before, after = _rules(direction, old.desired.properties), _rules(direction, want.properties)
        yield from _change_rules(old.id, direction, before, after)
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("ec2", "DeleteTags", {"Resources": [old.id], "Tags": [{"Key": key} for key in gone]})
    if want.all_tags and want.all_tags != old.desired.all_tags:
        yield Call("ec2", "CreateTags", {"Resources": [old.id], "Tags": upper(want.all_tags)})


def _read_group(existing: Existing) -> Steps[Json]:
    answer = yield Call("ec2", "DescribeSecurityGroups", {"GroupIds": [existing.id]})
    group = answer["SecurityGroups"][0]
    return {
        "Id": group["GroupId"],
        "GroupId": group["GroupId"],
        "GroupName": group["GroupName"],
        "GroupDescription": group["Description"],
        "VpcId": group["VpcId"],
    }


def _delete_group(existing: Existing) -> Steps[None]:
    """A group that something still uses goes as soon as nothing does: `_group_gone` tries again."""
    yield from missing_is_fine(
        Call("ec2", "DeleteSecurityGroup", {"GroupId": existing.id}), "DependencyViolation"
    )


def _group_gone(existing: Existing) -> Steps[Readiness]:
    try:
        yield Call("ec2", "DeleteSecurityGroup", {"GroupId": existing.id})
    except AwsError as error:
        if error.code == "InvalidGroup.NotFound":
            return Ready()
        if error.code == "DependencyViolation":
            return Waiting(f"waiting for {existing.id} to be used by nothing: {error.message}")
        raise
    return Ready()


# -- a rule of its own -------------------------------------------------------------------------------------


def _group_of(properties: Rule) -> Json:
    """How the API finds the group that a rule belongs to."""
    return {name: properties[name] for name in ("GroupId", "GroupName") if name in properties}


def _rule_type(direction: Direction, honoured: str) -> ResourceType:
    def create(want: Desired) -> Steps[Identity]:
        permission = _permission(direction, want.properties)
        request = {**_group_of(want.properties), "IpPermissions": [permission]}
        answer = yield call("ec2", f"AuthorizeSecurityGroup{direction}", request)
        rules = answer["SecurityGroupRules"]
        if len(rules) > 1:
            raise AwsError(
                "InvalidParameterCombination", "A rule has one source or destination, not several."
            )
        return Identity(rules[0]["SecurityGroupRuleId"])

    def update(old: Existing, want: Desired) -> Steps[None]:
        """Only the description may change."""
        anew = {"SecurityGroupRuleId": old.id, "Description": want.properties.get("Description")}
        yield Call(
            "ec2",
            f"UpdateSecurityGroupRuleDescriptions{direction}",
            {**_group_of(want.properties), "SecurityGroupRuleDescriptions": [anew]},
        )

    def read(existing: Existing) -> Steps[Json]:
        yield Call("ec2", "DescribeSecurityGroupRules", {"SecurityGroupRuleIds": [existing.id]})
        return {"Id": existing.id}

    def delete(existing: Existing) -> Steps[None]:
        group = _group_of(existing.desired.properties)
        yield Call("ec2", f"RevokeSecurityGroup{direction}", {**group, "SecurityGroupRuleIds": [existing.id]})

    return ResourceType(
        type=f"AWS::EC2::SecurityGroup{direction}",
        honoured=frozenset(
            f"CidrIp CidrIpv6 Description FromPort GroupId IpProtocol ToPort {honoured}".split()
        ),
        create=create,
        read=read,
        update=update,
        delete=delete,
        error=_error,
    )


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::EC2::SecurityGroup",
            honoured=frozenset(
                "GroupDescription GroupName SecurityGroupEgress SecurityGroupIngress Tags VpcId".split()
            ),
            naming=Naming("GroupName", taken="service"),
            create=_create_group,
            read=_read_group,
            update=_update_group,
            delete=_delete_group,
            gone=_group_gone,
            watches=frozenset({"ec2.network-interface", "ec2.security-group"}),
            error=_error,
        ),
        _rule_type(
            "Ingress",
            "GroupName SourcePrefixListId SourceSecurityGroupId SourceSecurityGroupName SourceSecurityGroupOwnerId",
        ),
        _rule_type("Egress", "DestinationPrefixListId DestinationSecurityGroupId"),
    )
}
