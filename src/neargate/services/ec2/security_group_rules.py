"""Rules of security groups: authorize, revoke, modify, describe."""

from __future__ import annotations

import ipaddress

import attrs

from neargate.model import tags
from neargate.model.ec2 import SecurityGroup, SecurityGroupRule
from neargate.model.errors import AwsError
from neargate.model.operations import Context, Handler
from neargate.model.records import Json
from neargate.services.ec2 import prefix_lists, tagging
from neargate.services.ec2.estate import everything, find, invalid, new_id, not_found, reads, writes
from neargate.services.ec2.security_groups import named
from neargate.services.ec2.selection import Fields, page, select

_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}
_WITH_PORTS = ("tcp", "udp")
RULES_QUOTA = 60
"""Rules of a group per direction."""


def _authorize(*, egress: bool) -> Handler:
    def authorize(cx: Context, request: Json) -> Json:
        """Add rules. One that the group has already is an error, and none is added."""
        group = named(cx, request)
        new = parsed(cx, group, request, egress=egress)
        own_tags = tagging.given(cx, request, "security-group-rule")
        have = {rule.sameness for rule in group.rules}
        for rule in new:
            if rule.sameness in have:
                raise AwsError(
                    "InvalidPermission.Duplicate", f'the specified rule "{_spoken(rule)}" already exists'
                )
            have.add(rule.sameness)
        new = [attrs.evolve(rule, id=new_id(cx, "sgr"), tags=own_tags) for rule in new]
        rules = (*group.rules, *new)
        if sum(1 for rule in rules if rule.egress == egress) > RULES_QUOTA:
            raise AwsError(
                "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.",
            )
        cx.tx.put(attrs.evolve(group, rules=rules))
        return {"Return": True, "SecurityGroupRules": [_described(group, rule) for rule in new]}

    return authorize


def _revoke(*, egress: bool) -> Handler:
    def revoke(cx: Context, request: Json) -> Json:
        """Remove rules, by id or by content."""
        group = named(cx, request)
        ids = request.get("SecurityGroupRuleIds")
        if ids:
            gone = [_own_rule(group, rule_id, egress=egress) for rule_id in ids]
        else:
            wanted = {rule.sameness for rule in parsed(cx, group, request, egress=egress)}
            gone = [rule for rule in group.rules if rule.sameness in wanted]
            if len(gone) < len(wanted):
                raise AwsError(
                    "InvalidPermission.NotFound", "The specified rule does not exist in this security group."
                )
        kept = tuple(rule for rule in group.rules if rule not in gone)
        cx.tx.put(attrs.evolve(group, rules=kept))
        return {"Return": True, "RevokedSecurityGroupRules": [_revoked(group, rule) for rule in gone]}

    return revoke


def _describe_anew(*, egress: bool) -> Handler:
    def describe_anew(cx: Context, request: Json) -> Json:
        """Replace the descriptions of rules, found by id or by content."""
        group = named(cx, request)
        new: dict[str, str | None] = {}
        for item in request.get("SecurityGroupRuleDescriptions") or ():
            rule = _own_rule(group, item.get("SecurityGroupRuleId", ""), egress=egress)
            new[rule.id] = item.get("Description")
        if request.get("IpPermissions"):
            for wanted in parsed(cx, group, request, egress=egress):
                same = [rule for rule in group.rules if rule.sameness == wanted.sameness]
                if not same:
                    raise AwsError(
                        "InvalidPermission.NotFound",
                        "The specified rule does not exist in this security group.",
                    )
                new[same[0].id] = wanted.description
        rules = tuple(
            attrs.evolve(rule, description=new[rule.id]) if rule.id in new else rule for rule in group.rules
        )
        cx.tx.put(attrs.evolve(group, rules=rules))
        return {"Return": True}

    return describe_anew


_FLAT = "CidrIp FromPort ToPort IpProtocol SourceSecurityGroupName SourceSecurityGroupOwnerId"
for _word, _egress in (("Ingress", False), ("Egress", True)):
    _members = f"GroupId GroupName IpPermissions {_FLAT}"
    writes(f"AuthorizeSecurityGroup{_word}", f"{_members} TagSpecifications")(_authorize(egress=_egress))
    writes(f"RevokeSecurityGroup{_word}", f"{_members} SecurityGroupRuleIds")(_revoke(egress=_egress))
    writes(
        f"UpdateSecurityGroupRuleDescriptions{_word}",
        "GroupId GroupName IpPermissions SecurityGroupRuleDescriptions",
    )(_describe_anew(egress=_egress))


