"""Kinesis: sequence numbers and consumers' ARNs as long as AWS makes them."""

from __future__ import annotations

import zlib
from typing import Any

from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Asked, Correction, Preparation

# moto counts records from 0; Kinesis's sequence numbers have 56 digits
_FIRST = 49 * 10**54
_NUMBERS = frozenset(
    {"ContinuationSequenceNumber", "EndingSequenceNumber", "SequenceNumber", "StartingSequenceNumber"}
)


def _counted(asked: Asked, answer: Json) -> Json:
    return {name: _in_full(name, value) for name, value in answer.items()}


def _in_full(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_full(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_full(name, item) for item in value]
    if name in _NUMBERS and isinstance(value, str):
        return str(_FIRST + int(value))
    return value


def _from(asked: Asked) -> Json:
    number = asked.request.get("StartingSequenceNumber")
    if number is None or int(number) < _FIRST:
        return asked.request
    return {**asked.request, "StartingSequenceNumber": str(int(number) - _FIRST)}


def _described(asked: Asked, answer: Json) -> Json:
    from moto.kinesis.models import kinesis_backends

    found = _counted(asked, answer)
    name = found["StreamDescription"]["StreamName"]
    mode = kinesis_backends[asked.account][asked.region].streams[name].stream_mode
    return {"StreamDescription": {"StreamModeDetails": mode, **found["StreamDescription"]}}


def _registered(asked: Asked, answer: Json) -> Json:
    """A consumer's ARN ends in the second of its making; here in a number that is the same after a restart."""
    from moto.kinesis.models import kinesis_backends

    arn = answer["Consumer"]["ConsumerARN"]
    consumer = (
        kinesis_backends[asked.account][asked.region]
        .streams[asked.request["StreamARN"].rpartition("/")[2]]
        .get_consumer_by_arn(arn)
    )
    assert consumer is not None
    consumer.consumer_arn = f"{arn}:{10**9 + zlib.crc32(arn.encode()) % 10**9}"
    return {"Consumer": {**answer["Consumer"], "ConsumerARN": consumer.consumer_arn}}


PREPARATIONS: dict[str, Preparation] = {"GetShardIterator": _from}
CORRECTIONS: dict[str, Correction] = {
    "DescribeStream": _described,
    "GetRecords": _counted,
    "ListShards": _counted,
    "PutRecord": _counted,
    "PutRecords": _counted,
    "RegisterStreamConsumer": _registered,
}
