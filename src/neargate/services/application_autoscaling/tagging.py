"""Tags of scalable targets."""

from __future__ import annotations

import attrs

from neargate.model.application_autoscaling import ScalableTarget
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.application_autoscaling.lookup import invalid

_MOST = 50


@operation("application-autoscaling", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    target = _require(cx, request["ResourceARN"])
    if any(key.lower().startswith("aws:") for key in request["Tags"]) and not cx.caller.via:
        raise invalid("Tag keys cannot start with aws:")
    merged = {**target.tags, **request["Tags"]}
    if len(merged) > _MOST:
        raise AwsError(
            "TooManyTagsException",
            f"The number of tags exceeds the limit of {_MOST}.",
            ResourceName=request["ResourceARN"],
        )
    cx.tx.put(attrs.evolve(target, tags=merged))
    return {}


@operation("application-autoscaling", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    target = _require(cx, request["ResourceARN"])
    left = {key: value for key, value in target.tags.items() if key not in request["TagKeys"]}
    cx.tx.put(attrs.evolve(target, tags=left))
    return {}


@operation("application-autoscaling", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    return {"Tags": _require(cx, request["ResourceARN"]).tags}


def _require(cx: Context, arn: str) -> ScalableTarget:
    for target in cx.tx.scan(ScalableTarget, cx.caller.scope("")):
        if target.arn == arn:
            return target
    raise AwsError(
        "ResourceNotFoundException", f"No scalable target found for resource ARN: {arn}", ResourceName=arn
    )
