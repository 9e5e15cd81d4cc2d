"""Where moto's answer is not the one that AWS gives (snapshots of LocalStack's tests, recorded on AWS): corrected here.

Only what moto knows is said otherwise: nothing is made up that it does not do. A module for each service; it may have
`PREPARATIONS` (of requests), `CORRECTIONS` (of answers) and `ADDITIONS` (operations that moto lacks though it has the
nouns for them), by operation. A correction that moto's own later release makes needless can go.
"""

from __future__ import annotations

from types import ModuleType

from neargate.model.records import Json
from neargate.runtimes.moto_corrections import (
    apigateway,
    dynamodb,
    events,
    firehose,
    kinesis,
    opensearch,
    sns,
    sqs,
    stepfunctions,
)
from neargate.runtimes.moto_corrections.asked import Addition, Asked

__all__ = ["Asked", "added", "corrected", "prepared"]

_MODULES: dict[str, ModuleType] = {
    "apigateway": apigateway,
    "dynamodb": dynamodb,
    "es": opensearch,
    "events": events,
    "firehose": firehose,
    "kinesis": kinesis,
    "opensearch": opensearch,
    "sns": sns,
    "sqs": sqs,
    "stepfunctions": stepfunctions,
}


def prepared(service: str, operation: str, asked: Asked) -> Json:
    """The request as moto must be asked to do what AWS does."""
    found = getattr(_MODULES.get(service), "PREPARATIONS", {}).get(operation)
    request: Json = found(asked) if found else asked.request
    return request


def added(service: str, operation: str) -> Addition | None:
    """An operation that moto lacks though it has the nouns for it."""
    found: Addition | None = getattr(_MODULES.get(service), "ADDITIONS", {}).get(operation)
    return found


def corrected(service: str, operation: str, asked: Asked, answer: Json) -> Json:
    """The answer as AWS gives it."""
    found = getattr(_MODULES.get(service), "CORRECTIONS", {}).get(operation)
    right: Json = found(asked, answer) if found else answer
    return right
