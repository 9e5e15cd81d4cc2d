"""Event notifications: which events of a bucket go to which queue or topic, and sending them.

Messages are those of S3's event structure 2.1 ("Event message structure" in its user guide), EventBridge's those of
"EventBridge event message structure". They go to SQS, SNS and EventBridge, whoever answers those, inside the
transaction of what happened. Lambda functions are refused.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, Version, canonical_id
from neargate.services.s3.lookup import shown_version, the_bucket
from neargate.wire import timestamps

_RECORD = "notification"
_TARGETS = {"QueueConfigurations": "QueueArn", "TopicConfigurations": "TopicArn"}
_BRIDGE = "EventBridgeConfiguration"
_SERVICES = {"QueueArn": "sqs", "TopicArn": "sns"}


@operation("s3", "PutBucketNotificationConfiguration")
def put_bucket_notification_configuration(cx: Context, request: Json) -> Json:
    """Replaces the whole configuration. Every destination gets S3's test event, and one that cannot is refused."""
    bucket, given = the_bucket(cx, request), request["NotificationConfiguration"]
    if given.get("LambdaFunctionConfigurations"):
        raise not_implemented("s3:PutBucketNotificationConfiguration with LambdaFunctionConfigurations", "s3")
    configuration: Json = {
        name: [_named(cx, target, member) for target in given[name]]
        for name, member in _TARGETS.items()
        if given.get(name)
    }
    if given.get(_BRIDGE) is not None:
        configuration[_BRIDGE] = {}
    if not request.get("SkipDestinationValidation"):
        for arn in _destinations(configuration):
            _test(cx, bucket, arn)
    others = {name: value for name, value in bucket.configurations.items() if name != _RECORD}
    if configuration:
        others[_RECORD] = configuration
    cx.tx.put(attrs.evolve(bucket, configurations=others))
    return {}


def _named(cx: Context, target: Json, member: str) -> Json:
    """A destination with the id that S3 gives it, if need be; checked as far as it can be without asking it."""
    if target[member].split(":")[2:3] != [_SERVICES[member]]:
        raise AwsError(
            "InvalidArgument",
            "The ARN could not be parsed",
            ArgumentName=member,
            ArgumentValue=target[member],
        )
    for rule in target.get("Filter", {}).get("Key", {}).get("FilterRules") or ():
        if str(rule["Name"]).lower() not in {"prefix", "suffix"}:
            raise AwsError("InvalidArgument", "filter rule name must be either prefix or suffix")
    return {**target, "Id": target.get("Id") or cx.ids.uuid()}


@operation("s3", "GetBucketNotificationConfiguration", reads=True)
def get_bucket_notification_configuration(cx: Context, request: Json) -> Json:
    return dict(the_bucket(cx, request).configurations.get(_RECORD, {}))


def _destinations(configuration: Json) -> list[str]:
    arns = [target[member] for name, member in _TARGETS.items() for target in configuration.get(name, ())]
    return list(dict.fromkeys(arns))


def _test(cx: Context, bucket: BucketRecord, arn: str) -> None:
    event = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": timestamps.iso8601(cx.now),
        "Bucket": bucket.name,
        "RequestId": cx.request_id,
        "HostId": canonical_id(bucket.account),
    }
    try:
        _send(cx, arn, event)
    except AwsError as error:
        if error.status >= 500:
            raise
        raise AwsError(
            "InvalidArgument",
            "Unable to validate the following destination configurations",
            ArgumentName=arn,
            ArgumentValue="The destination queue does not exist"
            if arn.split(":")[2] == "sqs"
            else "The destination topic does not exist",
        ) from error


