"""Where moto's answer is not the one that AWS gives (snapshots of LocalStack's tests, recorded on AWS): corrected here.

Only what moto knows is said otherwise: nothing is made up that it does not do. A correction that moto's own later
release makes needless can go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import attrs

from neargate.model.records import Json


@attrs.frozen
class Asked:
    """The request that an answer belongs to, and for whom."""

    account: str
    region: str
    request: Json


Correction = Callable[[Asked, Json], Json]
Preparation = Callable[[Asked], Json]


def prepared(service: str, operation: str, asked: Asked) -> Json:
    """The request as moto must be asked to do what AWS does."""
    found = _PREPARATIONS.get(f"{service}:{operation}")
    return found(asked) if found else asked.request


def corrected(service: str, operation: str, asked: Asked, answer: Json) -> Json:
    """The answer as AWS gives it."""
    found = _CORRECTIONS.get(f"{service}:{operation}")
    return found(asked, answer) if found else answer


# -- DynamoDB -----------------------------------------------------------------------------------------------


def _table(asked: Asked, answer: Json) -> Json:
    member = "Table" if "Table" in answer else "TableDescription"
    return {**answer, member: _described(answer[member])}


def _described(table: Json) -> Json:
    found = {name: value for name, value in table.items() if value != []}
    found["TableId"] = str(uuid5(NAMESPACE_URL, table["TableArn"]))  # the same after a restart
    found["AttributeDefinitions"] = sorted(
        table["AttributeDefinitions"], key=lambda each: str(each["AttributeName"])
    )
    billing = found.pop("BillingModeSummary", {})
    if billing.get("BillingMode") == "PAY_PER_REQUEST":
        since = {"LastUpdateToPayPerRequestDateTime": table["CreationDateTime"]}
        found["BillingModeSummary"] = {**since, **billing}
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if kind in found:
            found[kind] = [_index(table["TableArn"], each) for each in found[kind]]
    return found


def _index(table: str, index: Json) -> Json:
    found = {"IndexArn": f"{table}/index/{index['IndexName']}", "IndexSizeBytes": 0, "ItemCount": 0, **index}
    if "ProvisionedThroughput" in found:
        found["ProvisionedThroughput"] = {"NumberOfDecreasesToday": 0, **found["ProvisionedThroughput"]}
    return found


def _stream_off(asked: Asked) -> Json:
    """After a stream was switched off another one can be switched on."""
    stream = asked.request.get("StreamSpecification") or {}
    if stream.get("StreamEnabled"):
        from moto.dynamodb.models import dynamodb_backends

        table = dynamodb_backends[asked.account][asked.region].tables.get(asked.request["TableName"])
        if table is not None and not (table.stream_specification or {}).get("StreamEnabled"):
            table.latest_stream_label = None
    return asked.request


# -- SNS ----------------------------------------------------------------------------------------------------

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

    topic = sns_backends[asked.account][asked.region].topics[asked.request["TopicArn"]]
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


# -- SQS ----------------------------------------------------------------------------------------------------


def _with_policy(asked: Asked) -> Json:
    """Attributes that are not set stay; moto would drop the policy."""
    attributes = asked.request.get("Attributes") or {}
    if "Policy" in attributes:
        return asked.request
    from moto.sqs.models import sqs_backends

    name = str(asked.request.get("QueueUrl", "")).rpartition("/")[2]
    queue = sqs_backends[asked.account][asked.region].queues.get(name)
    policy: Any = queue.policy if queue is not None else None
    return {**asked.request, "Attributes": {**attributes, "Policy": policy}} if policy else asked.request


def _queue(asked: Asked, answer: Json) -> Json:
    """Times in whole seconds."""
    found = dict(answer.get("Attributes") or {})
    for name in ("CreatedTimestamp", "LastModifiedTimestamp"):
        if name in found:
            found[name] = str(int(float(found[name])))
    return {**answer, "Attributes": found} if found else answer


_PREPARATIONS: dict[str, Preparation] = {
    "dynamodb:UpdateTable": _stream_off,
    "sqs:SetQueueAttributes": _with_policy,
}
_CORRECTIONS: dict[str, Correction] = {
    "dynamodb:CreateTable": _table,
    "dynamodb:DeleteTable": _table,
    "dynamodb:DescribeTable": _table,
    "dynamodb:UpdateTable": _table,
    "sns:GetSubscriptionAttributes": _subscription,
    "sns:GetTopicAttributes": _topic,
    "sns:ListSubscriptions": _subscriptions,
    "sns:ListSubscriptionsByTopic": _subscriptions,
    "sqs:GetQueueAttributes": _queue,
}
