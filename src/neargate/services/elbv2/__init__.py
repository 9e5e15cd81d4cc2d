"""Elastic Load Balancing v2: load balancers, listeners, rules and target groups, validated and recorded; the driver of
load balancers carries the traffic and checks the targets (`model/elbv2.py` says who writes what)."""

from neargate.services.elbv2 import (
    certificates,
    limits,
    listeners,
    load_balancers,
    rules,
    ssl_policies,
    tags,
    target_groups,
    targets,
)

__all__ = [
    "certificates",
    "limits",
    "listeners",
    "load_balancers",
    "rules",
    "ssl_policies",
    "tags",
    "target_groups",
    "targets",
]
