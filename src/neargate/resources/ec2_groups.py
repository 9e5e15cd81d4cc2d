"""AWS::EC2::SecurityGroup, SecurityGroupIngress, SecurityGroupEgress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import Call, Desired, Existing, Identity, Naming, ResourceType, Steps
from neargate.resources.ec2_steps import described, error, patient, retag, tagged, unless_used
from neargate.resources.shapes import call, missing_is_fine

Direction = Literal["Ingress", "Egress"]
Rule = Mapping[str, Any]

_ALLOW_ALL: Json = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
"""The egress rule that EC2 gives every new group."""


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
    request.update(tagged(want, "security-group"))
    answer = yield Call("ec2", "CreateSecurityGroup", request)
    group: str = answer["GroupId"]
    yield from _change_rules(group, "Ingress", [], _rules("Ingress", want.properties))
    yield from _change_rules(group, "Egress", [_ALLOW_ALL], _rules("Egress", want.properties))
    return Identity(group if "VpcId" in want.properties else str(want.name))


def group_of(existing: Existing) -> Steps[Json]:
    """The group as EC2 describes it. Where the template names no VPC its physical id, and Ref, are its name in
    the default VPC."""
    by = "GroupIds" if existing.id.startswith("sg-") else "GroupNames"
    group = yield from described("DescribeSecurityGroups", by, "SecurityGroups", existing.id)
    return group


def _update_group(old: Existing, want: Desired) -> Steps[None]:
    group = (yield from group_of(old))["GroupId"]
    directions: tuple[Direction, ...] = ("Ingress", "Egress")
    for direction in directions:
        before, after = _rules(direction, old.desired.properties), _rules(direction, want.properties)
        yield from _change_rules(group, direction, before, after)
    yield from retag(group, old.desired, want)


def _read_group(existing: Existing) -> Steps[Json]:
    group = yield from group_of(existing)
    return {
        "Id": existing.id,
        "GroupId": group["GroupId"],
        "GroupName": group["GroupName"],
        "GroupDescription": group["Description"],
        "VpcId": group["VpcId"],
    }


def _delete_group(existing: Existing) -> Steps[None]:
    group = yield from group_of(existing)
    yield Call("ec2", "DeleteSecurityGroup", {"GroupId": group["GroupId"]})


# -- a rule of its own -------------------------------------------------------------------------------------


def _named_group(properties: Rule) -> Json:
    """How the API finds the group that a rule belongs to."""
    return {name: properties[name] for name in ("GroupId", "GroupName") if name in properties}


def _rule_type(direction: Direction, honoured: str) -> ResourceType:
    def create(want: Desired) -> Steps[Identity]:
        permission = _permission(direction, want.properties)
        request = {**_named_group(want.properties), "IpPermissions": [permission]}
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
            {**_named_group(want.properties), "SecurityGroupRuleDescriptions": [anew]},
        )

    def read(existing: Existing) -> Steps[Json]:
        yield Call("ec2", "DescribeSecurityGroupRules", {"SecurityGroupRuleIds": [existing.id]})
        return {"Id": existing.id}

    def delete(existing: Existing) -> Steps[None]:
        group = _named_group(existing.desired.properties)
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
        error=error,
    )


TYPES = (
    ResourceType(
        type="AWS::EC2::SecurityGroup",
        honoured=frozenset(
            "GroupDescription GroupName SecurityGroupEgress SecurityGroupIngress Tags VpcId".split()
        ),
        naming=Naming("GroupName", taken="service"),
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=patient(_delete_group),
        gone=unless_used(_delete_group),
        watches=frozenset({"ec2.network-interface", "ec2.security-group"}),
        error=error,
    ),
    _rule_type(
        "Ingress",
        "GroupName SourcePrefixListId SourceSecurityGroupId SourceSecurityGroupName SourceSecurityGroupOwnerId",
    ),
    _rule_type("Egress", "DestinationPrefixListId DestinationSecurityGroupId"),
)
