"""Stack policies: which resources an update may touch, and how. Pure.

    {"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "LogicalResourceId/Db"}]}

With a policy, what no statement allows is denied, and a denial wins over an allowance; but of two statements that are
about the very same thing only the later one counts (recorded on AWS). `{}` and the absence of a policy allow all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs

from neargate.model.errors import AwsError

LONGEST = 16 * 1024  # bytes
_ACTIONS = frozenset({"Update:*", "Update:Modify", "Update:Replace", "Update:Delete"})
_MEMBERS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Principal", "Resource", "NotResource", "Condition"}
)
_INVALID = "Error validating stack policy: Invalid stack policy"
_NOT_ALLOWED = "Action not allowed by stack policy"


@attrs.frozen
class Statement:
    """One statement; `number` counts from 1. `excluding_…`: the patterns name what the statement is not about."""

    number: int
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    excluding_actions: bool = False
    excluding_resources: bool = False
    types: tuple[
        tuple[bool, tuple[str, ...]], ...
    ] = ()  # (with wildcards, patterns of ResourceType), all to hold

    @property
    def about(self) -> tuple[object, ...]:
        """What it decides on, whichever way."""
        return (
            self.actions,
            self.resources,
            self.excluding_actions,
            self.excluding_resources,
            self.types,
        )

    def covers(self, action: str, logical_id: str, type_name: str) -> bool:
        named = any(fnmatchcase(action, pattern) for pattern in self.actions)
        resource = f"LogicalResourceId/{logical_id}"
        meant = any(fnmatchcase(resource, pattern) for pattern in self.resources)
        return (
            named is not self.excluding_actions
            and meant is not self.excluding_resources
            and all(
                any(fnmatchcase(type_name, pattern) if wild else type_name == pattern for pattern in patterns)
                for wild, patterns in self.types
            )
        )


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a policy. Raises ValidationError in AWS's words."""
    try:
        policy = json.loads(text)
    except ValueError:
        raise AwsError("ValidationError", _INVALID) from None
    if not isinstance(policy, dict) or not policy.keys() <= {"Statement", "Version", "Id"}:
        raise AwsError("ValidationError", _INVALID)
    statements = policy.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        raise AwsError("ValidationError", _INVALID)
    return tuple(_statement(number, each) for number, each in enumerate(statements, 1))


def _statement(number: int, given: Any) -> Statement:
    if (
        not isinstance(given, dict)
        or not given.keys() <= _MEMBERS
        or given.get("Effect") not in {"Allow", "Deny"}
        or given.get("Principal") not in ("*", {"AWS": "*"})
    ):
        raise AwsError("ValidationError", _INVALID)
    actions, excluding_actions = _either(given, "Action", "NotAction")
    resources, excluding_resources = _either(given, "Resource", "NotResource")
    if not set(actions) <= _ACTIONS:
        raise AwsError("ValidationError", _INVALID)
    return Statement(
        number=number,
        allows=given["Effect"] == "Allow",
        actions=actions,
        resources=resources,
        excluding_actions=excluding_actions,
        excluding_resources=excluding_resources,
        types=tuple(_conditions(given.get("Condition", {}))),
    )


def _either(given: Mapping[str, Any], name: str, opposite: str) -> tuple[tuple[str, ...], bool]:
    if (name in given) == (opposite in given):
        raise AwsError("ValidationError", _INVALID)
    excluding = opposite in given
    return _texts(given[opposite if excluding else name]), excluding


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(each, str) for each in values):
        raise AwsError("ValidationError", _INVALID)
    return tuple(values)


def _conditions(given: Any) -> Iterator[tuple[bool, tuple[str, ...]]]:
    if not isinstance(given, dict) or not given.keys() <= {"StringEquals", "StringLike"}:
        raise AwsError("ValidationError", _INVALID)
    for operator, tests in given.items():
        if not isinstance(tests, dict) or tests.keys() != {"ResourceType"}:
            raise AwsError("ValidationError", _INVALID)
        yield operator == "StringLike", _texts(tests["ResourceType"])


def denial(policy: str | None, action: str, logical_id: str, type_name: str) -> str | None:
    """Why a policy forbids `Update:Modify`, `Update:Replace` or `Update:Delete` of a resource; None: it may be done."""
    statements = parse(policy) if policy else ()
    if not statements:
        return None
    latest = {statement.about: statement for statement in statements}
    covering = [s for s in latest.values() if s.covers(action, logical_id, type_name)]
    denying = [s for s in covering if not s.allows]
    if denying:
        said = "; ".join(
            f"Statement [#{s.number}] does not allow [{', '.join(s.actions)}] for resource "
            f"[{', '.join(s.resources)}]"
            for s in denying
        )
        return f"Action denied by stack policy: {said};"
    return None if covering else _NOT_ALLOWED
