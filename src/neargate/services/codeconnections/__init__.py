"""CodeConnections, and CodeStar Connections, its older name: connections that pipelines' sources name."""

from __future__ import annotations

from neargate.services.codeconnections import connections

__all__ = ["connections"]
