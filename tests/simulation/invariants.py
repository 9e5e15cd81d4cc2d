"""What must hold after every single commit of a simulation, checked at the cost of what the commit changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

import attrs

from neargate.drivers.ecs.live import TASK_LABEL
from neargate.drivers.ecs.task_driver import task_key
from neargate.model.ec2 import AddressLease, NetworkInterface
from neargate.model.ecs import TASK_STATUSES, Service, ServiceTask, Task
from neargate.model.elbv2 import LoadBalancer
from neargate.model.ports import Clock
from neargate.planners import rollout
from neargate.store.memory import MemoryStore
from tests.simulation.region import Region

_RANK = {status: rank for rank, status in enumerate(TASK_STATUSES)}


@attrs.define
class _Count:
    """A service's tasks: those that occupy room, and those that count as healthy."""

    occupying: int = 0
    healthy: int = 0
    released: int = 0
    """Healthy ones that the scheduler itself has stopped in the commit that is looked at."""
    started: int = 0


class WatchedStore(MemoryStore):
    """A store that looks at every commit, and fails the one that breaks a promise of ECS."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.commits = 0
        self.transitions = 0
        self.lives = 0
        self._tasks: dict[str, Task] = {}
        self._counts: dict[str, _Count] = {}
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Of every transition of every task, in order, with its time."""
        return self._digest.hexdigest()

    def committed(self, changes: Iterable[tuple[str, str]]) -> None:
        self.commits += 1
        touched: dict[str, _Count] = {}
        for kind, key in changes:
            if kind == Task.KIND:
                self._task_changed(key, touched)
        for service_key, count in touched.items():
            self._check_band(service_key, count)
        super().committed(changes)

    def _task_changed(self, key: str, touched: dict[str, _Count]) -> None:
        before, after = self._tasks.get(key), self.read(lambda view: view.get(Task, key))
        if after is None:
            assert before is not None, f"{key} was forgotten before it was there"
            assert before.status == "STOPPED", f"{key} was forgotten before it stopped"
            del self._tasks[key]
            return
        self._tasks[key] = after
        if before is None:
            assert after.status == "PROVISIONING", f"{key} began as {after.status}"
            self.lives += 1
        else:
            _check_forward(before, after)
        if before is None or before.status != after.status:
            self.transitions += 1
            self._digest.update(f"{self._clock.now():.6f} {key} {after.status}\n".encode())
        if after.service:
            count = self._counts.setdefault(after.service_key, _Count())
            if _count(count, before, after):
                touched[after.service_key] = count

    def _check_band(self, key: str, count: _Count) -> None:
        """Starting never exceeds the maximum, the scheduler's stopping never falls below the minimum."""
        service = self.read(lambda view: view.get(Service, key))
        if service is not None and service.status == "ACTIVE":
            least, most = rollout.bounds(service)
            if count.started:
                assert count.occupying <= most, f"{count.occupying} tasks of {key}, {most} at most"
            if count.released:
                assert count.healthy >= least, f"{count.healthy} healthy tasks of {key}, {least} at least"
        count.started = count.released = 0


def _check_forward(before: Task, after: Task) -> None:
    if after.status is not before.status:
        rank, was = _RANK[after.status], _RANK[before.status]
        assert rank >= was, f"{after.key} went back from {before.status} to {after.status}"
    assert not (before.desired_status == "STOPPED" and after.desired_status == "RUNNING"), after.key
    for old, new in zip(before.containers, after.containers, strict=True):
        assert not (old.status == "STOPPED" and new.status != "STOPPED"), after.key
        assert old.runtime_id in ("", new.runtime_id), f"{after.key} has a second container"


def _count(count: _Count, before: Task | None, after: Task) -> bool:
    """Take one task's change in; True where the band may be touched."""
    was = before is not None and before.status not in ("DEPROVISIONING", "STOPPED")
    is_now = after.status not in ("DEPROVISIONING", "STOPPED")
    was_healthy = before is not None and rollout.is_healthy(before)
    healthy = rollout.is_healthy(after)
    count.occupying += is_now - was
    count.healthy += healthy - was_healthy
    if before is None:
        count.started += 1
    released = was_healthy and not healthy and after.stop_code == "ServiceSchedulerInitiated"
    if released:
        count.released += 1
    return released or before is None


def check_world(region: Region) -> None:
    """Nothing in the engine, the network or the records that no task accounts for; no task without its container.

    Costs a look at everything.
    """
    tasks = region.store.read(lambda view: view.scan(Task))
    alive = {task.key: task for task in tasks if task.status != "STOPPED"}
    containers = Counter(task_key(p.state.labels[TASK_LABEL]) for p in region.world.containers.values())
    assert not set(containers) - set(alive), "a container without a task"
    assert not [key for key, count in containers.items() if count > 1], "a task with two containers"
    sandboxes = {task_key(s.labels[TASK_LABEL]) for _, s in region.world.sandboxes.values()}
    assert not sandboxes - set(alive), "a sandbox without a task"
    plugged = {one.attachment.interface.eni_id for one in region.machine.plugged()}
    held = {task.attachment.eni for task in alive.values()}
    assert not plugged - held, "an attached interface without a task"
    for balancer in region.store.read(lambda view: view.scan(LoadBalancer)):
        held |= {interface.interface_id for interface in balancer.interfaces}
    managed = region.store.read(lambda view: view.scan(NetworkInterface))
    assert not {interface.id for interface in managed} - held, "an interface without a task"
    leases = region.store.read(lambda view: view.scan(AddressLease))
    assert not {lease.interface_id for lease in leases} - held, "an address without a task"
    for task in alive.values():
        if task.status == "RUNNING" and task.desired_status == "RUNNING":
            assert containers[task.key] == 1, f"{task.key} is RUNNING without a container"


def check_rest(region: Region) -> None:
    """All that is wanted is there, and nothing else."""
    check_world(region)
    services = [s for s in region.store.read(lambda view: view.scan(Service)) if s.status == "ACTIVE"]
    tasks = region.store.read(lambda view: view.scan(Task))
    healthy = Counter(task.service_key for task in tasks if rollout.is_healthy(task))
    for service in services:
        assert service.steady, f"{service.name} is not steady: {service.deployments}"
        assert len(service.deployments) == 1, f"{service.name} has {len(service.deployments)} deployments"
        assert service.primary.rollout_state == "COMPLETED", (
            f"{service.name}: {service.primary.rollout_state}"
        )
        assert healthy[service.key] == service.desired, f"{service.name} has {healthy[service.key]} tasks"
    links = region.store.read(lambda view: view.scan(ServiceTask))
    assert len(links) == sum(service.desired for service in services), "a link to a task that has gone"
    running = [p for p in region.world.containers.values() if p.state.status == "running"]
    wanted = sum(service.desired for service in services)
    assert len(running) == len(region.world.containers) == wanted, f"{len(running)} run, {wanted} wanted"
    assert len(region.world.sandboxes) == len(region.doors.serving) == wanted
