"""`python -m benchmarks [start|memory|stack|many|plan|tasks|simulation|requests|logs|balancer|all]`"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import balancer, logs, many, planning, rates, simulation, stack, starting, tasks
from benchmarks.figures import Figure, machine, table

MEASURES: dict[str, Callable[[], list[Figure]]] = {
    "start": starting.measure_start,
    "memory": starting.measure_memory,
    "stack": stack.measure,
    "many": many.measure,
    "plan": planning.measure,
    "tasks": tasks.measure,
    "simulation": simulation.measure,
    "requests": rates.measure,
    "logs": logs.measure,
    "balancer": balancer.measure,
}


def main(arguments: list[str]) -> int:
    """0 where every target is met, 1 where one is missed, 2 for a wrong command line."""
    wanted = arguments or ["all"]
    if unknown := set(wanted) - {*MEASURES, "all"}:
        print(f"No such benchmark: {', '.join(sorted(unknown))}. There are: {', '.join(MEASURES)}, all.")
        return 2
    names = list(MEASURES) if "all" in wanted else wanted
    print(machine())
    figures = []
    for name in names:
        figures += MEASURES[name]()
    print(table(figures))
    return 0 if all(figure.passed for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
