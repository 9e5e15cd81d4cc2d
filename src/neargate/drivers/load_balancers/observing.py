"""What the records say of all load balancers."""

from __future__ import annotations

import attrs

from neargate.model.elbv2 import Listener, LoadBalancer, Rule, Target, TargetGroup
from neargate.model.records import Reader


@attrs.frozen
class Observed:
    """Everything, in one consistent view. Listeners by load balancer's key, rules (by priority) by listener's,
    targets by group's."""

    balancers: tuple[LoadBalancer, ...]
    listeners: dict[str, list[Listener]]
    rules: dict[str, list[Rule]]
    groups: dict[str, TargetGroup]
    targets: dict[str, list[Target]]


def observe(view: Reader) -> Observed:
    listeners: dict[str, list[Listener]] = {}
    for listener in sorted(view.scan(Listener), key=lambda each: (each.created, each.port)):
        listeners.setdefault(listener.balancer_key, []).append(listener)
    rules: dict[str, list[Rule]] = {}
    for rule in sorted(view.scan(Rule), key=lambda each: each.priority):
        rules.setdefault(rule.listener_key, []).append(rule)
    targets: dict[str, list[Target]] = {}
    for target in view.scan(Target):
        targets.setdefault(target.group_key, []).append(target)
    return Observed(
        balancers=tuple(sorted(view.scan(LoadBalancer), key=lambda each: (each.created, each.key))),
        listeners=listeners,
        rules=rules,
        groups={group.arn: group for group in view.scan(TargetGroup)},
        targets=targets,
    )
