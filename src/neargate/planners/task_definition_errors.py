"""How RegisterTaskDefinition refuses."""

from __future__ import annotations

from neargate.model.errors import AwsError


def refused(message: str) -> AwsError:
    """A ClientException with ECS's text."""
    return AwsError("ClientException", message)
