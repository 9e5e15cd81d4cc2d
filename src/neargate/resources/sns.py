"""AWS::SNS::Topic, Subscription, TopicPolicy, TopicInlinePolicy."""

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
    changed,
    document,
    errors_of,
    flag,
    missing_is_fine,
    must_not_exist,
    or_undone,
    pick,
)
from neargate.resources.tagging import Tagging

_TAGGING = Tagging("sns", "ResourceArn")
_error = errors_of("Sns", {"InvalidParameter": "InvalidRequest", "NotFound": "NotFound"})


# -- topic -------------------------------------------------------------------------------------------------

# what SetTopicAttributes takes, and what stands where a template says nothing
_TOPIC_DEFAULTS = {
    "ArchivePolicy": "{}",
    "ContentBasedDeduplication": "false",
    "DisplayName": "",
    "FifoThroughputScope": "Topic",
    "KmsMasterKeyId": "",
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
}


def _fifo(properties: Mapping[str, Any]) -> str:
    return ".fifo" if flag(properties.get("FifoTopic")) else ""


def _topic_arn(want: Desired) -> str:
    return f"arn:aws:sns:{want.region}:{want.account}:{want.name}"


def _text(name: str, value: Any) -> str:
    """An attribute's text. An archive policy's numbers are texts (snapshot of LocalStack's tests)."""
    if name == "ArchivePolicy" and isinstance(value, Mapping):
        return document({key: attribute(item) for key, item in value.items()})
    return attribute(value)


def _create_topic(want: Desired) -> Steps[Identity]:
    p, arn = want.properties, _topic_arn(want)
    yield from must_not_exist(Call("sns", "GetTopicAttributes", {"TopicArn": arn}), "NotFound")
    attributes = {name: _text(name, value) for name, value in pick(p, _TOPIC_DEFAULTS).items()}
    if flag(p.get("FifoTopic")):
        attributes["FifoTopic"] = "true"
    request: Json = {"Name": want.name, "Attributes": attributes, **_TAGGING.at_create(want)}
    yield Call("sns", "CreateTopic", request)
    undo = _delete_topic(Existing(arn, want))
    yield from or_undone(_subscribe(arn, p.get("Subscription") or ()), undo)
    return Identity(arn)


def _subscribe(topic: str, subscriptions: Iterable[Json]) -> Steps[None]:
    for one in subscriptions:
        request = {"TopicArn": topic, "Protocol": one["Protocol"], "Endpoint": one["Endpoint"]}
        yield Call("sns", "Subscribe", request)


def _update_topic(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    for name, default in _TOPIC_DEFAULTS.items():
        value = _text(name, now.get(name, default))
        if value != _text(name, was.get(name, default)):
            request = {"TopicArn": old.id, "AttributeName": name, "AttributeValue": value}
            yield Call("sns", "SetTopicAttributes", request)
    before, after = was.get("Subscription") or [], now.get("Subscription") or []
    yield from _unsubscribe(old.id, [one for one in before if one not in after])
    yield from _subscribe(old.id, [one for one in after if one not in before])
    yield from _TAGGING.change(old, want)


def _unsubscribe(topic: str, subscriptions: list[Json]) -> Steps[None]:
    if not subscriptions:
        return
    listed = yield Call("sns", "ListSubscriptionsByTopic", {"TopicArn": topic})
    gone = [(one["Protocol"], one["Endpoint"]) for one in subscriptions]
    for one in listed["Subscriptions"]:
        if (one["Protocol"], one["Endpoint"]) in gone and one["SubscriptionArn"].startswith("arn:"):
            yield Call("sns", "Unsubscribe", {"SubscriptionArn": one["SubscriptionArn"]})


def _read_topic(existing: Existing) -> Steps[Json]:
    yield Call("sns", "GetTopicAttributes", {"TopicArn": existing.id})
    name = existing.id.rpartition(":")[2]
    return {**existing.desired.properties, "TopicArn": existing.id, "TopicName": name}


def _delete_topic(existing: Existing) -> Steps[None]:
    yield Call("sns", "DeleteTopic", {"TopicArn": existing.id})


# -- subscription ------------------------------------------------------------------------------------------

# what SetSubscriptionAttributes takes, and what takes a removed one back; the scope goes before the policy it is for
_SUBSCRIPTION_DEFAULTS = {
    "FilterPolicyScope": "MessageAttributes",
    "FilterPolicy": "",
    "DeliveryPolicy": "",
    "RawMessageDelivery": "false",
    "RedrivePolicy": "",
    "SubscriptionRoleArn": "",
}


def _region(want: Desired) -> str | None:
    """The topic's region where a subscription names it: its calls go there."""
    region = want.properties.get("Region")
    return str(region) if region else None


def _create_subscription(want: Desired) -> Steps[Identity]:
    p = want.properties
    attributes = {name: attribute(value) for name, value in pick(p, _SUBSCRIPTION_DEFAULTS).items()}
    request: Json = {
        **pick(p, ("TopicArn", "Protocol", "Endpoint")),
        "Attributes": attributes,
        "ReturnSubscriptionArn": True,
    }
    answer = yield Call("sns", "Subscribe", request, _region(want))
    return Identity(answer["SubscriptionArn"])


def _update_subscription(old: Existing, want: Desired) -> Steps[None]:
    for name, default in _SUBSCRIPTION_DEFAULTS.items():
        value = attribute(want.properties.get(name, default))
        if value != attribute(old.desired.properties.get(name, default)):
            request = {"SubscriptionArn": old.id, "AttributeName": name, "AttributeValue": value}
            yield Call("sns", "SetSubscriptionAttributes", request, _region(want))


def _read_subscription(existing: Existing) -> Steps[Json]:
    request = {"SubscriptionArn": existing.id}
    yield Call("sns", "GetSubscriptionAttributes", request, _region(existing.desired))
    return {"Arn": existing.id}


def _delete_subscription(existing: Existing) -> Steps[None]:
    yield Call("sns", "Unsubscribe", {"SubscriptionArn": existing.id}, _region(existing.desired))


# -- policies ----------------------------------------------------------------------------------------------

_DEFAULT_ACTIONS = (
    "GetTopicAttributes SetTopicAttributes AddPermission RemovePermission DeleteTopic Subscribe "
    "ListSubscriptionsByTopic Publish"
).split()


def _set_policy(topic: str, policy: str) -> Call:
    request = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy}
    return Call("sns", "SetTopicAttributes", request)


