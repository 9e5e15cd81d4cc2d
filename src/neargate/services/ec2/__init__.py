"""EC2's networking: VPCs and what stands in them. Nothing here computes; tasks run elsewhere."""

from neargate.services.ec2 import (
    absent,
    adoption,
    gateways,
    interfaces,
    places,
    route_tables,
    routes,
    security_group_rules,
    security_groups,
    subnets,
    tagging,
    vpcs,
)

__all__ = [
    "absent",
    "adoption",
    "gateways",
    "interfaces",
    "places",
    "route_tables",
    "routes",
    "security_group_rules",
    "security_groups",
    "subnets",
    "tagging",
    "vpcs",
]
