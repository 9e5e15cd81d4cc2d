"""`pytest tests/scenarios --record` writes what the cloud answers now into the scenarios."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="re-record tests/scenarios/*.txt")
