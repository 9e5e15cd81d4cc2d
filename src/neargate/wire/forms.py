"""Query and EC2 requests: a flat form of dotted names (`Tags.member.1.Key=…`), read by the model."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from neargate.model.errors import AwsError
from neargate.wire import scalars
from neargate.wire.aws_models import Shape

_ABOUT_THE_REQUEST = frozenset(
    {"Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"}
    | {"Expires", "SecurityToken"}
)
_DEEPEST = 100


class _Node:
    """A name of the form: its own text, if it has one, and the names below it."""

    __slots__ = ("below", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        self.below: dict[str, _Node] = {}


def decode(shape: Shape | None, body: bytes, query: str, ec2: bool) -> dict[str, Any]:
    """Plain data from a form in the body or, for a GET, in the query string.

    Raises MalformedInput (EC2: InvalidParameterValue, UnknownParameter) for what the model cannot take.
    """
    root = _tree(body, query)
    if shape is None:
        return {}
    if ec2:
        _refuse_unknown(shape, root)
    result: dict[str, Any] = _structure(shape, root, "", ec2)
    return result


def _tree(body: bytes, query: str) -> _Node:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
        pairs += parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise AwsError("MalformedQueryString", "The request's form is not valid.") from error
    root = _Node()
    for name, text in pairs:
        steps = name.split(".")
        if len(steps) > _DEEPEST:
            raise AwsError("MalformedQueryString", "A parameter's name is nested too deeply.")
        node = root
        for step in steps:
            node = node.below.setdefault(step, _Node())
        node.text = text
    return root


def _refuse_unknown(shape: Shape, root: _Node) -> None:
    known = {ec2_name(member, name) for name, member in shape.members.items()}
    for name in root.below:
        if name not in known and name not in _ABOUT_THE_REQUEST and not name.lower().startswith("x-amz-"):
            raise AwsError("UnknownParameter", f"The parameter {name} is not recognized")


def ec2_name(shape: Shape, default: str) -> str:
    """The name that an EC2 request gives a member."""
    if "queryName" in shape.serialization:
        return str(shape.serialization["queryName"])
    name = str(shape.serialization.get("name", default))
    return name[:1].upper() + name[1:] if "name" in shape.serialization else name


def _structure(shape: Shape, node: _Node, path: str, ec2: bool) -> Any:
    result = {}
    for name, member in shape.members.items():
        wire_name = ec2_name(member, name) if ec2 else str(member.serialization.get("name", name))
        if not ec2 and member.type_name == "list" and member.serialization.get("flattened"):
            wire_name = str(member.member.serialization.get("name", wire_name))
        found = node.below.get(wire_name)
        if found is None:
            continue
        value = _value(member, found, f"{path}.{wire_name}" if path else wire_name, ec2)
        if value is not None:
            result[name] = value
    return result


def _value(shape: Shape, node: _Node, path: str, ec2: bool) -> Any:
    """The value at a node; None where the node holds nothing of the shape."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, node, path, ec2) if node.below else None
    if kind == "list":
        return _list(shape, node, path, ec2)
    if kind == "map":
        return _map(shape, node, path, ec2)
    if node.text is None:
        return None
    try:
        return scalars.read(shape, node.text)
    except scalars.Mistyped as error:
        if ec2:
            raise AwsError(
                "InvalidParameterValue",
                f"Value ({error.text}) for parameter {path} is invalid. It must be of type {error.expected}.",
            ) from error
        raise AwsError(
            "MalformedInput", f"Value '{error.text}' at '{path}' is not of type {error.expected}"
        ) from (error)


def _list(shape: Shape, node: _Node, path: str, ec2: bool) -> list[Any] | None:
    items = node
    if not ec2 and not shape.serialization.get("flattened"):
        items = node.below.get(str(shape.member.serialization.get("name", "member")), _Node())
        # Some clients write `member` where the model names the items otherwise.
        if not items.below:
            items = node.below.get("member", items)
    numbered = _numbered(items, path)
    if not numbered:
        return [] if node.text is not None or items.below else None
    values = (_value(shape.member, item, f"{path}.{number}", ec2) for number, item in numbered)
    return [value for value in values if value is not None]


def _map(shape: Shape, node: _Node, path: str, ec2: bool) -> dict[Any, Any] | None:
    entries = node if shape.serialization.get("flattened") else node.below.get("entry", _Node())
    key_name = str(shape.key.serialization.get("name", "key"))
    value_name = str(shape.value.serialization.get("name", "value"))
    result = {}
    for number, entry in _numbered(entries, path):
        if key_name not in entry.below or value_name not in entry.below:
            continue
        key = _value(shape.key, entry.below[key_name], f"{path}.entry.{number}.{key_name}", ec2)
        value = _value(shape.value, entry.below[value_name], f"{path}.entry.{number}.{value_name}", ec2)
        result[key] = value
    return result or ({} if node.text is not None else None)


def _numbered(node: _Node, path: str) -> list[tuple[int, _Node]]:
    """The items of a list in the order of their numbers; gaps close up, as on AWS."""
    items = []
    for name, item in node.below.items():
        if not (name.isascii() and name.isdigit() and len(name) < 10):
            raise AwsError("MalformedInput", f"'{name}' is not an index of the list '{path}'")
        items.append((int(name), item))
    return sorted(items, key=lambda entry: entry[0])
