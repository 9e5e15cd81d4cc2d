"""The fixture `stacks`: see stacks.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.resources.stacks import Stacks, running_stacks


@pytest.fixture
async def stacks(tmp_path: Path) -> AsyncIterator[Stacks]:
    async with running_stacks(tmp_path) as made:
        yield made
