"""AWS::KinesisFirehose::DeliveryStream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, changed, errors_of, pick
from neargate.resources.tagging import Tagging

_TAGGING = Tagging("firehose", "DeliveryStreamName", tag="TagDeliveryStream", untag="UntagDeliveryStream")
_error = errors_of("Firehose", {"ResourceInUseException": "AlreadyExists"})
_ENCRYPTION = "DeliveryStreamEncryptionConfigurationInput"
_SOURCE = ("DeliveryStreamType", "KinesisStreamSourceConfiguration")
# a destination's property, and the member of UpdateDestination that changes it
_DESTINATIONS = {
    "ExtendedS3DestinationConfiguration": "ExtendedS3DestinationUpdate",
    "HttpEndpointDestinationConfiguration": "HttpEndpointDestinationUpdate",
    "RedshiftDestinationConfiguration": "RedshiftDestinationUpdate",
    "S3DestinationConfiguration": "S3DestinationUpdate",
}


def _create(want: Desired) -> Steps[Identity]:
    members = pick(want.properties, (*_SOURCE, _ENCRYPTION, *_DESTINATIONS))
    name = {"DeliveryStreamName": want.name}
    yield call("firehose", "CreateDeliveryStream", {**name, **members, **_TAGGING.at_create(want)})
    return Identity(want.name or "")


def _update(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    for name, member in _DESTINATIONS.items():
        if changed(was, now, name):
            yield from _change_destination(old.id, member, name, now)
    if changed(was, now, _ENCRYPTION):
        stream = {"DeliveryStreamName": old.id}
        if now.get(_ENCRYPTION):
            request = {**stream, _ENCRYPTION: now[_ENCRYPTION]}
            yield call("firehose", "StartDeliveryStreamEncryption", request)
        else:
            yield Call("firehose", "StopDeliveryStreamEncryption", stream)
    yield from _TAGGING.change(old, want)


def _change_destination(stream: str, member: str, name: str, now: Mapping[str, Any]) -> Steps[None]:
    if name not in now:
        raise AwsError("InvalidArgumentException", f"{name} cannot be removed from a delivery stream")
    answer = yield Call("firehose", "DescribeDeliveryStream", {"DeliveryStreamName": stream})
    described = answer["DeliveryStreamDescription"]
    request = {
        "DeliveryStreamName": stream,
        "CurrentDeliveryStreamVersionId": described["VersionId"],
        "DestinationId": described["Destinations"][0]["DestinationId"],
        member: now[name],
    }
    yield call("firehose", "UpdateDestination", request)


def _read(existing: Existing) -> Steps[Json]:
    request = {"DeliveryStreamName": existing.id}
    answer = yield Call("firehose", "DescribeDeliveryStream", request)
    return {"Arn": answer["DeliveryStreamDescription"]["DeliveryStreamARN"]}


def _delete(existing: Existing) -> Steps[None]:
    yield Call("firehose", "DeleteDeliveryStream", {"DeliveryStreamName": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::KinesisFirehose::DeliveryStream",
        honoured=frozenset({*_SOURCE, *_DESTINATIONS, _ENCRYPTION, "DeliveryStreamName", "Tags"}),
        naming=Naming("DeliveryStreamName", max_length=64),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    )
)
