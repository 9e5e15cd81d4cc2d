"""How soon a started server answers, and how much memory it holds when nothing happens."""

from __future__ import annotations

import time

from benchmarks.asking import Client
from benchmarks.figures import Figure, median
from benchmarks.servers import neargate

_STARTS = 7
_FIRST_ANSWER = 0.4  # seconds
_IDLE = 70.0  # MB
_REST = 3.0  # seconds without requests before the memory is read


def measure_start() -> list[Figure]:
    """From the start of the process to the last byte of the first answer, with a new data directory."""
    seconds = []
    for _ in range(_STARTS):
        with neargate() as server:
            with Client(server) as client:
                client.ask("sts", "GetCallerIdentity", {})
            seconds.append(time.perf_counter() - server.started)
    return [
        Figure(
            "start to the first answered request",
            median(seconds),
            "s",
            "at most",
            _FIRST_ANSWER,
            f"median of {_STARTS} starts ({min(seconds):.2f} to {max(seconds):.2f})",
        )
    ]


def measure_memory() -> list[Figure]:
    """Resident memory with an engine found and the drivers running, after the first few requests, then at rest."""
    with neargate() as server:
        with Client(server) as client:
            client.ask("sts", "GetCallerIdentity", {})
            client.ask("ecs", "ListClusters", {})
            client.ask("cloudformation", "ListStacks", {})
            server.wait_for_engine()
            client.ask("sts", "GetCallerIdentity", {})
        time.sleep(_REST)
        resident = server.resident_megabytes()
    return [
        Figure(
            "idle resident memory",
            resident,
            "MB",
            "at most",
            _IDLE,
            "engine found, drivers running, after sts, ecs and cloudformation requests",
        )
    ]
