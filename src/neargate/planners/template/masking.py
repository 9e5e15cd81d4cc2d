"""Keeping the values of NoEcho parameters out of a change set's view with property values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from neargate.planners.template.changes import Change, Detail
from neargate.planners.template.values import ABSENT

MASK = "****"


def masked(change: Change, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Change:
    """The change with a side's Properties as they may be seen; None leaves that side as it is."""
    return attrs.evolve(
        change,
        before=_context(change.before, before),
        after=_context(change.after, after),
        details=tuple(_detail(detail, before, after) for detail in change.details),
    )


def _context(
    context: Mapping[str, Any] | None, properties: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if context is None or properties is None:
        return context
    return {**context, "Properties": properties}


def _detail(detail: Detail, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Detail:
    leaf = detail.leaf
    if leaf is None or leaf.keys[:1] != ("Properties",):
        return detail
    seen = attrs.evolve(
        leaf,
        before=_visible(leaf.before, before, leaf.keys[1:]),
        after=_visible(leaf.after, after, leaf.keys[1:]),
    )
    return attrs.evolve(detail, leaf=seen)


def _visible(value: Any, properties: Mapping[str, Any] | None, keys: Sequence[str | int]) -> Any:
    """What stands at that place of the masked properties; the mask where the place has gone with a function that
    could not work on it."""
    if value is ABSENT or properties is None:
        return value
    found: Any = properties
    for key in keys:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            return MASK
    return found
