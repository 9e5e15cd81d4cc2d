"""Target groups: what they are made of, how their targets are checked, what they say about themselves."""

from __future__ import annotations

import re

import attrs

from neargate.model.elbv2 import TRAFFIC_PORT, HealthCheck, LoadBalancer, Target, TargetGroup, arn_of
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import load_balancer_attributes as attributes
from neargate.services.elbv2 import tagging
from neargate.services.elbv2.lookup import (
    described_all,
    everything,
    find,
    invalid,
    misconfigured,
    page,
    require,
)

MOST = 3000
"""Target groups of an account in a region."""
HTTP = ("HTTP", "HTTPS")
STREAMS = ("TCP", "TLS", "UDP", "TCP_UDP")
_NAME = re.compile(r"(?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$")
_CODES = re.compile(r"\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*")
_GRPC_CODES = re.compile(r"\d{1,2}(-\d{1,2})?(,\d{1,2}(-\d{1,2})?)*")


@operation("elbv2", "CreateTargetGroup")
def create_target_group(cx: Context, request: Json) -> Json:
    """The same name with the same settings makes nothing again; with others it is DuplicateTargetGroupName."""
    wanted = _wanted(cx, request)
    others = everything(cx, TargetGroup)
    for other in others:
        if other.name == wanted.name:
            if _same(other, wanted):
                return {"TargetGroups": [described(other)]}
            raise AwsError(
                "DuplicateTargetGroupName",
                f"A target group with the same name '{other.name}' exists, but with different settings",
            )
    if len(others) >= MOST:
        raise AwsError(
            "TooManyTargetGroups",
            "You've reached the limit on the number of target groups for your AWS account",
        )
    cx.tx.put(wanted)
    return {"TargetGroups": [described(wanted)]}


def _same(have: TargetGroup, wanted: TargetGroup) -> bool:
    """Whether a request asks for what is there already; tags count as settings."""
    fresh = attrs.evolve(wanted, id=have.id, created=have.created)
    return attrs.evolve(fresh, attributes=have.attributes, load_balancers=have.load_balancers) == have


def _wanted(cx: Context, request: Json) -> TargetGroup:
    """The group that a request asks for, checked."""
    name = checked_name(request["Name"])
    target_type = request.get("TargetType") or "instance"
    if target_type not in ("instance", "ip"):
        raise not_implemented(f"elbv2:CreateTargetGroup with target type {target_type}", "elbv2")
    for member, words in (("Protocol", "protocol"), ("Port", "port"), ("VpcId", "VPC ID")):
        if not request.get(member):
            raise invalid(f"A {words} must be specified")
    protocol = request["Protocol"]
    if protocol not in (*HTTP, *STREAMS):
        raise not_implemented(f"elbv2:CreateTargetGroup with protocol {protocol}", "elbv2")
    if request.get("IpAddressType") not in (None, "ipv4"):
        raise not_implemented("elbv2:CreateTargetGroup with IPv6 targets", "elbv2")
    if request.get("TargetControlPort"):
        raise not_implemented("elbv2:CreateTargetGroup TargetControlPort", "elbv2")
    version = _protocol_version(protocol, request.get("ProtocolVersion"))
    _require_vpc(cx, request["VpcId"])
    default = _default_check(protocol, version, request.get("HealthCheckProtocol"))
    known = attributes.of_group(protocol)
    values = attributes.defaults(known)
    if (target_type == "instance" and protocol in STREAMS) or protocol in ("UDP", "TCP_UDP"):
        values["preserve_client_ip.enabled"] = "true"
    return TargetGroup(
        account=cx.account,
        region=cx.region,
        name=name,
        id=cx.ids.hex(16),
        protocol=protocol,
        port=request["Port"],
        vpc_id=request["VpcId"],
        target_type=target_type,
        protocol_version=version,
        health_check=_health_check(default, protocol, version, request),
        attributes=values,
        created=cx.now,
        tags=tagging.given(cx, request),
    )


def checked_name(name: str) -> str:
    if len(name) > 32:
        raise invalid(f"Target group name '{name}' cannot be longer than '32' characters")
    if not re.fullmatch(r"[a-zA-Z0-9-]+", name):
        raise invalid(
            f"Target group name '{name}' can only contain characters that are alphanumeric characters or hyphens(-)"
        )
    if name.startswith("-") or name.endswith("-"):
        raise invalid(f"Target group name '{name}' cannot begin or end with '-'")
    if not _NAME.match(name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'targetGroup.targetGroupArn.targetGroupName' failed to "
            "satisfy constraint: Member must satisfy regular expression pattern: "
            "(?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$"
        )
    return name


