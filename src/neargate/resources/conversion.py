"""Property values in the types that a resource's schema gives them: CloudFormation takes "2" for 2 and 2 for "2".

What does not fit is left as it is, for the schema's own check to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from neargate.model.records import Json
from neargate.planners.template.scalars import is_scalar, text_of
from neargate.resources import schemas

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,300}(?:\.[0-9]{0,300})?|\.[0-9]{1,300})(?:[eE][-+]?[0-9]{1,2})?")
Convert = Callable[[Any], Any]


def converted(type_name: str, properties: Json) -> Json:
    """The properties with their scalars in the schema's types. Values that are not known yet stay UNKNOWN."""
    if not schemas.exists(type_name):
        return properties
    made: Json = _root(type_name)(properties)
    return made


@lru_cache(maxsize=64)
def _root(type_name: str) -> Convert:
    known = schemas.schema(type_name)
    return _Conversions(known).members({"properties": known.properties})


class _Conversions:
    """How the values of one type's rules are converted; each rule is worked out once, also where it holds itself."""

    def __init__(self, known: schemas.ResourceSchema) -> None:
        self._known = known
        self._settled: dict[int, Convert] = {}

    def of(self, rule: Any) -> Convert:
        rule = self._known.resolved(rule)
        if not rule:
            return _unchanged
        key = id(rule)
        if key not in self._settled:
            self._settled[key] = lambda value: self._settled[key](value)  # until it is known
            self._settled[key] = self._convert(rule)
        return self._settled[key]

    def _convert(self, rule: Mapping[str, Any]) -> Convert:
        kind = rule.get("type")
        if kind == "object" or (kind is None and "properties" in rule):
            return self.members(rule)
        if kind == "array":
            return _items(self.of(rule.get("items")))
        return _SCALARS.get(kind, _unchanged) if isinstance(kind, str) else _unchanged

    def members(self, rule: Mapping[str, Any]) -> Convert:
        found = {name: self.of(part) for name, part in rule.get("properties", {}).items()}
        by_name = {name: convert for name, convert in found.items() if convert is not _unchanged}
        patterns = rule.get("patternProperties", {})
        others = self.of(next(iter(patterns.values()))) if len(patterns) == 1 else _unchanged
        if not by_name and others is _unchanged:
            return _unchanged

        def convert_members(value: Any) -> Any:
            if not isinstance(value, dict):
                return value
            return {name: by_name.get(name, others)(item) for name, item in value.items()}

        return convert_members


def _items(convert: Convert) -> Convert:
    if convert is _unchanged:
        return _unchanged
    return lambda value: [convert(item) for item in value] if isinstance(value, list) else value


def _unchanged(value: Any) -> Any:
    return value


def _string(value: Any) -> Any:
    return text_of(value) if is_scalar(value) else value


def _integer(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _number(value: Any) -> Any:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    return int(value) if _INTEGER.fullmatch(value) else float(value)


def _boolean(value: Any) -> Any:
    return value.lower() == "true" if isinstance(value, str) and value.lower() in ("true", "false") else value


_SCALARS: Mapping[str, Convert] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
