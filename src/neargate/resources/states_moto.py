"""Readers for drift detection, as in `states`, of the types whose services moto answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import from_list, upper
from neargate.resources.declaration import Call, Existing, Steps
from neargate.resources.drift import spelled
from neargate.resources.shapes import missing_is_fine

State = Callable[[Existing], Steps[Json]]


def _tags(given: Any) -> list[dict[str, str]]:
    """Tags in any spelling as the template's list."""
    return upper(dict(given) if isinstance(given, Mapping) else from_list(given))


def _parsed(attributes: Mapping[str, str], *names: str) -> Json:
    """Attributes that are JSON texts; None for one that is not set."""
    return {name: json.loads(attributes[name]) if attributes.get(name) else None for name in names}


# -- SQS and SNS -------------------------------------------------------------------------------------------


def _queue(existing: Existing) -> Steps[Json]:
    queue = {"QueueUrl": existing.id}
    answer = yield Call("sqs", "GetQueueAttributes", {**queue, "AttributeNames": ["All"]})
    tags = yield Call("sqs", "ListQueueTags", queue)
    return {
        "KmsMasterKeyId": None,
        **spelled("AWS::SQS::Queue", answer["Attributes"]),
        **_parsed(answer["Attributes"], "RedriveAllowPolicy", "RedrivePolicy"),
        "QueueName": existing.id.rpartition("/")[2],
        "Tags": _tags(tags.get("Tags") or {}),
    }


def _subscription(existing: Existing) -> Steps[Json]:
    region = existing.desired.properties.get("Region")
    answer = yield Call("sns", "GetSubscriptionAttributes", {"SubscriptionArn": existing.id}, region)
    attributes = answer["Attributes"]
    return {
        "FilterPolicyScope": "MessageAttributes",
        **spelled("AWS::SNS::Subscription", attributes),
        **_parsed(attributes, "DeliveryPolicy", "FilterPolicy", "RedrivePolicy"),
    }


# -- DynamoDB ----------------------------------------------------------------------------------------------


