"""Errors on the wire, in each protocol's own form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.wire import aws_models, documents, results, xml
from neargate.wire.aws_models import Shape
from neargate.wire.messages import HttpResponse, Target, Unrecognised

_MESSAGE = frozenset({"message", "Message"})


def encode_error(target: Target | None, error: AwsError, request_id: str) -> HttpResponse:
    """The reply that tells a client of an error. It never fails.

    `target` is None where the request was not recognised; an Unrecognised error then says itself how it wants to be
    worded, and anything else gets the query form, which most clients can read.
    """
    if target is None:
        target = error.target if isinstance(error, Unrecognised) else Target("", "", "query")
    shape = _shape(target, error.code)
    status = _status(error, shape)
    if target.protocol in {"query", "ec2"} or (target.protocol == "rest-xml" and target.service != "s3"):
        return _xml(target, error, shape, status, request_id)
    if target.protocol == "rest-xml":
        return _s3(target, error, shape, status, request_id)
    return _document(target, error, shape, status, request_id)


def _shape(target: Target, code: str) -> Shape | None:
    try:
        return aws_models.error_shape(target.service, code) if target.service else None
    except aws_models.UnknownService:
        return None


def _status(error: AwsError, shape: Shape | None) -> int:
    """The status that the error was raised with or, where that is the usual 400, the one that the model has."""
    if shape is None or error.status != 400:
        return error.status
    declared = shape.metadata.get("error", {}).get("httpStatusCode")
    return int(declared) if declared else 500 if shape.metadata.get("fault") else 400


def _wire_code(error: AwsError, shape: Shape | None) -> str:
    return str(shape.metadata.get("error", {}).get("code", shape.name)) if shape else error.code


def _fault(status: int) -> str:
    return "Sender" if status < 500 else "Receiver"


def _members(error: AwsError, shape: Shape | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The error's further members: those that its shape has, checked, and the text of the others."""
    modelled: dict[str, Any] = {}
    others: dict[str, str] = {}
    for name, value in error.members.items():
        if value is None or name in _MESSAGE:
            continue
        if shape is not None and name in shape.members:
            try:
                modelled[name] = results.checked(shape.members[name], value)
                continue
            except results.WrongResult:
                pass
        others[name] = str(value)
    return modelled, others


def _member_elements(error: AwsError, shape: Shape | None) -> str:
    modelled, others = _members(error, shape)
    elements = xml.members(shape, modelled) if shape is not None else ""
    return elements + "".join(xml.element(name, xml.text(value)) for name, value in others.items())


def _xml(target: Target, error: AwsError, shape: Shape | None, status: int, request_id: str) -> HttpResponse:
    described = xml.element("Code", xml.text(_wire_code(error, shape)))
    if error.message:
        described += xml.element("Message", xml.text(error.message))
    described += _member_elements(error, shape)
    headers = {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id}
    if target.protocol == "ec2":
        content = xml.element("Errors", xml.element("Error", described))
        document = xml.element("Response", content + xml.element("RequestID", request_id))
    else:
        described = xml.element("Type", _fault(status)) + described
        content = xml.element("Error", described) + xml.element("RequestId", request_id)
        namespace = aws_models.namespace(target.service) if target.service else None
        document = xml.element("ErrorResponse", content, xml.namespace(namespace))
    return HttpResponse(status, headers, (xml.DECLARATION + document).encode("utf-8"))


def _s3(target: Target, error: AwsError, shape: Shape | None, status: int, request_id: str) -> HttpResponse:
    headers = {
        "Content-Type": "application/xml",
        "x-amz-request-id": request_id,
        "x-amz-id-2": request_id,
    }
    head = target.operation and aws_models.operation("s3", target.operation).method == "HEAD"
    if head or status == 304:
        return HttpResponse(status, headers, b"")
    content = xml.element("Code", xml.text(_wire_code(error, shape)))
    content += xml.element("Message", xml.text(error.message)) + _member_elements(error, shape)
    content += xml.element("RequestId", request_id) + xml.element("HostId", request_id)
    return HttpResponse(status, headers, (xml.DECLARATION + xml.element("Error", content)).encode("utf-8"))


def _document(
    target: Target, error: AwsError, shape: Shape | None, status: int, request_id: str
) -> HttpResponse:
    # JSON and CBOR name the shape; the code that the service's query API had travels in a header.
    name = shape.name if shape else error.code
    modelled, others = _members(error, shape)
    message = "Message" if shape is not None and "Message" in shape.members else "message"
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": name}
    if target.service and "awsQueryCompatible" in aws_models.metadata(target.service):
        headers["x-amzn-query-error"] = f"{_wire_code(error, shape)};{_fault(status)}"
    said = {message: error.message} if error.message else {}
    body: Mapping[str, Any] = {"__type": name, **said, **others}
    if target.protocol == "smithy-rpc-v2-cbor":
        from neargate.wire import cbor

        headers |= {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        extra = cbor.tree(shape, modelled) if shape is not None else {}
        return HttpResponse(status, headers, cbor.write({**body, **extra}))
    rest = target.protocol == "rest-json"
    headers["Content-Type"] = "application/json" if rest else f"application/x-amz-json-{target.json_version}"
    extra = documents.encode_json(shape, modelled) if shape is not None else {}
    return HttpResponse(status, headers, documents.write_json({**body, **extra}))
