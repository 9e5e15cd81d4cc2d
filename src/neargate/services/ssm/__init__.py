"""Systems Manager: Parameter Store."""

from __future__ import annotations

from neargate.services.ssm import labels, parameters, reading, tagging

__all__ = ["labels", "parameters", "reading", "tagging"]