def publish(cx: Context, bucket: BucketRecord, event: str, key: str, version: Version | None) -> None:
    """Tell whoever wants to know that `event` (`ObjectCreated:Put`) happened to a key.

    `version` is what was made or removed; None for a removal without versions. A destination that cannot take it is
    passed over, as S3 does after its attempts: what happened has happened.
    """
    for target, arn in _wanting(bucket, event, key):
        with contextlib.suppress(AwsError):
            _send(cx, arn, {"Records": [_record(cx, bucket, event, key, version, target["Id"])]})
    if _BRIDGE in bucket.configurations.get(_RECORD, {}):
        _put_event(cx, bucket, event, key, version)


def _wanting(bucket: BucketRecord, event: str, key: str) -> Iterator[tuple[Json, str]]:
    configuration = bucket.configurations.get(_RECORD, {})
    for name, member in _TARGETS.items():
        for target in configuration.get(name, ()):
            fits = any(fnmatch.fnmatchcase(f"s3:{event}", pattern) for pattern in target["Events"])
            if fits and _passes(target, key):
                yield target, target[member]


def _passes(target: Json, key: str) -> bool:
    rules = target.get("Filter", {}).get("Key", {}).get("FilterRules") or ()
    return all(
        key.startswith(rule["Value"])
        if str(rule["Name"]).lower() == "prefix"
        else key.endswith(rule["Value"])
        for rule in rules
    )


def _record(
    cx: Context, bucket: BucketRecord, event: str, key: str, version: Version | None, configuration_id: str
) -> Json:
    described: Json = {"key": quote_plus(key, safe="/")}
    if version is not None and not version.is_marker and event.startswith("ObjectCreated:"):
        described.update({"size": version.size, "eTag": version.etag})
    if version is not None and shown_version(bucket, version):
        described["versionId"] = version.id
    described["sequencer"] = f"{int(cx.now * 1000):016X}"
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": timestamps.iso8601(cx.now),
        "eventName": event,
        "userIdentity": {"principalId": f"AWS:{cx.account}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": cx.request_id,
            "x-amz-id-2": canonical_id(bucket.account),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": bucket.account},
                "arn": bucket.arn,
            },
            "object": described,
        },
    }


_DELETIONS = {"Delete": "Permanently Deleted", "DeleteMarkerCreated": "Delete Marker Created"}
_REASONS = {"Put": "PutObject", "Copy": "CopyObject", "CompleteMultipartUpload": "CompleteMultipartUpload"}


def _put_event(cx: Context, bucket: BucketRecord, event: str, key: str, version: Version | None) -> None:
    """EventBridge's default bus hears of every event."""
    what, _, how = event.partition(":")
    described: Json = {"key": key, "sequencer": f"{int(cx.now * 1000):016X}"}
    if version is not None and what == "ObjectCreated":
        described.update({"size": version.size, "etag": version.etag})
    if version is not None and shown_version(bucket, version):
        described["version-id"] = version.id
    detail: Json = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": described,
        "request-id": cx.request_id,
        "requester": cx.account,
        "source-ip-address": "127.0.0.1",
        "reason": _REASONS.get(how, "DeleteObject"),
    }
    if what == "ObjectRemoved":
        detail["deletion-type"] = _DELETIONS[how]
    entry = {
        "Source": "aws.s3",
        "DetailType": "Object Created" if what == "ObjectCreated" else "Object Deleted",
        "Detail": json.dumps(detail),
        "Resources": [bucket.arn],
    }
    with contextlib.suppress(AwsError):
        cx.invoke("events", "PutEvents", {"Entries": [entry]})


def _send(cx: Context, arn: str, event: dict[str, Any]) -> None:
    _, _, service, _, account, name = arn.split(":", 5)
    text = json.dumps(event, separators=(",", ":"))
    if service == "sns":
        cx.invoke("sns", "Publish", {"TopicArn": arn, "Subject": "Amazon S3 Notification", "Message": text})
        return
    queue = cx.invoke("sqs", "GetQueueUrl", {"QueueName": name, "QueueOwnerAWSAccountId": account})
    cx.invoke("sqs", "SendMessage", {"QueueUrl": queue["QueueUrl"], "MessageBody": text})
