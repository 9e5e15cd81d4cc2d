"""Other addresses for load balancers whose own ones somebody on this machine has.

The records of a subnet know its addresses; other servers, with VPCs of the same block, know theirs. As with tasks,
who finds an address taken takes another one.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

from neargate.model.elbv2 import LoadBalancer, ZoneInterface
from neargate.model.operations import Caller
from neargate.model.records import Tx
from neargate.services.dispatch import Dispatcher
from neargate.services.ec2 import interfaces

_ACTOR = "elasticloadbalancing.amazonaws.com"
_REQUESTER = "amazon-elb"
"""What DescribeNetworkInterfaces shows as RequesterId of a load balancer's interface."""


def movable(interface: ZoneInterface, taken: Collection[str]) -> bool:
    """Its address is somebody's, and nobody asked for this very one."""
    return interface.ip in taken and not interface.fixed and not interface.allocation_id


def readdressed(
    dispatcher: Dispatcher, tx: Tx, balancer: LoadBalancer, taken: Collection[str]
) -> LoadBalancer:
    """The load balancer with new interfaces in place of those whose addresses are taken."""
    caller = Caller(balancer.account, balancer.region, f"arn:aws:iam::{balancer.account}:root", via=_ACTOR)
    cx = dispatcher.context(tx, caller)
    made = []
    for old in balancer.interfaces:
        if not movable(old, taken):
            made.append(old)
            continue
        interfaces.release(cx, old.interface_id)
        new = interfaces.create_managed(
            cx,
            old.subnet_id,
            balancer.security_groups or None,
            f"ELB {balancer.full_name}",
            _REQUESTER,
            taken,
            type="network_load_balancer" if balancer.type == "network" else "interface",
        )
        made.append(attrs.evolve(old, interface_id=new.id, ip=new.private_ip))
    return attrs.evolve(balancer, interfaces=tuple(made))
