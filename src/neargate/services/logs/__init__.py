"""CloudWatch Logs: groups, streams, events, retention, resource policies."""

from __future__ import annotations

from neargate.services.logs import events, groups, policies, reading, streams, tagging
from neargate.services.logs.retention import expire

__all__ = ["events", "expire", "groups", "policies", "reading", "streams", "tagging"]
