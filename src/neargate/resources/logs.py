"""AWS::Logs::LogGroup."""

from __future__ import annotations

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


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return sdk_error("CloudWatchLogs", error), handler_code(error)


def _create(want: Desired) -> Steps[Identity]:
    request: Json = {"logGroupName": want.name}
    if want.all_tags:
        request["tags"] = want.all_tags
    if "LogGroupClass" in want.properties:
        request["logGroupClass"] = want.properties["LogGroupClass"]
    yield Call("logs", "CreateLogGroup", request)
    yield from _retain(want.name or "", want)
    return Identity(want.name or "")


def _retain(name: str, want: Desired) -> Steps[None]:
    days = want.properties.get("RetentionInDays")
    if days is not None:
        yield Call("logs", "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": int(days)})


def _update(old: Existing, want: Desired) -> Steps[None]:
    if "RetentionInDays" not in want.properties and "RetentionInDays" in old.desired.properties:
        yield Call("logs", "DeleteRetentionPolicy", {"logGroupName": old.id})
    yield from _retain(old.id, want)
    arn = f"arn:aws:logs:{want.region}:{want.account}:log-group:{old.id}"
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("logs", "UntagResource", {"resourceArn": arn, "tagKeys": gone})
    if want.all_tags:
        yield Call("logs", "TagResource", {"resourceArn": arn, "tags": want.all_tags})


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": existing.id})
    for group in answer["logGroups"]:
        if group["logGroupName"] == existing.id:
            return {"Arn": group["arn"]}
    raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def _delete(existing: Existing) -> Steps[None]:
    yield Call("logs", "DeleteLogGroup", {"logGroupName": existing.id})


TYPES = {
    "AWS::Logs::LogGroup": ResourceType(
        type="AWS::Logs::LogGroup",
        honoured=frozenset({"LogGroupName", "RetentionInDays", "Tags", "LogGroupClass"}),
        naming=Naming("LogGroupName", max_length=512, taken="map"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    )
}
