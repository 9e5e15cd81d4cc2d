"""Requests to plain data and results to replies, in the protocol that the target names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.wire import aws_models, documents, forms, rest, results, xml
from neargate.wire.aws_models import Operation
from neargate.wire.messages import HttpRequest, HttpResponse, Target


def decode(target: Target, request: HttpRequest) -> dict[str, Any]:
    """The operation's input as plain data: timestamps are float epoch seconds, blobs bytes, absent members absent.

    A streaming member holds the request's body as it is, bytes or a spooled blob. Raises AwsError, and nothing
    else, for a request that cannot be read.
    """
    operation = aws_models.operation(target.service, target.operation)
    if target.protocol in {"rest-json", "rest-xml"}:
        return rest.decode(target, operation, request)
    if not isinstance(request.body, bytes):
        raise AwsError("RequestEntityTooLarge", "The request's body is too large.", status=413)
    if target.protocol in {"query", "ec2"}:
        try:
            return forms.decode(operation.input, request.body, request.query, target.protocol == "ec2")
        except RecursionError as error:
            raise AwsError("MalformedInput", "The request is nested too deeply.") from error
    document = _document(target.protocol, request.body)
    if operation.input is None:
        return {}
    result: dict[str, Any] = documents.decode(operation.input, document)
    return result


def _document(protocol: str, body: bytes) -> Any:
    if protocol != "smithy-rpc-v2-cbor":
        return documents.read_json(body)
    from neargate.wire import cbor

    return cbor.read(body)


def encode(target: Target, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    """The reply to a request. Members that are None are left out.

    Raises TypeError, naming operation and member, where the result does not fit the operation's output shape: that
    is a bug in the operation.
    """
    operation = aws_models.operation(target.service, target.operation)
    if operation.output is None:
        if result:
            raise TypeError(
                f"{target.service}:{target.operation} has no output, but returned {sorted(result)}"
            )
        plain: Mapping[str, Any] = {}
    else:
        try:
            plain = results.checked(operation.output, result)
        except results.WrongResult as error:
            raise TypeError(f"{target.service}:{target.operation} returned {error}") from error
    return _ENCODERS[target.protocol](target, operation, plain, request_id)


def _json(target: Target, operation: Operation, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    content_type = f"application/x-amz-json-{target.json_version}"
    headers = {"Content-Type": content_type, "x-amzn-RequestId": request_id}
    if operation.output is None:
        return HttpResponse(200, headers, b"")
    stream = _event_stream(operation, result)
    if stream is not None:
        return HttpResponse(200, headers | {"Content-Type": "application/vnd.amazon.eventstream"}, stream)
    return HttpResponse(200, headers, documents.write_json(documents.encode_json(operation.output, result)))


def _event_stream(operation: Operation, result: Mapping[str, Any]) -> Any:
    for name, member in operation.output.members.items() if operation.output else ():
        if member.serialization.get("eventstream"):
            return result.get(name)
    return None


def _cbor(target: Target, operation: Operation, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    from neargate.wire import cbor

    headers = {
        "Content-Type": "application/cbor",
        "smithy-protocol": "rpc-v2-cbor",
        "x-amzn-RequestId": request_id,
    }
    tree = cbor.tree(operation.output, result) if operation.output else {}
    return HttpResponse(200, headers, cbor.write(tree))


def _query(target: Target, operation: Operation, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    content = ""
    if operation.output is not None:
        content = xml.members(operation.output, result)
        wrapper = operation.output.serialization.get("resultWrapper", f"{operation.name}Result")
        content = xml.element(wrapper, content)
    content += xml.element("ResponseMetadata", xml.element("RequestId", request_id))
    namespace = xml.namespace(aws_models.namespace(target.service))
    return _xml(f"{operation.name}Response", namespace, content, request_id)


def _ec2(target: Target, operation: Operation, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    content = xml.element("requestId", request_id)
    if operation.output is None:
        content += xml.element("return", "true")
    else:
        content += xml.members(operation.output, result)
    namespace = xml.namespace(aws_models.metadata(target.service)["xmlNamespace"] + "/")
    return _xml(f"{operation.name}Response", namespace, content, request_id)


def _xml(root: str, namespace: str, content: str, request_id: str) -> HttpResponse:
    headers = {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id}
    return HttpResponse(
        200, headers, (xml.DECLARATION + xml.element(root, content, namespace)).encode("utf-8")
    )


_ENCODERS = {
    "json": _json,
    "smithy-rpc-v2-cbor": _cbor,
    "query": _query,
    "ec2": _ec2,
    "rest-json": rest.encode,
    "rest-xml": rest.encode,
}
