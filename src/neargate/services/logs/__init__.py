"""CloudWatch Logs: groups, streams, events, retention, resource policies, filters, saved queries."""

from __future__ import annotations

from neargate.services.logs import (
    events,
    filters,
    groups,
    insights,
    live_tail,
    policies,
    queries,
    reading,
    streams,
    tagging,
)
from neargate.services.logs.retention import expire

__all__ = [
    "events",
    "expire",
    "filters",
    "groups",
    "insights",
    "live_tail",
    "policies",
    "queries",
    "reading",
    "streams",
    "tagging",
]
