"""The day of a large region. `benchmarks/simulation.py` says how long it takes."""

from __future__ import annotations

import pytest

from tests.simulation.day import Size, run_day


@pytest.mark.timeout(1200)
def test_a_thousand_services_with_twenty_thousand_tasks() -> None:
    report = run_day(Size(services=1000, tasks=20))
    assert report.tasks == 20_000
    assert report.deployments >= 1000
    assert report.rolled_back > 0
    assert report.lives > 40_000
