"""The addresses of VPCs that are this machine's while it serves them.

The records of a subnet know its addresses; other servers, with VPCs of the same block, know theirs. As with tasks,
who finds an address taken takes another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs
import structlog

from neargate.model.elbv2 import LoadBalancer, ZoneInterface
from neargate.model.fabric import AddressInUse, Fabric, FabricFailure
from neargate.model.operations import Caller
from neargate.model.records import Tx
from neargate.services.dispatch import Dispatcher
from neargate.services.ec2 import interfaces

log = structlog.get_logger()

_ACTOR = "elasticloadbalancing.amazonaws.com"
_REQUESTER = "amazon-elb"
"""What DescribeNetworkInterfaces shows as RequesterId of a load balancer's interface."""


class Addresses:
    """Claims addresses through the fabric. `held` and `taken`, by somebody else, are as at the last `claim`."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._said: set[str] = set()
        self.held: frozenset[str] = frozenset()
        self.taken: frozenset[str] = frozenset()

    async def claim(self, wanted: Iterable[str]) -> None:
        """Make these, and no others, the machine's own, as far as that goes. What does not go is logged once."""
        addresses = frozenset(wanted)
        self.held = self.taken = frozenset()
        try:
            held = set(await self._fabric.claimed())
            for address in held - addresses:
                await self._fabric.release(address)
            self.held = frozenset(held & addresses)
            for address in sorted(addresses - held):
                await self._claim(address)
        except FabricFailure as failure:
            self._say("balancer.no-addresses", str(failure))

    async def _claim(self, address: str) -> None:
        try:
            await self._fabric.claim(address)
        except AddressInUse as taken:
            self._say("balancer.address-in-use", str(taken))
            self.taken |= {address}
        else:
            self.held |= {address}

    def _say(self, event: str, reason: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            log.warning(event, reason=reason)


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
