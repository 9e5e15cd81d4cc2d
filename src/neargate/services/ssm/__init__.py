"""Systems Manager: Parameter Store, Session Manager, and the records of patch baselines and maintenance windows."""

from __future__ import annotations

from neargate.services.ssm import (
    labels,
    parameters,
    patching,
    reading,
    sessions,
    tagging,
    windows,
)

__all__ = ["labels", "parameters", "patching", "reading", "sessions", "tagging", "windows"]
