"""A day of a region with 1,000 services and 20,000 tasks, simulated; and the drivers' work for an event at any size.

Nothing is cut short for it: the real API operations, planners and drivers run over the twins in memory of the store,
the engine and the network, under a clock that jumps from event to event. Every commit is checked
(`tests/simulation/invariants.py`).
"""

from __future__ import annotations

import structlog

from benchmarks.figures import Figure
from tests.simulation.day import Report, Size, run_day

_DAY = Size(services=1000, tasks=20)
_SMALLER = (Size(1, 10), Size(5, 20), Size(50, 20), Size(250, 20))
_WITHIN = 60.0
_FLAT = 1.5
_LEAST_TRANSITIONS = 3000  # of a size, so that one run's noise does not decide


def measure() -> list[Figure]:
    """Two figures: seconds for the day, and what an event costs at 20,000 tasks beside at 10."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors alone
    small = [(size.services * size.tasks, _per_transition(size)) for size in _SMALLER]
    day = run_day(_DAY)
    costs = [*small, (day.tasks, day.cpu_seconds / day.transitions)]
    told = ", ".join(f"{cost * 1e6:.0f} µs at {tasks:,}" for tasks, cost in costs)
    return [
        Figure(
            "a day of 1,000 services and 20,000 tasks",
            day.seconds,
            "s",
            "at most",
            _WITHIN,
            f"one run: {day.lives:,} tasks' lives, {day.transitions:,} changes of their status, "
            f"{day.commits:,} commits, {day.deployments:,} deployments, {day.rolled_back} rolled back",
            f"{day.cpu_seconds:.0f} s of CPU",
        ),
        Figure(
            "work for a change of a task's status, 20,000 tasks beside 10",
            costs[-1][1] / costs[0][1],
            "x",
            "at most",
            _FLAT,
            f"CPU time: {told}",
        ),
    ]


def _per_transition(size: Size) -> float:
    """Seconds of CPU for a change of a task's status; of several days where one has few."""
    reports: list[Report] = []
    while sum(report.transitions for report in reports) < _LEAST_TRANSITIONS:
        reports.append(run_day(size, seed=len(reports)))
    return sum(r.cpu_seconds for r in reports) / sum(r.transitions for r in reports)
