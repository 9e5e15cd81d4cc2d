"""One cloud for the tests of a module: a delivery costs seconds, so they share it and go in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import Machine, Project


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(tmp_path_factory.mktemp("machine"))
    made.start()
    yield made
    done = made.neargate("reset", "--yes")
    assert done.code == 0, done.output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder: Path = tmp_path_factory.mktemp("work") / "product-service"
    return Project(folder)
