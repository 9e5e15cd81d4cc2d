"""AWS::ResourceGroups::Group, over the Resource Groups that moto answers."""

from __future__ import annotations

import json

from neargate.model.records import Json
from neargate.resources.declaration import Call, Desired, Existing, Identity, ResourceType, Steps
from neargate.resources.shapes import by_name, call, changed, errors_of, pick
from neargate.resources.tagging import Tagging

_TAGS = Tagging("resource-groups", "Arn", keys="Keys", form=dict, tag="Tag", untag="Untag", system=False)
_STACK = "CLOUDFORMATION_STACK_1_0"


def _create(want: Desired) -> Steps[Identity]:
    p = want.properties
    query = {"ResourceQuery": _query(want)} if _query(want) else {}
    yield call(
        "resource-groups",
        "CreateGroup",
        pick(p, ("Configuration", "Description", "Name")),
        **query,
        **_TAGS.at_create(want),
    )
    return Identity(p["Name"])


def _query(want: Desired) -> Json:
    """A template's query is an object where the API takes text. A stack query without a stack means this one."""
    given = want.properties.get("ResourceQuery")
    if not given:
        return {}
    query = dict(given.get("Query") or {})
    if given["Type"] == _STACK:
        query = {"ResourceTypeFilters": ["AWS::AllSupported"], "StackIdentifier": want.stack_id, **query}
    return {"Type": given["Type"], "Query": json.dumps(query)}


def _update(old: Existing, want: Desired) -> Steps[None]:
    was, now, named = old.desired.properties, want.properties, {"GroupName": old.id}
    if changed(was, now, "Description"):
        yield Call("resource-groups", "UpdateGroup", {**named, "Description": now.get("Description", "")})
    if changed(was, now, "ResourceQuery"):
        yield Call("resource-groups", "UpdateGroupQuery", {**named, "ResourceQuery": _query(want)})
    if changed(was, now, "Configuration"):
        configuration = {"Configuration": now.get("Configuration") or []}
        yield call("resource-groups", "PutGroupConfiguration", configuration, Group=old.id)
    arn = (yield Call("resource-groups", "GetGroup", named))["Group"]["GroupArn"]
    yield from _TAGS.change(old, want, arn)


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("resource-groups", "GetGroup", {"GroupName": existing.id})
    return {"Arn": answer["Group"]["GroupArn"]}


def _delete(existing: Existing) -> Steps[None]:
    yield Call("resource-groups", "DeleteGroup", {"GroupName": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::ResourceGroups::Group",
        honoured=frozenset({"Configuration", "Description", "Name", "ResourceQuery", "Tags"}),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=errors_of("ResourceGroups"),
    )
)
