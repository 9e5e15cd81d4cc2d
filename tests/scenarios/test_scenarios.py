"""Every scenario answers as recorded. After a wanted change: `pytest tests/scenarios --record`, and read the diff."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import script
from tests.scenarios.cloud import running_cloud
from tests.scenarios.virtual_time import run

SCENARIOS = sorted(Path(__file__).parent.rglob("*.txt"))


async def transcript(scenario: script.Scenario) -> str:
    async with running_cloud() as cloud:
        return await script.Player(cloud, scenario).play()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path, request: pytest.FixtureRequest) -> None:
    if path.parent.name == "moto":
        pytest.importorskip("moto")
    scenario = script.read(path)
    heard = run(transcript(scenario))
    if request.config.getoption("--record", default=False):
        script.write(path, scenario, heard)
        return
    assert heard == scenario.expected
