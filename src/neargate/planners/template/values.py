"""Evaluated values side by side: whether they are the same to CloudFormation, where they differ, how they are shown.

CloudFormation keeps every scalar as text, so `7` and `"7"` are the same value, and shown values are texts throughout.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final, Literal

import attrs

from neargate.planners.template.nouns import UNKNOWN
from neargate.planners.template.scalars import is_scalar, text_of

KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"

Key = str | int


class _Absent(enum.Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT


@attrs.frozen
class Leaf:
    """One place where two values differ. `before` or `after` is ABSENT where there is nothing on that side."""

    keys: tuple[Key, ...]
    before: Any
    after: Any

    @property
    def kind(self) -> Literal["Add", "Modify", "Remove"]:
        if self.before is ABSENT:
            return "Add"
        return "Remove" if self.after is ABSENT else "Modify"


def same(before: Any, after: Any) -> bool:
    """True where CloudFormation sees no difference. What is not known yet is the same as nothing but itself."""
    if before == after and type(before) is type(after) and is_scalar(before):
        return True
    return next(leaves(before, after), None) is None


def leaves(before: Any, after: Any, keys: tuple[Key, ...] = ()) -> Iterator[Leaf]:
    """The places, as deep as both sides have the same shape, where the values differ. Lists go place by place."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            yield from leaves(before.get(key, ABSENT), after.get(key, ABSENT), (*keys, key))
    elif isinstance(before, list) and isinstance(after, list):
        for index, (left, right) in enumerate(zip_longest(before, after, fillvalue=ABSENT)):
            yield from leaves(left, right, (*keys, index))
    elif is_scalar(before) and is_scalar(after):
        if before is not after and text_of(before) != text_of(after):
            yield Leaf(keys, before, after)
    elif before is not after:
        yield Leaf(keys, before, after)


def changed_paths(path: str, old: Any, new: Any) -> Iterator[str]:
    """The paths, down to what differs: `Listeners/0/Port`. Lists of different lengths differ as a whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from changed_paths(f"{path}/{key}", old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from changed_paths(f"{path}/{index}", left, right)
    elif not same(old, new):
        yield path


def holds_unknown(value: Any) -> bool:
    """True where some part of the value is not known yet."""
    if isinstance(value, Mapping):
        return any(map(holds_unknown, value.values()))
    if isinstance(value, list):
        return any(map(holds_unknown, value))
    return value is UNKNOWN


def shown(value: Any) -> Any:
    """The value with its scalars as texts, and the mark of a change set for what is not known yet."""
    if isinstance(value, Mapping):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if value is UNKNOWN:
        return KNOWN_AFTER_APPLY
    return text_of(value) if is_scalar(value) else str(value)


def shown_text(value: Any) -> str:
    """The value as the one text that BeforeValue and AfterValue have; JSON for a list or a map."""
    found = shown(value)
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"), ensure_ascii=False)