@writes("ModifySecurityGroupRules", "GroupId SecurityGroupRules")
def modify_security_group_rules(cx: Context, request: Json) -> Json:
    """Replace the content of rules; their ids, directions and tags stay."""
    group = named(cx, request)
    rules = {rule.id: rule for rule in group.rules}
    for update in request["SecurityGroupRules"]:
        rule_id, wanted = update["SecurityGroupRuleId"], update.get("SecurityGroupRule") or {}
        if rule_id not in rules:
            raise _no_rule(rule_id)
        old = rules[rule_id]
        new = _rule(
            cx,
            wanted,
            egress=old.egress,
            description=wanted.get("Description"),
            cidr4=wanted.get("CidrIpv4"),
            cidr6=wanted.get("CidrIpv6"),
            prefix_list=wanted.get("PrefixListId"),
            group_id=wanted.get("ReferencedGroupId"),
        )
        rules[rule_id] = attrs.evolve(new, id=rule_id, tags=old.tags)
    cx.tx.put(attrs.evolve(group, rules=tuple(rules.values())))
    return {"Return": True}


@reads("DescribeSecurityGroupRules")
def describe_security_group_rules(cx: Context, request: Json) -> Json:
    every = [(group, rule) for group in everything(cx, SecurityGroup) for rule in group.rules]
    wanted = request.get("SecurityGroupRuleIds")
    if wanted:
        known = {rule.id for _, rule in every}
        for rule_id in wanted:
            if rule_id not in known:
                raise _no_rule(rule_id)
        every = [(group, rule) for group, rule in every if rule.id in wanted]
    found = select(every, request.get("Filters"), _fields)
    return page(request, "SecurityGroupRules", found, lambda pair: _described(*pair))


def parsed(cx: Context, group: SecurityGroup, request: Json, *, egress: bool) -> list[SecurityGroupRule]:
    """The rules of a request, one per peer, without ids: from IpPermissions or from the flat members."""
    permissions = list(request.get("IpPermissions") or ())
    if request.get("IpProtocol") or request.get("CidrIp") or request.get("SourceSecurityGroupName"):
        permissions.append(_from_flat(request))
    if not permissions:
        raise AwsError(
            "MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided."
        )
    rules = []
    for permission in permissions:
        peers = _peers(cx, group, permission)
        if not peers:
            raise invalid("Invalid value '' for IP protocol. A source or destination must be specified.")
        rules += [_rule(cx, permission, egress=egress, **peer) for peer in peers]
    return rules


def _from_flat(request: Json) -> Json:
    permission: Json = {
        "IpProtocol": request.get("IpProtocol") or "-1",
        "FromPort": request.get("FromPort"),
        "ToPort": request.get("ToPort"),
    }
    if request.get("CidrIp"):
        permission["IpRanges"] = [{"CidrIp": request["CidrIp"]}]
    if request.get("SourceSecurityGroupName"):
        permission["UserIdGroupPairs"] = [{"GroupName": request["SourceSecurityGroupName"]}]
    return permission


def _peers(cx: Context, group: SecurityGroup, permission: Json) -> list[dict[str, str | None]]:
    peers: list[dict[str, str | None]] = []
    for member, key, field in (
        ("IpRanges", "CidrIp", "cidr4"),
        ("Ipv6Ranges", "CidrIpv6", "cidr6"),
        ("PrefixListIds", "PrefixListId", "prefix_list"),
    ):
        for item in permission.get(member) or ():
            peers.append({field: item.get(key), "description": item.get("Description")})
    for pair in permission.get("UserIdGroupPairs") or ():
        peer = pair.get("GroupId")
        if peer is None:
            same = [g for g in everything(cx, SecurityGroup) if g.vpc_id == group.vpc_id]
            by_name = {g.name: g.id for g in same}
            if pair.get("GroupName") not in by_name:
                raise not_found(SecurityGroup, [pair.get("GroupName") or ""])
            peer = by_name[pair["GroupName"]]
        peers.append({"group_id": peer, "description": pair.get("Description")})
    return peers


