"""From what tasks used to ECS's metrics: utilization of services, and container insights of clusters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from neargate.model.cloudwatch import Dimensions, Metric
from neargate.model.ecs import Cluster, Service, Task

_UNITS_PER_CPU = 1024
_MIB = 1 << 20
_INSIGHTS = "ECS/ContainerInsights"


@attrs.frozen
class Usage:
    """What a task used: CPUs, bytes of memory, bytes of network per second."""

    cpus: float = 0.0
    memory: float = 0.0
    received: float = 0.0
    sent: float = 0.0

    def plus(self, other: Usage) -> Usage:
        """Together with another container of the same task, whose network is the same one."""
        return Usage(
            self.cpus + other.cpus,
            self.memory + other.memory,
            max(self.received, other.received),
            max(self.sent, other.sent),
        )


def utilization(samples: Iterable[tuple[int, int, Usage]]) -> Iterator[tuple[str, list[float]]]:
    """(metric name, percentages) from (CPU units, MiB of memory, usage) of each sample of a service's tasks."""
    cpu, memory = [], []
    for units, mib, used in samples:
        cpu.append(100 * used.cpus * _UNITS_PER_CPU / units)
        memory.append(100 * used.memory / (mib * _MIB))
    yield "CPUUtilization", cpu
    yield "MemoryUtilization", memory


def insights(
    cluster: Cluster,
    services: Sequence[Service],
    tasks: Sequence[Task],
    samples: Sequence[tuple[Task, Usage]],
) -> Iterator[tuple[Metric, str, list[float]]]:
    """(metric, unit, values) for a cluster, its services and its task definition families."""
    of_cluster: Dimensions = (("ClusterName", cluster.name),)
    active = [service for service in services if service.status == "ACTIVE"]
    living = [task for task in tasks if task.status == "RUNNING"]
    yield from _used(of_cluster, samples)
    yield Metric(_INSIGHTS, "TaskCount", of_cluster), "Count", [float(len(living))]
    yield Metric(_INSIGHTS, "ServiceCount", of_cluster), "Count", [float(len(active))]
    for service in active:
        dimensions: Dimensions = (*of_cluster, ("ServiceName", service.name))
        own = [task for task in tasks if task.service == service.name]
        yield from _used(dimensions, [one for one in samples if one[0].service == service.name])
        counts = {
            "DesiredTaskCount": service.desired,
            "RunningTaskCount": sum(task.status == "RUNNING" for task in own),
            "PendingTaskCount": sum(task.status in {"PROVISIONING", "PENDING", "ACTIVATING"} for task in own),
            "DeploymentCount": len(service.deployments),
        }
        for name, count in counts.items():
            yield Metric(_INSIGHTS, name, dimensions), "Count", [float(count)]
    for family in sorted({_family(task) for task, _ in samples}):
        dimensions = (*of_cluster, ("TaskDefinitionFamily", family))
        yield from _used(dimensions, [one for one in samples if _family(one[0]) == family])


def _used(
    dimensions: Dimensions, samples: Sequence[tuple[Task, Usage]]
) -> Iterator[tuple[Metric, str, list[float]]]:
    if not samples:
        return
    figures = (
        ("CpuUtilized", "None", [used.cpus * _UNITS_PER_CPU for _, used in samples]),
        ("CpuReserved", "None", [float(task.cpu) for task, _ in samples]),
        ("MemoryUtilized", "Megabytes", [used.memory / _MIB for _, used in samples]),
        ("MemoryReserved", "Megabytes", [float(task.memory) for task, _ in samples]),
        ("NetworkRxBytes", "Bytes/Second", [used.received for _, used in samples]),
        ("NetworkTxBytes", "Bytes/Second", [used.sent for _, used in samples]),
    )
    for name, unit, values in figures:
        yield Metric(_INSIGHTS, name, dimensions), unit, values


def _family(task: Task) -> str:
    return task.task_definition.rsplit("/", 1)[-1].rsplit(":", 1)[0]
