"""A load balancer's counters become metrics, minute by minute, also when its process began anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

from neargate.balancer.memory import MemoryBalancer
from neargate.drivers.load_balancers import TrafficMeasuringDriver
from neargate.model.balancer import Count, Counters
from neargate.model.cloudwatch import Metric, series_key
from tests.scenarios.cloud import CutStore
from tests.scenarios.virtual_time import VirtualClock, loop, run
from tests.unit.planners.test_balancer_metrics import BALANCER, GROUP, count, target


class Counting(MemoryBalancer):
    """A balancer whose counters a test turns."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Counters("first")

    async def counters(self) -> Counters:
        return self.now

    def said(self, began: str, *counts: Count) -> None:
        self.now = Counters(began, counts)


def test_counts_of_a_minute(tmp_path: Path) -> None:
    async def story() -> None:
        clock = VirtualClock(loop())
        store = CutStore.open(tmp_path / "x.db", clock, durable=False)
        for record in (BALANCER, GROUP, target(1)):
            await store.write(lambda tx, record=record: tx.put(record))  # type: ignore[misc]
        balancer = Counting()
        balancer.said("first", count(100))
        driver = asyncio.create_task(TrafficMeasuringDriver(store, clock, balancer).run())
        await asyncio.sleep(30)
        balancer.said("first", count(107))
        await asyncio.sleep(60)
        balancer.said("second", count(5))
        await asyncio.sleep(60)
        driver.cancel()
        await asyncio.gather(driver, return_exceptions=True)
        metric = Metric("AWS/ApplicationELB", "RequestCount", (("LoadBalancer", BALANCER.full_name),))
        points = store.read(lambda view: view.metric_points(series_key("1", "r", metric), 0, 1 << 40))
        assert [point.total for point in points] == [7.0, 5.0]
        assert [point.at % 3600 for point in points] == [0, 60]
        store.close()

    run(story())
