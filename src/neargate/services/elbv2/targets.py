"""Targets: registered, drained, and how they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import attrs

from neargate.model.elbv2 import DRAINING, REGISTERING, TRAFFIC_PORT, Target, TargetGroup
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.elbv2.lookup import invalid, require
from neargate.services.elbv2.usage import enabled_zones, unused

MOST = 1000
"""Targets of a target group."""
_PRIVATE = tuple(
    ipaddress.IPv4Network(block)
    for block in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
)


@operation("elbv2", "RegisterTargets")
def register_targets(cx: Context, request: Json) -> Json:
    """To register a target again changes nothing, unless it is draining: then it starts as a new one."""
    group = require(cx, TargetGroup, request["TargetGroupArn"])
    zones = enabled_zones(cx, group)
    wanted = _wanted(cx, group, request["Targets"])
    have = {(target.id, target.port) for target in cx.tx.scan(Target, group.key + "/")}
    if len({*have, *((address, port) for address, port, _ in wanted)}) > MOST:
        raise AwsError("TooManyTargets", "You've reached the limit on the number of targets")
    for address, port, zone in wanted:
        key = f"{group.key}/{address}:{port}"
        old = cx.tx.get(Target, key)
        if old is not None and old.state != "draining":
            continue
        target = Target(
            account=group.account,
            region=group.region,
            group=f"{group.name}/{group.id}",
            id=address,
            port=port,
            zone=zone[0],
            zone_given=zone[1],
            state="initial",
            registered=cx.now,
        )
        cx.tx.put(target.entered(unused(group, target.zone, zones) or REGISTERING, cx.now))
    return {}


def _wanted(
    cx: Context, group: TargetGroup, items: Iterable[Json]
) -> list[tuple[str, int, tuple[str, bool]]]:
    """Address, port and (zone, whether it was given) of each target to register, checked."""
    if group.target_type == "instance":
        ids = ", ".join(f"'{item['Id']}'" for item in items)
        raise AwsError(
            "InvalidTarget",
            f"The following targets are not in a running state and cannot be registered: {ids}",
        )
    found = cx.invoke("ec2", "DescribeSubnets", {"Filters": [{"Name": "vpc-id", "Values": [group.vpc_id]}]})
    subnets = [(ipaddress.IPv4Network(one["CidrBlock"]), one["AvailabilityZone"]) for one in found["Subnets"]]
    wanted = []
    for item in items:
        if item.get("QuicServerId"):
            raise not_implemented("elbv2:RegisterTargets QuicServerId", "elbv2")
        address = _address(item["Id"])
        zone = next((zone for network, zone in subnets if address in network), None)
        wanted.append((str(address), item.get("Port") or group.port, _zone(item, address, zone)))
    return wanted


def _address(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise invalid(f"The IP address '{text}' is not a valid IPv4 address") from None


def _zone(item: Json, address: ipaddress.IPv4Address, own: str | None) -> tuple[str, bool]:
    """The zone of a target, and whether it was named; `own` is the zone of the subnet that the address is in."""
    given = item.get("AvailabilityZone")
    if own is not None:
        if given not in (None, own):
            raise invalid(
                f"The IP address '{address}' is within the VPC, and cannot have its Availability Zone overridden to "
                f"'{given}' from '{own}'"
            )
        return own, given is not None
    if not any(address in block for block in _PRIVATE):
        raise invalid(f"The IP address '{address}' is not within the VPC or a private address range")
    if given is None:
        raise invalid(
            f"The Availability Zone is required for IP address '{address}' because it is not in the VPC"
        )
    return given, True


@operation("elbv2", "DeregisterTargets")
def deregister_targets(cx: Context, request: Json) -> Json:
    """A target without a port is the one at the group's port. One in use drains; one that gets no traffic goes."""
    group = require(cx, TargetGroup, request["TargetGroupArn"])
    named = [(item["Id"], item.get("Port") or group.port) for item in request["Targets"]]
    targets = [(name, cx.tx.get(Target, f"{group.key}/{name[0]}:{name[1]}")) for name in named]
    absent = [f"'{address}:{port}'" for (address, port), target in targets if target is None]
    if absent:
        raise AwsError("InvalidTarget", f"The following targets are not registered: {', '.join(absent)}")
    for _, target in targets:
        if target is None or target.state == "draining":
            continue
        if target.state == "unused":
            cx.tx.delete(Target, target.key)
        else:
            cx.tx.put(attrs.evolve(target.entered(DRAINING, cx.now), deregistered=cx.now))
    return {}


@operation("elbv2", "DescribeTargetHealth", reads=True)
def describe_target_health(cx: Context, request: Json) -> Json:
    group = require(cx, TargetGroup, request["TargetGroupArn"])
    if not request.get("Targets"):
        targets = cx.tx.scan(Target, group.key + "/")
        return {"TargetHealthDescriptions": [_described(group, target) for target in targets]}
    shown = []
    for item in request["Targets"]:
        port = item.get("Port") or group.port
        target = cx.tx.get(Target, f"{group.key}/{item['Id']}:{port}")
        shown.append(
            _not_registered(group, item["Id"], port) if target is None else _described(group, target)
        )
    return {"TargetHealthDescriptions": shown}


def _described(group: TargetGroup, target: Target) -> Json:
    health: Json = {"State": target.state}
    if target.reason:
        health["Reason"], health["Description"] = target.reason, target.description
    shown: Json = {"Id": target.id, "Port": target.port, "AvailabilityZone": target.zone}
    return {
        "Target": shown,
        "HealthCheckPort": _checked_port(group, target.port),
        "TargetHealth": health,
        "AdministrativeOverride": {
            "State": "no_override",
            "Reason": "AdministrativeOverride.NoOverride",
            "Description": "No override is currently active on target",
        },
    }


def _not_registered(group: TargetGroup, address: str, port: int) -> Json:
    return {
        "Target": {"Id": address, "Port": port},
        "HealthCheckPort": _checked_port(group, port),
        "TargetHealth": {
            "State": "unused",
            "Reason": "Target.NotRegistered",
            "Description": "Target is not registered to the target group",
        },
    }


def _checked_port(group: TargetGroup, port: int) -> str:
    return str(port) if group.health_check.port == TRAFFIC_PORT else group.health_check.port
