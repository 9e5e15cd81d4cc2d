"""What is kept of the services that moto answers: the requests that made something, to make it again after a start."""

from __future__ import annotations

from typing import ClassVar

import attrs

# botocore's names of the services that moto may answer. Never one that the delivery itself needs.
SERVICES = frozenset(
    "acm apigateway dynamodb dynamodbstreams efs es events firehose kinesis kms opensearch redshift "
    "resource-groups route53 scheduler sns sqs stepfunctions".split()
)


@attrs.frozen
class MotoRequest:
    """One request that made, changed or removed something. `request` is its members as JSON, bytes in base64.

    `number` orders the requests and seeds moto's source of ids, so that a replay gives what it makes the same ids.
    """

    KIND: ClassVar[str] = "moto.request"

    number: int
    account: str
    region: str
    service: str
    operation: str
    request: str

    @property
    def key(self) -> str:
        return f"{self.number:012d}"
