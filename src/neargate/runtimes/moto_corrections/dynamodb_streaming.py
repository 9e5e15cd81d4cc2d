"""A table's changes to Kinesis streams, which moto does not send; and no changes to a stream that was switched off."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Addition, Asked

_ACTIVE, _DISABLED = "ACTIVE", "DISABLED"


def table_of(asked: Asked) -> Any:
    """moto's table. Raises AwsError (ResourceNotFoundException)."""
    from moto.dynamodb.models import dynamodb_backends

    name = str(asked.request["TableName"])
    table: Any = dynamodb_backends[asked.account][asked.region].tables.get(name.rpartition("/")[2])
    if table is None:
        raise AwsError("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    return table


def settle(table: Any) -> None:
    """Let the table tell its changes to whom they go: its own stream, Kinesis streams, both or nobody."""
    if not has_stream(table):
        table.stream_shard = None
    if _ACTIVE in _destinations(table).values():
        table.stream_shard = _forwarding(table)


def has_stream(table: Any) -> bool:
    return bool((table.stream_specification or {}).get("StreamEnabled"))


def _destinations(table: Any) -> dict[str, str]:
    """The streams' ARNs, and whether each gets changes."""
    found: dict[str, str] = getattr(table, "neargate_destinations", {})
    return found


def _forwarding(table: Any) -> Any:
    """A stream shard that sends what it is told to the table's Kinesis streams too."""
    from moto.dynamodb.models.table import StreamRecord, StreamShard

    class Forwarding(StreamShard):
        def add(self, old: Any, new: Any) -> None:
            if has_stream(self.table):
                super().add(old, new)
            event = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
            record = StreamRecord(self.table, "NEW_AND_OLD_IMAGES", event, old, new, 0).to_json()
            for arn, status in _destinations(self.table).items():
                if status == _ACTIVE:
                    _send(self.table, arn, record)

    shard = Forwarding(table.account_id, table)
    if table.stream_shard is not None:
        shard.__dict__.update(table.stream_shard.__dict__)
    return shard


def _send(table: Any, arn: str, record: Json) -> None:
    from moto.kinesis.models import kinesis_backends

    stream = kinesis_backends[table.account_id][arn.split(":")[3]].streams.get(arn.rpartition("/")[2])
    if stream is None:
        return
    change = {key: value for key, value in record["dynamodb"].items() if key not in _ONLY_IN_STREAMS}
    at = int(record["dynamodb"]["ApproximateCreationDateTime"].timestamp() * 1000)
    told = {
        "awsRegion": table.region_name,
        "eventID": str(uuid4()),
        "eventName": record["eventName"],
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": table.name,
        "dynamodb": {**change, "ApproximateCreationDateTime": at},
        "eventSource": "aws:dynamodb",
    }
    data = base64.b64encode(json.dumps(told).encode()).decode()
    stream.put_record(json.dumps(change["Keys"]), "", data)


_ONLY_IN_STREAMS = frozenset({"SequenceNumber", "StreamViewType"})


# -- operations -----------------------------------------------------------------------------------------------


def _enable(asked: Asked) -> Json:
    table, arn = table_of(asked), asked.request["StreamArn"]
    if _destinations(table).get(arn) == _ACTIVE:
        raise AwsError(
            "ValidationException",
            "Table is not in a valid state to enable Kinesis Streaming Destination: "
            "KinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.",
        )
    table.neargate_destinations = {**_destinations(table), arn: _ACTIVE}
    settle(table)
    return {"TableName": table.name, "StreamArn": arn, "DestinationStatus": "ENABLING"}


def _disable(asked: Asked) -> Json:
    table, arn = table_of(asked), asked.request["StreamArn"]
    if _destinations(table).get(arn) != _ACTIVE:
        raise AwsError(
            "ValidationException",
            "Table is not in a valid state to disable Kinesis Streaming Destination: "
            "KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.",
        )
    table.neargate_destinations = {**_destinations(table), arn: _DISABLED}
    settle(table)
    return {"TableName": table.name, "StreamArn": arn, "DestinationStatus": "DISABLING"}


def _describe(asked: Asked) -> Json:
    table = table_of(asked)
    seen = [{"StreamArn": arn, "DestinationStatus": status} for arn, status in _destinations(table).items()]
    return {"TableName": table.name, "KinesisDataStreamDestinations": seen}


ADDITIONS: dict[str, Addition] = {
    "DescribeKinesisStreamingDestination": _describe,
    "DisableKinesisStreamingDestination": _disable,
    "EnableKinesisStreamingDestination": _enable,
}