def _protocol_version(protocol: str, wanted: str | None) -> str:
    if protocol not in HTTP:
        if wanted:
            raise invalid(
                f"You cannot specify a protocol version for target groups with the {protocol} protocol"
            )
        return ""
    if wanted and wanted not in ("HTTP1", "HTTP2", "GRPC"):
        raise invalid(f"Protocol version '{wanted}' must be one of '[GRPC, HTTP1, HTTP2]'")
    return wanted or "HTTP1"


def _require_vpc(cx: Context, vpc_id: str) -> None:
    try:
        cx.invoke("ec2", "DescribeVpcs", {"VpcIds": [vpc_id]})
    except AwsError:
        raise invalid(f"The VPC ID '{vpc_id}' is not found") from None


def _default_check(protocol: str, version: str, wanted: str | None) -> HealthCheck:
    """How a group's targets are checked where the request says nothing more."""
    if protocol in HTTP:
        if version == "GRPC":
            return HealthCheck(path="/AWS.ALB/healthcheck", matcher="12")
        return HealthCheck(protocol=wanted or "HTTP")
    if wanted in HTTP:
        return HealthCheck(protocol=wanted, timeout=6, matcher="200-399")
    return HealthCheck(protocol="TCP", path="", timeout=10, matcher="")


def _health_check(now: HealthCheck, protocol: str, version: str, request: Json) -> HealthCheck:
    """The settings `now` with what a request changes, checked."""
    members = {
        "HealthCheckEnabled": "enabled",
        "HealthCheckProtocol": "protocol",
        "HealthCheckPort": "port",
        "HealthCheckPath": "path",
        "HealthCheckIntervalSeconds": "interval",
        "HealthCheckTimeoutSeconds": "timeout",
        "HealthyThresholdCount": "healthy_threshold",
        "UnhealthyThresholdCount": "unhealthy_threshold",
    }
    changes = {field: request[member] for member, field in members.items() if request.get(member) is not None}
    matcher = request.get("Matcher") or {}
    if matcher:
        changes["matcher"] = _matcher(matcher, version)
    check = attrs.evolve(now, **changes)
    if not check.enabled:
        raise invalid(
            "Health check enabled must be true for target groups with target type 'instance' or 'ip'"
        )
    if (protocol in HTTP and check.protocol not in HTTP) or check.protocol not in (*HTTP, "TCP"):
        allowed = "HTTP, HTTPS" if protocol in HTTP else "HTTP, HTTPS, TCP"
        raise invalid(f"Health check protocol '{check.protocol}' must be one of '[{allowed}]'")
    if check.protocol == "TCP" and ("HealthCheckPath" in request or matcher):
        raise invalid(
            "A health check path or matcher cannot be specified for health checks with the TCP protocol"
        )
    if check.port != TRAFFIC_PORT and not (check.port.isdecimal() and 1 <= int(check.port) <= 65535):
        raise invalid(
            f"Health check port '{check.port}' must be '{TRAFFIC_PORT}' or a number between '1-65535'"
        )
    if check.path and not check.path.startswith("/"):
        raise invalid(f"Health check path '{check.path}' must begin with a '/' character")
    if check.timeout >= check.interval and protocol in HTTP:
        raise invalid("Health check interval must be greater than the timeout.")
    if check.timeout > check.interval:
        raise invalid("Health check interval must be greater than or equal to the timeout.")
    return check


def _matcher(matcher: Json, version: str) -> str:
    if version == "GRPC":
        codes = matcher.get("GrpcCode") or ""
        if not _GRPC_CODES.fullmatch(codes):
            raise invalid("A gRPC code must be specified for target groups with protocol version GRPC")
        return str(codes)
    codes = matcher.get("HttpCode") or ""
    if not _CODES.fullmatch(codes):
        raise invalid(f"Health check matcher HTTP code '{codes}' must be a list of codes or ranges of codes")
    for code in re.findall(r"\d{3}", codes):
        if not 200 <= int(code) <= 599:
            raise invalid(f"Health check matcher HTTP code '{code}' must be within '200-499' inclusive")
    return str(codes)


