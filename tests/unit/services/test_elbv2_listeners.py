"""Listeners and their actions: what is made of them, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.services.elbv2.certificates import adopt
from tests.unit.services.elbv2_calls import FIXED, Balancing, balancing, forward


@pytest.fixture
def elb() -> Iterator[Balancing]:
    with balancing() as made:
        yield made


def described(elb: Balancing, arn: str) -> dict[str, Any]:
    (found,) = elb("DescribeListeners", ListenerArns=[arn])["Listeners"]
    return dict(found)


def certificate(elb: Balancing, name: str = "a.example.com") -> str:
    made = elb.aws.call("acm", "RequestCertificate", DomainName=name, ValidationMethod="DNS")
    return str(made["CertificateArn"])


def test_actions_are_shown_complete(elb: Balancing) -> None:
    balancer, group = elb.balancer(), elb.group()
    (action,) = described(elb, elb.listener(balancer, forward(group)))["DefaultActions"]
    assert action == {
        "Type": "forward",
        "TargetGroupArn": group,
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": group, "Weight": 1}],
            "TargetGroupStickinessConfig": {"Enabled": False},
        },
    }
    redirect = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_301"}}
    (action,) = described(elb, elb.listener(balancer, redirect, Port=81))["DefaultActions"]
    assert action["RedirectConfig"] == {
        "Protocol": "HTTPS",
        "Port": "#{port}",
        "Host": "#{host}",
        "Path": "/#{path}",
        "Query": "#{query}",
        "StatusCode": "HTTP_301",
    }
    text = {
        "Type": "fixed-response",
        "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "Back soon"},
    }
    (action,) = described(elb, elb.listener(balancer, text, Port=82))["DefaultActions"]
    assert action["FixedResponseConfig"]["ContentType"] == "text/plain"


def test_weights_and_stickiness_between_groups(elb: Balancing) -> None:
    balancer, blue, green = elb.balancer(), elb.group("blue"), elb.group("green")
    config = {
        "TargetGroups": [{"TargetGroupArn": blue, "Weight": 9}, {"TargetGroupArn": green}],
        "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 600},
    }
    listener = elb.listener(balancer, {"Type": "forward", "ForwardConfig": config})
    (action,) = described(elb, listener)["DefaultActions"]
    assert "TargetGroupArn" not in action
    assert [one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]] == [9, 1]
    groups = elb("DescribeTargetGroups", LoadBalancerArn=balancer)["TargetGroups"]
    assert {group["TargetGroupArn"] for group in groups} == {blue, green}


@pytest.mark.parametrize(
    ("action", "code", "message"),
    [
        (
            {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302"}},
            "InvalidLoadBalancerAction",
            "The redirect configuration is not valid because it creates a loop.",
        ),
        (
            {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", "Path": "x"}},
            "InvalidLoadBalancerAction",
            "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of "
            "these placeholders: '#{path}', '#{host}', '#{port}'.",
        ),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/x"}},
            "InvalidLoadBalancerAction",
            "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', 'text/css', "
            "'text/plain'",
        ),
        ({"Type": "forward"}, "ValidationError", "A target group ARN must be specified"),
        (
            {"Type": "authenticate-oidc"},
            "NotImplemented",
            "elbv2 actions of type authenticate-oidc is not implemented by Neargate yet (docs/coverage.md#elbv2)",
        ),
    ],
)
def test_actions_that_are_refused(elb: Balancing, action: dict[str, Any], code: str, message: str) -> None:
    balancer = elb.balancer()
    assert elb.refused(
        "CreateListener", LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[action]
    ) == (code, message)


def test_groups_that_a_listener_cannot_forward_to(elb: Balancing) -> None:
    balancer = elb.balancer()

    def refused(group: str) -> tuple[str, str]:
        return elb.refused(
            "CreateListener",
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[forward(group)],
        )

    ghost = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/ghost/0123456789abcdef"
    assert refused(ghost) == ("TargetGroupNotFound", f"Target groups '{ghost}' not found")
    tcp = elb.group("tcp", Protocol="TCP")
    assert refused(tcp) == (
        "IncompatibleProtocols",
        f"The listener and the following target groups have incompatible protocols: '{tcp}'",
    )
    assert refused(elb.group("grpc", ProtocolVersion="GRPC")) == (
        "InvalidLoadBalancerAction",
        "Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'",
    )
    vpc = elb.aws.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert refused(elb.group("far", VpcId=vpc))[0] == "InvalidConfigurationRequest"
    taken = elb.group("taken")
    elb.listener(elb.balancer("other"), forward(taken))
    assert refused(taken) == (
        "TargetGroupAssociationLimit",
        f"The following target groups cannot be associated with more than one load balancer: {taken}",
    )
    six = [elb.group(f"g{number}") for number in range(6)]
    tuples = [{"TargetGroupArn": arn} for arn in six]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}
    request = {"Protocol": "HTTP", "Port": 80, "DefaultActions": [action]}
    assert elb.refused("CreateListener", LoadBalancerArn=balancer, **request)[0] == "TooManyTargetGroups"


def test_one_port_has_one_listener(elb: Balancing) -> None:
    balancer = elb.balancer()
    listener = elb.listener(balancer)
    assert elb.listener(balancer) == listener
    other = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    request = {"LoadBalancerArn": balancer, "Protocol": "HTTP", "DefaultActions": [other]}
    assert elb.refused("CreateListener", Port=80, **request) == (
        "DuplicateListener",
        f"A listener already exists on this port for this load balancer '{balancer}'",
    )
    second = elb.listener(balancer, other, Port=81)
    assert elb.refused("ModifyListener", ListenerArn=second, Port=80) == (
        "ValidationError",
        "Listener port '80' is already in use",
    )


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Protocol": "TCP"}, "Listener protocol 'TCP' must be one of 'HTTP, HTTPS'"),
        ({"Protocol": "HTTPS"}, "A certificate must be specified for HTTPS listeners"),
        (
            {"Certificates": [{"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/x"}]},
            "A certificate cannot be specified for HTTP listeners",
        ),
        (
            {
                "Protocol": "HTTPS",
                "Certificates": [{"CertificateArn": "arn:aws:acm:eu-west-1:000000000000:certificate/x"}],
            },
            "Certificate ARN 'arn:aws:acm:eu-west-1:000000000000:certificate/x' is not valid",
        ),
        ({"SslPolicy": "ELBSecurityPolicy-2016-08"}, "An SSL policy cannot be specified for HTTP listeners"),
        ({"Port": None}, "A listener port must be specified"),
        ({"Protocol": None}, "A listener protocol must be specified"),
    ],
)
def test_listeners_that_are_refused(elb: Balancing, request_: dict[str, Any], message: str) -> None:
    wanted = {"Protocol": "HTTP", "Port": 80, "DefaultActions": [FIXED], **request_}
    given = {name: value for name, value in wanted.items() if value is not None}
    refused = elb.refused("CreateListener", LoadBalancerArn=elb.balancer(), **given)
    assert refused == ("ValidationError", message)


def test_a_secure_listener_has_a_certificate_and_a_policy(elb: Balancing) -> None:
    arn = certificate(elb)
    secure = {"Protocol": "HTTPS", "Port": 443, "Certificates": [{"CertificateArn": arn}]}
    listener = elb.listener(elb.balancer(), **secure)
    shown = described(elb, listener)
    assert shown["Certificates"] == [{"CertificateArn": arn}]
    assert shown["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    back = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTP", "StatusCode": "HTTP_301"}}
    assert elb.refused("ModifyListener", ListenerArn=listener, DefaultActions=[back]) == (
        "InvalidLoadBalancerAction",
        "You cannot redirect HTTPS to HTTP",
    )
    assert elb.refused("ModifyListener", ListenerArn=listener, SslPolicy="x") == (
        "SSLPolicyNotFound",
        "SSL policy 'x' not found",
    )
    elb("ModifyListener", ListenerArn=listener, Protocol="HTTP", Port=80)
    assert "Certificates" not in described(elb, listener)


def test_a_certificate_that_is_not_there(elb: Balancing) -> None:
    ghost = "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"
    secure = {"Protocol": "HTTPS", "Port": 443, "Certificates": [{"CertificateArn": ghost}]}
    assert elb.refused(
        "CreateListener", LoadBalancerArn=elb.balancer(), DefaultActions=[FIXED], **secure
    ) == ("CertificateNotFound", f"Certificate '{ghost}' not found")


def test_a_certificate_of_a_real_account_that_a_parameter_file_names(elb: Balancing) -> None:
    real = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    far = real.replace("us-east-1", "eu-west-1")
    groups = [{"certificates": [real, far]}, {"vpcs": [], "certificates": [real]}]

    def adopted() -> dict[str, list[str]]:
        return elb.aws.write(lambda tx: adopt(elb.aws.dispatcher.context(tx, elb.aws.caller), groups))

    assert adopted() == {"adopted": [real], "existing": []}
    assert adopted() == {"adopted": [], "existing": [real]}
    secure = {"Protocol": "HTTPS", "Port": 443}
    listener = elb.listener(elb.balancer(), Certificates=[{"CertificateArn": real}], **secure)
    assert described(elb, listener)["Certificates"] == [{"CertificateArn": real}]
    assert elb.refused(
        "AddListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": far}]
    ) == ("ValidationError", f"Certificate ARN '{far}' is not valid")


def test_further_certificates(elb: Balancing) -> None:
    first, second = certificate(elb), certificate(elb, "b.example.com")
    secure = {"Protocol": "HTTPS", "Port": 443, "Certificates": [{"CertificateArn": first}]}
    listener = elb.listener(elb.balancer(), **secure)
    elb("AddListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": second}])
    shown = elb("DescribeListenerCertificates", ListenerArn=listener)["Certificates"]
    assert shown == [
        {"CertificateArn": first, "IsDefault": True},
        {"CertificateArn": second, "IsDefault": False},
    ]
    assert elb.refused(
        "RemoveListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": first}]
    ) == ("OperationNotPermitted", "Default certificate cannot be removed")
    elb("RemoveListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": second}])
    assert len(elb("DescribeListenerCertificates", ListenerArn=listener)["Certificates"]) == 1


def test_a_network_listener_only_forwards(elb: Balancing) -> None:
    balancer = elb.balancer("net", Type="network")
    request = {"LoadBalancerArn": balancer, "Protocol": "TCP", "Port": 5432}
    assert elb.refused("CreateListener", **request, DefaultActions=[FIXED]) == (
        "InvalidLoadBalancerAction",
        "The action type 'fixed-response' is not valid with network load balancer",
    )
    listener = elb.listener(balancer, forward(elb.group(Protocol="TCP")), Protocol="TCP", Port=5432)
    shown = elb("DescribeListenerAttributes", ListenerArn=listener)["Attributes"]
    assert shown == [{"Key": "tcp.idle_timeout.seconds", "Value": "350"}]
    conditions = [{"Field": "path-pattern", "Values": ["/a"]}]
    assert elb.refused(
        "CreateRule", ListenerArn=listener, Priority=1, Conditions=conditions, Actions=[FIXED]
    )[0] == ("ValidationError")


def test_who_is_not_there(elb: Balancing) -> None:
    ghost = (
        "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/x/0123456789abcdef/0123456789abcdef"
    )
    assert elb.refused("DeleteListener", ListenerArn=ghost) == (
        "ListenerNotFound",
        f"Listener '{ghost}' not found",
    )
    assert elb.refused("DescribeListeners", ListenerArns=[ghost]) == (
        "ListenerNotFound",
        "One or more listeners not found",
    )
    assert elb.refused("DescribeListeners") == (
        "ValidationError",
        "You must specify either listener ARNs or a load balancer ARN",
    )


def test_ssl_policies_and_limits(elb: Balancing) -> None:
    (policy,) = elb("DescribeSSLPolicies", Names=["ELBSecurityPolicy-TLS13-1-2-Res-2021-06"])["SslPolicies"]
    assert policy["SslProtocols"] == ["TLSv1.3", "TLSv1.2"]
    assert [cipher["Name"] for cipher in policy["Ciphers"]][:4] == [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ]
    limits = {limit["Name"]: limit["Max"] for limit in elb("DescribeAccountLimits")["Limits"]}
    assert limits["rules-per-application-load-balancer"] == "100"
