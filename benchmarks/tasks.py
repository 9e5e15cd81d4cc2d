"""RunTask until RUNNING, and a killed container until its replacement runs, beside the engine's own create and start.

In turns, in one run, the same image and limits. The engine's side is the two calls `create` and `start` in a network
namespace that exists already. Neargate's side ends when a client that asks every few milliseconds is told RUNNING;
that includes the task's network namespace, its interface and address, and the records of it on the disk.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from benchmarks.asking import Client
from benchmarks.engine import IMAGE, Engine
from benchmarks.figures import Figure, median
from benchmarks.servers import neargate

_CPUS, _MEMORY_MIB = 0.25, 512
_ROUNDS, _TENS = 9, 5
_AT_ONCE = 10
_ALLOWANCE, _FACTOR, _REPLACED = 0.030, 1.3, 0.100
_LOOK = 0.004
_WITHIN = 60.0


def measure() -> list[Figure]:
    """One task, ten at once, and a replacement. The first round of each is not counted."""
    with neargate() as server:
        address = server.wait_for_engine()
        engine = Engine(address)
        try:
            engine.ensure_image()
            with Client(server) as client:
                bench = _Bench(client, engine, address)
                return [bench.one(), bench.ten(), bench.replaced()]
        finally:
            engine.close()


class _Bench:
    def __init__(self, client: Client, engine: Engine, address: str) -> None:
        self._client, self._engine, self._address = client, engine, address
        client.json("ecs", "CreateCluster", clusterName="benchmark")
        client.json(
            "ecs",
            "RegisterTaskDefinition",
            family="benchmark",
            cpu=str(round(_CPUS * 1024)),
            memory=str(_MEMORY_MIB),
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[{"name": "app", "image": IMAGE}],
        )
        subnets = [found.text or "" for found in client.query("ec2", "DescribeSubnets").iter("subnetId")]
        self._where: dict[str, Any] = {
            "cluster": "benchmark",
            "taskDefinition": "benchmark",
            "launchType": "FARGATE",
            "networkConfiguration": {
                "awsvpcConfiguration": {"subnets": subnets[:1], "assignPublicIp": "ENABLED"}
            },
        }

    def one(self) -> Figure:
        ours, engines = self._in_turns(
            _ROUNDS, lambda: self._run(1), lambda: self._engine.seconds_to_start(_CPUS, _MEMORY_MIB)
        )
        target = median(engines) + _ALLOWANCE
        return _figure("RunTask to RUNNING", ours, engines, target, "that + 30 ms")

    def ten(self) -> Figure:
        ours, engines = self._in_turns(
            _TENS,
            lambda: self._run(_AT_ONCE),
            lambda: self._engine.seconds_to_start_many(self._address, _AT_ONCE, _CPUS, _MEMORY_MIB),
        )
        return _figure("ten tasks at once", ours, engines, _FACTOR * median(engines), f"{_FACTOR} x that")

    def replaced(self) -> Figure:
        """SIGKILL to the first process of a service's container, from outside."""
        self._client.json("ecs", "CreateService", serviceName="benchmark", desiredCount=1, **self._where)
        ours, engines = self._in_turns(
            _ROUNDS, self._kill, lambda: self._engine.seconds_to_start(_CPUS, _MEMORY_MIB)
        )
        self._client.json("ecs", "DeleteService", cluster="benchmark", service="benchmark", force=True)
        self._until(lambda: not self._engine_containers())
        target = median(engines) + _REPLACED
        return _figure("killed container to its replacement RUNNING", ours, engines, target, "that + 100 ms")

    def _in_turns(
        self, rounds: int, ours: Callable[[], float], engine: Callable[[], float]
    ) -> tuple[list[float], list[float]]:
        pairs = [(engine(), ours()) for _ in range(rounds + 1)][1:]
        return [pair[1] for pair in pairs], [pair[0] for pair in pairs]

    def _run(self, count: int) -> float:
        """The tasks are stopped again before this returns."""
        started = time.perf_counter()
        made = self._client.json("ecs", "RunTask", count=count, **self._where)["tasks"]
        arns = [task["taskArn"] for task in made]
        self._until(lambda: self._all(arns, "RUNNING"))
        seconds = time.perf_counter() - started
        for arn in arns:
            self._client.json("ecs", "StopTask", cluster="benchmark", task=arn)
        self._until(lambda: self._all(arns, "STOPPED"))
        return seconds

    def _kill(self) -> float:
        """A task that has run for so long that its end is no crash loop's."""
        (arn,) = self._until(lambda: self._running(but=""))
        self._until(lambda: self._is_old(arn))
        (container,) = self._engine_containers()
        pid = self._engine.ask("GET", f"containers/{container}/json")["State"]["Pid"]
        os.kill(pid, signal.SIGKILL)
        started = time.perf_counter()
        self._until(lambda: self._running(but=arn))
        seconds = time.perf_counter() - started
        self._until(lambda: self._all([arn], "STOPPED"))
        return seconds

    def _running(self, but: str) -> list[str]:
        arns = self._client.json("ecs", "ListTasks", cluster="benchmark", serviceName="benchmark")["taskArns"]
        return [arn for arn in arns if arn != but and self._all([arn], "RUNNING")]

    def _is_old(self, arn: str) -> bool:
        (task,) = self._client.json("ecs", "DescribeTasks", cluster="benchmark", tasks=[arn])["tasks"]
        return bool(time.time() - task["startedAt"] > _QUICK)

    def _all(self, arns: list[str], status: str) -> bool:
        tasks = self._client.json("ecs", "DescribeTasks", cluster="benchmark", tasks=arns)["tasks"]
        return all(task["lastStatus"] == status for task in tasks)

    def _engine_containers(self) -> list[str]:
        label = '{"label":["com.amazonaws.ecs.task-definition-family=benchmark"]}'
        return [found["Id"] for found in self._engine.ask("GET", "containers/json", filters=label)]

    def _until(self, look: Callable[[], Any]) -> Any:
        until = time.perf_counter() + _WITHIN
        while time.perf_counter() < until:
            found = look()
            if found:
                return found
            time.sleep(_LOOK)
        raise RuntimeError(f"It did not happen within {_WITHIN:.0f} s.")


_QUICK = 10.0
"""Seconds; a task that ends sooner counts as part of a crash loop (`planners.rollout_failures`)."""


def _figure(name: str, ours: list[float], engines: list[float], target: float, of_what: str) -> Figure:
    def spread(values: list[float]) -> str:
        return f"{min(values) * 1000:.0f} to {max(values) * 1000:.0f}"

    return Figure(
        name,
        median(ours) * 1000,
        "ms",
        "at most",
        target * 1000,
        f"median of {len(ours)} ({spread(ours)})",
        f"the engine itself {median(engines) * 1000:.0f} ms ({spread(engines)}); target {of_what}",
    )
