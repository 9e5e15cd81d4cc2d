"""Health checks: a task for each target, which probes, judges and records what changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import attrs
import structlog

from neargate.model.elbv2 import HealthCheck, Target, TargetGroup
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.planners.target_health import CHECKED, Course, Outcome, State, after, check_port

log = structlog.get_logger()

Probe = Callable[[str, int, HealthCheck], Awaitable[Outcome]]


@attrs.frozen
class _Job:
    """One target under one set of rules; another registration is another job."""

    target: str
    registered: float
    address: str
    port: int
    check: HealthCheck


class HealthChecks:
    """Keeps the state of the targets that `watch` named last. Nothing is written where nothing changes."""

    def __init__(self, store: Store, clock: Clock, pace: str, probe: Probe) -> None:
        self._store = store
        self._clock = clock
        self._pace = pace
        self._probe = probe
        self._running: dict[_Job, asyncio.Task[None]] = {}

    def watch(self, groups: Iterable[tuple[TargetGroup, Iterable[Target]]]) -> None:
        """Check these targets, those of them that want it; the first check of a new one begins at once."""
        wanted = {
            _Job(
                target.key,
                target.registered,
                target.id,
                check_port(group.health_check, target),
                group.health_check,
            )
            for group, targets in groups
            if group.target_type == "ip" and group.health_check.enabled
            for target in targets
            if target.state in CHECKED
        }
        for job in [job for job in self._running if job not in wanted]:
            self._running.pop(job).cancel()
        for job in wanted - self._running.keys():
            task = asyncio.create_task(self._check(job), name=f"health:{job.target}")
            self._running[job] = task
            task.add_done_callback(partial(self._ended, job))

    def _ended(self, job: _Job, task: asyncio.Task[None]) -> None:
        if self._running.get(job) is task:
            del self._running[job]
        if not task.cancelled() and task.exception() is not None:
            log.error("health-check.died", target=job.target, exc_info=task.exception())

    async def close(self) -> None:
        tasks = list(self._running.values())
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _check(self, job: _Job) -> None:
        course = Course()
        while True:
            outcome = await self._probe(job.address, job.port, job.check)
            target = self._store.read(lambda view: view.get(Target, job.target))
            if target is None or not _is_of(target, job):
                return
            now = self._clock.now()
            verdict = after(target, job.check, outcome, course, now, self._pace)
            course = verdict.course
            if verdict.state is not None:
                await self._enter(job, target, verdict.state, now)
            await asyncio.sleep(max(0.0, verdict.next_at - self._clock.now()))

    async def _enter(self, job: _Job, seen: Target, state: State, now: float) -> None:
        def write(tx: Tx) -> None:
            target = tx.get(Target, job.target)
            if target is not None and _is_of(target, job) and target.state == seen.state:
                tx.put(target.entered(state, now))

        await self._store.write(write)


def _is_of(target: Target, job: _Job) -> bool:
    return target.registered == job.registered and target.state in CHECKED
