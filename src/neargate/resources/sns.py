"""AWS::SNS::Topic, over the SNS that moto answers."""

from __future__ import annotations

import json
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
    handler_code,
    sdk_error,
)

# Properties that are attributes of the topic, with what stands where a template takes one away.
_ATTRIBUTES = {
    "DisplayName": "",
    "KmsMasterKeyId": "",
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
    "ContentBasedDeduplication": "false",
    "ArchivePolicy": "{}",
    "FifoThroughputScope": "Topic",
}


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return sdk_error("Sns", error), handler_code(error)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _create_topic(want: Desired) -> Steps[Identity]:
    p = want.properties
    attributes = {name: _text(p[name]) for name in _ATTRIBUTES if name in p}
    name = want.name or ""
    if _text(p.get("FifoTopic", "")) == "true":
        attributes["FifoTopic"] = "true"
        name = name if name.endswith(".fifo") else f"{name}.fifo"
    request: Json = {"Name": name, "Attributes": attributes}
    if want.all_tags:
        request["Tags"] = upper(want.all_tags)
    arn = (yield Call("sns", "CreateTopic", request))["TopicArn"]
    if "DataProtectionPolicy" in p:
        yield _protect(arn, p["DataProtectionPolicy"])
    for subscription in p.get("Subscription") or ():
        yield _subscribe(arn, subscription)
    return Identity(arn)


def _protect(arn: str, policy: Any) -> Call:
    return Call("sns", "PutDataProtectionPolicy", {"ResourceArn": arn, "DataProtectionPolicy": _text(policy)})


def _subscribe(arn: str, subscription: Json) -> Call:
    request = {
        "TopicArn": arn,
        "Protocol": subscription["Protocol"],
        "Endpoint": subscription["Endpoint"],
    }
    return Call("sns", "Subscribe", request)


def _update_topic(old: Existing, want: Desired) -> Steps[None]:
    before, p = old.desired.properties, want.properties
    for name, default in _ATTRIBUTES.items():
        now = _text(p.get(name, default))
        if now != _text(before.get(name, default)):
            yield Call(
                "sns",
                "SetTopicAttributes",
                {"TopicArn": old.id, "AttributeName": name, "AttributeValue": now},
            )
    if p.get("DataProtectionPolicy") != before.get("DataProtectionPolicy"):
        yield _protect(old.id, p.get("DataProtectionPolicy", ""))
    yield from _resubscribe(old.id, before.get("Subscription") or [], p.get("Subscription") or [])
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("sns", "UntagResource", {"ResourceArn": old.id, "TagKeys": gone})
    if want.all_tags:
        yield Call("sns", "TagResource", {"ResourceArn": old.id, "Tags": upper(want.all_tags)})


def _resubscribe(arn: str, before: list[Json], now: list[Json]) -> Steps[None]:
    for subscription in now:
        if subscription not in before:
            yield _subscribe(arn, subscription)
    gone = [(s["Protocol"], s["Endpoint"]) for s in before if s not in now]
    if gone:
        answer = yield Call("sns", "ListSubscriptionsByTopic", {"TopicArn": arn})
        for subscription in answer["Subscriptions"]:
            if (subscription["Protocol"], subscription["Endpoint"]) in gone:
                yield Call("sns", "Unsubscribe", {"SubscriptionArn": subscription["SubscriptionArn"]})


def _read_topic(existing: Existing) -> Steps[Json]:
    yield Call("sns", "GetTopicAttributes", {"TopicArn": existing.id})
    return {"TopicArn": existing.id, "TopicName": existing.id.rpartition(":")[2]}


def _delete_topic(existing: Existing) -> Steps[None]:
    yield Call("sns", "DeleteTopic", {"TopicArn": existing.id})


TYPES = {
    "AWS::SNS::Topic": ResourceType(
        type="AWS::SNS::Topic",
        honoured=frozenset(
            {*_ATTRIBUTES, "DataProtectionPolicy", "FifoTopic", "Subscription", "Tags", "TopicName"}
        ),
        naming=Naming("TopicName", max_length=256),
        create=_create_topic,
        read=_read_topic,
        update=_update_topic,
        delete=_delete_topic,
        error=_error,
    )
}