@operation("elbv2", "ModifyTargetGroup")
def modify_target_group(cx: Context, request: Json) -> Json:
    group = require(cx, TargetGroup, request["TargetGroupArn"])
    check = _health_check(group.health_check, group.protocol, group.protocol_version, request)
    group = attrs.evolve(group, health_check=check)
    cx.tx.put(group)
    return {"TargetGroups": [described(group)]}


@operation("elbv2", "DeleteTargetGroup")
def delete_target_group(cx: Context, request: Json) -> Json:
    """A group that nobody uses goes with its targets; one that is gone already is no error, as on AWS."""
    group = find(cx, TargetGroup, request["TargetGroupArn"])
    if group is None:
        return {}
    if group.load_balancers:
        raise AwsError(
            "ResourceInUse", f"Target group '{group.arn}' is currently in use by a listener or a rule"
        )
    for target in cx.tx.scan(Target, group.key + "/"):
        cx.tx.delete(Target, target.key)
    cx.tx.delete(TargetGroup, group.key)
    return {}


@operation("elbv2", "DescribeTargetGroups", reads=True)
def describe_target_groups(cx: Context, request: Json) -> Json:
    arns, names = request.get("TargetGroupArns"), request.get("Names")
    balancer = request.get("LoadBalancerArn")
    if sum(1 for one in (arns, names, balancer) if one) > 1:
        raise invalid(
            "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time"
        )
    if arns:
        groups = described_all(cx, TargetGroup, arns)
    elif balancer:
        key = require(cx, LoadBalancer, balancer).key
        groups = [group for group in everything(cx, TargetGroup) if key in group.load_balancers]
    else:
        groups = everything(cx, TargetGroup)
        if names:
            by_name = {group.name: group for group in groups}
            if any(name not in by_name for name in names):
                raise AwsError("TargetGroupNotFound", "One or more target groups not found")
            groups = [by_name[name] for name in dict.fromkeys(names)]
    return page(request, "TargetGroups", groups, described)


def described(group: TargetGroup) -> Json:
    check = group.health_check
    answer: Json = {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": group.port,
        "VpcId": group.vpc_id,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckEnabled": check.enabled,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "LoadBalancerArns": [_balancer_arn(key) for key in group.load_balancers],
        "TargetType": group.target_type,
        "IpAddressType": group.ip_address_type,
    }
    if check.path:
        answer["HealthCheckPath"] = check.path
    if check.matcher:
        answer["Matcher"] = {"GrpcCode" if group.protocol_version == "GRPC" else "HttpCode": check.matcher}
    if group.protocol_version:
        answer["ProtocolVersion"] = group.protocol_version
    return answer


def _balancer_arn(key: str) -> str:
    account, region, name = key.split("/", 2)
    return arn_of(account, region, f"loadbalancer/{name}")


@operation("elbv2", "DescribeTargetGroupAttributes", reads=True)
def describe_target_group_attributes(cx: Context, request: Json) -> Json:
    return attributes.shown(require(cx, TargetGroup, request["TargetGroupArn"]).attributes)


@operation("elbv2", "ModifyTargetGroupAttributes")
def modify_target_group_attributes(cx: Context, request: Json) -> Json:
    group = require(cx, TargetGroup, request["TargetGroupArn"])
    known = attributes.of_group(group.protocol)
    values = attributes.changed(known, group.attributes, request, "Target group")
    _check_together(values)
    cx.tx.put(attrs.evolve(group, attributes=values))
    return attributes.shown(values)


def _check_together(values: dict[str, str]) -> None:
    """What the attributes of a group demand of each other."""
    if values["stickiness.enabled"] == "true" and values["stickiness.type"] == "app_cookie":
        cookie = values["stickiness.app_cookie.cookie_name"]
        if not cookie:
            raise misconfigured(
                "You must set an application cookie name to enable stickiness of type 'app_cookie'"
            )
        if cookie in ("AWSALB", "AWSALBAPP", "AWSALBTG"):
            raise misconfigured(f"The application cookie name '{cookie}' is reserved")
    algorithm = values.get("load_balancing.algorithm.type", "round_robin")
    if values.get("slow_start.duration_seconds", "0") != "0" and algorithm != "round_robin":
        raise misconfigured(
            f"Slow start mode is not supported with the '{algorithm}' load balancing algorithm"
        )
    if values.get("load_balancing.algorithm.anomaly_mitigation") == "on" and algorithm != "weighted_random":
        raise misconfigured(
            "Anomaly mitigation is only supported with the 'weighted_random' load balancing algorithm"
        )
