"""A larger day. The one of 20,000 tasks is `python -m benchmarks simulation`."""

from __future__ import annotations

from tests.simulation.day import Size, run_day


def test_sixty_services_with_twelve_hundred_tasks() -> None:
    report = run_day(Size(services=60, tasks=20), seed=5)
    assert report.deployments >= 60
    assert report.rolled_back > 0
    assert report.lives > 2400
