"""What the records say of all load balancers."""

from __future__ import annotations

import attrs

from neargate.model.elbv2 import Listener, LoadBalancer, Rule, Target, TargetGroup
from neargate.model.records import Reader
from neargate.model.service_connect import ConnectEndpoint
from neargate.model.servicediscovery import DiscoveryInstance


@attrs.frozen
class Observed:
    """Everything, in one consistent view. Listeners by load balancer's key, rules (by priority) by listener's,
    targets by group's."""

    balancers: tuple[LoadBalancer, ...]
    listeners: dict[str, list[Listener]]
    rules: dict[str, list[Rule]]
    groups: dict[str, TargetGroup]
    targets: dict[str, list[Target]]
    endpoints: tuple[ConnectEndpoint, ...] = ()
    instances: dict[str, list[DiscoveryInstance]] = attrs.field(factory=dict)
    """Service Connect's endpoints, and the tasks behind each (by its key)."""

    @property
    def nothing(self) -> bool:
        return not self.balancers and not self.endpoints


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
    endpoints = tuple(view.scan(ConnectEndpoint))
    return Observed(
        balancers=tuple(sorted(view.scan(LoadBalancer), key=lambda each: (each.created, each.key))),
        listeners=listeners,
        rules=rules,
        groups={group.arn: group for group in view.scan(TargetGroup)},
        targets=targets,
        endpoints=endpoints,
        instances={each.key: _instances(view, each) for each in endpoints},
    )


def _instances(view: Reader, endpoint: ConnectEndpoint) -> list[DiscoveryInstance]:
    prefix = f"{endpoint.account}/{endpoint.region}/{endpoint.registry}/"
    return view.scan(DiscoveryInstance, prefix)
