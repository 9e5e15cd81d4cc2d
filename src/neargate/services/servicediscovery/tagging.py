"""Tags of namespaces and services."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.servicediscovery import DiscoveryService, Namespace
from neargate.model.tags import from_list, upper

_MOST = 50


@operation("servicediscovery", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    found = _tagged(cx, request["ResourceARN"])
    tags = {**found.tags, **from_list(request["Tags"])}
    if len(tags) > _MOST:
        raise AwsError("TooManyTagsException", "Too many tags.", ResourceName=found.arn)
    cx.tx.put(attrs.evolve(found, tags=tags))
    return {}


@operation("servicediscovery", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    found = _tagged(cx, request["ResourceARN"])
    tags = {key: value for key, value in found.tags.items() if key not in request["TagKeys"]}
    cx.tx.put(attrs.evolve(found, tags=tags))
    return {}


@operation("servicediscovery", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    return {"Tags": upper(_tagged(cx, request["ResourceARN"]).tags)}


def _tagged(cx: Context, arn: str) -> Namespace | DiscoveryService:
    kind, _, id = arn.rpartition(":")[2].partition("/")
    found: Namespace | DiscoveryService | None = None
    if kind == "namespace":
        found = cx.tx.get(Namespace, cx.caller.scope(id))
    elif kind == "service":
        found = cx.tx.get(DiscoveryService, cx.caller.scope(id))
    if found is None or found.arn != arn:
        raise AwsError("ResourceNotFoundException", f"Resource not found: {arn}")
    return found
