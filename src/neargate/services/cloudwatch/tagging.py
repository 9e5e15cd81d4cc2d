"""Tags of alarms and dashboards, by their ARN."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.cloudwatch import Alarm, Dashboard
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.cloudwatch.lookup import find_alarm, invalid_value

_MOST = 50


@operation("cloudwatch", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    found = _require(cx, request["ResourceARN"])
    given = tags.from_list(request["Tags"])
    if any(key.lower().startswith("aws:") for key in given) and not cx.caller.via:
        raise invalid_value("aws: prefixed tag key names are not allowed for external use.")
    merged = {**found.tags, **given}
    if sum(1 for key in merged if not key.startswith("aws:")) > _MOST:
        raise invalid_value(f"The maximum number of tags per resource is {_MOST}.")
    cx.tx.put(attrs.evolve(found, tags=merged))
    return {}


@operation("cloudwatch", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    found = _require(cx, request["ResourceARN"])
    left = {key: value for key, value in found.tags.items() if key not in request["TagKeys"]}
    cx.tx.put(attrs.evolve(found, tags=left))
    return {}


@operation("cloudwatch", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    """Of an alarm that does not exist: none."""
    found = _find(cx, request["ResourceARN"])
    return {"Tags": tags.upper(found.tags) if found is not None else []}


def _require(cx: Context, arn: str) -> Alarm | Dashboard:
    found = _find(cx, arn)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Unknown resource: {arn}", status=404)
    return found


def _find(cx: Context, arn: str) -> Alarm | Dashboard | None:
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[2] != "cloudwatch":
        raise invalid_value(f"The value {arn} for parameter ResourceARN is invalid.")
    if parts[5].startswith("dashboard/"):
        return cx.tx.get(Dashboard, f"{cx.account}/{parts[5].removeprefix('dashboard/')}")
    if parts[5].startswith("alarm:"):
        return find_alarm(cx, arn)
    raise invalid_value(f"The value {arn} for parameter ResourceARN is invalid.")
