"""A resource's identifier as the registry knows it, and the physical id that stands for it (facts 1.14)."""

from __future__ import annotations

from collections.abc import Mapping

from neargate.resources import schemas

# types whose physical id is the first part of a composite identifier
_FIRST_PART = frozenset({"AWS::ECS::Service", "AWS::ApplicationAutoScaling::ScalingPolicy"})


def keys(type_name: str) -> tuple[str, ...]:
    """The properties that identify a resource of this type."""
    return schemas.schema(type_name).primary_identifier if schemas.exists(type_name) else ()


def physical_id(type_name: str, identifier: Mapping[str, str]) -> str:
    """`identifier` has a value for each key."""
    parts = [identifier[key] for key in keys(type_name)]
    return parts[0] if type_name in _FIRST_PART else "|".join(parts)