def _set_policies(want: Desired) -> Steps[None]:
    for topic in want.properties["Topics"]:
        yield _set_policy(topic, document(want.properties["PolicyDocument"]))


def _default_policy(topic: str, account: str) -> str:
    """The policy that a topic has from its creation: what deleting a policy leaves (snapshot of LocalStack's tests)."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in _DEFAULT_ACTIONS],
        "Resource": topic,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return document({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def _reset(topics: Iterable[str], account: str) -> Steps[None]:
    for topic in topics:
        yield from missing_is_fine(_set_policy(topic, _default_policy(topic, account)), "NotFound")


def _create_policy(want: Desired) -> Steps[Identity]:
    topics = want.properties["Topics"]
    yield from or_undone(_set_policies(want), _reset(topics, want.account))
    return Identity(physical_name("registry", 255, want.stack_name, want.logical_id, want.token))


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    now = want.properties["Topics"]
    yield from _reset((topic for topic in old.desired.properties["Topics"] if topic not in now), want.account)
    yield from _set_policies(want)


def _read_policy(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_policy(existing: Existing) -> Steps[None]:
    yield from _reset(existing.desired.properties["Topics"], existing.desired.account)


def _create_inline(want: Desired) -> Steps[Identity]:
    topic = str(want.properties["TopicArn"])
    found = yield Call("sns", "GetTopicAttributes", {"TopicArn": topic})
    if "__default_policy_ID" not in found["Attributes"].get("Policy", "__default_policy_ID"):
        raise AwsError("AlreadyExists", "A policy already exists for the topic")
    yield _set_policy(topic, document(want.properties["PolicyDocument"]))
    return Identity(topic)


def _update_inline(old: Existing, want: Desired) -> Steps[None]:
    yield _set_policy(old.id, document(want.properties["PolicyDocument"]))


def _read_inline(existing: Existing) -> Steps[Json]:
    yield Call("sns", "GetTopicAttributes", {"TopicArn": existing.id})
    return {}


def _delete_inline(existing: Existing) -> Steps[None]:
    yield from _reset([existing.id], existing.desired.account)


TYPES = by_name(
    ResourceType(
        type="AWS::SNS::Topic",
        honoured=frozenset({*_TOPIC_DEFAULTS, "FifoTopic", "Subscription", "Tags", "TopicName"}),
        naming=Naming("TopicName", max_length=256, ending=_fifo),
        create=_create_topic,
        read=_read_topic,
        update=_update_topic,
        delete=_delete_topic,
        error=_error,
    ),
    ResourceType(
        type="AWS::SNS::Subscription",
        honoured=frozenset({*_SUBSCRIPTION_DEFAULTS, "Endpoint", "Protocol", "Region", "TopicArn"}),
        replaces=lambda was, now: changed(was, now, "Region"),
        create=_create_subscription,
        read=_read_subscription,
        update=_update_subscription,
        delete=_delete_subscription,
        error=_error,
    ),
    ResourceType(
        type="AWS::SNS::TopicPolicy",
        honoured=frozenset({"PolicyDocument", "Topics"}),
        create=_create_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
        error=_error,
    ),
    ResourceType(
        type="AWS::SNS::TopicInlinePolicy",
        honoured=frozenset({"PolicyDocument", "TopicArn"}),
        create=_create_inline,
        read=_read_inline,
        update=_update_inline,
        delete=_delete_inline,
        error=_error,
    ),
)