def _table(existing: Existing) -> Steps[Json]:
    named = {"TableName": existing.id}
    table = (yield Call("dynamodb", "DescribeTable", named))["Table"]
    life = (yield Call("dynamodb", "DescribeTimeToLive", named))["TimeToLiveDescription"]
    backups = yield Call("dynamodb", "DescribeContinuousBackups", named)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    streaming = yield Call("dynamodb", "DescribeKinesisStreamingDestination", named)
    active = [
        {"StreamArn": one["StreamArn"]}
        for one in streaming["KinesisDataStreamDestinations"]
        if one["DestinationStatus"] == "ACTIVE"
    ]
    tags = yield Call("dynamodb", "ListTagsOfResource", {"ResourceArn": table["TableArn"]})
    on_demand = (table.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST"
    names = ("AttributeDefinitions", "DeletionProtectionEnabled", "KeySchema", "TableName")
    indexes = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    seen = {**dict.fromkeys(indexes), **spelled("AWS::DynamoDB::Table", table, *names, *indexes)}
    for index in seen["GlobalSecondaryIndexes"] or ():
        index |= yield from _insights({**named, "IndexName": index["IndexName"]})
    return {
        **seen,
        **(yield from _insights(named)),
        "BillingMode": "PAY_PER_REQUEST" if on_demand else "PROVISIONED",
        "KinesisStreamSpecification": active[0] if active else None,
        "PointInTimeRecoverySpecification": {
            "PointInTimeRecoveryEnabled": recovery["PointInTimeRecoveryStatus"] == "ENABLED"
        },
        "ProvisionedThroughput": None if on_demand else table["ProvisionedThroughput"],
        "StreamSpecification": table.get("StreamSpecification"),
        "TimeToLiveSpecification": {
            "Enabled": life["TimeToLiveStatus"] == "ENABLED",
            "AttributeName": life.get("AttributeName"),
        },
        "Tags": _tags(tags.get("Tags")),
    }


def _insights(asked: Json) -> Steps[Json]:
    """Whether Contributor Insights watches a table or an index."""
    answer = yield Call("dynamodb", "DescribeContributorInsights", asked)
    watched = answer["ContributorInsightsStatus"] == "ENABLED"
    return {"ContributorInsightsSpecification": {"Enabled": watched}}


# -- KMS ---------------------------------------------------------------------------------------------------


def _key(existing: Existing) -> Steps[Json]:
    named = {"KeyId": existing.id}
    metadata = (yield Call("kms", "DescribeKey", named))["KeyMetadata"]
    if metadata["KeyState"] == "PendingDeletion":
        raise AwsError("NotFoundException", f"Key '{metadata['Arn']}' is pending deletion")
    policy = yield Call("kms", "GetKeyPolicy", {**named, "PolicyName": "default"})
    rotation = yield Call("kms", "GetKeyRotationStatus", named)
    tags = yield Call("kms", "ListResourceTags", named)
    return {
        **spelled("AWS::KMS::Key", metadata),
        "EnableKeyRotation": rotation["KeyRotationEnabled"],
        "KeyPolicy": json.loads(policy["Policy"]),
        "Tags": upper({tag["TagKey"]: tag["TagValue"] for tag in tags["Tags"]}),
    }


def _alias(existing: Existing) -> Steps[Json]:
    listed = yield Call("kms", "ListAliases", {})
    for alias in listed["Aliases"]:
        if alias["AliasName"] == existing.id:
            written = str(existing.desired.properties.get("TargetKeyId"))
            target = alias["TargetKeyId"]
            return {"AliasName": existing.id, "TargetKeyId": written if written.endswith(target) else target}
    raise AwsError("NotFoundException", f"Alias {existing.id} is not found.")


# -- EventBridge and its Scheduler -------------------------------------------------------------------------


def _rule(existing: Existing) -> Steps[Json]:
    bus, _, name = existing.id.rpartition("|")
    place = {"EventBusName": bus or "default"}
    rule = yield Call("events", "DescribeRule", {"Name": name, **place})
    listed = yield Call("events", "ListTargetsByRule", {"Rule": name, **place})
    tags = yield Call("events", "ListTagsForResource", {"ResourceARN": rule["Arn"]})
    written = str(existing.desired.properties.get("EventBusName") or "default")
    return {
        "Description": None,
        "RoleArn": None,
        "ScheduleExpression": None,
        **spelled("AWS::Events::Rule", rule),
        **_parsed(rule, "EventPattern"),
        "EventBusName": written
        if written.rpartition("/")[2] == rule["EventBusName"]
        else rule["EventBusName"],
        "Targets": spelled("AWS::Events::Rule", {"Targets": listed["Targets"]})["Targets"],
        "Tags": _tags(tags["Tags"]),
    }


def _bus(existing: Existing) -> Steps[Json]:
    bus = yield Call("events", "DescribeEventBus", {"Name": existing.id})
    tags = yield Call("events", "ListTagsForResource", {"ResourceARN": bus["Arn"]})
    names = ("DeadLetterConfig", "Description", "KmsKeyIdentifier", "Name")
    return {
        **dict.fromkeys(names),
        **spelled("AWS::Events::EventBus", bus, *names),
        **_parsed(bus, "Policy"),
        "Tags": _tags(tags["Tags"]),
    }


_DATES = ("EndDate", "StartDate")  # written as a text, answered as a time


def _schedule(existing: Existing) -> Steps[Json]:
    group = existing.desired.properties.get("GroupName")
    request = {"Name": existing.id, **({"GroupName": group} if group else {})}
    schedule = yield Call("scheduler", "GetSchedule", request)
    seen = spelled("AWS::Scheduler::Schedule", schedule)
    return {"Description": None, **{name: value for name, value in seen.items() if name not in _DATES}}


# -- streams and state machines ----------------------------------------------------------------------------


def _stream(existing: Existing) -> Steps[Json]:
    named = {"StreamName": existing.id}
    stream = (yield Call("kinesis", "DescribeStreamSummary", named))["StreamDescriptionSummary"]
    tags = yield Call("kinesis", "ListTagsForStream", named)
    encrypted = stream.get("EncryptionType", "NONE") != "NONE"
    keyed = {"EncryptionType": stream.get("EncryptionType"), "KeyId": stream.get("KeyId")}
    return {
        **spelled("AWS::Kinesis::Stream", stream, "RetentionPeriodHours", "StreamModeDetails"),
        "DesiredShardLevelMetrics": stream["EnhancedMonitoring"][0]["ShardLevelMetrics"],
        "Name": existing.id,
        "ShardCount": stream["OpenShardCount"],
        "StreamEncryption": keyed if encrypted else None,
        "Tags": _tags(tags["Tags"]),
    }


def _machine(existing: Existing) -> Steps[Json]:
    machine = yield Call("stepfunctions", "DescribeStateMachine", {"stateMachineArn": existing.id})
    tags = yield Call("stepfunctions", "ListTagsForResource", {"resourceArn": existing.id})
    found = spelled("AWS::StepFunctions::StateMachine", machine)
    found |= {"StateMachineName": machine["name"], "StateMachineType": machine["type"]}
    if existing.desired.properties.get("DefinitionSubstitutions"):  # the text is not the template's
        found.pop("Definition", None)
    else:
        found |= {"Definition": json.loads(machine["definition"]), "DefinitionString": machine["definition"]}
    return {**found, "Tags": _tags(tags["tags"])}


# -- CloudWatch --------------------------------------------------------------------------------------------


def _alarm(kind: str) -> State:
    def read(existing: Existing) -> Steps[Json]:
        asked = {"AlarmNames": [existing.id], "AlarmTypes": [kind]}
        alarms = (yield Call("cloudwatch", "DescribeAlarms", asked))[f"{kind}s"]
        if not alarms:
            raise AwsError("ResourceNotFound", f"Unknown alarm {existing.id}", status=404)
        arn = {"ResourceARN": alarms[0]["AlarmArn"]}
        tags = yield Call("cloudwatch", "ListTagsForResource", arn)
        return {
            "AlarmDescription": None,
            **spelled("AWS::CloudWatch::" + ("Alarm" if kind == "MetricAlarm" else kind), alarms[0]),
            "Tags": _tags(tags["Tags"]),
        }

    return read


def _dashboard(existing: Existing) -> Steps[Json]:
    named = {"DashboardName": existing.id}
    gone = ("ResourceNotFound", "DashboardNotFoundError")
    answer = yield from missing_is_fine(Call("cloudwatch", "GetDashboard", named), *gone)
    if not answer:
        raise AwsError("ResourceNotFound", f"Dashboard {existing.id} does not exist", status=404)
    return {**named, "DashboardBody": answer["DashboardBody"]}


STATES: dict[str, State] = {
    "AWS::CloudWatch::Alarm": _alarm("MetricAlarm"),
    "AWS::CloudWatch::CompositeAlarm": _alarm("CompositeAlarm"),
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::EventBus": _bus,
    "AWS::Events::Rule": _rule,
    "AWS::KMS::Alias": _alias,
    "AWS::KMS::Key": _key,
    "AWS::Kinesis::Stream": _stream,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SQS::Queue": _queue,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::StepFunctions::StateMachine": _machine,
}
