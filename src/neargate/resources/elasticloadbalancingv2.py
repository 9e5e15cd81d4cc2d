"""AWS::ElasticLoadBalancingV2: LoadBalancer, TargetGroup, Listener, ListenerRule, ListenerCertificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.planners import load_balancer_attributes as attributes
from neargate.planners.physical_names import physical_name
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Failed,
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
from neargate.resources.shapes import by_name, call, changed, pick, without

PREFIX = "AWS::ElasticLoadBalancingV2::"
_SERVICE = "ElasticLoadBalancingV2"
_SAME_LISTENER = (
    "Resource of type 'AWS::ElasticLoadBalancingV2::Listener' with identifier 'Idempotency Check Failed' already "
    "exists."
)
"""What AWS's handler says where the create call answered with a listener that was there."""
_NAME = Naming("Name", max_length=32, style="short", taken="service")


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    if error.code == "AlreadyExists":
        return error.message, "AlreadyExists"
    code = "AlreadyExists" if error.code.startswith("Duplicate") else handler_code(error)
    return sdk_error(_SERVICE, error), code


def _retag(old: Existing, want: Desired) -> Steps[None]:
    before, after = old.desired.all_tags, want.all_tags
    gone = sorted(before.keys() - after.keys())
    if gone:
        yield Call("elbv2", "RemoveTags", {"ResourceArns": [old.id], "TagKeys": gone})
    fresh = {key: value for key, value in after.items() if before.get(key) != value}
    if fresh:
        yield Call("elbv2", "AddTags", {"ResourceArns": [old.id], "Tags": upper(fresh)})


def _tags(want: Desired) -> Json:
    return {"Tags": upper(want.all_tags)} if want.all_tags else {}


def _set_attributes(
    operation: str, member: str, arn: str, wanted: Any, known: Mapping[str, attributes.Attribute], before: Any
) -> Steps[None]:
    """Set a resource's attributes; those that the template named `before` and names no longer get their defaults."""
    values = {str(one.get("Key")): str(one.get("Value", "")) for one in wanted or ()}
    for one in before or ():
        if one.get("Key") not in values and one.get("Key") in known:
            values[one["Key"]] = known[one["Key"]].default
    if values:
        named = [{"Key": key, "Value": value} for key, value in values.items()]
        yield Call("elbv2", operation, {member: arn, "Attributes": named})


# -- load balancer ------------------------------------------------------------------------------------------

_PLACES = ("Subnets", "SubnetMappings")
_BALANCER = (
    *_PLACES,
    *("EnablePrefixForIpv6SourceNat", "IpAddressType", "Name", "Scheme", "SecurityGroups", "Type"),
)


def _create_balancer(want: Desired) -> Steps[Identity]:
    given = without(pick(want.properties, _BALANCER), "Name")
    answer = yield call("elbv2", "CreateLoadBalancer", given, Name=want.name, **_tags(want))
    arn = answer["LoadBalancers"][0]["LoadBalancerArn"]
    yield from _balancer_attributes(arn, want.properties, {})
    return Identity(arn)


def _balancer_attributes(arn: str, now: Json, before: Json) -> Steps[None]:
    known = attributes.of_balancer(now.get("Type") or "application")
    name = "LoadBalancerAttributes"
    yield from _set_attributes(
        "ModifyLoadBalancerAttributes", "LoadBalancerArn", arn, now.get(name), known, before.get(name)
    )


def _update_balancer(old: Existing, want: Desired) -> Steps[None]:
    before, now = old.desired.properties, want.properties
    if changed(before, now, *_PLACES):
        yield call("elbv2", "SetSubnets", pick(now, _PLACES), LoadBalancerArn=old.id)
    if changed(before, now, "SecurityGroups"):
        groups = now.get("SecurityGroups") or (yield from _default_groups(old))
        yield Call("elbv2", "SetSecurityGroups", {"LoadBalancerArn": old.id, "SecurityGroups": groups})
    if changed(before, now, "IpAddressType"):
        kind = now.get("IpAddressType") or "ipv4"
        yield Call("elbv2", "SetIpAddressType", {"LoadBalancerArn": old.id, "IpAddressType": kind})
    if changed(before, now, "LoadBalancerAttributes"):
        yield from _balancer_attributes(old.id, now, before)
    yield from _retag(old, want)


