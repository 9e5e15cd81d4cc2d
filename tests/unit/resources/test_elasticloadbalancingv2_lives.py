"""Elastic Load Balancing's types: one resource each, through create, update and delete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.ec2 import default_network
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

NETWORK = default_network(ACCOUNT, REGION)
SUBNETS = [subnet.id for subnet in NETWORK.subnets[:3]]
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
KIND = "AWS::ElasticLoadBalancingV2::"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def test_a_load_balancers_life(aws: Cloud) -> None:
    balancer = Life(aws, f"{KIND}LoadBalancer", "Front")
    idle = {"Key": "idle_timeout.timeout_seconds", "Value": "120"}
    guard = {"Key": "deletion_protection.enabled", "Value": "true"}
    balancer.create(Subnets=SUBNETS[:2], LoadBalancerAttributes=[idle, guard], Scheme="internal")
    assert balancer.attributes["DNSName"].startswith("internal-shop-Front-")
    assert balancer.attributes["CanonicalHostedZoneID"] == "Z35SXDOTRQ7X7K"
    assert balancer.attributes["LoadBalancerFullName"] == balancer.id.partition("loadbalancer/")[2]
    group = aws.call("ec2", "CreateSecurityGroup", GroupName="web", Description="web")["GroupId"]
    balancer.update(Subnets=SUBNETS, LoadBalancerAttributes=[idle], Scheme="internal", SecurityGroups=[group])
    shown = aws.call("elbv2", "DescribeLoadBalancerAttributes", LoadBalancerArn=balancer.id)["Attributes"]
    assert {"Key": "deletion_protection.enabled", "Value": "false"} in shown
    interfaces = aws.call("ec2", "DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert [one["Groups"][0]["GroupId"] for one in interfaces] == [group] * 3
    balancer.update(Subnets=SUBNETS, Scheme="internal")
    assert balancer.attributes["SecurityGroups"] == [NETWORK.security_group.id]
    assert balancer.replaced_by(Subnets=SUBNETS, Scheme="internet-facing")
    balancer.delete()
    assert aws.call("ec2", "DescribeNetworkInterfaces")["NetworkInterfaces"] == []


def test_a_target_groups_life(aws: Cloud) -> None:
    group = Life(aws, f"{KIND}TargetGroup", "Web")
    where: dict[str, Any] = {"Protocol": "HTTP", "Port": 80, "VpcId": NETWORK.vpc.id, "TargetType": "ip"}
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "10"}
    group.create(
        **where, HealthCheckPath="/up", TargetGroupAttributes=[delay], Targets=[{"Id": "172.31.0.9"}]
    )
    assert group.attributes["TargetGroupFullName"] == group.id.rpartition(":")[2]
    group.update(
        **where,
        HealthCheckPath="/health",
        HealthCheckIntervalSeconds=10,
        Matcher={"HttpCode": "200-299"},
        Targets=[{"Id": "172.31.0.10", "Port": 8080}],
        Tags=[{"Key": "team", "Value": "web"}],
    )
    targets = aws.call("elbv2", "DescribeTargetHealth", TargetGroupArn=group.id)["TargetHealthDescriptions"]
    assert [(one["Target"]["Id"], one["Target"]["Port"]) for one in targets] == [("172.31.0.10", 8080)]
    values = aws.call("elbv2", "DescribeTargetGroupAttributes", TargetGroupArn=group.id)["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "300"} in values
    assert group.replaced_by(**{**where, "Port": 81})
    group.delete()


def test_a_listeners_and_a_rules_life(aws: Cloud) -> None:
    balancer = Life(aws, f"{KIND}LoadBalancer", "Front")
    balancer.create(Subnets=SUBNETS[:2])
    group = Life(aws, f"{KIND}TargetGroup", "Web")
    group.create(Protocol="HTTP", Port=80, VpcId=NETWORK.vpc.id, TargetType="ip")
    forward = {"Type": "forward", "TargetGroupArn": group.ref, "Order": 1}
    redirect = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_301"}}
    listener = Life(aws, f"{KIND}Listener", "Web80")
    silent = {"Key": "routing.http.response.server.enabled", "Value": "false"}
    where: dict[str, Any] = {"LoadBalancerArn": balancer.ref}
    listener.create(**where, Port=80, Protocol="HTTP", DefaultActions=[forward], ListenerAttributes=[silent])
    listener.update(**where, Port=81, Protocol="HTTP", DefaultActions=[redirect])
    values = aws.call("elbv2", "DescribeListenerAttributes", ListenerArn=listener.id)["Attributes"]
    assert {"Key": "routing.http.response.server.enabled", "Value": "true"} in values
    rule = Life(aws, f"{KIND}ListenerRule", "Api")
    weighted = {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group.ref, "Weight": 5}]},
    }
    hosts = {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example.com", "*.b.example.com"]}}
    queries = {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}}
    rule.create(ListenerArn=listener.ref, Priority=3, Conditions=[hosts, queries], Actions=[weighted])
    assert rule.attributes["IsDefault"] is False
    rule.update(ListenerArn=listener.ref, Priority=4, Conditions=[hosts], Actions=[FIXED])
    assert rule.replaced_by(ListenerArn=f"{listener.ref}x", Priority=4, Conditions=[hosts], Actions=[FIXED])
    rule.delete()
    listener.delete()


def test_further_certificates_come_and_go(aws: Cloud) -> None:
    def certificate(name: str) -> dict[str, str]:
        made = aws.call("acm", "RequestCertificate", DomainName=name, ValidationMethod="DNS")
        return {"CertificateArn": made["CertificateArn"]}

    first, second, third = (certificate(f"{name}.example.com") for name in ("a", "b", "c"))
    balancer = Life(aws, f"{KIND}LoadBalancer", "Front")
    balancer.create(Subnets=SUBNETS[:2])
    listener = Life(aws, f"{KIND}Listener", "Secure")
    listener.create(
        LoadBalancerArn=balancer.ref, Port=443, Protocol="HTTPS", Certificates=[first], DefaultActions=[FIXED]
    )

    def certificates() -> list[str]:
        shown = aws.call("elbv2", "DescribeListenerCertificates", ListenerArn=listener.id)["Certificates"]
        return [one["CertificateArn"] for one in shown]

    further = Life(aws, f"{KIND}ListenerCertificate", "Further")
    further.create(ListenerArn=listener.ref, Certificates=[second])
    further.update(ListenerArn=listener.ref, Certificates=[third])
    assert certificates() == [first["CertificateArn"], third["CertificateArn"]]
    further.delete()
    assert certificates() == [first["CertificateArn"]]
