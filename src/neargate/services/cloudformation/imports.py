"""Change sets that import: existing resources become a stack's, by their identifiers. Nothing else may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import ChangeSet, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.resources import evaluation, identifiers, states
from neargate.resources.carrying import carry_out
from neargate.resources.declaration import Existing
from neargate.services.cloudformation.differences import Differences
from neargate.services.cloudformation.events import stack_event
from neargate.services.cloudformation.repeats import begun

REVIEW = "REVIEW_IN_PROGRESS"
_LASTING = frozenset({"Retain", "RetainExceptOnCreate"})


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


def existing(
    cx: Context,
    stack: Stack,
    differences: Differences,
    opened: evaluation.Opened,
    place: evaluation.Place,
) -> dict[str, dict[str, str]]:
    """The identifiers of added resources that exist already under the names that the template gives them.

    Raises NotAnImport where the template does not say that they may outlive the stack.
    """
    found: dict[str, dict[str, str]] = {}
    for change in differences.changes:
        if change.action != "Add":
            continue
        want = evaluation.desired(opened, change.logical_id, place, {}, seed="", token="", kept_name=None)
        identifier = {key: want.properties.get(key) for key in identifiers.keys(change.type)}
        if all(isinstance(value, str) for value in identifier.values()) and identifier:
            named = {key: str(value) for key, value in identifier.items()}
            if _exists(cx, stack, change.type, Existing(identifiers.physical_id(change.type, named), want)):
                _refuse_owned(cx, change.type, named)
                found[change.logical_id] = named
    fleeting = [name for name in found if str(opened.live[name].deletion_policy) not in _LASTING]
    if fleeting:
        shown = ", ".join(f"{name} ({_shown(found[name])})" for name in fleeting)
        raise NotAnImport(
            "CloudFormation is attempting to import some resources because they already exist in your account. The "
            "resources must have the DeletionPolicy attribute set to 'Retain' or 'RetainExceptOnCreate' in the "
            f"template for successful import. The affected resources are {shown}"
        )
    return found


def _shown(identifier: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}={value}" for key, value in identifier.items()) + "}"


def _exists(cx: Context, stack: Stack, type_name: str, existing: Existing) -> bool:
    read = states.reader(type_name)
    if read is None:
        return False  # nothing here looks closely enough to say
    try:
        carry_out(read(existing), cx, stack.role_arn)
    except AwsError:
        return False
    return True


def shown_as_imports(change_set: ChangeSet) -> ChangeSet:
    """The change set with Import instead of Add for what it takes over."""

    def shown(change: Json) -> Json:
        body = change["ResourceChange"]
        name = body["LogicalResourceId"]
        adopted = change_set.adopts.get(name)
        return change if adopted is None else _change(name, body["ResourceType"], adopted)

    return attrs.evolve(
        change_set,
        changes=[shown(change) for change in change_set.changes],
        property_changes=[shown(change) for change in change_set.property_changes],
    )


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
        importing=True,
    )
    stack_event(
        cx, begun(attrs.evolve(stack, updated=cx.now), started), "IMPORT_IN_PROGRESS", "User Initiated"
    )
