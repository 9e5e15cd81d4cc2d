"""SNS: attributes that moto keeps and does not give back; subscriptions that wait for a confirmation."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Asked, Correction

# attributes of a topic that moto keeps and does not give back: their names there
_KEPT = {
    "ArchivePolicy": "archive_policy",
    "FifoThroughputScope": "fifo_throughput_scope",
    "SignatureVersion": "signature_version",
    "TracingConfig": "tracing_config",
}
_MAIL = ("email", "email-json")


def _topic(asked: Asked, answer: Json) -> Json:
    from moto.sns.models import sns_backends

    topic = sns_backends[asked.account][asked.region].topics.get(asked.request["TopicArn"])
    kept = {name: getattr(topic, member, "") for name, member in _KEPT.items()}
    attributes = {**answer["Attributes"], **{name: value for name, value in kept.items() if value}}
    if not attributes.get("DeliveryPolicy"):
        attributes.pop("DeliveryPolicy", None)
    return {**answer, "Attributes": attributes}


def _subscription(asked: Asked, answer: Json) -> Json:
    attributes = {
        "SubscriptionPrincipal": f"arn:aws:iam::{asked.account}:root",
        **{name: value for name, value in answer["Attributes"].items() if value not in ("", "{}")},
    }
    if attributes["Protocol"] in _MAIL:  # nobody gets the mail, so nobody confirms
        attributes |= {"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false"}
    return {**answer, "Attributes": attributes}


def _subscriptions(asked: Asked, answer: Json) -> Json:
    def seen(each: Json) -> Json:
        return {**each, "SubscriptionArn": "PendingConfirmation"} if each["Protocol"] in _MAIL else each

    return {**answer, "Subscriptions": [seen(each) for each in answer["Subscriptions"]]}


CORRECTIONS: dict[str, Correction] = {
    "GetSubscriptionAttributes": _subscription,
    "GetTopicAttributes": _topic,
    "ListSubscriptions": _subscriptions,
    "ListSubscriptionsByTopic": _subscriptions,
}
