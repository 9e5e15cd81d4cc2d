"""Targets: when they are unused, initial and draining, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from neargate.model.elbv2 import HEALTHY, Target
from tests.unit.services.elbv2_calls import FIXED, INSIDE, SUBNETS, ZONES, Balancing, balancing, forward


@pytest.fixture
def elb() -> Iterator[Balancing]:
    with balancing() as made:
        yield made


def register(elb: Balancing, group: str, *addresses: str) -> None:
    elb("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": address} for address in addresses])


def heal(elb: Balancing) -> None:
    """What the data plane does after a passed health check."""
    for target in elb.aws.store.read(lambda view: view.scan(Target)):
        healthy = target.entered(HEALTHY, 0.0)
        elb.aws.write(lambda tx, healthy=healthy: tx.put(healthy))  # type: ignore[misc]


def test_a_target_is_unused_until_a_listener_forwards_to_its_group(elb: Balancing) -> None:
    group, balancer = elb.group(), elb.balancer()
    register(elb, group, INSIDE)
    assert elb.health(group) == [(f"{INSIDE}:80", "unused", "Target.NotInUse")]
    listener = elb.listener(balancer, forward(group))
    assert elb.health(group) == [(f"{INSIDE}:80", "initial", "Elb.RegistrationInProgress")]
    heal(elb)
    assert elb.health(group) == [(f"{INSIDE}:80", "healthy", None)]
    elb("DeleteListener", ListenerArn=listener)
    assert elb.health(group) == [(f"{INSIDE}:80", "unused", "Target.NotInUse")]


def test_a_target_in_a_zone_that_is_not_enabled_is_unused_and_says_so(elb: Balancing) -> None:
    group, balancer = elb.group(), elb.balancer()
    elb.listener(balancer, forward(group))
    subnets = elb.aws.call("ec2", "DescribeSubnets")["Subnets"]
    elsewhere = next(one for one in subnets if one["AvailabilityZone"] not in ZONES)
    address = elsewhere["CidrBlock"].replace(".0/20", ".77")
    register(elb, group, address)
    (shown,) = elb("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"]
    assert shown["TargetHealth"] == {
        "State": "unused",
        "Reason": "Target.NotInUse",
        "Description": "Target is in an Availability Zone that is not enabled for the load balancer",
    }
    elb("SetSubnets", LoadBalancerArn=balancer, Subnets=[*SUBNETS, elsewhere["SubnetId"]])
    assert elb.health(group) == [(f"{address}:80", "initial", "Elb.RegistrationInProgress")]


def test_a_target_in_use_drains_and_one_out_of_use_goes_at_once(elb: Balancing) -> None:
    used, idle, balancer = elb.group("used"), elb.group("idle"), elb.balancer()
    elb.listener(balancer, forward(used))
    for group in (used, idle):
        register(elb, group, INSIDE)
        elb("DeregisterTargets", TargetGroupArn=group, Targets=[{"Id": INSIDE}])
    assert elb.health(used) == [(f"{INSIDE}:80", "draining", "Target.DeregistrationInProgress")]
    assert elb.health(idle) == []
    (target,) = elb.aws.store.read(lambda view: view.scan(Target))
    assert target.deregistered == elb.aws.clock.now()
    register(elb, used, INSIDE)
    assert elb.health(used) == [(f"{INSIDE}:80", "initial", "Elb.RegistrationInProgress")]


def test_to_register_a_target_again_changes_nothing(elb: Balancing) -> None:
    group, balancer = elb.group(), elb.balancer()
    elb.listener(balancer, forward(group))
    register(elb, group, INSIDE)
    heal(elb)
    register(elb, group, INSIDE)
    assert elb.health(group) == [(f"{INSIDE}:80", "healthy", None)]


def test_draining_targets_go_with_the_last_listener_that_uses_their_group(elb: Balancing) -> None:
    group, balancer = elb.group(), elb.balancer()
    listener = elb.listener(balancer, forward(group))
    register(elb, group, INSIDE)
    elb("DeregisterTargets", TargetGroupArn=group, Targets=[{"Id": INSIDE}])
    elb("ModifyListener", ListenerArn=listener, DefaultActions=[FIXED])
    assert elb.health(group) == []


def test_one_address_is_a_target_at_each_of_its_ports(elb: Balancing) -> None:
    group = elb.group()
    targets = [{"Id": INSIDE, "Port": 8080}, {"Id": INSIDE, "Port": 8081}]
    elb("RegisterTargets", TargetGroupArn=group, Targets=targets)
    elb("DeregisterTargets", TargetGroupArn=group, Targets=targets[:1])
    assert [name for name, _, _ in elb.health(group)] == [f"{INSIDE}:8081"]


def test_a_target_that_was_never_registered_is_described_as_such(elb: Balancing) -> None:
    group = elb.group()
    described = elb("DescribeTargetHealth", TargetGroupArn=group, Targets=[{"Id": INSIDE}])
    (shown,) = described["TargetHealthDescriptions"]
    assert shown["TargetHealth"] == {
        "State": "unused",
        "Reason": "Target.NotRegistered",
        "Description": "Target is not registered to the target group",
    }


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"Id": "web-1"}, "The IP address 'web-1' is not a valid IPv4 address"),
        (
            {"Id": "10.9.9.9"},
            "The Availability Zone is required for IP address '10.9.9.9' because it is not in the VPC",
        ),
        (
            {"Id": INSIDE, "AvailabilityZone": "all"},
            f"The IP address '{INSIDE}' is within the VPC, and cannot have its Availability Zone overridden to 'all' "
            f"from '{ZONES[0]}'",
        ),
    ],
)
def test_addresses_that_cannot_be_targets(elb: Balancing, target: dict[str, str], message: str) -> None:
    refused = elb.refused("RegisterTargets", TargetGroupArn=elb.group(), Targets=[target])
    assert refused == ("ValidationError", message)


def test_an_address_outside_the_vpc_belongs_to_all_zones(elb: Balancing) -> None:
    group, balancer = elb.group(), elb.balancer()
    elb.listener(balancer, forward(group))
    elb("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.9.9.9", "AvailabilityZone": "all"}])
    assert elb.health(group) == [("10.9.9.9:80", "initial", "Elb.RegistrationInProgress")]


def test_a_group_takes_a_thousand_targets(elb: Balancing) -> None:
    group = elb.group()
    ports = [{"Id": INSIDE, "Port": port} for port in range(1, 1001)]
    elb("RegisterTargets", TargetGroupArn=group, Targets=ports)
    elb("RegisterTargets", TargetGroupArn=group, Targets=ports[:1])
    assert elb.refused("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": INSIDE, "Port": 1001}]) == (
        "TooManyTargets",
        "You've reached the limit on the number of targets",
    )
