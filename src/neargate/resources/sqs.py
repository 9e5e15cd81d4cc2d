"""AWS::SQS::Queue, QueuePolicy, QueueInlinePolicy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.planners.physical_names import physical_name
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import (
    attribute,
    by_name,
    document,
    errors_of,
    flag,
    missing_is_fine,
    must_not_exist,
    or_undone,
    pick,
)
from neargate.resources.tagging import Tagging

_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_TAGGING = Tagging("sqs", "QueueUrl", form=dict, tag="TagQueue", untag="UntagQueue", at_creation="tags")
_error = errors_of("Sqs", {**dict.fromkeys(_MISSING, "NotFound"), "QueueNameExists": "AlreadyExists"})

# -- queue -------------------------------------------------------------------------------------------------

# what SetQueueAttributes takes, and what stands where a template says nothing
_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "DelaySeconds": "0",
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}


def _fifo(properties: Mapping[str, Any]) -> str:
    return ".fifo" if flag(properties.get("FifoQueue")) else ""


def _create_queue(want: Desired) -> Steps[Identity]:
    p = want.properties
    yield from must_not_exist(Call("sqs", "GetQueueUrl", {"QueueName": want.name}), *_MISSING)
    attributes = {name: attribute(value) for name, value in pick(p, _DEFAULTS).items()}
    if flag(p.get("FifoQueue")):
        attributes["FifoQueue"] = "true"
    request: Json = {"QueueName": want.name, "Attributes": attributes, **_TAGGING.at_create(want)}
    answer = yield Call("sqs", "CreateQueue", request)
    return Identity(answer["QueueUrl"])


def _update_queue(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    fresh = {}
    for name, default in _DEFAULTS.items():
        value = attribute(now.get(name, default))
        if value != attribute(was.get(name, default)):
            fresh[name] = value
    if fresh:
        yield Call("sqs", "SetQueueAttributes", {"QueueUrl": old.id, "Attributes": fresh})
    yield from _TAGGING.change(old, want)


def _read_queue(existing: Existing) -> Steps[Json]:
    asked = {"QueueUrl": existing.id, "AttributeNames": ["QueueArn"]}
    answer = yield Call("sqs", "GetQueueAttributes", asked)
    return {
        **existing.desired.properties,
        "Arn": answer["Attributes"]["QueueArn"],
        "QueueName": existing.id.rpartition("/")[2],
        "QueueUrl": existing.id,
    }


def _delete_queue(existing: Existing) -> Steps[None]:
    yield Call("sqs", "DeleteQueue", {"QueueUrl": existing.id})


# -- policies ----------------------------------------------------------------------------------------------


def _set_policy(queue: str, policy: str) -> Call:
    return Call("sqs", "SetQueueAttributes", {"QueueUrl": queue, "Attributes": {"Policy": policy}})


def _drop(queues: Iterable[str]) -> Steps[None]:
    for queue in queues:
        yield from missing_is_fine(_set_policy(queue, ""), *_MISSING)


def _put(want: Desired) -> Steps[None]:
    for queue in want.properties["Queues"]:
        yield _set_policy(queue, document(want.properties["PolicyDocument"]))


def _create_policy(want: Desired) -> Steps[Identity]:
    yield from or_undone(_put(want), _drop(want.properties["Queues"]))
    return Identity(physical_name("registry", 255, want.stack_name, want.logical_id, want.token))


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    now = want.properties["Queues"]
    yield from _drop(queue for queue in old.desired.properties["Queues"] if queue not in now)
    yield from _put(want)


def _read_policy(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_policy(existing: Existing) -> Steps[None]:
    yield from _drop(existing.desired.properties["Queues"])


def _create_inline(want: Desired) -> Steps[Identity]:
    queue = str(want.properties["Queue"])
    found = yield Call("sqs", "GetQueueAttributes", {"QueueUrl": queue, "AttributeNames": ["Policy"]})
    if found.get("Attributes", {}).get("Policy"):
        raise AwsError("AlreadyExists", "A policy already exists for the queue")
    yield _set_policy(queue, document(want.properties["PolicyDocument"]))
    return Identity(queue)


def _update_inline(old: Existing, want: Desired) -> Steps[None]:
    yield _set_policy(old.id, document(want.properties["PolicyDocument"]))


def _read_inline(existing: Existing) -> Steps[Json]:
    yield Call("sqs", "GetQueueAttributes", {"QueueUrl": existing.id, "AttributeNames": ["Policy"]})
    return {}


def _delete_inline(existing: Existing) -> Steps[None]:
    yield from _drop([existing.id])


TYPES = by_name(
    ResourceType(
        type="AWS::SQS::Queue",
        honoured=frozenset({*_DEFAULTS, "FifoQueue", "QueueName", "Tags"}),
        naming=Naming("QueueName", max_length=80, ending=_fifo),
        create=_create_queue,
        read=_read_queue,
        update=_update_queue,
        delete=_delete_queue,
        error=_error,
    ),
    ResourceType(
        type="AWS::SQS::QueuePolicy",
        honoured=frozenset({"PolicyDocument", "Queues"}),
        create=_create_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
        error=_error,
    ),
    ResourceType(
        type="AWS::SQS::QueueInlinePolicy",
        honoured=frozenset({"PolicyDocument", "Queue"}),
        create=_create_inline,
        read=_read_inline,
        update=_update_inline,
        delete=_delete_inline,
        error=_error,
    ),
)
