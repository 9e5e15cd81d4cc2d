"""Readers for drift detection, as in `states`, of Elastic Load Balancing's types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neargate.model.records import Json
from neargate.resources.declaration import Call, Existing, Steps
from neargate.resources.shapes import pick

State = Callable[[Existing], Steps[Json]]


def _tags(existing: Existing) -> Steps[list[Json]]:
    answer = yield Call("elbv2", "DescribeTags", {"ResourceArns": [existing.id]})
    return list(answer["TagDescriptions"][0]["Tags"])


def _named_attributes(existing: Existing, property: str, operation: str, member: str) -> Steps[list[Json]]:
    """Those attributes that the template names, as they are."""
    answer = yield Call("elbv2", operation, {member: existing.id})
    named = [one.get("Key") for one in existing.desired.properties.get(property) or ()]
    return [one for one in answer["Attributes"] if one["Key"] in named]


def _balancer(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeLoadBalancers", {"LoadBalancerArns": [existing.id]})
    balancer = answer["LoadBalancers"][0]
    attributes = yield from _named_attributes(
        existing, "LoadBalancerAttributes", "DescribeLoadBalancerAttributes", "LoadBalancerArn"
    )
    tags = yield from _tags(existing)
    state: Json = {
        **pick(balancer, ("IpAddressType", "Scheme", "SecurityGroups", "Type")),
        "Name": balancer["LoadBalancerName"],
        "LoadBalancerAttributes": attributes,
        "Tags": tags,
    }
    if "Subnets" in existing.desired.properties:
        state["Subnets"] = [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]
    return state


def _group(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeTargetGroups", {"TargetGroupArns": [existing.id]})
    group = answer["TargetGroups"][0]
    attributes = yield from _named_attributes(
        existing, "TargetGroupAttributes", "DescribeTargetGroupAttributes", "TargetGroupArn"
    )
    tags = yield from _tags(existing)
    plain = (
        "HealthCheckEnabled HealthCheckIntervalSeconds HealthCheckPath HealthCheckPort HealthCheckProtocol "
        "HealthCheckTimeoutSeconds HealthyThresholdCount IpAddressType Matcher Port Protocol ProtocolVersion "
        "TargetType UnhealthyThresholdCount VpcId"
    )
    return {
        **pick(group, plain.split()),
        "Name": group["TargetGroupName"],
        "TargetGroupAttributes": attributes,
        "Tags": tags,
    }


def _written(wanted: Any, found: Any) -> Any:
    """What was found, without what the API adds to what the template says (a forward's weights, a redirect's
    `#{host}`): members of a structure that the template does not name."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {name: _written(wanted[name], value) for name, value in found.items() if name in wanted}
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [_written(one, other) for one, other in zip(wanted, found, strict=True)]
    return found


def _listener(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeListeners", {"ListenerArns": [existing.id]})
    listener = answer["Listeners"][0]
    attributes = yield from _named_attributes(
        existing, "ListenerAttributes", "DescribeListenerAttributes", "ListenerArn"
    )
    tags = yield from _tags(existing)
    wanted = existing.desired.properties
    return {
        **pick(listener, ("Certificates", "LoadBalancerArn", "Port", "Protocol", "SslPolicy")),
        "DefaultActions": _written(wanted["DefaultActions"], listener["DefaultActions"]),
        "ListenerAttributes": attributes,
        "Tags": tags,
    }


def _rule(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeRules", {"RuleArns": [existing.id]})
    rule = answer["Rules"][0]
    tags = yield from _tags(existing)
    wanted = existing.desired.properties
    return {
        "Actions": _written(wanted["Actions"], rule["Actions"]),
        "Conditions": _written(wanted["Conditions"], rule["Conditions"]),
        "Priority": int(rule["Priority"]),
        "Tags": tags,
    }


STATES: dict[str, State] = {
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _rule,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _group,
}
