"""Logs of load balancers: switched on only where the bucket's policy lets Elastic Load Balancing write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.cloud import ACCOUNT
from tests.unit.services.elbv2_calls import Balancing, balancing

OBJECTS = f"arn:aws:s3:::logs/front/AWSLogs/{ACCOUNT}/*"
SERVICE = {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
DENIED = (
    "InvalidConfigurationRequest",
    "Access Denied for bucket: logs. Please check S3bucket permission",
)


@pytest.fixture
def elb() -> Iterator[Balancing]:
    with balancing() as made:
        made.aws.call("s3", "CreateBucket", Bucket="logs")
        yield made


def let(elb: Balancing, *statements: dict[str, Any]) -> None:
    elb.aws.call("s3", "DeletePublicAccessBlock", Bucket="logs")
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    elb.aws.call("s3", "PutBucketPolicy", Bucket="logs", Policy=json.dumps(policy))


def allow(principal: Any, resource: str = OBJECTS, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "s3:PutObject", "Resource": resource, **more}


def logging(kind: str = "access_logs") -> list[dict[str, str]]:
    wanted = {"enabled": "true", "bucket": "logs", "prefix": "front"}
    return [{"Key": f"{kind}.s3.{name}", "Value": value} for name, value in wanted.items()]


@pytest.mark.parametrize(
    "principal",
    [
        SERVICE,
        {"AWS": "arn:aws:iam::127311923021:root"},
        {"AWS": "127311923021"},
        "*",
    ],
)
def test_whoever_writes_the_logs_may_be_named_in_several_ways(elb: Balancing, principal: Any) -> None:
    let(elb, allow(principal))
    balancer = elb.balancer()
    elb("ModifyLoadBalancerAttributes", LoadBalancerArn=balancer, Attributes=logging())
    shown = elb("DescribeLoadBalancerAttributes", LoadBalancerArn=balancer)["Attributes"]
    assert {"Key": "access_logs.s3.bucket", "Value": "logs"} in shown


@pytest.mark.parametrize(
    "statement",
    [
        allow({"AWS": "arn:aws:iam::033677994240:root"}),  # another region's account
        allow({"Service": "delivery.logs.amazonaws.com"}),  # that of network load balancers
        allow(SERVICE, "arn:aws:s3:::logs"),
        allow(SERVICE, f"arn:aws:s3:::logs/AWSLogs/{ACCOUNT}/*"),
        allow(SERVICE, Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}}),
    ],
)
def test_a_policy_that_means_something_else_denies(elb: Balancing, statement: dict[str, Any]) -> None:
    let(elb, statement)
    refused = elb.refused(
        "ModifyLoadBalancerAttributes", LoadBalancerArn=elb.balancer(), Attributes=logging()
    )
    assert refused == DENIED


def test_an_explicit_denial_counts_where_it_speaks_of_the_request(elb: Balancing) -> None:
    insecure = {**allow("*"), "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    balancer = elb.balancer()
    request = {"LoadBalancerArn": balancer, "Attributes": logging()}
    let(elb, allow(SERVICE), {**allow("*"), "Effect": "Deny"})
    assert elb.refused("ModifyLoadBalancerAttributes", **request) == DENIED
    let(elb, allow(SERVICE), insecure)
    elb("ModifyLoadBalancerAttributes", **request)


def test_a_bucket_without_a_policy_denies_and_so_does_one_that_is_not_there(elb: Balancing) -> None:
    request = {"LoadBalancerArn": elb.balancer(), "Attributes": logging()}
    assert elb.refused("ModifyLoadBalancerAttributes", **request) == DENIED
    elb.aws.call("s3", "DeleteBucket", Bucket="logs")
    assert elb.refused("ModifyLoadBalancerAttributes", **request) == DENIED


def kept(elb: Balancing, balancer: str) -> dict[str, str]:
    """A load balancer's attributes."""
    found = elb("DescribeLoadBalancerAttributes", LoadBalancerArn=balancer)["Attributes"]
    return {each["Key"]: each["Value"] for each in found}


def test_a_network_load_balancers_logs_are_delivered_by_another_service(elb: Balancing) -> None:
    acl = {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}
    let(elb, allow({"Service": "delivery.logs.amazonaws.com"}, Condition=acl))
    balancer = elb.balancer(Type="network")
    elb("ModifyLoadBalancerAttributes", LoadBalancerArn=balancer, Attributes=logging())
    assert kept(elb, balancer)["access_logs.s3.enabled"] == "true"


def test_logs_that_stay_as_they_are_are_not_asked_again(elb: Balancing) -> None:
    let(elb, allow(SERVICE))
    balancer = elb.balancer()
    elb("ModifyLoadBalancerAttributes", LoadBalancerArn=balancer, Attributes=logging())
    elb.aws.call("s3", "DeleteBucketPolicy", Bucket="logs")
    idle = [{"Key": "idle_timeout.timeout_seconds", "Value": "90"}]
    elb("ModifyLoadBalancerAttributes", LoadBalancerArn=balancer, Attributes=idle)
    assert (
        kept(elb, balancer).items()
        >= {
            "idle_timeout.timeout_seconds": "90",
            "access_logs.s3.enabled": "true",
        }.items()
    )


def test_logs_without_a_bucket(elb: Balancing) -> None:
    enabled = logging("connection_logs")[:1]
    assert elb.refused(
        "ModifyLoadBalancerAttributes", LoadBalancerArn=elb.balancer(), Attributes=enabled
    ) == (
        "ValidationError",
        "'connection_logs.s3.bucket' cannot be empty when 'connection_logs.s3.enabled' is 'true'",
    )
