"""Tags: in TagSpecifications, and CreateTags, DeleteTags, DescribeTags."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from neargate.model import tags
from neargate.model.ec2 import (
    DhcpOptions,
    InternetGateway,
    NetworkAcl,
    NetworkInterface,
    Regional,
    RouteTable,
    SecurityGroup,
    Subnet,
    Vpc,
)
from neargate.model.ec2_assets import FlowLog, KeyPair, PrefixList
from neargate.model.ec2_edges import (
    EgressOnlyGateway,
    ElasticAddress,
    NatGateway,
    Peering,
    TransitGateway,
    TransitGatewayAttachment,
    VpcEndpoint,
    VpnGateway,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2.estate import everything, find, invalid, not_found, reads, writes
from neargate.services.ec2.selection import page, select

_Change = Callable[[tags.Tags], tags.Tags]

_KINDS: dict[str, tuple[str, type[Regional]]] = {
    "vpc": ("vpc", Vpc),
    "subnet": ("subnet", Subnet),
    "igw": ("internet-gateway", InternetGateway),
    "rtb": ("route-table", RouteTable),
    "acl": ("network-acl", NetworkAcl),
    "dopt": ("dhcp-options", DhcpOptions),
    "sg": ("security-group", SecurityGroup),
    "eni": ("network-interface", NetworkInterface),
    "eipalloc": ("elastic-ip", ElasticAddress),
    "nat": ("natgateway", NatGateway),
    "vpce": ("vpc-endpoint", VpcEndpoint),
    "eigw": ("egress-only-internet-gateway", EgressOnlyGateway),
    "vgw": ("vpn-gateway", VpnGateway),
    "pcx": ("vpc-peering-connection", Peering),
    "pl": ("prefix-list", PrefixList),
    "fl": ("vpc-flow-log", FlowLog),
    "key": ("key-pair", KeyPair),
    "tgw": ("transit-gateway", TransitGateway),
    "tgw-attach": ("transit-gateway-attachment", TransitGatewayAttachment),
}
_RULE = "security-group-rule"


def given(cx: Context, request: Json, resource_type: str) -> tags.Tags:
    """The tags that TagSpecifications give a resource of this type. Raises InvalidParameterValue for another."""
    found: tags.Tags = {}
    for specification in request.get("TagSpecifications") or ():
        named = specification.get("ResourceType")
        if named != resource_type:
            raise invalid(f"'{named}' is not a valid taggable resource type for this operation.")
        found.update(checked(specification.get("Tags") or []))
    _refuse_reserved(cx, list(found))
    return found


def checked(items: list[dict[str, str]]) -> tags.Tags:
    """The tags of a request, no key twice, 50 at most."""
    found = tags.from_list(items)
    if len(found) < len(items):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case sensitive.")
    if len(found) > 50:
        raise AwsError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    return found


@writes("CreateTags", "Resources Tags")
def create_tags(cx: Context, request: Json) -> Json:
    new = checked(request["Tags"])
    _refuse_reserved(cx, list(new))
    for resource in request["Resources"]:
        _retag(cx, resource, lambda old: {**old, **new})
    return {}


@writes("DeleteTags", "Resources Tags")
def delete_tags(cx: Context, request: Json) -> Json:
    """Without tags: all of the resource's own. A tag with a value goes only where it has that value."""
    given_tags = request.get("Tags") or []
    _refuse_reserved(cx, [tag.get("Key", "") for tag in given_tags])

    def keep(old: tags.Tags) -> tags.Tags:
        if not given_tags:
            return {key: value for key, value in old.items() if key.startswith("aws:")}
        gone = {tag["Key"]: tag.get("Value") for tag in given_tags}
        return {k: v for k, v in old.items() if k not in gone or gone[k] not in (None, v)}

    for resource in request["Resources"]:
        _retag(cx, resource, keep)
    return {}


@reads("DescribeTags")
def describe_tags(cx: Context, request: Json) -> Json:
    found = [
        {"ResourceId": record.id, "ResourceType": word, "Key": key, "Value": value}
        for word, kind in _KINDS.values()
        for record in everything(cx, kind)
        for key, value in record.tags.items()
    ]
    found += [
        {"ResourceId": rule.id, "ResourceType": _RULE, "Key": key, "Value": value}
        for group in everything(cx, SecurityGroup)
        for rule in group.rules
        for key, value in rule.tags.items()
    ]
    found.sort(key=lambda tag: (tag["ResourceId"], tag["Key"]))
    chosen = select(found, request.get("Filters"), _fields)
    return page(request, "Tags", chosen, dict)


def _fields(tag: dict[str, str]) -> Json:
    return {
        "key": tag["Key"],
        "value": tag["Value"],
        "resource-id": tag["ResourceId"],
        "resource-type": tag["ResourceType"],
        "tags": {tag["Key"]: tag["Value"]},
    }


def _refuse_reserved(cx: Context, keys: list[str]) -> None:
    """Tags that begin with `aws:` come only from a service that acts for somebody, as CloudFormation does."""
    if cx.caller.via:
        return
    for key in keys:
        if key.lower().startswith("aws:"):
            raise invalid(
                f"Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for "
                "internal use"
            )


def _retag(cx: Context, resource: str, change: _Change) -> None:
    prefix = resource.rpartition("-")[0]
    if prefix == "sgr":
        _retag_rule(cx, resource, change)
        return
    if prefix not in _KINDS:
        raise AwsError("InvalidID", f"The ID '{resource}' is not valid")
    kind = _KINDS[prefix][1]
    record = find(cx, kind, resource)
    if record is None:
        raise not_found(kind, [resource])
    cx.tx.put(attrs.evolve(record, tags=_limited(change(record.tags))))


def _retag_rule(cx: Context, rule_id: str, change: _Change) -> None:
    for group in everything(cx, SecurityGroup):
        if any(rule.id == rule_id for rule in group.rules):
            rules = tuple(
                attrs.evolve(rule, tags=_limited(change(rule.tags))) if rule.id == rule_id else rule
                for rule in group.rules
            )
            cx.tx.put(attrs.evolve(group, rules=rules))
            return
    raise AwsError(
        "InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{rule_id}' does not exist"
    )


def _limited(new: tags.Tags) -> tags.Tags:
    if sum(1 for key in new if not key.startswith("aws:")) > 50:
        raise AwsError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    return new
