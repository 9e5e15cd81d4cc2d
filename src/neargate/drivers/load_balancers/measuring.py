"""What goes through application load balancers, as the metrics of AWS/ApplicationELB.

Once a minute the balancer's counters are read; what they grew by is that minute's traffic. A restart of the balancer
begins its counts anew; what it had counted since the last minute is lost then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from neargate.model.balancer import Balancer, BalancerFailure, Count
from neargate.model.cloudwatch import Metric, point, series_key
from neargate.model.elbv2 import LoadBalancer, Target, TargetGroup
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.planners.balancer_metrics import Grown, Measured, figures, grown

_MINUTE = 60


class TrafficMeasuringDriver:
    """Measures while there are load balancers."""

    def __init__(self, store: Store, clock: Clock, balancer: Balancer) -> None:
        self._store = store
        self._clock = clock
        self._balancer = balancer
        self._began: str | None = None
        self._before: tuple[Count, ...] = ()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._look()  # what was counted before is nobody's minute
        while True:
            minute = int(self._clock.now() // _MINUTE) * _MINUTE
            await asyncio.sleep(minute + _MINUTE - self._clock.now())
            await self._record(await self._look(), minute)

    async def _record(self, traffic: tuple[Grown, ...], minute: int) -> None:
        if self._store.read(lambda view: view.scan(LoadBalancer)):
            await self._store.write(lambda tx: _write(tx, traffic, minute))

    async def _look(self) -> tuple[Grown, ...]:
        """What has gone through since the last look."""
        try:
            now = await self._balancer.counters()
        except BalancerFailure:
            return ()
        first = self._began is None
        before = self._before if now.began == self._began else ()
        self._began, self._before = now.began, now.counts
        return () if first else grown(before, now.counts)


def _write(tx: Tx, traffic: Iterable[Grown], minute: int) -> None:
    groups = {group.key: group for group in tx.scan(TargetGroup)}
    balancers = tx.scan(LoadBalancer)
    application = {balancer.key: balancer for balancer in balancers if balancer.type == "application"}
    for measured in figures(application, groups, tx.scan(Target), tuple(traffic)):
        _add(tx, measured, minute)


def _add(tx: Tx, measured: Measured, minute: int) -> None:
    metric = Metric("AWS/ApplicationELB", measured.name, measured.dimensions)
    made = point(minute, _MINUTE, measured.unit, measured.values)
    tx.add_metric_points(series_key(measured.account, measured.region, metric), [made])
