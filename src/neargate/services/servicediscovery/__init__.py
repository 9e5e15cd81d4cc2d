"""AWS Cloud Map. Names that DNS namespaces publish are answered to tasks by `gateway/name_server.py`."""

from __future__ import annotations

from neargate.services.servicediscovery import (
    attributes,
    discovery,
    instances,
    namespaces,
    operations,
    services,
    tagging,
)

__all__ = ["attributes", "discovery", "instances", "namespaces", "operations", "services", "tagging"]
