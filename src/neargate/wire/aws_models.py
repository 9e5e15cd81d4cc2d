"""AWS's own service models, as botocore ships them: operations, shapes and what the wire needs to know of each.

A model is read the first time one of its operations is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import attrs

from neargate.wire import model_files
from neargate.wire.known_services import SERVICES

_SERIALIZATION = frozenset(
    "locationName queryName flattened location payload streaming timestampFormat xmlNamespace resultWrapper "
    "xmlAttribute eventstream event eventheader eventpayload jsonvalue hostLabel".split()
)
_METADATA = frozenset(
    "required min max pattern sensitive enum idempotencyToken error exception endpointdiscoveryid retryable "
    "document union contextParam clientContextParams requiresLength".split()
)


_PLAIN: Mapping[str, type] = {"string": str, "integer": int, "long": int, "boolean": bool}


class Shape:
    """A type in a service's model as one reference to it has it: the reference's own traits win.

    `serialization` says how it goes over the wire (`locationName` is called `name`), `metadata` what a value must be.
    Which of `members` (a structure's), `member` (a list's), `key` and `value` (a map's) there are depends on
    `type_name`.
    """

    def __init__(self, name: str, definition: Mapping[str, Any], shapes: Shapes) -> None:
        self.name = name
        self.type_name: str = definition["type"]
        self.serialization: Mapping[str, Any] = {
            "name" if trait == "locationName" else trait: value
            for trait, value in definition.items()
            if trait in _SERIALIZATION
        }
        self.metadata: Mapping[str, Any] = {
            trait: value for trait, value in definition.items() if trait in _METADATA
        }
        self._definition = definition
        self._shapes = shapes

    @cached_property
    def members(self) -> Mapping[str, Shape]:
        return {
            name: self._shapes.referred(reference)
            for name, reference in self._definition.get("members", {}).items()
        }

    @cached_property
    def member(self) -> Shape:
        return self._shapes.referred(self._definition["member"])

    @cached_property
    def key(self) -> Shape:
        return self._shapes.referred(self._definition["key"])

    @cached_property
    def value(self) -> Shape:
        return self._shapes.referred(self._definition["value"])

    @cached_property
    def plain(self) -> Mapping[str, type] | None:
        """Of a structure that is its own JSON, because its members are texts, whole numbers and truth values under
        their own names: the members' types. None for every other shape.
        """
        if self.type_name != "structure" or self.metadata.get("document"):
            return None
        plain = {
            name: _PLAIN[member.type_name]
            for name, member in self.members.items()
            if member.type_name in _PLAIN and not member.serialization
        }
        return plain if len(plain) == len(self.members) else None

    def __repr__(self) -> str:
        return f"<Shape {self.name}, a {self.type_name}>"


class Shapes:
    """The shapes of one service. Equal references share one Shape."""

    def __init__(self, definitions: model_files.Definitions) -> None:
        self._definitions = definitions
        self._made: dict[tuple[str, str], Shape] = {}

    def named(self, name: str) -> Shape:
        return self.referred({"shape": name})

    def referred(self, reference: Mapping[str, Any]) -> Shape:
        """The shape that `{"shape": NAME, …traits}` means."""
        name: str = reference["shape"]
        key = (name, repr(reference) if len(reference) > 1 else "")
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Shape(name, {**self._definitions[name], **reference}, self)
        return found


@attrs.frozen
class Operation:
    """One API operation as the model declares it. `errors` are the names of the error shapes it declares."""

    name: str
    method: str
    request_uri: str
    response_code: int
    deprecated: bool
    input: Shape | None
    output: Shape | None
    errors: tuple[str, ...]


class UnknownService(LookupError):
    """No such service among botocore's models."""


class UnknownOperation(LookupError):
    """The service's model has no such operation."""


def operations(service: str) -> tuple[str, ...]:
    """The names of a service's operations. Raises UnknownService."""
    return tuple(_model(service).operations)


def has_operation(service: str, name: str) -> bool:
    """Whether the service's model has this operation. Raises UnknownService."""
    return name in _model(service).operations


@cache
def operation(service: str, name: str) -> Operation:
    """An operation of a service. Raises UnknownService and UnknownOperation."""
    model = _model(service)
    if name not in model.operations:
        raise UnknownOperation(f"{service}:{name}")
    definition = model.operations[name]
    http = definition.get("http", {})
    given, returned = definition.get("input"), definition.get("output")
    return Operation(
        name=name,
        method=http.get("method", "POST"),
        request_uri=http.get("requestUri", "/"),
        response_code=http.get("responseCode", 200),
        deprecated=bool(definition.get("deprecated")),
        input=None if given is None else model.shapes.referred(given),
        output=None if returned is None else model.shapes.referred(returned),
        errors=tuple(error["shape"] for error in definition.get("errors", [])),
    )


def input_shape(service: str, operation_name: str) -> Shape | None:
    """The botocore shape of an operation's input; None where the operation takes none."""
    return operation(service, operation_name).input


def output_shape(service: str, operation_name: str) -> Shape | None:
    """The botocore shape of an operation's output; None where the operation returns none."""
    return operation(service, operation_name).output


def metadata(service: str) -> Mapping[str, Any]:
    """The model's metadata: protocols, targetPrefix, apiVersion, xmlNamespace, …"""
    return _model(service).metadata


def namespace(service: str) -> str | None:
    """The XML namespace of a service's replies, where it has one."""
    declared = metadata(service).get("xmlNamespace")
    return str(declared) if declared else _UNDECLARED_NAMESPACES.get(service)


_UNDECLARED_NAMESPACES = {"route53": "https://route53.amazonaws.com/doc/2013-04-01/"}


@cache
def error_shape(service: str, code: str) -> Shape | None:
    """The error shape that `code` means, spelled as the shape's name or as its wire code; None if not modelled."""
    model = _model(service)
    if code in model.error_names:
        return model.shapes.named(code)
    for name in model.error_names:
        shape = model.shapes.named(name)
        if shape.metadata.get("error", {}).get("code") == code:
            return shape
    return None


@attrs.frozen(eq=False)
class _Model:
    metadata: Mapping[str, Any]
    operations: model_files.Definitions
    shapes: Shapes
    error_names: frozenset[str]


@cache
def _model(service: str) -> _Model:
    known = SERVICES.get(service)
    version = known.version if known else model_files.latest_version(service)
    if version is None:
        raise UnknownService(service)
    definitions = model_files.read(service, version)
    return _Model(
        metadata=definitions["metadata"],
        operations=definitions["operations"],
        shapes=Shapes(definitions["shapes"]),
        error_names=definitions["errorNames"],
    )
