"""Transforms: what turns the template as written into the template that is carried out (facts 1.9).

A transform stands in the section Transform, where it takes the whole template, or under Fn::Transform anywhere, where
it takes what stands beside it. The deepest come first, those of the section last, each list in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from neargate.planners.template.nouns import invalid
from neargate.planners.template.scalars import is_scalar

EMBEDDED = "Fn::Transform"
Json = dict[str, Any]


class TransformFailed(Exception):
    """AWS accepts the call, runs the transforms, and then fails the stack or change set with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def failed(name: str, message: str) -> TransformFailed:
    return TransformFailed(f"Transform {name} failed with: {message}")


@attrs.frozen
class Transform:
    """One use of a transform. `parameters` are unevaluated."""

    name: str
    parameters: Mapping[str, Any] = attrs.field(factory=dict)


Apply = Callable[[Transform, Json, bool], Any]
"""(transform, what it takes, whether that is the whole template) -> what stands in its place."""


def uses(value: Any) -> tuple[Transform, ...]:
    """One or several uses, as the section or Fn::Transform writes them: a name, a map with a Name, or a list."""
    items = value if isinstance(value, list) else [value]
    return tuple(_use(item) for item in items)


def _use(item: Any) -> Transform:
    if isinstance(item, str):
        return Transform(item)
    if not isinstance(item, dict):
        raise invalid("Template format error: unsupported structure.")
    name, parameters = item.get("Name"), item.get("Parameters", {})
    if not isinstance(name, str):
        raise invalid("Key Name of transform definition must be a string.")
    if not isinstance(parameters, dict):
        raise invalid("Key Parameters of transform definition must be a map.")
    return Transform(name, parameters)


def declared(data: Mapping[str, Any]) -> tuple[Transform, ...]:
    """Those of the section Transform. Raises ValidationError where it is malformed."""
    return uses(data["Transform"]) if "Transform" in data else ()


def embedded(value: Any) -> Iterator[Transform]:
    """Every use under Fn::Transform in a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == EMBEDDED:
                yield from uses(item)
            else:
                yield from embedded(item)
    elif isinstance(value, list):
        for item in value:
            yield from embedded(item)


def named(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all transforms that a template uses, each once: the section's first."""
    found = (*declared(data), *embedded(data))
    return tuple(dict.fromkeys(each.name for each in found))


def process(data: Json, apply: Apply) -> Json:
    """The template with every transform carried out, without the section Transform.

    Raises TransformFailed, whatever `apply` raises, and ValidationError for a malformed use.
    """
    processed = _inside(data, apply)
    for transform in declared(data):
        fragment = {key: value for key, value in processed.items() if key != "Transform"}
        processed = apply(transform, fragment, True)
        if not isinstance(processed, dict):
            raise TransformFailed("Template format error: unsupported structure.")
    return {key: value for key, value in processed.items() if key != "Transform"}


def _inside(value: Any, apply: Apply) -> Any:
    if isinstance(value, list):
        return [_inside(item, apply) for item in value]
    if not isinstance(value, dict):
        return value
    members = {key: _inside(item, apply) for key, item in value.items() if key not in (EMBEDDED, "Transform")}
    if "Transform" in value:
        members["Transform"] = value["Transform"]
    result: Any = members
    for transform in uses(value[EMBEDDED]) if EMBEDDED in value else ():
        if not isinstance(result, dict):
            raise TransformFailed("Template format error: unsupported structure.")
        result = apply(transform, result, False)
    return result


def settled_parameters(transform: Transform, evaluate: Callable[[Any], Any]) -> Json:
    """A transform's parameters with their functions carried out. Raises TransformFailed for those that stay open."""
    settled = {name: evaluate(value) for name, value in transform.parameters.items()}
    for name, value in settled.items():
        items = value if isinstance(value, list) else [value]
        if not all(is_scalar(item) for item in items):
            raise TransformFailed(
                f"The value of parameter {name} under transform {transform.name} must resolve to a string, number, "
                "boolean or a list of any of these."
            )
    return settled
