"""Which target groups a load balancer's listeners and rules use, and what that means for their targets."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from neargate.model.elbv2 import (
    NOT_IN_USE,
    REGISTERING,
    ZONE_NOT_ENABLED,
    LoadBalancer,
    Target,
    TargetGroup,
    groups_of,
    key_of,
)
from neargate.model.operations import Context
from neargate.services.elbv2.lookup import listeners_of, rules_of

ALL_ZONES = "all"


def used_by(cx: Context, balancer: LoadBalancer) -> list[str]:
    """The ARNs of the target groups that the load balancer forwards to, each once."""
    found: dict[str, None] = {}
    for listener in listeners_of(cx, balancer):
        found.update(dict.fromkeys(groups_of(listener.default_actions)))
        for rule in rules_of(cx, listener):
            found.update(dict.fromkeys(groups_of(rule.actions)))
    return list(found)


def refresh(cx: Context, balancer: LoadBalancer, touched: Iterable[str]) -> None:
    """After a change of the load balancer's listeners, rules or zones: record with the target groups of these ARNs
    whether it uses them, and move their targets into and out of `unused`."""
    used = used_by(cx, balancer)
    for arn in dict.fromkeys(touched):
        group = cx.tx.get(TargetGroup, key_of(arn))
        if group is None:
            continue
        others = tuple(key for key in group.load_balancers if key != balancer.key)
        group = attrs.evolve(group, load_balancers=(*others, balancer.key) if arn in used else others)
        cx.tx.put(group)
        settle(cx, group)


def settle(cx: Context, group: TargetGroup) -> None:
    """Move the group's targets into and out of `unused`, as its load balancers are now."""
    zones = enabled_zones(cx, group)
    for target in cx.tx.scan(Target, group.key + "/"):
        standing = unused(group, target.zone, zones)
        if standing is None:
            if target.state == "unused":
                cx.tx.put(target.entered(REGISTERING, cx.now))
        elif target.state == "draining":
            cx.tx.delete(Target, target.key)
        elif (target.state, target.reason, target.description) != standing:
            cx.tx.put(target.entered(standing, cx.now))


def enabled_zones(cx: Context, group: TargetGroup) -> set[str]:
    """The zones in which the group's load balancers have a subnet."""
    balancers = (cx.tx.get(LoadBalancer, key) for key in group.load_balancers)
    return {zone for balancer in balancers if balancer is not None for zone in balancer.zones}


def unused(group: TargetGroup, zone: str, zones: Collection[str]) -> tuple[str, str, str] | None:
    """Why a target in this zone gets no traffic, as a state; None where it gets some."""
    if not group.load_balancers:
        return NOT_IN_USE
    if zone != ALL_ZONES and zone not in zones:
        return ZONE_NOT_ENABLED
    return None
