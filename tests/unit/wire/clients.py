"""botocore's own client, taken apart: what it sends for an input, and what it makes of a reply."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
from botocore.awsrequest import HeadersDict

from neargate.wire import HttpRequest, HttpResponse
from neargate.wire import aws_models as models


@cache
def botocore_model(service: str) -> Any:
    """botocore's own reading of a service's model."""
    loader = botocore.loaders.Loader(
        extra_search_paths=[botocore.loaders.Loader.BUILTIN_DATA_PATH], include_default_search_paths=False
    )
    return botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)


@cache
def protocols(service: str) -> tuple[str, ...]:
    """The protocols that a service's model declares and that botocore can speak."""
    declared = models.metadata(service)
    listed = declared.get("protocols") or [declared["protocol"]]
    # CloudWatch lists query, but its model has none of the names that query needs; botocore never sends it.
    return tuple(name for name in listed if not (name == "query" and "targetPrefix" in declared))


@cache
def _serializer(protocol: str) -> Any:
    return botocore.serialize.create_serializer(protocol, include_validation=False)


def request(service: str, operation: str, protocol: str, parameters: Mapping[str, Any]) -> HttpRequest:
    """The request that botocore's client sends, as the HTTP front hands it over."""
    model = botocore_model(service).operation_model(operation)
    sent = _serializer(protocol).serialize_to_request(for_client(parameters, model.input_shape), model)
    botocore.awsrequest.prepare_request_dict(sent, "http://localhost:4566")
    prepared = botocore.awsrequest.create_request_object(sent).prepare()
    url = urlsplit(prepared.url)
    body = prepared.body or b""
    return HttpRequest(
        method=prepared.method,
        path=url.path,
        query=url.query,
        headers={
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in prepared.headers.items()
        },
        body=body.encode() if isinstance(body, str) else bytes(body),
    )


def for_client(value: Any, shape: Any) -> Any:
    """Our plain data as botocore's client takes it: timestamps as datetimes."""
    if shape is None:
        return value
    if shape.type_name == "structure" and not shape.metadata.get("document"):
        return {name: for_client(item, shape.members[name]) for name, item in value.items()}
    if shape.type_name == "list":
        return [for_client(item, shape.member) for item in value]
    if shape.type_name == "map":
        return {key: for_client(item, shape.value) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return dt.datetime.fromtimestamp(value, dt.UTC)
    return value


def parsed(service: str, operation: str, protocol: str, response: HttpResponse) -> dict[str, Any]:
    """What botocore's client makes of a reply, with timestamps as floats and without metadata."""
    shape = botocore_model(service).operation_model(operation).output_shape
    result = raw(protocol, response, shape)
    result.pop("ResponseMetadata", None)
    plain: dict[str, Any] = from_client(result)
    return plain


def raw(protocol: str, response: HttpResponse, shape: Any) -> dict[str, Any]:
    """What botocore's parser returns, metadata and all."""
    headers = HeadersDict()
    for name, value in response.headers.items():
        headers[name] = value
    found: dict[str, Any] = botocore.parsers.create_parser(protocol).parse(
        {"body": response.body, "headers": headers, "status_code": response.status}, shape
    )
    return found


def from_client(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: from_client(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_client(item) for item in value]
    if isinstance(value, dt.datetime):
        return round(value.timestamp(), 3)
    return value
