"""AWS's own service models, as botocore ships them. The only module of the wire that knows botocore.

A model is read the first time one of its operations is asked for. It is kept as the JSON text of each shape and
operation, without documentation, and a definition is parsed when something needs it: all of EC2 then costs about
2 MB instead of 10.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import attrs
from botocore.exceptions import DataNotFoundError
from botocore.loaders import ExtrasProcessor, Loader
from botocore.model import ServiceModel, ShapeResolver

from neargate.wire.known_services import SERVICES


class Shape(Protocol):
    """What the codecs read of a botocore shape. Which attributes exist depends on `type_name`."""

    name: str
    type_name: str
    serialization: Mapping[str, Any]
    metadata: Mapping[str, Any]
    members: Mapping[str, Shape]  # of a structure
    member: Shape  # of a list
    key: Shape  # of a map
    value: Shape


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
    return tuple(_model(service).operation_names)


def has_operation(service: str, name: str) -> bool:
    """Whether the service's model has this operation. Raises UnknownService."""
    return name in _model(service).definitions["operations"]


@cache
def operation(service: str, name: str) -> Operation:
    """An operation of a service. Raises UnknownService and UnknownOperation."""
    model = _model(service)
    if name not in model.definitions["operations"]:
        raise UnknownOperation(f"{service}:{name}")
    found = model.operation_model(name)
    definition = model.definitions["operations"][name]
    return Operation(
        name=name,
        method=found.http.get("method", "POST"),
        request_uri=found.http.get("requestUri", "/"),
        response_code=found.http.get("responseCode", 200),
        deprecated=bool(definition.get("deprecated")),
        input=found.input_shape,
        output=found.output_shape,
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
    found: Mapping[str, Any] = _model(service).metadata
    return found


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
        found: Shape = model.shape_for(code)
        return found
    for name in model.error_names:
        shape: Shape = model.shape_for(name)
        if shape.metadata.get("error", {}).get("code") == code:
            return shape
    return None


class _Texts(dict[str, Any]):
    """Definitions by name, each kept as JSON text until it is first read."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, bytes):
            found = json.loads(found)
            self[name] = found
        return found

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


class _SharedShapes(ShapeResolver):  # type: ignore[misc]
    """botocore builds a shape anew for every reference; here equal references share one."""

    def __init__(self, definitions: _Texts) -> None:
        super().__init__(definitions)
        self._shared: dict[tuple[str, str], Any] = {}

    def get_shape_by_name(self, shape_name: str, member_traits: dict[str, Any] | None = None) -> Any:
        key = (shape_name, repr(member_traits) if member_traits else "")
        if key not in self._shared:
            self._shared[key] = super().get_shape_by_name(shape_name, member_traits)
        return self._shared[key]


class _Model(ServiceModel):  # type: ignore[misc]
    def __init__(self, definitions: dict[str, Any], service: str) -> None:
        super().__init__(definitions, service)
        self._shape_resolver = _SharedShapes(definitions["shapes"])
        self.definitions = definitions
        self.error_names: frozenset[str] = definitions["errorNames"]


@cache
def _model(service: str) -> _Model:
    loader = _loader()
    known = SERVICES.get(service)
    try:
        version = known.version if known else loader.determine_latest_version(service, "service-2")
        definitions = loader.load_data(f"{service}/{version}/service-2")
    except (DataNotFoundError, ValueError) as missing:
        raise UnknownService(service) from missing
    try:
        extras = [loader.load_data(f"{service}/{version}/service-2.sdk-extras")]
    except DataNotFoundError:
        extras = []
    ExtrasProcessor().process(definitions, extras)
    return _Model(definitions, service)


@cache
def _loader() -> Any:
    return Loader(
        extra_search_paths=[Loader.BUILTIN_DATA_PATH],
        file_loader=_ModelFiles(),
        cache=None,
        include_default_search_paths=False,
    )


class _ModelFiles:
    """Reads model files for botocore's Loader; `load_file` answers None where there is no such file."""

    def exists(self, file_path: str) -> bool:
        return Path(f"{file_path}.json").is_file() or Path(f"{file_path}.json.gz").is_file()

    def load_file(self, file_path: str) -> dict[str, Any] | None:
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return _definitions(plain.read_text(encoding="utf-8"))
        if packed.is_file():
            return _definitions(gzip.decompress(packed.read_bytes()).decode("utf-8"))
        return None


def _definitions(text: str) -> dict[str, Any]:
    """A model file, with `shapes` and `operations` as _Texts and the names of its error shapes."""
    reader = _Reader(text)
    result: dict[str, Any] = {}
    errors = set()
    for part in reader.members():
        if part not in {"shapes", "operations"}:
            result[part] = reader.value()
            continue
        texts = _Texts()
        for name in reader.members():
            definition = reader.value()
            if definition.get("exception"):
                errors.add(name)
            texts[name] = json.dumps(definition, separators=(",", ":")).encode()
        result[part] = texts
    result["errorNames"] = frozenset(errors)
    return result


class _Reader:
    """Walks a large JSON object member by member, so that it never has to be in memory as a whole tree."""

    _between = re.compile(r"[\s,:]*")

    def __init__(self, text: str) -> None:
        self._text = text
        self._decode = json.JSONDecoder(object_hook=_undocumented).raw_decode
        self._at = self._skip(0)

    def _skip(self, at: int) -> int:
        found = self._between.match(self._text, at)
        return found.end() if found else at

    def members(self) -> Iterator[str]:
        """The names in the object that starts here. Its reader consumes each member with value() or members()."""
        self._at = self._skip(self._at + 1)
        while self._text[self._at] != "}":
            name: str = self.value()
            yield name
        self._at = self._skip(self._at + 1)

    def value(self) -> Any:
        found, end = self._decode(self._text, self._at)
        self._at = self._skip(end)
        return found


def _undocumented(definition: dict[str, Any]) -> dict[str, Any]:
    if isinstance(definition.get("documentation"), str):
        del definition["documentation"]
    return definition