def _default_groups(existing: Existing) -> Steps[list[str]]:
    """The VPC's default security group: what a load balancer has whose template names none."""
    balancer = yield from _described_balancer(existing)
    filters = [
        {"Name": "vpc-id", "Values": [balancer["VpcId"]]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    found = yield Call("ec2", "DescribeSecurityGroups", {"Filters": filters})
    return [group["GroupId"] for group in found["SecurityGroups"]]


def _described_balancer(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeLoadBalancers", {"LoadBalancerArns": [existing.id]})
    return dict(answer["LoadBalancers"][0])


def _full_name(arn: str, word: str) -> str:
    """What follows `word/` in an ARN: `app/NAME/ID`."""
    return arn.partition(f":{word}/")[2]


def _read_balancer(existing: Existing) -> Steps[Json]:
    balancer = yield from _described_balancer(existing)
    return {
        "LoadBalancerArn": existing.id,
        "LoadBalancerFullName": _full_name(existing.id, "loadbalancer"),
        "LoadBalancerName": balancer["LoadBalancerName"],
        "DNSName": balancer["DNSName"],
        "CanonicalHostedZoneID": balancer["CanonicalHostedZoneId"],
        "SecurityGroups": balancer.get("SecurityGroups") or [],
    }


def _balancer_ready(existing: Existing) -> Steps[Readiness]:
    state = (yield from _described_balancer(existing))["State"]
    if state["Code"] in ("active", "active_impaired"):
        return Ready()
    if state["Code"] == "failed":
        return Failed(f"Load balancer {existing.id} failed: {state.get('Reason', 'no reason was given')}")
    return Waiting(f"waiting for load balancer {existing.id} to be active{_because(state)}")


def _because(state: Json) -> str:
    return f": {state['Reason']}" if state.get("Reason") else ""


def _delete_balancer(existing: Existing) -> Steps[None]:
    yield from _described_balancer(existing)
    yield Call("elbv2", "DeleteLoadBalancer", {"LoadBalancerArn": existing.id})


# -- target group -------------------------------------------------------------------------------------------

_CHECK = (
    "HealthCheckEnabled HealthCheckIntervalSeconds HealthCheckPath HealthCheckPort HealthCheckProtocol "
    "HealthCheckTimeoutSeconds HealthyThresholdCount Matcher UnhealthyThresholdCount"
).split()
_GROUP = (*_CHECK, "IpAddressType", "Port", "Protocol", "ProtocolVersion", "TargetType", "VpcId")


def _create_group(want: Desired) -> Steps[Identity]:
    answer = yield call(
        "elbv2", "CreateTargetGroup", pick(want.properties, _GROUP), Name=want.name, **_tags(want)
    )
    arn = answer["TargetGroups"][0]["TargetGroupArn"]
    yield from _group_attributes(arn, want.properties, {})
    yield from _targets(arn, want.properties, {})
    return Identity(arn)


def _group_attributes(arn: str, now: Json, before: Json) -> Steps[None]:
    known = attributes.of_group(str(now.get("Protocol")))
    name = "TargetGroupAttributes"
    yield from _set_attributes(
        "ModifyTargetGroupAttributes", "TargetGroupArn", arn, now.get(name), known, before.get(name)
    )


def _targets(arn: str, now: Json, before: Json) -> Steps[None]:
    """Register the template's targets that are new, deregister those that it names no longer."""
    wanted, had = now.get("Targets") or [], before.get("Targets") or []
    for operation, targets in (
        ("DeregisterTargets", [one for one in had if one not in wanted]),
        ("RegisterTargets", [one for one in wanted if one not in had]),
    ):
        if targets:
            yield call("elbv2", operation, {"Targets": targets}, TargetGroupArn=arn)


def _update_group(old: Existing, want: Desired) -> Steps[None]:
    before, now = old.desired.properties, want.properties
    if changed(before, now, *_CHECK):
        yield call("elbv2", "ModifyTargetGroup", pick(now, _CHECK), TargetGroupArn=old.id)
    if changed(before, now, "TargetGroupAttributes"):
        yield from _group_attributes(old.id, now, before)
    if changed(before, now, "Targets"):
        yield from _targets(old.id, now, before)
    yield from _retag(old, want)


def _described_group(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeTargetGroups", {"TargetGroupArns": [existing.id]})
    return dict(answer["TargetGroups"][0])


def _read_group(existing: Existing) -> Steps[Json]:
    group = yield from _described_group(existing)
    return {
        "TargetGroupArn": existing.id,
        "TargetGroupFullName": f"targetgroup/{_full_name(existing.id, 'targetgroup')}",
        "TargetGroupName": group["TargetGroupName"],
        "LoadBalancerArns": group["LoadBalancerArns"],
    }


def _delete_group(existing: Existing) -> Steps[None]:
    yield from _described_group(existing)
    yield Call("elbv2", "DeleteTargetGroup", {"TargetGroupArn": existing.id})


# -- listener -----------------------------------------------------------------------------------------------

_LISTENER = (
    *("AlpnPolicy", "Certificates", "DefaultActions", "MutualAuthentication", "Port", "Protocol"),
    "SslPolicy",
)


def _create_listener(want: Desired) -> Steps[Identity]:
    balancer = want.properties["LoadBalancerArn"]
    there = yield Call("elbv2", "DescribeListeners", {"LoadBalancerArn": balancer})
    given = pick(want.properties, _LISTENER)
    answer = yield call("elbv2", "CreateListener", given, LoadBalancerArn=balancer, **_tags(want))
    arn = answer["Listeners"][0]["ListenerArn"]
    if any(one["ListenerArn"] == arn for one in there["Listeners"]):
        raise AwsError("AlreadyExists", _SAME_LISTENER)
    yield from _listener_attributes(arn, want.properties, {})
    return Identity(arn)


def _listener_attributes(arn: str, now: Json, before: Json) -> Steps[None]:
    known = attributes.LISTENER.get(str(now.get("Protocol")), {})
    name = "ListenerAttributes"
    yield from _set_attributes(
        "ModifyListenerAttributes", "ListenerArn", arn, now.get(name), known, before.get(name)
    )


def _update_listener(old: Existing, want: Desired) -> Steps[None]:
    before, now = old.desired.properties, want.properties
    if changed(before, now, *_LISTENER):
        given = pick(now, _LISTENER)
        if "SslPolicy" in before and "SslPolicy" not in now and now.get("Protocol") in ("HTTPS", "TLS"):
            given["SslPolicy"] = attributes.DEFAULT_SSL_POLICY
        yield call("elbv2", "ModifyListener", given, ListenerArn=old.id)
    if changed(before, now, "ListenerAttributes"):
        yield from _listener_attributes(old.id, now, before)
    yield from _retag(old, want)


def _described_listener(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeListeners", {"ListenerArns": [existing.id]})
    return dict(answer["Listeners"][0])


def _read_listener(existing: Existing) -> Steps[Json]:
    yield from _described_listener(existing)
    return {"ListenerArn": existing.id}


def _delete_listener(existing: Existing) -> Steps[None]:
    yield Call("elbv2", "DeleteListener", {"ListenerArn": existing.id})


# -- listener rule ------------------------------------------------------------------------------------------


def _create_rule(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("Actions", "Conditions", "ListenerArn", "Priority"))
    answer = yield call("elbv2", "CreateRule", given, **_tags(want))
    return Identity(answer["Rules"][0]["RuleArn"])


def _update_rule(old: Existing, want: Desired) -> Steps[None]:
    before, now = old.desired.properties, want.properties
    if changed(before, now, "Priority"):
        moved = {"RulePriorities": [{"RuleArn": old.id, "Priority": now["Priority"]}]}
        yield call("elbv2", "SetRulePriorities", moved)
    if changed(before, now, "Actions", "Conditions"):
        yield call("elbv2", "ModifyRule", pick(now, ("Actions", "Conditions")), RuleArn=old.id)
    yield from _retag(old, want)


def _described_rule(existing: Existing) -> Steps[Json]:
    answer = yield Call("elbv2", "DescribeRules", {"RuleArns": [existing.id]})
    return dict(answer["Rules"][0])


def _read_rule(existing: Existing) -> Steps[Json]:
    rule = yield from _described_rule(existing)
    return {"RuleArn": existing.id, "IsDefault": rule["IsDefault"]}


def _delete_rule(existing: Existing) -> Steps[None]:
    yield Call("elbv2", "DeleteRule", {"RuleArn": existing.id})


# -- further certificates of a listener ---------------------------------------------------------------------


def _create_certificates(want: Desired) -> Steps[Identity]:
    yield call("elbv2", "AddListenerCertificates", pick(want.properties, ("Certificates", "ListenerArn")))
    return Identity(physical_name("legacy", 255, want.stack_name, want.logical_id, want.token))


def _update_certificates(old: Existing, want: Desired) -> Steps[None]:
    before, now = old.desired.properties["Certificates"], want.properties["Certificates"]
    listener = want.properties["ListenerArn"]
    for operation, certificates in (
        ("AddListenerCertificates", [one for one in now if one not in before]),
        ("RemoveListenerCertificates", [one for one in before if one not in now]),
    ):
        if certificates:
            yield call("elbv2", operation, {"Certificates": certificates}, ListenerArn=listener)


def _read_certificates(existing: Existing) -> Steps[Json]:
    yield Call(
        "elbv2", "DescribeListenerCertificates", {"ListenerArn": existing.desired.properties["ListenerArn"]}
    )
    return {"Id": existing.id}


def _delete_certificates(existing: Existing) -> Steps[None]:
    given = pick(existing.desired.properties, ("Certificates", "ListenerArn"))
    yield call("elbv2", "RemoveListenerCertificates", given)


def _legacy_error(verb: str, error: AwsError) -> tuple[str, str]:
    """A type without a handler: the words of the AWS SDK for Java 1."""
    return (
        f"{error.message} (Service: AmazonElasticLoadBalancing; Status Code: {error.status}; "
        f"Error Code: {error.code}; Request ID: {error.request_id}; Proxy: null)",
        handler_code(error),
    )


TYPES = by_name(
    ResourceType(
        type=f"{PREFIX}LoadBalancer",
        honoured=frozenset({*_BALANCER, "LoadBalancerAttributes", "Tags"}),
        naming=_NAME,
        create=_create_balancer,
        read=_read_balancer,
        update=_update_balancer,
        delete=_delete_balancer,
        ready=_balancer_ready,
        watches=frozenset({"elbv2.load-balancer"}),
        error=_error,
    ),
    ResourceType(
        type=f"{PREFIX}TargetGroup",
        honoured=frozenset({*_GROUP, "Name", "Tags", "TargetGroupAttributes", "Targets"}),
        naming=_NAME,
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        error=_error,
    ),
    ResourceType(
        type=f"{PREFIX}Listener",
        honoured=frozenset({*_LISTENER, "ListenerAttributes", "LoadBalancerArn", "Tags"}),
        create=_create_listener,
        read=_read_listener,
        update=_update_listener,
        delete=_delete_listener,
        error=_error,
        alters=frozenset({f"{PREFIX}TargetGroup"}),
    ),
    ResourceType(
        type=f"{PREFIX}ListenerRule",
        honoured=frozenset({"Actions", "Conditions", "ListenerArn", "Priority", "Tags"}),
        create=_create_rule,
        read=_read_rule,
        update=_update_rule,
        delete=_delete_rule,
        error=_error,
        alters=frozenset({f"{PREFIX}TargetGroup"}),
    ),
    ResourceType(
        type=f"{PREFIX}ListenerCertificate",
        honoured=frozenset({"Certificates", "ListenerArn"}),
        create=_create_certificates,
        read=_read_certificates,
        update=_update_certificates,
        delete=_delete_certificates,
        error=_legacy_error,
        handlerless=True,
    ),
)
