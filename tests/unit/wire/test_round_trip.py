"""Whatever botocore's client sends, we read; whatever we answer, it reads: over every operation of every service."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neargate import wire
from neargate.wire import aws_models as models
from neargate.wire.known_services import SERVICES
from tests.unit.wire import clients, generate

# Old names of operations with the same request as their successors, and a reply that no generic parser reads.
SHADOWED = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
EVENT_STREAMS = {
    "SelectObjectContent",
    "StartLiveTail",
    "GetLogObject",
    "InvokeWithResponseStream",
    "SubscribeToShard",
}
UNPARSED = {"GetBucketLocation"} | EVENT_STREAMS | set(SHADOWED)

PAIRS = [(service, protocol) for service in SERVICES for protocol in clients.protocols(service)]
CASES = [(service, protocol, name) for service, protocol in PAIRS for name in models.operations(service)]


def check_request(service: str, protocol: str, operation: str, choices: generate.Choices, full: bool) -> None:
    shape = models.input_shape(service, operation)
    parameters = generate.structure(shape, choices, required_only=not full) if shape else {}
    if service == "s3" and operation in SHADOWED:
        return
    sent = clients.request(service, operation, protocol, parameters)
    signing = SERVICES[service].signing
    target = wire.recognise(sent, signing)
    assert (target.service, target.operation, target.protocol) == (service, operation, protocol)
    received = wire.decode(target, sent)
    if "ContentLength" not in parameters:
        received.pop("ContentLength", None)  # every HTTP client adds the header
    assert without_empty_payload(shape, received) == without_empty_payload(shape, parameters)


def without_empty_payload(shape: Any, values: dict[str, Any]) -> dict[str, Any]:
    """An absent payload and an empty one are the same request."""
    payload = shape.serialization.get("payload") if shape else None
    return {name: value for name, value in values.items() if name != payload or value not in (b"", {})}


def check_result(service: str, protocol: str, operation: str, choices: generate.Choices, full: bool) -> None:
    shape = models.output_shape(service, operation)
    if operation in UNPARSED:
        return
    result = generate.structure(shape, choices, required_only=not full) if shape else {}
    target = wire.Target(service, operation, protocol)
    response = wire.encode(target, result, "request-1")
    assert response.status < 300
    received = clients.parsed(service, operation, protocol, response)
    assert {name: value for name, value in received.items() if value not in ({}, b"", "")} == expected(
        shape, result
    )


def expected(shape: Any, result: dict[str, Any]) -> dict[str, Any]:
    """What of a result the parser can tell: a streaming body reads as text, an empty reply as nothing."""
    payload = shape.serialization.get("payload") if shape else None
    return {
        name: value.decode() if name == payload and isinstance(value, bytes) else value
        for name, value in result.items()
    }


@pytest.mark.parametrize(("service", "protocol"), PAIRS)
def test_every_operations_request_is_read(service: str, protocol: str) -> None:
    for number, operation in enumerate(models.operations(service)):
        check_request(service, protocol, operation, generate.RandomChoices(number), full=False)
        check_request(service, protocol, operation, generate.RandomChoices(number), full=True)


@pytest.mark.parametrize(("service", "protocol"), PAIRS)
def test_every_operations_result_is_read_by_botocore(service: str, protocol: str) -> None:
    for number, operation in enumerate(models.operations(service)):
        check_result(service, protocol, operation, generate.RandomChoices(number), full=True)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_request_is_read(data: st.DataObject) -> None:
    service, protocol, operation = data.draw(st.sampled_from(CASES))
    check_request(service, protocol, operation, generate.DrawnChoices(data.draw), full=True)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_result_is_read_by_botocore(data: st.DataObject) -> None:
    service, protocol, operation = data.draw(st.sampled_from(CASES))
    check_result(service, protocol, operation, generate.DrawnChoices(data.draw), full=True)
