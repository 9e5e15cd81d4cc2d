"""REST requests and replies: which member lives in the path, the query string, a header, the status or the body."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.wire import documents, routes, s3, scalars, xml
from neargate.wire.aws_models import Operation, Shape, namespace
from neargate.wire.messages import HttpRequest, HttpResponse, Target

_BODILESS = frozenset({"header", "headers", "querystring", "uri", "statusCode"})


def decode(target: Target, operation: Operation, request: HttpRequest) -> dict[str, Any]:
    """Plain data from a REST request. Raises AwsError where a part is not of its member's type."""
    shape = operation.input
    if shape is None:
        return {}
    result = {}
    path = request.path
    if target.service == "s3":
        path = s3.path_style(path, target.bucket)
        request = s3.content(request)
    try:
        labels = routes.labels(target.service, operation.name, path)
        pairs = routes.query_pairs(request.query)
        if any(_takes_the_rest(member) for member in shape.members.values()):
            result.update(_rest_of_query(target.service, operation, shape, pairs))
        for name, member in shape.members.items():
            value = _outside_body(member, name, labels, pairs, request.headers)
            if value is not None:
                result[name] = value
    except (ValueError, csv.Error) as error:  # scalars.Mistyped is a ValueError
        raise _bad_parameter(target, str(error)) from error
    return result | _body(target, shape, request)


def _outside_body(
    member: Shape,
    name: str,
    labels: Mapping[str, str],
    pairs: list[tuple[str, str]],
    headers: Mapping[str, str],
) -> Any:
    """A member's value from the path, the query string or a header; None where it is not there."""
    place = member.serialization.get("location")
    wire_name = str(member.serialization.get("name", name))
    if place == "uri":
        return scalars.read(member, labels[wire_name]) if wire_name in labels else None
    if place == "querystring":
        return None if _takes_the_rest(member) else _from_query(member, wire_name, pairs)
    if place == "header":
        text = headers.get(wire_name.lower())
        if text is None:
            return None
        if member.type_name == "list":
            return [scalars.read(member.member, item) for item in _header_items(text)]
        return scalars.read(member, _unicode(text))
    if place == "headers":
        prefix = wire_name.lower()
        found = {
            key[len(prefix) :]: _unicode(text) for key, text in headers.items() if key.startswith(prefix)
        }
        return found or None
    return None


def _takes_the_rest(member: Shape) -> bool:
    """A map in the query string has no name there: its keys are the query's own."""
    return member.type_name == "map" and member.serialization.get("location") == "querystring"


def _rest_of_query(
    service: str, operation: Operation, shape: Shape, pairs: list[tuple[str, str]]
) -> dict[str, Any]:
    """The map that takes every pair that no other member and no literal part of the route names."""
    taken = {name for name, _ in routes.route(service, operation.name).queries} | {
        str(member.serialization.get("name", name))
        for name, member in shape.members.items()
        if member.serialization.get("location") == "querystring" and not _takes_the_rest(member)
    }
    free = [(key, text) for key, text in pairs if key not in taken]
    name, member = next((name, m) for name, m in shape.members.items() if _takes_the_rest(m))
    if not free:
        return {}
    if member.value.type_name == "list":
        return {name: {key: [text for other, text in free if other == key] for key, _ in free}}
    return {name: dict(free)}


def _from_query(member: Shape, name: str, pairs: list[tuple[str, str]]) -> Any:
    texts = [text for key, text in pairs if key == name]
    if not texts:
        return None
    if member.type_name == "list":
        return [scalars.read(member.member, text) for text in texts]
    return scalars.read(member, texts[-1])


def _header_items(text: str) -> list[str]:
    """The items of a list in a header; an item with a comma is in double quotes."""
    rows = list(csv.reader([_unicode(text).replace("\n", " ")], skipinitialspace=True, escapechar="\\"))
    return [item.strip() for item in rows[0]] if rows else []


