"""CloudWatch: metrics, alarms, dashboards."""

from __future__ import annotations

from neargate.services.cloudwatch import (
    alarm_views,
    alarms,
    composite_alarms,
    dashboards,
    history,
    metrics,
    queries,
    statistics,
    tagging,
)

__all__ = [
    "alarm_views",
    "alarms",
    "composite_alarms",
    "dashboards",
    "history",
    "metrics",
    "queries",
    "statistics",
    "tagging",
]
