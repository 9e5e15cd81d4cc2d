"""What separates a resource as its template wants it from the resource as it is.

As CloudFormation does: only properties that the template sets are compared, defaults that a service fills in are no
drift, tags that CloudFormation itself puts on are not looked at, and the order of lists does not count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import attrs

from neargate.model.records import Json
from neargate.planners.template.scalars import is_scalar, text_of
from neargate.resources import schemas
from neargate.resources.declaration import Existing

_NAMES = ("Key", "Name", "PolicyName", "AttributeName", "IndexName", "ContainerName", "Sid", "Id")


@attrs.frozen
class Difference:
    """One member of PropertyDifferences. `path` is a JSON pointer: `/Tags/0/Value`."""

    path: str
    expected: Any
    actual: Any
    kind: Literal["ADD", "REMOVE", "NOT_EQUAL"]

    def to_wire(self) -> Json:
        return {
            "PropertyPath": self.path,
            "ExpectedValue": _shown(self.expected),
            "ActualValue": _shown(self.actual),
            "DifferenceType": self.kind,
        }


def _shown(value: Any) -> str:
    return text_of(value) if is_scalar(value) else json.dumps(value, separators=(",", ":"))


@attrs.frozen
class Comparison:
    """The properties that were compared, on both sides, and how they differ."""

    expected: Json
    actual: Json
    differences: tuple[Difference, ...]


def compare(type_name: str, existing: Existing, state: Mapping[str, Any]) -> Comparison:
    """`state` holds properties as they are; None for one that is not there, none at all for what cannot be read."""
    wanted = existing.desired.properties
    known = schemas.schema(type_name)
    expected = {name: value for name, value in wanted.items() if name in state}
    actual = {name: state[name] for name in expected if state[name] is not None}
    tags = known.tag_property or "Tags"
    if tags in actual:
        actual[tags] = _own_tags(actual[tags], expected[tags], existing.desired.tags)
    differences = [
        difference
        for name, value in expected.items()
        for difference in _values(f"/{name}", value, actual.get(name), Node.of(type_name, name))
    ]
    return Comparison(expected, actual, tuple(differences))


def _own_tags(actual: Any, expected: Any, given: Mapping[str, str]) -> Any:
    """Without those that CloudFormation puts on: its own, and the stack's."""
    written = set(expected) if isinstance(expected, Mapping) else {str(t.get("Key")) for t in expected}

    def is_own(key: str, value: str) -> bool:
        return key in written or not (key.startswith("aws:") or given.get(key) == value)

    if isinstance(actual, Mapping):
        return {key: value for key, value in actual.items() if is_own(key, str(value))}
    return [tag for tag in actual if is_own(str(tag["Key"]), str(tag["Value"]))]


# -- comparing ---------------------------------------------------------------------------------------------


def _values(path: str, expected: Any, actual: Any, node: Node) -> Iterator[Difference]:
    if actual is None:
        if not _is_empty(expected):
            yield Difference(path, expected, None, "REMOVE")
    elif isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            yield from _values(f"{path}/{key}", value, actual.get(key), node.member(key))
        for key in actual.keys() - expected.keys() if node.is_free else ():
            yield Difference(f"{path}/{key}", None, actual[key], "ADD")
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _lists(path, expected, actual, node.item())
    elif not _is_same(expected, actual):
        yield Difference(path, expected, actual, "NOT_EQUAL")


def _lists(path: str, expected: list[Any], actual: list[Any], node: Node) -> Iterator[Difference]:
    """Items that agree belong together, then those of one name, then the others in their order."""
    wanted, there = dict(enumerate(expected)), dict(enumerate(actual))
    pairs: list[tuple[int, int]] = []

    def pair(belong: Callable[[Any, Any], bool]) -> None:
        for left in list(wanted):
            right = next((place for place, item in there.items() if belong(wanted[left], item)), None)
            if right is not None:
                pairs.append((left, right))
                del wanted[left], there[right]

    pair(lambda left, right: not list(_values("", left, right, node)))
    pair(_have_one_name)
    pair(lambda left, right: isinstance(left, Mapping) and isinstance(right, Mapping))
    for left, right in sorted(pairs):
        yield from _values(f"{path}/{left}", expected[left], actual[right], node)
    for place, item in wanted.items():
        yield Difference(f"{path}/{place}", item, None, "REMOVE")
    for place, item in there.items():
        yield Difference(f"{path}/{place}", None, item, "ADD")


def _have_one_name(left: Any, right: Any) -> bool:
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return False
    name = next((name for name in _NAMES if name in left and name in right), None)
    return name is not None and bool(left[name] == right[name])


def _is_same(expected: Any, actual: Any) -> bool:
    if is_scalar(expected) and is_scalar(actual):
        return text_of(expected) == text_of(actual) or _are_one_number(expected, actual)
    return bool(expected == actual)


def _are_one_number(expected: Any, actual: Any) -> bool:
    """3, "3" and an API's 3.0."""
    if not any(isinstance(value, float) for value in (expected, actual)):
        return False
    try:
        return float(text_of(expected)) == float(text_of(actual))
    except ValueError:
        return False


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (list, Mapping)) and not value)


# -- the template's spelling -------------------------------------------------------------------------------


@attrs.frozen
class Node:
    """A place in a type's schema. `free`: keys are the user's own, as in a policy document or a map of variables."""

    type: str
    body: Mapping[str, Any] | None

    @classmethod
    def of(cls, type_name: str, name: str) -> Node:
        return cls(type_name, None)._at(schemas.schema(type_name).properties.get(name))

    @property
    def members(self) -> Mapping[str, Any]:
        found = (self.body or {}).get("properties")
        return found if isinstance(found, Mapping) else {}

    @property
    def is_free(self) -> bool:
        return not self.members

    def member(self, name: str) -> Node:
        return self._at(self.members.get(name))

    def item(self) -> Node:
        return self._at((self.body or {}).get("items"))

    def _at(self, body: Any) -> Node:
        if isinstance(body, Mapping) and isinstance(body.get("$ref"), str):
            definitions = schemas.schema(self.type).definitions
            body = definitions.get(body["$ref"].removeprefix("#/definitions/"))
        return Node(self.type, body if isinstance(body, Mapping) else None)


def spelled(type_name: str, answer: Mapping[str, Any], *names: str) -> Json:
    """Members of an API's answer in the template's spelling: `desiredCount` as DesiredCount, down to what is free.

    All that the type has, or those of these names. Members that it has not are left out.
    """
    properties = schemas.schema(type_name).properties
    by_name = {name.lower(): name for name in names or properties}
    return {
        by_name[member.lower()]: _spelled(value, Node.of(type_name, by_name[member.lower()]))
        for member, value in answer.items()
        if member.lower() in by_name
    }


def _spelled(value: Any, node: Node) -> Any:
    if isinstance(value, list):
        return [_spelled(item, node.item()) for item in value]
    if not isinstance(value, Mapping) or node.is_free:
        return value
    by_name = {name.lower(): name for name in node.members}
    return {
        by_name[key.lower()]: _spelled(item, node.member(by_name[key.lower()]))
        for key, item in value.items()
        if key.lower() in by_name
    }
