"""AWS::Logs: LogGroup, LogStream, MetricFilter, SubscriptionFilter, ResourcePolicy, QueryDefinition."""

from __future__ import annotations

import json

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
    handler_code,
    sdk_error,
)
from neargate.resources.shapes import call, pick, without


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return sdk_error("CloudWatchLogs", error), handler_code(error)


# -- log group -----------------------------------------------------------------------------------------------


def _create_group(want: Desired) -> Steps[Identity]:
    given = ("KmsKeyId", "LogGroupClass", "DeletionProtectionEnabled")
    yield call(
        "logs",
        "CreateLogGroup",
        pick(want.properties, given),
        logGroupName=want.name,
        tags=want.all_tags or None,
    )
    yield from _retain(want.name or "", want)
    return Identity(want.name or "")


def _retain(name: str, want: Desired) -> Steps[None]:
    days = want.properties.get("RetentionInDays")
    if days is not None:
        yield Call("logs", "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": int(days)})


def _update_group(old: Existing, want: Desired) -> Steps[None]:
    name, was, now = old.id, old.desired.properties, want.properties
    if "RetentionInDays" not in now and "RetentionInDays" in was:
        yield Call("logs", "DeleteRetentionPolicy", {"logGroupName": name})
    yield from _retain(name, want)
    if "KmsKeyId" in now:
        yield Call("logs", "AssociateKmsKey", {"logGroupName": name, "kmsKeyId": now["KmsKeyId"]})
    elif "KmsKeyId" in was:
        yield Call("logs", "DisassociateKmsKey", {"logGroupName": name})
    if was.get("LogGroupClass") != now.get("LogGroupClass"):
        raise AwsError("InvalidRequest", "The LogGroupClass of a log group cannot be changed.")
    if was.get("DeletionProtectionEnabled") != now.get("DeletionProtectionEnabled"):
        protection = {"DeletionProtectionEnabled": now.get("DeletionProtectionEnabled", False)}
        yield call("logs", "PutLogGroupDeletionProtection", protection, logGroupIdentifier=name)
    yield from _retag(old, want)


def _retag(old: Existing, want: Desired) -> Steps[None]:
    arn = f"arn:aws:logs:{want.region}:{want.account}:log-group:{old.id}"
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("logs", "UntagResource", {"resourceArn": arn, "tagKeys": gone})
    if want.all_tags:
        yield Call("logs", "TagResource", {"resourceArn": arn, "tags": want.all_tags})


def _read_group(existing: Existing) -> Steps[Json]:
    answer = yield Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": existing.id})
    for group in answer["logGroups"]:
        if group["logGroupName"] == existing.id:
            return {"Arn": group["arn"]}
    raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def _delete_group(existing: Existing) -> Steps[None]:
    yield Call("logs", "DeleteLogGroup", {"logGroupName": existing.id})


# -- log stream: its id is its name --------------------------------------------------------------------------


def _create_stream(want: Desired) -> Steps[Identity]:
    group = want.properties["LogGroupName"]
    yield Call("logs", "CreateLogStream", {"logGroupName": group, "logStreamName": want.name})
    return Identity(want.name or "")


def _nothing_to_read(existing: Existing) -> Steps[Json]:
    yield from ()
    return {}


def _delete_stream(existing: Existing) -> Steps[None]:
    group = existing.desired.properties["LogGroupName"]
    yield Call("logs", "DeleteLogStream", {"logGroupName": group, "logStreamName": existing.id})


# -- metric and subscription filters -------------------------------------------------------------------------


