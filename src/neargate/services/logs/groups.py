"""Log groups and how long they keep their events."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.logs import LogFilter, LogGroup, LogStream
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.logs.lookup import filters_of, group_of_arn, invalid, named_group, page, the_group

RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


@operation("logs", "CreateLogGroup")
def create_log_group(cx: Context, request: Json) -> Json:
    name = request["logGroupName"]
    if name.lower().startswith("aws/"):
        raise invalid("Log groups starting with AWS/ are reserved for AWS.")
    if cx.tx.get(LogGroup, cx.caller.scope(name)) is not None:
        raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists")
    cx.tx.put(
        LogGroup(
            account=cx.account,
            region=cx.region,
            name=name,
            created=int(cx.now * 1000),
            kms_key=request.get("kmsKeyId"),
            group_class=request.get("logGroupClass", "STANDARD"),
            deletion_protection=request.get("deletionProtectionEnabled", False),
            tags=dict(request.get("tags") or {}),
        )
    )
    return {}


@operation("logs", "DeleteLogGroup")
def delete_log_group(cx: Context, request: Json) -> Json:
    """With it go its streams and their events, and its filters."""
    group = the_group(cx, request["logGroupName"])
    if group.deletion_protection:
        raise AwsError(
            "ValidationException",
            f"Log group {group.name} has deletion protection enabled. Disable deletion protection first.",
        )
    for stream in cx.tx.scan(LogStream, group.stream_key("")):
        cx.tx.drop_log_events(stream.key)
        cx.tx.delete(LogStream, stream.key)
    for kind in ("metric", "subscription"):
        for each in filters_of(cx, kind, group.name):
            cx.tx.delete(LogFilter, each.key)
    cx.tx.delete(LogGroup, group.key)
    return {}


@operation("logs", "DescribeLogGroups", reads=True)
def describe_log_groups(cx: Context, request: Json) -> Json:
    """`storedBytes` counts as PutLogEvents does, and at once; AWS counts some hours later."""
    prefix, pattern = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern")
    if prefix and pattern:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    _own_account_only(cx, request)
    wanted_class, identifiers = request.get("logGroupClass"), request.get("logGroupIdentifiers")
    wanted = None if identifiers is None else {_name_of(cx, identifier) for identifier in identifiers}
    groups = (
        group
        for group in cx.tx.scan(LogGroup, cx.caller.scope(prefix))
        if (not pattern or pattern in group.name)
        and (wanted_class is None or group.group_class == wanted_class)
        and (wanted is None or group.name in wanted)
    )
    shown, token = page(groups, lambda group: group.name, request.get("nextToken"), request.get("limit", 50))
    described = [_described(cx, group) for group in shown]
    if pattern:  # the search behind it knows less of a group
        described = [{**one, "storedBytes": None, "deletionProtectionEnabled": None} for one in described]
    return {"logGroups": described, "nextToken": token}


@operation("logs", "ListLogGroups", reads=True)
def list_log_groups(cx: Context, request: Json) -> Json:
    """The pattern is alternatives joined by `|`; each is a substring, or a prefix behind `^`."""
    _own_account_only(cx, request)
    for member in ("dataSources", "fieldIndexNames", "logGroupTags"):
        if request.get(member):
            raise not_implemented(f"logs:ListLogGroups with {member}", "logs")
    choices = request.get("logGroupNamePattern", "").split("|")
    wanted_class = request.get("logGroupClass")
    groups = (
        group
        for group in cx.tx.scan(LogGroup, cx.caller.scope(""))
        if any(_fits(choice, group.name) for choice in choices)
        and (wanted_class is None or group.group_class == wanted_class)
    )
    shown, token = page(groups, lambda group: group.name, request.get("nextToken"), request.get("limit", 50))
    described = [
        {"logGroupName": group.name, "logGroupArn": group.arn, "logGroupClass": group.group_class}
        for group in shown
    ]
    return {"logGroups": described, "nextToken": token}


@operation("logs", "PutRetentionPolicy")
def put_retention_policy(cx: Context, request: Json) -> Json:
    days = request["retentionInDays"]
    if days not in RETENTIONS:
        raise invalid(f"Invalid retention value. Valid values are: {list(RETENTIONS)}")
    cx.tx.put(attrs.evolve(the_group(cx, request["logGroupName"]), retention=days))
    return {}


@operation("logs", "DeleteRetentionPolicy")
def delete_retention_policy(cx: Context, request: Json) -> Json:
    cx.tx.put(attrs.evolve(the_group(cx, request["logGroupName"]), retention=None))
    return {}


@operation("logs", "PutLogGroupDeletionProtection")
def put_log_group_deletion_protection(cx: Context, request: Json) -> Json:
    group = named_group(cx, {"logGroupIdentifier": request["logGroupIdentifier"]})
    cx.tx.put(attrs.evolve(group, deletion_protection=request["deletionProtectionEnabled"]))
    return {}


@operation("logs", "AssociateKmsKey")
def associate_kms_key(cx: Context, request: Json) -> Json:
    """Recorded and shown, as is the key of CreateLogGroup: events are not encrypted with it."""
    if request.get("resourceIdentifier"):
        raise not_implemented("logs:AssociateKmsKey with resourceIdentifier", "logs")
    cx.tx.put(attrs.evolve(the_group(cx, request.get("logGroupName") or ""), kms_key=request["kmsKeyId"]))
    return {}


@operation("logs", "DisassociateKmsKey")
def disassociate_kms_key(cx: Context, request: Json) -> Json:
    if request.get("resourceIdentifier"):
        raise not_implemented("logs:DisassociateKmsKey with resourceIdentifier", "logs")
    cx.tx.put(attrs.evolve(the_group(cx, request.get("logGroupName") or ""), kms_key=None))
    return {}


def _own_account_only(cx: Context, request: Json) -> None:
    if request.get("includeLinkedAccounts") or set(request.get("accountIdentifiers") or ()) - {cx.account}:
        raise not_implemented("log groups of linked accounts (logs)", "logs")


def _name_of(cx: Context, identifier: str) -> str:
    return group_of_arn(cx, identifier).name if identifier.startswith("arn:") else identifier


def _fits(choice: str, name: str) -> bool:
    return name.startswith(choice[1:]) if choice.startswith("^") else choice in name


def _described(cx: Context, group: LogGroup) -> Json:
    return {
        "logGroupName": group.name,
        "creationTime": group.created,
        "retentionInDays": group.retention,
        "metricFilterCount": len(filters_of(cx, "metric", group.name)),
        "arn": f"{group.arn}:*",
        "storedBytes": cx.tx.log_bytes(group.stream_key("")),
        "kmsKeyId": group.kms_key,
        "logGroupClass": group.group_class,
        "logGroupArn": group.arn,
        "deletionProtectionEnabled": group.deletion_protection,
    }
