"""Application Auto Scaling of ECS services."""

from __future__ import annotations

from neargate.services.application_autoscaling import (
    activities,
    policies,
    scheduled_actions,
    tagging,
    targets,
)

__all__ = ["activities", "policies", "scheduled_actions", "tagging", "targets"]
