"""Tags of log groups, by name (the older operations) and by ARN."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError
from neargate.model.logs import LogGroup
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.logs.lookup import group_of_arn, invalid, the_group

_MAX_TAGS = 50


@operation("logs", "TagLogGroup")
def tag_log_group(cx: Context, request: Json) -> Json:
    _tag(cx, the_group(cx, request["logGroupName"]), request["tags"])
    return {}


@operation("logs", "UntagLogGroup")
def untag_log_group(cx: Context, request: Json) -> Json:
    _untag(cx, the_group(cx, request["logGroupName"]), request["tags"])
    return {}


@operation("logs", "ListTagsLogGroup", reads=True)
def list_tags_log_group(cx: Context, request: Json) -> Json:
    return {"tags": dict(the_group(cx, request["logGroupName"]).tags)}


@operation("logs", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    _tag(cx, group_of_arn(cx, request["resourceArn"]), request["tags"])
    return {}


@operation("logs", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    _untag(cx, group_of_arn(cx, request["resourceArn"]), request["tagKeys"])
    return {}


@operation("logs", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    return {"tags": dict(group_of_arn(cx, request["resourceArn"]).tags)}


def _tag(cx: Context, group: LogGroup, tags: dict[str, str]) -> None:
    if not cx.caller.via and any(key.lower().startswith("aws:") for key in tags):
        raise invalid("aws: prefixed tag key names are not allowed for external use.")
    merged = {**group.tags, **tags}
    if sum(not key.startswith("aws:") for key in merged) > _MAX_TAGS:
        raise AwsError(
            "TooManyTagsException",
            f"A resource can have no more than {_MAX_TAGS} tags.",
            resourceName=group.arn,
        )
    cx.tx.put(attrs.evolve(group, tags=merged))


def _untag(cx: Context, group: LogGroup, keys: list[str]) -> None:
    cx.tx.put(attrs.evolve(group, tags={key: value for key, value in group.tags.items() if key not in keys}))
