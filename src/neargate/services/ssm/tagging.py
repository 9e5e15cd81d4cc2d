"""Tags of parameters, patch baselines and maintenance windows."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm import Parameter, of_arn, parameter_key
from neargate.model.ssm_fleet import MaintenanceWindow, PatchBaseline
from neargate.model.tags import from_list, upper

_MAX_TAGS = 50

Tagged = Parameter | PatchBaseline | MaintenanceWindow


@operation("ssm", "AddTagsToResource")
def add_tags_to_resource(cx: Context, request: Json) -> Json:
    tagged = _tagged(cx, request)
    tags = {**tagged.tags, **from_list(request["Tags"])}
    if sum(not key.startswith("aws:") for key in tags) > _MAX_TAGS:
        raise AwsError("TooManyTagsError", f"A resource can have no more than {_MAX_TAGS} tags.")
    cx.tx.put(attrs.evolve(tagged, tags=tags))
    return {}


@operation("ssm", "RemoveTagsFromResource")
def remove_tags_from_resource(cx: Context, request: Json) -> Json:
    tagged = _tagged(cx, request)
    tags = {key: value for key, value in tagged.tags.items() if key not in request["TagKeys"]}
    cx.tx.put(attrs.evolve(tagged, tags=tags))
    return {}


@operation("ssm", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    return {"TagList": upper(_tagged(cx, request).tags)}


def _tagged(cx: Context, request: Json) -> Tagged:
    kind, id = request["ResourceType"], request["ResourceId"]
    found: Tagged | None
    if kind == "Parameter":
        named = of_arn(id)
        key = parameter_key(*named[:3]) if named else parameter_key(cx.account, cx.region, id)
        found = cx.tx.get(Parameter, key)
    elif kind == "PatchBaseline":
        found = cx.tx.get(PatchBaseline, cx.caller.scope(id))
    elif kind == "MaintenanceWindow":
        found = cx.tx.get(MaintenanceWindow, cx.caller.scope(id))
    else:
        raise not_implemented(f"tags of the Systems Manager resource type {kind}", "ssm")
    if found is None:
        raise AwsError(
            "InvalidResourceId",
            "The resource ID is not valid. Verify that you entered the correct ID and try again.",
        )
    return found