def _rule(
    cx: Context,
    wanted: Json,
    *,
    egress: bool,
    description: str | None = None,
    cidr4: str | None = None,
    cidr6: str | None = None,
    prefix_list: str | None = None,
    group_id: str | None = None,
) -> SecurityGroupRule:
    """A rule from its protocol and ports (in `wanted`) and one peer, checked."""
    protocol = _protocol(wanted.get("IpProtocol"))
    from_port, to_port = _ports(protocol, wanted.get("FromPort"), wanted.get("ToPort"))
    if group_id is not None and find(cx, SecurityGroup, group_id) is None:
        raise not_found(SecurityGroup, [group_id])
    if prefix_list is not None:
        prefix_lists.check_exists(cx, prefix_list)
    return SecurityGroupRule(
        id="",
        egress=egress,
        protocol=protocol,
        from_port=from_port,
        to_port=to_port,
        cidr4=None if cidr4 is None else _cidr(cidr4, 4),
        cidr6=None if cidr6 is None else _cidr(cidr6, 6),
        prefix_list=prefix_list,
        group_id=group_id,
        group_owner=None if group_id is None else cx.account,
        description=description,
    )


def _protocol(text: str | None) -> str:
    if not text:
        raise AwsError("MissingParameter", "The request must contain the parameter ipProtocol")
    lowered = str(text).lower()
    protocol = _NUMBERS.get(lowered, lowered)
    known = protocol in ("tcp", "udp", "icmp", "icmpv6", "-1")
    if not known and not (protocol.isdecimal() and int(protocol) <= 255):
        raise invalid(f"Invalid value '{text}' for IP protocol. Unknown protocol.")
    return protocol


def _ports(protocol: str, low: int | None, high: int | None) -> tuple[int, int]:
    """Ports as AWS keeps them: a protocol without ports has -1."""
    if protocol in _WITH_PORTS:
        if low is None or high is None:
            raise invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
        if not 0 <= low <= high <= 65535:
            raise invalid(f"Invalid TCP/UDP port range ({low}:{high})")
        return low, high
    if protocol in ("icmp", "icmpv6"):
        return (-1 if low is None else low), (-1 if high is None else high)
    return -1, -1


def _cidr(text: str, version: int) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or network.version != version or "/" not in text:
        raise invalid(f"CIDR block {text} is malformed")
    return str(network)


def _own_rule(group: SecurityGroup, rule_id: str, *, egress: bool) -> SecurityGroupRule:
    for rule in group.rules:
        if rule.id == rule_id and rule.egress == egress:
            return rule
    raise _no_rule(rule_id)


def _no_rule(rule_id: str) -> AwsError:
    return AwsError(
        "InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{rule_id}' does not exist"
    )


def _spoken(rule: SecurityGroupRule) -> str:
    """`peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW`."""
    peer = rule.cidr4 or rule.cidr6 or rule.group_id or rule.prefix_list
    protocol = "ALL" if rule.protocol == "-1" else rule.protocol.upper()
    ports = ""
    if rule.protocol in _WITH_PORTS:
        ports = f" from port: {rule.from_port}, to port: {rule.to_port},"
    return f"peer: {peer}, {protocol},{ports} ALLOW"


def _described(group: SecurityGroup, rule: SecurityGroupRule) -> Json:
    answer: Json = {
        "SecurityGroupRuleId": rule.id,
        "GroupId": group.id,
        "GroupOwnerId": group.account,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
        "CidrIpv4": rule.cidr4,
        "CidrIpv6": rule.cidr6,
        "PrefixListId": rule.prefix_list,
        "Description": rule.description,
        "Tags": tags.upper(rule.tags),
        "SecurityGroupRuleArn": f"arn:aws:ec2:{group.region}:{group.account}:security-group-rule/{rule.id}",
    }
    if rule.group_id is not None:
        answer["ReferencedGroupInfo"] = {"GroupId": rule.group_id, "UserId": rule.group_owner}
    return {member: value for member, value in answer.items() if value is not None}


def _revoked(group: SecurityGroup, rule: SecurityGroupRule) -> Json:
    answer = _described(group, rule)
    for member in ("GroupOwnerId", "Tags", "SecurityGroupRuleArn", "ReferencedGroupInfo"):
        answer.pop(member, None)
    return answer if rule.group_id is None else {**answer, "ReferencedGroupId": rule.group_id}


def _fields(pair: tuple[SecurityGroup, SecurityGroupRule]) -> Fields:
    group, rule = pair
    return {"group-id": group.id, "security-group-rule-id": rule.id, "tags": rule.tags}
