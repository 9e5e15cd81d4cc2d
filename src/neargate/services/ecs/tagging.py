"""Tags of clusters, services, tasks and task definitions, by their ARN."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ecs import Cluster, Service, Task, TaskDefinition
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecs.lookup import (
    client_error,
    find_cluster,
    find_definition,
    find_service,
    find_task,
    invalid,
    resource_of,
)

_MOST = 50

Tagged = Cluster | Service | Task | TaskDefinition


@operation("ecs", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    found = _require(cx, request["resourceArn"])
    given = tags.from_list(request["tags"])
    if any(key.lower().startswith("aws:") for key in given) and not cx.caller.via:
        raise invalid("Tag keys cannot start with 'aws:'.")
    merged = {**found.tags, **given}
    if sum(1 for key in merged if not key.startswith("aws:")) > _MOST:
        raise invalid(f"The maximum number of tags per resource is {_MOST}.")
    cx.tx.put(attrs.evolve(found, tags=merged))
    return {}


@operation("ecs", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    found = _require(cx, request["resourceArn"])
    left = {key: value for key, value in found.tags.items() if key not in request["tagKeys"]}
    cx.tx.put(attrs.evolve(found, tags=left))
    return {}


@operation("ecs", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    return {"tags": tags.lower(_require(cx, request["resourceArn"]).tags)}


def _require(cx: Context, arn: str) -> Tagged:
    if not arn.startswith("arn:") or arn.count(":") < 5:
        raise invalid("Invalid resource ARN.")
    kind, _, path = arn.split(":", 5)[-1].partition("/")
    found: Tagged | None = None
    if kind == "cluster":
        found = find_cluster(cx, arn)
    elif kind == "task-definition":
        found = find_definition(cx, arn)
    elif kind == "service":
        found = find_service(cx, path.split("/")[0], arn)
    elif kind == "task":
        found = find_task(cx, path.split("/")[0], arn)
    if found is None:
        raise client_error(f"The specified {kind} could not be found: {resource_of(arn, kind)}.")
    return found
