"""Change sets that import: existing resources become a stack's, by their identifiers. Nothing else may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import ChangeSet, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.resources import evaluation, identifiers
from neargate.services.cloudformation.differences import Differences
from neargate.services.cloudformation.events import stack_event
from neargate.services.cloudformation.repeats import begun

REVIEW = "REVIEW_IN_PROGRESS"


class NotAnImport(Exception):
    """The template changes more than it imports; `reason` is the change set's StatusReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def wanted(
    cx: Context, request: Mapping[str, Any], stack: Stack, opened: evaluation.Opened
) -> dict[str, dict[str, str]]:
    """The identifiers of what a call imports, by logical id. Raises ValidationError."""
    given = request.get("ResourcesToImport") or ()
    if not given:
        raise AwsError(
            "ValidationError", "ResourcesToImport must be specified for a change set of type IMPORT"
        )
    found: dict[str, dict[str, str]] = {}
    for each in given:
        name, type_name = each["LogicalResourceId"], each["ResourceType"]
        resource = opened.live.get(name)
        if resource is None or resource.type != type_name:
            raise AwsError(
                "ValidationError",
                f"Resource {name} of type {type_name} to import does not exist in the template",
            )
        keys = identifiers.keys(type_name)
        if set(each["ResourceIdentifier"]) != set(keys):
            raise AwsError(
                "ValidationError", f"Resource {name} to import must be identified by [{', '.join(keys)}]"
            )
        found[name] = dict(each["ResourceIdentifier"])
        _refuse_owned(cx, type_name, found[name])
    bare = [name for name in found if opened.live[name].deletion_policy is None]
    if bare:
        raise AwsError(
            "ValidationError",
            f"The following resources to import [{', '.join(bare)}] must have DeletionPolicy attribute specified in "
            "the template.",
        )
    return found


def _refuse_owned(cx: Context, type_name: str, identifier: Mapping[str, str]) -> None:
    identity = identifiers.physical_id(type_name, identifier)
    for resource in cx.tx.scan(StackResource, cx.caller.scope() + "/"):
        if resource.type == type_name and resource.made is not None and resource.made.physical_id == identity:
            owner = cx.tx.get(Stack, resource.stack)
            where = owner.id if owner is not None else resource.stack
            raise AwsError("ValidationError", f"{identity} already exists in stack {where}")


def with_imports(change_set: ChangeSet, differences: Differences, *, fresh: bool) -> ChangeSet:
    """The change set with its Changes; `fresh`: of a stack that does not exist yet. Raises NotAnImport."""
    adopts = change_set.adopts
    others = [change.logical_id for change in differences.changes if change.logical_id not in adopts]
    if others:
        raise NotAnImport(
            f"You have modified resources [{', '.join(others)}] in your template that are not being imported. Update, "
            "create or delete operations cannot be executed during import operations."
        )
    if not fresh and differences.around:
        raise NotAnImport("As part of the import operation, you cannot modify or add [Outputs]")
    changes = [
        _change(change.logical_id, change.type, adopts[change.logical_id]) for change in differences.changes
    ]
    return attrs.evolve(change_set, changes=changes, property_changes=changes)


def _change(logical_id: str, type_name: str, identifier: Mapping[str, str]) -> Json:
    body = {
        "Action": "Import",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": identifiers.physical_id(type_name, identifier),
        "ResourceType": type_name,
        "Scope": [],
        "Details": [],
    }
    return {"Type": "Resource", "ResourceChange": body}


def start(cx: Context, stack: Stack, change_set: ChangeSet, token: str | None) -> None:
    """Begin to import what a change set shows."""
    fresh = stack.status == REVIEW
    identity = cx.ids.uuid()
    started = StackOperation(
        id=identity,
        kind="CREATE" if fresh else "UPDATE",
        phase="validate",
        started=cx.now,
        wanted=change_set.input,
        before=None if fresh else stack.input,
        token=token,
        type="CREATE_STACK" if fresh else "UPDATE_STACK",
        base=identity,
        adopts=change_set.adopts,
    )
    stack_event(
        cx, begun(attrs.evolve(stack, updated=cx.now), started), "IMPORT_IN_PROGRESS", "User Initiated"
    )
