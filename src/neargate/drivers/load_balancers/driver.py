"""Load balancers: records in, traffic out.

One key for all of them: a balancer is told everything that is wanted at once. The driver claims the load balancers'
addresses on this machine, chooses their doors on its loopback address, has the balancer serve, checks the targets'
health, and lets those go whose draining is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import attrs
import structlog

from neargate.drivers.load_balancers.addresses import Addresses, movable, readdressed
from neargate.drivers.load_balancers.certificates import Certificates, NoCertificate
from neargate.drivers.load_balancers.doors import Doors
from neargate.drivers.load_balancers.health import HealthChecks, Probe
from neargate.drivers.load_balancers.observing import Observed, observe
from neargate.drivers.workqueue import WorkQueue
from neargate.model.balancer import (
    LOOPBACK,
    SERVED_PROTOCOLS,
    Balancer,
    BalancerFailure,
    BalancerUnavailable,
    Certificate,
    Entry,
    Pool,
    Served,
    Traffic,
)
from neargate.model.elbv2 import Listener, LoadBalancer, Published, Rule, Target, TargetGroup
from neargate.model.fabric import Fabric
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.model.service_connect import ConnectEndpoint
from neargate.model.servicediscovery import DiscoveryInstance
from neargate.planners import connect_traffic, target_health
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

KINDS = frozenset(
    {
        LoadBalancer.KIND,
        Listener.KIND,
        Rule.KIND,
        TargetGroup.KIND,
        Target.KIND,
        ConnectEndpoint.KIND,
        DiscoveryInstance.KIND,
    }
)
_ALL = "all"
_DRAIN_LOOK = 0.1
"""Seconds between two looks at what runs on a draining target: nobody tells when its last request ends."""
_TRY_AGAIN = 30.0  # seconds until a look whether what was missing is there now


@attrs.frozen
class _Wanted:
    """A load balancer as it is to be served, and what it cannot be served with."""

    served: Served
    certificates: Mapping[str, Certificate]
    trouble: str


class LoadBalancerDriver:
    """Serves every load balancer. Watches the kinds of `model/elbv2`."""

    def __init__(
        self,
        *,
        store: Store,
        dispatcher: Dispatcher,
        clock: Clock,
        balancer: Balancer,
        fabric: Fabric,
        probe: Probe,
        certificates: Certificates,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        pace = self._pace = dispatcher.settings.pace
        self._balancer = balancer
        self._certificates = certificates
        self._checks = HealthChecks(store, clock, pace, probe)
        self._queue = WorkQueue("load-balancers", self.reconcile, clock)
        self._doors = Doors(balancer)
        self._addresses = Addresses(fabric)
        self._idle: set[str] = set()  # draining targets on which nothing ran at the last look
        self._serving = True  # until a look has shown that nothing is wanted

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_alive())
                group.create_task(self._queue.serve(self._store, KINDS, lambda kind, key: _ALL, (_ALL,)))
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop working; what is served goes on."""
        await self._queue.close()
        await self._checks.close()

    async def _keep_alive(self) -> None:
        """A balancer that ended by itself is put up again at once."""
        while True:
            await self._balancer.lost()
            if self._serving:
                log.warning("balancer.lost")
                self._queue.wake(_ALL)
            await asyncio.sleep(1)

    async def reconcile(self, _key: str) -> float | None:
        seen = self._store.read(observe)
        if seen.nothing:
            await self._rest(seen)
            return None
        self._serving = True
        wanted = await self._wanted(seen)
        connected = connect_traffic.served(seen.endpoints, self._addresses.held)
        await self._move(seen)
        served = (*(one.served for one in wanted), *connected)
        traffic = Traffic(served, _pools(seen), _together(wanted))
        try:
            await self._balancer.apply(traffic)
        except BalancerUnavailable as missing:
            await self._record(seen, {}, failure=str(missing))
            return self._clock.now() + _TRY_AGAIN
        except BalancerFailure:
            self._doors.doubt()
            raise
        await self._record(seen, {one.served.balancer.key: one for one in wanted})
        self._checks.watch((group, seen.targets.get(group.key, ())) for group in seen.groups.values())
        return await self._drain(seen)

    async def _rest(self, seen: Observed) -> None:
        """No load balancer is left: nothing of theirs stays on the machine."""
        self._checks.watch(())
        self._doors.doubt()
        if self._serving:
            await self._balancer.stop()
            await self._addresses.claim(())
            self._serving = False

    # -- where they answer -------------------------------------------------------------------------------------

    async def _wanted(self, seen: Observed) -> list[_Wanted]:
        own = [each.ip for one in seen.balancers for each in one.interfaces]
        await self._addresses.claim([*own, *(each.address for each in seen.endpoints)])
        doors = await self._doors.of(
            (balancer, listener)
            for balancer in seen.balancers
            for listener in seen.listeners.get(balancer.key, ())
            if listener.protocol in SERVED_PROTOCOLS
        )
        return [await self._one(seen, balancer, doors) for balancer in seen.balancers]

    async def _one(self, seen: Observed, balancer: LoadBalancer, doors: Mapping[str, int]) -> _Wanted:
        entries: list[Entry] = []
        certificates: dict[str, Certificate] = {}
        troubles: list[str] = []
        for listener in seen.listeners.get(balancer.key, ()):
            if listener.key not in doors:
                troubles.append(f"No traffic of protocol {listener.protocol} is passed on yet.")
                continue
            try:
                certificates |= await self._certificates.of(balancer, listener)
            except NoCertificate as missing:
                troubles.append(str(missing))
                continue
            entries.append(Entry(listener, tuple(seen.rules.get(listener.key, ())), doors[listener.key]))
        addresses = tuple(each.ip for each in balancer.interfaces if each.ip in self._addresses.held)
        return _Wanted(Served(balancer, tuple(entries), addresses), certificates, " ".join(troubles))

    async def _move(self, seen: Observed) -> None:
        """Load balancers and endpoints of Service Connect get other addresses where somebody on this machine has
        theirs."""
        taken = self._addresses.taken
        moved = connect_traffic.moved(seen.endpoints, taken)
        strangers = [
            one.key for one in seen.balancers if any(movable(each, taken) for each in one.interfaces)
        ]
        if not moved and not strangers:
            return

        def write(tx: Tx) -> None:
            for each in moved:
                now = tx.get(ConnectEndpoint, each.key)
                if now is not None:
                    tx.put(attrs.evolve(now, address=each.address))
            for key in strangers:
                balancer = tx.get(LoadBalancer, key)
                if balancer is not None:
                    tx.put(readdressed(self._dispatcher, tx, balancer, taken))

        await self._store.write(write)

    # -- what is recorded --------------------------------------------------------------------------------------

    async def _record(self, seen: Observed, served: Mapping[str, _Wanted], failure: str = "") -> None:
        """State and doors of the load balancers, where they change."""
        changed = [
            after
            for before in seen.balancers
            if (after := _recorded(before, served.get(before.key), failure)) != before
        ]
        if not changed:
            return

        def write(tx: Tx) -> None:
            for wanted in changed:
                now = tx.get(LoadBalancer, wanted.key)
                if now is not None:
                    tx.put(
                        attrs.evolve(
                            now, state=wanted.state, reason=wanted.reason, published=wanted.published
                        )
                    )

        await self._store.write(write)

    async def _drain(self, seen: Observed) -> float | None:
        """Let go of the targets that have drained; when to look again. Nothing must run on one at two looks."""
        groups = {group.key: group for group in seen.groups.values()}
        draining = [
            (target, groups[target.group_key])
            for targets in seen.targets.values()
            for target in targets
            if target.state == "draining" and target.group_key in groups
        ]
        if not draining:
            self._idle.clear()
            return None
        running = await self._balancer.in_flight()
        now = self._clock.now()
        over = {
            target.key: target
            for target, group in draining
            if target_health.drained(target, group, running, now, self._pace)
        }
        late = {target.key for target, group in draining if now >= target_health.ends_at(target, group)}
        finished = [target for key, target in over.items() if key in self._idle or key in late]
        self._idle = set(over)
        if finished:
            await self._store.write(lambda tx: _let_go(tx, finished))
        if self._pace == "local":
            return now + _DRAIN_LOOK
        return min(target_health.ends_at(target, group) for target, group in draining)


def _pools(seen: Observed) -> dict[str, Pool]:
    groups = {
        arn: Pool(group, target_health.endpoints(group, seen.targets.get(group.key, ())))
        for arn, group in seen.groups.items()
    }
    return {**groups, **connect_traffic.pools(seen.endpoints, seen.instances)}


def _together(wanted: Iterable[_Wanted]) -> dict[str, Certificate]:
    return {arn: certificate for one in wanted for arn, certificate in one.certificates.items()}


def _recorded(balancer: LoadBalancer, wanted: _Wanted | None, failure: str) -> LoadBalancer:
    if wanted is None:
        return attrs.evolve(balancer, state="failed", reason=failure)
    published = tuple(
        Published(listener_port=entry.listener.port, address=LOOPBACK, port=entry.door)
        for entry in wanted.served.entries
        if entry.door
    )
    state = "active_impaired" if wanted.trouble else "active"
    return attrs.evolve(balancer, state=state, reason=wanted.trouble, published=published)


def _let_go(tx: Tx, finished: Iterable[Target]) -> None:
    for target in finished:
        now = tx.get(Target, target.key)
        if now is not None and now.state == "draining" and now.deregistered == target.deregistered:
            tx.delete(Target, target.key)
