"""Fixtures that every kind of test may use."""

from __future__ import annotations

import pytest
import structlog

# Tracebacks as text: structlog's own choice draws them with rich, every frame's variables included, which takes longer
# than a test should.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
