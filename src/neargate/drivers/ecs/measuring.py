"""What the tasks of services use, as the metrics AWS/ECS CPUUtilization and MemoryUtilization.

Every twenty seconds the kernel is asked for each running container. When a minute is over, the samples of all tasks
of a service become one data point: percent of what a task reserves, so that the average over the samples is the
service's utilization as ECS defines it. Clusters with container insights get the namespace ECS/ContainerInsights too.
A minute that a restart of the server cuts is told from what was measured after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import attrs

from neargate.model.cloudwatch import Metric, MetricPoint, point, series_key
from neargate.model.ecs import Cluster, Service, Task
from neargate.model.ports import Clock, Store
from neargate.model.records import Reader, Tx
from neargate.model.runtime import ContainerState, ContainerStats, EngineUnavailable, NoSuchContainer, Runtime
from neargate.planners.container_insights import Usage, insights, utilization

SAMPLE_EVERY = 20.0  # seconds
_SHORTEST = 5.0  # seconds: over less time a burst at the start would count for a whole sample
_MINUTE = 60


@attrs.define
class _Seen:
    """A container as the engine last told of it, and what it had used at the last look."""

    state: ContainerState
    last: ContainerStats | None = None


class MeasuringDriver:
    """Measures while tasks run; does nothing else."""

    def __init__(self, store: Store, runtime: Runtime, clock: Clock) -> None:
        self._store = store
        self._runtime = runtime
        self._clock = clock
        self._containers: dict[str, _Seen] = {}
        self._samples: list[tuple[Task, Usage]] = []

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._until_a_task_runs()
            going = await self._sample()
            while going:
                minute = int(self._clock.now() // _MINUTE)
                await self._pause()
                going = await self._sample()
                if int(self._clock.now() // _MINUTE) > minute:
                    await self._record(minute * _MINUTE)

    async def _until_a_task_runs(self) -> None:
        recorded = asyncio.Event()
        unsubscribe = self._store.subscribe(frozenset({Task.KIND}), lambda kind, key: recorded.set())
        try:
            while not self._store.read(_running):
                recorded.clear()
                await recorded.wait()
        finally:
            unsubscribe()

    async def _pause(self) -> None:
        """Until the next multiple of the interval."""
        now = self._clock.now()
        await asyncio.sleep((now // SAMPLE_EVERY + 1) * SAMPLE_EVERY - now)

    async def _sample(self) -> bool:
        """Look at every container of every running task. False where none runs."""
        tasks = self._store.read(_running)
        known = {container.runtime_id for task in tasks for container in task.containers}
        for gone in self._containers.keys() - known:
            del self._containers[gone]
        for task in tasks:
            usage = await self._usage(task)
            if usage is not None:
                self._samples.append((task, usage))
        return bool(tasks)

    async def _usage(self, task: Task) -> Usage | None:
        """What a task used since the last look; None where that cannot be told."""
        total = Usage()
        measured = False
        for container in task.containers:
            if container.status == "RUNNING" and container.runtime_id:
                found = await self._used(container.runtime_id)
                if found is not None:
                    total, measured = total.plus(found), True
        return total if measured else None

    async def _used(self, container_id: str) -> Usage | None:
        try:
            seen = self._containers.get(container_id)
            if seen is None:
                seen = self._containers[container_id] = _Seen(await self._runtime.inspect(container_id))
            stats = await self._runtime.stats(seen.state)
        except (EngineUnavailable, NoSuchContainer):
            return None
        if stats is None:
            self._containers.pop(container_id, None)
            return None
        before = seen.last
        if before is None:
            started = seen.state.started_at or 0.0
            if stats.at - started > 2 * SAMPLE_EVERY:
                seen.last = stats
                return None  # it ran before anybody looked: over which time it used that is not known
            before = ContainerStats(started, 0, 0, 0, 0)
        passed = stats.at - before.at
        if passed < _SHORTEST:
            return None
        seen.last = stats
        return Usage(
            cpus=(stats.cpu_ns - before.cpu_ns) / 1e9 / passed,
            memory=stats.memory_bytes,
            received=(stats.received - before.received) / passed,
            sent=(stats.sent - before.sent) / passed,
        )

    async def _record(self, minute: int) -> None:
        samples, self._samples = self._samples, []
        if samples:
            await self._store.write(lambda tx: _write(tx, samples, minute))


def _running(view: Reader) -> list[Task]:
    return [task for task in view.scan(Task) if task.status == "RUNNING"]


def _write(tx: Tx, samples: Iterable[tuple[Task, Usage]], minute: int) -> None:
    by_service: dict[str, list[tuple[Task, Usage]]] = {}
    by_cluster: dict[tuple[str, str, str], list[tuple[Task, Usage]]] = {}
    for task, usage in samples:
        by_cluster.setdefault((task.account, task.region, task.cluster), []).append((task, usage))
        if task.service:
            by_service.setdefault(task.service_key, []).append((task, usage))
    for members in by_service.values():
        task = members[0][0]
        dimensions = (("ClusterName", task.cluster), ("ServiceName", task.service))
        for name, values in utilization((int(one.cpu), int(one.memory), used) for one, used in members):
            metric = Metric("AWS/ECS", name, dimensions)
            made = point(minute, _MINUTE, "Percent", [(value, 1.0) for value in values])
            tx.add_metric_points(series_key(task.account, task.region, metric), [made])
    for (account, region, name), members in by_cluster.items():
        cluster = tx.get(Cluster, f"{account}/{region}/{name}")
        if cluster is not None and cluster.settings.get("containerInsights") in {"enabled", "enhanced"}:
            services = tx.scan(Service, cluster.key + "/")
            tasks = tx.scan(Task, cluster.key + "/")
            for metric, unit, values in insights(cluster, services, tasks, members):
                made = _minute(minute, unit, values)
                tx.add_metric_points(series_key(account, region, metric), [made])


def _minute(minute: int, unit: str, values: Iterable[float]) -> MetricPoint:
    return point(minute, _MINUTE, unit, [(value, 1.0) for value in values])
