"""Tags of repositories."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecr.lookup import require_arn

_MOST = 50


@operation("ecr", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    repository = require_arn(cx, request["resourceArn"])
    cx.tx.put(attrs.evolve(repository, tags=merged(repository.tags, request["tags"])))
    return {}


@operation("ecr", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    repository = require_arn(cx, request["resourceArn"])
    kept = {key: value for key, value in repository.tags.items() if key not in request["tagKeys"]}
    cx.tx.put(attrs.evolve(repository, tags=kept))
    return {}


@operation("ecr", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    return {"tags": tags.upper(require_arn(cx, request["resourceArn"]).tags)}


def merged(old: tags.Tags, items: list[dict[str, str]]) -> tags.Tags:
    """The old tags with the given ones put over them. CloudFormation, acting for its stack, may set `aws:` tags."""
    keys = [item["Key"] for item in items]
    if len(set(keys)) != len(keys):
        raise AwsError(
            "InvalidTagParameterException",
            "Invalid parameter at 'tags' failed to satisfy constraint: 'Duplicate tag keys are not allowed'",
        )
    result = {**old, **tags.from_list(items)}
    if sum(not key.startswith("aws:") for key in result) > _MOST:
        raise AwsError(
            "TooManyTagsException",
            f"The number of tags exceeds the maximum of {_MOST} tags for a repository",
        )
    return result
