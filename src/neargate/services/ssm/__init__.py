"""Systems Manager: Parameter Store, and the records of patch baselines and maintenance windows."""

from __future__ import annotations

from neargate.services.ssm import labels, parameters, patching, reading, tagging, windows

__all__ = ["labels", "parameters", "patching", "reading", "tagging", "windows"]