def _filter(kind: str, honoured: str) -> ResourceType:
    """AWS::Logs::MetricFilter and SubscriptionFilter differ in the words and in what they hold."""

    def put(want: Desired) -> Steps[None]:
        properties = without(want.properties, "FilterName", "MetricTransformations")
        members: Json = {"filterName": want.name}
        if "MetricTransformations" in want.properties:
            transformations = want.properties["MetricTransformations"]
            members["metricTransformations"] = [_transformation(each) for each in transformations]
        yield call("logs", f"Put{kind}", properties, **members)

    def create(want: Desired) -> Steps[Identity]:
        yield from put(want)
        return Identity(want.name or "")

    def update(old: Existing, want: Desired) -> Steps[None]:
        yield from put(want)

    def delete(existing: Existing) -> Steps[None]:
        group = existing.desired.properties["LogGroupName"]
        yield Call("logs", f"Delete{kind}", {"logGroupName": group, "filterName": existing.id})

    return ResourceType(
        type=f"AWS::Logs::{kind}",
        honoured=frozenset(honoured.split()),
        naming=Naming("FilterName", max_length=512),
        create=create,
        read=_nothing_to_read,
        update=update,
        delete=delete,
        error=_error,
    )


def _transformation(given: Json) -> Json:
    """Dimensions are a list of pairs in templates and a map in the API."""
    made: Json = {name[0].lower() + name[1:]: value for name, value in given.items()}
    if "dimensions" in made:
        made["dimensions"] = {pair["Key"]: pair["Value"] for pair in made["dimensions"]}
    if "defaultValue" in made:
        made["defaultValue"] = float(made["defaultValue"])
    return {name: str(value) if name == "metricValue" else value for name, value in made.items()}


# -- resource policy -----------------------------------------------------------------------------------------


def _put_policy(want: Desired) -> Steps[None]:
    document = want.properties["PolicyDocument"]
    text = document if isinstance(document, str) else json.dumps(document)
    request = {"policyName": want.properties["PolicyName"], "policyDocument": text}
    yield Call("logs", "PutResourcePolicy", request)


def _create_policy(want: Desired) -> Steps[Identity]:
    yield from _put_policy(want)
    return Identity(want.properties["PolicyName"])


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    yield from _put_policy(want)


def _delete_policy(existing: Existing) -> Steps[None]:
    yield Call("logs", "DeleteResourcePolicy", {"policyName": existing.id})


# -- saved query ---------------------------------------------------------------------------------------------


def _create_query(want: Desired) -> Steps[Identity]:
    answer = yield call("logs", "PutQueryDefinition", want.properties)
    return Identity(answer["queryDefinitionId"])


def _update_query(old: Existing, want: Desired) -> Steps[None]:
    yield call("logs", "PutQueryDefinition", want.properties, queryDefinitionId=old.id)


def _read_query(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"QueryDefinitionId": existing.id}


def _delete_query(existing: Existing) -> Steps[None]:
    yield Call("logs", "DeleteQueryDefinition", {"queryDefinitionId": existing.id})


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::Logs::LogGroup",
            honoured=frozenset(
                "DeletionProtectionEnabled KmsKeyId LogGroupClass LogGroupName RetentionInDays Tags".split()
            ),
            naming=Naming("LogGroupName", max_length=512, taken="map"),
            create=_create_group,
            read=_read_group,
            update=_update_group,
            delete=_delete_group,
            error=_error,
        ),
        ResourceType(
            type="AWS::Logs::LogStream",
            honoured=frozenset({"LogGroupName", "LogStreamName"}),
            naming=Naming("LogStreamName", max_length=512),
            create=_create_stream,
            read=_nothing_to_read,
            delete=_delete_stream,
            error=_error,
        ),
        _filter("MetricFilter", "FilterName FilterPattern LogGroupName MetricTransformations"),
        _filter(
            "SubscriptionFilter", "DestinationArn Distribution FilterName FilterPattern LogGroupName RoleArn"
        ),
        ResourceType(
            type="AWS::Logs::ResourcePolicy",
            honoured=frozenset({"PolicyDocument", "PolicyName"}),
            create=_create_policy,
            read=_nothing_to_read,
            update=_update_policy,
            delete=_delete_policy,
            error=_error,
        ),
        ResourceType(
            type="AWS::Logs::QueryDefinition",
            honoured=frozenset({"LogGroupNames", "Name", "Parameters", "QueryLanguage", "QueryString"}),
            create=_create_query,
            read=_read_query,
            update=_update_query,
            delete=_delete_query,
            error=_error,
        ),
    )
}
