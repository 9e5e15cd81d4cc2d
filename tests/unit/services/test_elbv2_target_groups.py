"""Target groups: AWS's defaults, what can be changed, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.elbv2_calls import FIXED, NETWORK, Balancing, balancing, forward


@pytest.fixture
def elb() -> Iterator[Balancing]:
    with balancing() as made:
        yield made


def described(elb: Balancing, arn: str) -> dict[str, Any]:
    (found,) = elb("DescribeTargetGroups", TargetGroupArns=[arn])["TargetGroups"]
    return dict(found)


def attributes(elb: Balancing, arn: str) -> dict[str, str]:
    shown = elb("DescribeTargetGroupAttributes", TargetGroupArn=arn)["Attributes"]
    return {one["Key"]: one["Value"] for one in shown}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, ("HTTP", "/", 30, 5, 5, 2, {"HttpCode": "200"}, "HTTP1")),
        ({"Protocol": "HTTPS"}, ("HTTP", "/", 30, 5, 5, 2, {"HttpCode": "200"}, "HTTP1")),
        (
            {"ProtocolVersion": "GRPC"},
            ("HTTP", "/AWS.ALB/healthcheck", 30, 5, 5, 2, {"GrpcCode": "12"}, "GRPC"),
        ),
        ({"ProtocolVersion": ""}, ("HTTP", "/", 30, 5, 5, 2, {"HttpCode": "200"}, "HTTP1")),
        ({"Protocol": "TCP"}, ("TCP", None, 30, 10, 5, 2, None, None)),
        (
            {"Protocol": "TCP", "HealthCheckProtocol": "HTTP"},
            ("HTTP", "/", 30, 6, 5, 2, {"HttpCode": "200-399"}, None),
        ),
    ],
)
def test_defaults_of_health_checks(
    elb: Balancing, request_: dict[str, Any], expected: tuple[object, ...]
) -> None:
    found = described(elb, elb.group(**request_))
    assert found["HealthCheckPort"] == "traffic-port"
    assert expected == (
        found["HealthCheckProtocol"],
        found.get("HealthCheckPath"),
        found["HealthCheckIntervalSeconds"],
        found["HealthCheckTimeoutSeconds"],
        found["HealthyThresholdCount"],
        found["UnhealthyThresholdCount"],
        found.get("Matcher"),
        found.get("ProtocolVersion"),
    )


def test_health_checks_can_be_changed_in_part(elb: Balancing) -> None:
    arn = elb.group(HealthCheckPath="/up", HealthCheckIntervalSeconds=10)
    elb("ModifyTargetGroup", TargetGroupArn=arn, Matcher={"HttpCode": "200,301-302"}, HealthCheckPort="9000")
    found = described(elb, arn)
    assert found["HealthCheckPath"] == "/up"
    assert found["HealthCheckIntervalSeconds"] == 10
    assert found["HealthCheckPort"] == "9000"
    assert found["Matcher"] == {"HttpCode": "200,301-302"}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Name": "a" * 33}, f"Target group name '{'a' * 33}' cannot be longer than '32' characters"),
        (
            {"Name": "a_b"},
            "Target group name 'a_b' can only contain characters that are alphanumeric characters or hyphens(-)",
        ),
        ({"Name": "-a"}, "Target group name '-a' cannot begin or end with '-'"),
        ({"Protocol": None}, "A protocol must be specified"),
        ({"Port": None}, "A port must be specified"),
        ({"VpcId": None}, "A VPC ID must be specified"),
        ({"VpcId": "vpc-0123"}, "The VPC ID 'vpc-0123' is not found"),
        (
            {"HealthCheckIntervalSeconds": 5},
            "Health check interval must be greater than the timeout.",
        ),
        ({"HealthCheckProtocol": "TCP"}, "Health check protocol 'TCP' must be one of '[HTTP, HTTPS]'"),
        ({"HealthCheckPath": "up"}, "Health check path 'up' must begin with a '/' character"),
        (
            {"Protocol": "TCP", "ProtocolVersion": "HTTP2"},
            "You cannot specify a protocol version for target groups with the TCP protocol",
        ),
    ],
)
def test_what_cannot_be_made(elb: Balancing, request_: dict[str, Any], message: str) -> None:
    where = {"Protocol": "HTTP", "Port": 80, "VpcId": NETWORK.vpc.id, "TargetType": "ip"}
    wanted = {"Name": "web", **where, **request_}
    given = {name: value for name, value in wanted.items() if value is not None}
    assert elb.refused("CreateTargetGroup", **given) == ("ValidationError", message)


@pytest.mark.parametrize("kind", ["lambda", "alb"])
def test_other_kinds_of_targets_are_refused_by_name(elb: Balancing, kind: str) -> None:
    code, message = elb.refused("CreateTargetGroup", Name="web", TargetType=kind)
    assert code == "NotImplemented"
    assert message.startswith(f"elbv2:CreateTargetGroup with target type {kind} is not implemented")


def test_the_same_group_again_is_no_error_and_another_of_its_name_is(elb: Balancing) -> None:
    assert elb.group() == elb.group()
    where = {"Protocol": "HTTP", "VpcId": NETWORK.vpc.id, "TargetType": "ip"}
    assert elb.refused("CreateTargetGroup", Name="web", Port=81, **where) == (
        "DuplicateTargetGroupName",
        "A target group with the same name 'web' exists, but with different settings",
    )


def test_a_group_in_use_cannot_be_deleted(elb: Balancing) -> None:
    group, balancer = elb.group(), elb.balancer()
    listener = elb.listener(balancer)
    rule = elb.rule(listener, Actions=[forward(group)])
    assert described(elb, group)["LoadBalancerArns"] == [balancer]
    assert elb.refused("DeleteTargetGroup", TargetGroupArn=group) == (
        "ResourceInUse",
        f"Target group '{group}' is currently in use by a listener or a rule",
    )
    elb("ModifyRule", RuleArn=rule, Actions=[FIXED])
    assert described(elb, group)["LoadBalancerArns"] == []
    elb("DeleteTargetGroup", TargetGroupArn=group)
    elb("DeleteTargetGroup", TargetGroupArn=group)


def test_attributes_have_awss_defaults_and_limits(elb: Balancing) -> None:
    arn = elb.group()
    values = attributes(elb, arn)
    assert values["deregistration_delay.timeout_seconds"] == "300"
    assert values["load_balancing.algorithm.type"] == "round_robin"
    assert values["stickiness.type"] == "lb_cookie"
    assert "preserve_client_ip.enabled" in attributes(elb, elb.group("tcp", Protocol="TCP"))

    def refused(**wanted: str) -> tuple[str, str]:
        named = [{"Key": key, "Value": value} for key, value in wanted.items()]
        return elb.refused("ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=named)

    assert refused(**{"deregistration_delay.timeout_seconds": "3601"}) == (
        "ValidationError",
        "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive",
    )
    assert refused(**{"slow_start.duration_seconds": "10"})[0] == "ValidationError"
    assert refused(**{"proxy_protocol_v2.enabled": "true"}) == (
        "ValidationError",
        "Target group attribute key 'proxy_protocol_v2.enabled' is not recognized",
    )
    assert refused(**{"stickiness.enabled": "true", "stickiness.type": "app_cookie"}) == (
        "InvalidConfigurationRequest",
        "You must set an application cookie name to enable stickiness of type 'app_cookie'",
    )
    least = "least_outstanding_requests"
    assert refused(**{"slow_start.duration_seconds": "30", "load_balancing.algorithm.type": least})[0] == (
        "InvalidConfigurationRequest"
    )
    assert attributes(elb, arn) == values


def test_who_is_not_there(elb: Balancing) -> None:
    ghost = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/ghost/0123456789abcdef"
    several = ("TargetGroupNotFound", "One or more target groups not found")
    assert elb.refused("DescribeTargetGroups", Names=["ghost"]) == several
    assert elb.refused("DescribeTargetGroups", TargetGroupArns=[ghost]) == several
    one = ("TargetGroupNotFound", f"Target groups '{ghost}' not found")
    assert elb.refused("DescribeTargetHealth", TargetGroupArn=ghost) == one
    assert elb.refused("RegisterTargets", TargetGroupArn=ghost, Targets=[{"Id": "10.0.0.1"}]) == one
    assert elb.refused("DescribeTargetGroups", TargetGroupArns=["x"]) == (
        "ValidationError",
        "'x' is not a valid target group ARN",
    )
    assert elb.refused("DescribeTargetGroups", TargetGroupArns=[ghost], Names=["ghost"])[1] == (
        "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time"
    )
