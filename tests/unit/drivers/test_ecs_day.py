"""A small day of deploys, failures and a lost zone. The large one is `tests/simulation/test_day.py`."""

from __future__ import annotations

import pytest

from tests.simulation.day import Size, run_day


@pytest.mark.parametrize("seed", [1, 2])
def test_every_promise_holds_all_day(seed: int) -> None:
    report = run_day(Size(services=12, tasks=8), seed)
    assert report.deployments >= 12
    assert report.lives > report.tasks + report.deployments * 4


def test_a_bad_deployment_is_rolled_back() -> None:
    report = run_day(Size(services=10, tasks=4), seed=3, bad=0.5)
    assert report.rolled_back > 0


def test_a_seed_decides_everything() -> None:
    first, again, other = (run_day(Size(services=3, tasks=4), seed) for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest
