"""XML both ways: query, EC2 and rest-xml replies; rest-xml request bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from neargate.wire import scalars
from neargate.wire.aws_models import Shape

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class NotXml(ValueError):
    """The text is not well-formed XML, or not what the model describes."""


def text(value: str) -> str:
    """Character data. Characters that XML cannot hold become U+FFFD."""
    return escape(_UNWRITABLE.sub("\ufffd", value), {"\r": "&#13;"})


def element(name: str, content: str, attributes: str = "") -> str:
    return f"<{name}{attributes}>{content}</{name}>"


def namespace(uri: str | None) -> str:
    """The xmlns attribute of a root element."""
    return f" xmlns={quoteattr(uri)}" if uri else ""


def members(shape: Shape, value: Any, skip: Iterable[str] = ()) -> str:
    """The elements of a structure's members. The value is plain data that `results.checked` has passed."""
    parts = []
    for name, item in value.items():
        member = shape.members[name]
        if name not in skip and not member.serialization.get("xmlAttribute"):
            parts.append(_member(member, _wire_name(member, name), item))
    return "".join(parts)


def attributes(shape: Shape, value: Any) -> str:
    """The attributes of a structure's own element: its namespace, and members that the model keeps there."""
    parts = []
    declared = shape.serialization.get("xmlNamespace")
    if isinstance(declared, dict):
        prefix = f":{declared['prefix']}" if declared.get("prefix") else ""
        parts.append(f" xmlns{prefix}={quoteattr(declared['uri'])}")
    elif declared:
        parts.append(namespace(declared))
    for name, item in value.items():
        member = shape.members[name]
        if member.serialization.get("xmlAttribute"):
            parts.append(f" {member.serialization['name']}={quoteattr(_UNWRITABLE.sub('', item))}")
    return "".join(parts)


def _wire_name(shape: Shape, default: str) -> str:
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        default = shape.serialization.get("name", default)
        return str(shape.member.serialization.get("name", default))
    return str(shape.serialization.get("name", default))


def _member(shape: Shape, name: str, value: Any) -> str:
    kind = shape.type_name
    if kind == "structure":
        return element(name, members(shape, value), attributes(shape, value))
    if kind == "list":
        if shape.serialization.get("flattened"):
            return "".join(_member(shape.member, name, item) for item in value)
        item_name = str(shape.member.serialization.get("name", "member"))
        return element(name, "".join(_member(shape.member, item_name, item) for item in value))
    if kind == "map":
        key_name = str(shape.key.serialization.get("name", "key"))
        value_name = str(shape.value.serialization.get("name", "value"))
        entries = [
            _member(shape.key, key_name, key) + _member(shape.value, value_name, item)
            for key, item in value.items()
        ]
        if shape.serialization.get("flattened"):
            return "".join(element(name, entry) for entry in entries)
        return element(name, "".join(element("entry", entry) for entry in entries))
    return element(name, text(scalars.write(shape, value, "iso8601")))


def parse(body: bytes) -> ElementTree.Element:
    """The root element. Raises NotXml."""
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise NotXml("The XML is not well-formed.") from error


def decode(shape: Shape, node: ElementTree.Element) -> Any:
    """Plain data from an element. Elements that the model does not have are ignored. Raises NotXml."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, node)
    if kind == "list":
        wanted = str(shape.member.serialization.get("name", "member"))
        return [decode(shape.member, item) for item in node if _tag(item) in {wanted, "member"}]
    if kind == "map":
        return _map(shape, [item for item in node if _tag(item) == "entry"])
    try:
        return scalars.read(shape, node.text or "")
    except scalars.Mistyped as error:
        raise NotXml(str(error)) from error


def _structure(shape: Shape, node: ElementTree.Element) -> dict[str, Any]:
    found: dict[str, list[ElementTree.Element]] = {}
    for child in node:
        found.setdefault(_tag(child), []).append(child)
    result: dict[str, Any] = {}
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute"):
            wanted = str(member.serialization["name"]).rpartition(":")[2]
            given = [value for key, value in node.attrib.items() if key.rpartition("}")[2] == wanted]
            if given:
                result[name] = given[0]
            continue
        children = found.get(_wire_name(member, name))
        if children is None:
            continue
        if member.serialization.get("flattened") and member.type_name == "list":
            result[name] = [decode(member.member, child) for child in children]
        elif member.serialization.get("flattened") and member.type_name == "map":
            result[name] = _map(member, children)
        else:
            result[name] = decode(member, children[0])
    return result


def _map(shape: Shape, entries: list[ElementTree.Element]) -> dict[Any, Any]:
    key_name = str(shape.key.serialization.get("name", "key"))
    value_name = str(shape.value.serialization.get("name", "value"))
    result = {}
    for entry in entries:
        parts = {_tag(part): part for part in entry}
        if key_name not in parts or value_name not in parts:
            raise NotXml(f"An entry of a map lacks its {key_name} or {value_name}.")
        result[decode(shape.key, parts[key_name])] = decode(shape.value, parts[value_name])
    return result


def _tag(node: ElementTree.Element) -> str:
    return str(node.tag).rpartition("}")[2]