def _unicode(text: str) -> str:
    """Header text with UTF-8 in it, which HTTP hands over as Latin-1."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _body(target: Target, shape: Shape, request: HttpRequest) -> dict[str, Any]:
    body = request.body
    payload = shape.serialization.get("payload")
    member = shape.members[payload] if payload else None
    if payload and member is not None and member.type_name == "blob":
        return {payload: body}
    in_body = {
        name: part
        for name, part in shape.members.items()
        if part.serialization.get("location") not in _BODILESS
    }
    if not isinstance(body, bytes):
        if not in_body:
            return {}
        raise AwsError("EntityTooLarge", "The request's body is larger than this operation takes.")
    if payload and member is not None and member.type_name == "string":
        return {payload: _text(target, body)} if body else {}
    if not body.strip() or not in_body:
        return {}
    value = _document(target, member if member is not None else shape, body)
    if payload:
        return {payload: value}
    return {name: item for name, item in value.items() if name in in_body}


def _document(target: Target, shape: Shape, body: bytes) -> Any:
    if target.protocol == "rest-json":
        return documents.decode(shape, documents.read_json(body))
    try:
        return xml.decode(shape, xml.parse(body))
    except (xml.NotXml, RecursionError) as error:
        raise _bad_body(target, str(error)) from error


def _text(target: Target, body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad_body(target, "The body is not UTF-8.") from error


def _bad_parameter(target: Target, detail: str) -> AwsError:
    """The refusal of a value in the path, the query string or a header."""
    if target.protocol == "rest-json":
        return AwsError("SerializationException", detail)
    return AwsError("InvalidArgument" if target.service == "s3" else "MalformedInput", detail)


def _bad_body(target: Target, detail: str) -> AwsError:
    """The refusal of a body that its operation cannot read."""
    if target.protocol == "rest-json":
        return AwsError("SerializationException", detail)
    if target.service != "s3":
        return AwsError("MalformedInput", detail)
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def encode(target: Target, operation: Operation, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    """A REST reply from a result that `results.checked` has passed."""
    shape = operation.output
    status, headers = operation.response_code, _request_ids(target, request_id)
    if shape is None:
        return HttpResponse(status, headers, b"")
    for name, item in result.items():
        member = shape.members[name]
        place = member.serialization.get("location")
        wire_name = str(member.serialization.get("name", name))
        if place == "statusCode":
            status = int(item)
        elif place == "header":
            headers[wire_name] = _header(member, item)
        elif place == "headers":
            headers.update({wire_name + key: _one_line(text) for key, text in item.items()})
    if target.service == "s3" and result.get("ContentRange"):
        status = 206
    body, content_type = _reply_body(target, operation, shape, result)
    if content_type and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = content_type
    return HttpResponse(status, headers, body)


def _request_ids(target: Target, request_id: str) -> dict[str, str]:
    if target.service == "s3":
        return {"x-amz-request-id": request_id, "x-amz-id-2": request_id}
    return {"x-amzn-RequestId": request_id}


def _header(member: Shape, value: Any) -> str:
    if member.type_name == "list":
        return ",".join(_header_item(scalars.write(member.member, item, "rfc822")) for item in value)
    return _one_line(scalars.write(member, value, "rfc822"))


def _header_item(text: str) -> str:
    text = _one_line(text)
    return '"' + text.replace('"', '\\"') + '"' if '"' in text or "," in text else text


def _one_line(text: str) -> str:
    """Header text that cannot start a header of its own."""
    return "".join(" " if ord(character) < 32 else character for character in text)


def _reply_body(
    target: Target, operation: Operation, shape: Shape, result: Mapping[str, Any]
) -> tuple[Any, str | None]:
    payload = shape.serialization.get("payload")
    if payload:
        member = shape.members[payload]
        value = result.get(payload)
        if member.serialization.get("eventstream"):
            return value, "application/vnd.amazon.eventstream"
        if member.type_name in {"blob", "string"}:
            return value.encode() if isinstance(value, str) else value if value is not None else b"", None
        if value is None:
            return b"", None
        if target.protocol == "rest-json":
            return documents.write_json(documents.encode_json(member, value)), "application/json"
        root = str(member.serialization.get("name", payload))
        return _xml(target, member, root, value), "application/xml"
    inside = {
        name: item
        for name, item in result.items()
        if shape.members[name].serialization.get("location") not in _BODILESS
    }
    anything = any(part.serialization.get("location") not in _BODILESS for part in shape.members.values())
    if not anything:
        return b"", None
    if target.protocol == "rest-json":
        return documents.write_json(documents.encode_json(shape, inside)), "application/json"
    return _xml(target, shape, _root(target, operation), inside), "application/xml"


def _root(target: Target, operation: Operation) -> str:
    if target.service == "s3":
        return s3.ROOTS.get(operation.name, operation.name + "Result")
    return operation.name + "Response"


def _xml(target: Target, shape: Shape, root: str, value: Any) -> bytes:
    if target.service == "s3" and target.operation == "GetBucketLocation":
        # S3 sends the value as the root itself, and nothing in it for us-east-1.
        constraint = xml.text(value.get("LocationConstraint") or "")
        content, root = constraint, "LocationConstraint"
    else:
        content = xml.members(shape, value)
    attributes = xml.attributes(shape, value)
    if " xmlns=" not in attributes:
        uri = s3.NAMESPACE if target.service == "s3" else namespace(target.service)
        attributes = xml.namespace(uri) + attributes
    return (xml.DECLARATION + xml.element(root, content, attributes)).encode("utf-8")
