"""Change sets: a create or update that is shown before it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import DELETED, ChangeSet, ChangeSetName, Stack, StackInput
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources import evaluation
from neargate.services.cloudformation import imports, inputs
from neargate.services.cloudformation import nested_change_sets as hierarchy
from neargate.services.cloudformation.describe import page
from neargate.services.cloudformation.differences import Differences
from neargate.services.cloudformation.lookup import by_name, change_sets_of
from neargate.services.cloudformation.lookup import change_set as find_change_set
from neargate.services.cloudformation.repeats import repeated
from neargate.services.cloudformation.stacks import (
    REVIEW,
    Settings,
    check_updatable,
    new_stack,
    record,
    refuse_unhonoured,
    settings,
    settings_of,
    start_create,
    start_update,
    without_rollback,
)

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
NO_UPDATES = "No updates are to be performed."  # where the template has transforms
SPENT = frozenset({"EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE", "EXECUTE_FAILED"})

_PAGE_BYTES = 1024 * 1024
_LIST_PAGE = 100


@operation("cloudformation", "CreateChangeSet")
def create_change_set(cx: Context, request: Json) -> Json:
    """Work out what a create or update would do. A CREATE makes the stack exist, in review."""
    kind = request.get("ChangeSetType") or "UPDATE"
    refuse_unhonoured(request)
    if request.get("ResourcesToImport") and kind != "IMPORT":
        raise AwsError("ValidationError", "ResourcesToImport is only valid for a change set of type IMPORT")
    if request.get("OnStackFailure") == "DELETE" and kind != "CREATE":
        raise AwsError("ValidationError", "OnStackFailure DELETE is only valid when ChangeSetType is CREATE")
    stack = _stack_for(cx, request, kind)
    change_set = _worked_out(cx, request, stack, kind)
    known = _holder_of_the_name(cx, change_set)
    if known is not None:
        _forget_below(cx, change_set)
        return {"Id": known.id, "StackId": stack.id}
    cx.tx.put(change_set)
    cx.tx.put(ChangeSetName(stack.key, change_set.name, change_set.key))
    return {"Id": change_set.id, "StackId": stack.id}


def _stack_for(cx: Context, request: Mapping[str, Any], kind: str) -> Stack:
    name = request["StackName"]
    stack = by_name(cx, name)
    if stack is None and (kind == "UPDATE" or name.startswith("arn:")):
        raise AwsError("ValidationError", f"Stack [{name}] does not exist")
    if stack is None:
        return record(cx, new_stack(cx, request, REVIEW), REVIEW)
    if kind == "UPDATE":
        if stack.status == REVIEW:
            raise AwsError("ValidationError", f"Stack [{name}] does not exist")
        check_updatable(stack, disable_rollback=True)  # whether it goes back only its execution says
    elif kind == "IMPORT":
        if stack.status != REVIEW:
            check_updatable(stack)
    elif stack.status != REVIEW:
        raise AwsError(
            "ValidationError",
            f"Stack [{name}] already exists and cannot be created again with the changeSet "
            f"[{request['ChangeSetName']}].",
        )
    return stack


def _worked_out(cx: Context, request: Mapping[str, Any], stack: Stack, kind: str) -> ChangeSet:
    """The change set that a call asks for: CREATE_COMPLETE with its changes, or FAILED with the reason."""
    around = settings(stack, request)
    place = inputs.place_for(cx, stack.name, stack.id, around.notification_arns)
    previous = None if stack.status == REVIEW else stack.input
    opened: evaluation.Opened | None = None
    try:
        wanted, opened = inputs.stack_input(cx, request, previous, place, change_set=True)
    except inputs.ProcessingFailed as failed:
        wanted = failed.wanted
    change_set = ChangeSet(
        stack=stack.key,
        stack_name=stack.name,
        stack_id=stack.id,
        name=request["ChangeSetName"],
        uuid=cx.ids.uuid(),
        type=kind,
        status="CREATE_COMPLETE",
        execution_status="AVAILABLE",
        created=cx.now,
        input=wanted,
        account=cx.account,
        region=cx.region,
        description=request.get("Description"),
        role_arn=request.get("RoleARN"),
        notification_arns=around.notification_arns,
        rollback_configuration=around.rollback_configuration,
        deployment_config=request.get("DeploymentConfig"),
        include_nested=bool(request.get("IncludeNestedStacks", False)),
        on_stack_failure=request.get("OnStackFailure"),
        import_existing=bool(request.get("ImportExistingResources", False)),
        client_token=request.get("ClientToken"),
        parent_id=request.get("ParentChangeSetId"),
        root_id=request.get("RootChangeSetId"),
        logical_id=request.get("LogicalId", ""),
    )
    if opened is None:
        return _failed(change_set, wanted.failure)
    if kind == "IMPORT":
        change_set = attrs.evolve(change_set, adopts=imports.wanted(cx, request, stack, opened))
    return _with_changes(cx, change_set, stack, wanted, opened, place)


def _failed(change_set: ChangeSet, reason: str, *, empty: bool = False) -> ChangeSet:
    return attrs.evolve(
        change_set, status="FAILED", execution_status="UNAVAILABLE", reason=reason, empty=empty
    )


def _with_changes(
    cx: Context,
    change_set: ChangeSet,
    stack: Stack,
    wanted: StackInput,
    opened: evaluation.Opened,
    place: evaluation.Place,
) -> ChangeSet:
    differences = Differences(cx, stack, wanted, opened, place)
    if change_set.type == "IMPORT":
        try:
            return imports.with_imports(change_set, differences, fresh=stack.status == REVIEW)
        except imports.NotAnImport as other:
            return _failed(change_set, other.reason)
    below: dict[str, ChangeSet | None] = {}
    if change_set.include_nested:
        try:
            below = hierarchy.children(cx, stack, change_set, differences.opened, place, _worked_out_below)
        except hierarchy.NestedFailed as failed:
            return _failed(change_set, failed.reason)
        settled = [name for name, child in below.items() if child is None]
        differences = Differences(cx, stack, wanted, opened, place, settled)
    changes = hierarchy.with_ids([change.to_wire() for change in differences.changes], below)
    changes_settings = settings_of(stack) != Settings(
        change_set.notification_arns, change_set.rollback_configuration
    )
    if stack.status != REVIEW and not (changes or differences.around or changes_settings):
        return _failed(change_set, NO_UPDATES if wanted.original else NO_CHANGES, empty=True)
    if change_set.import_existing:
        try:
            found = imports.existing(cx, stack, differences, differences.opened, place)
        except imports.NotAnImport as failed:
            return _failed(change_set, failed.reason)
        change_set = attrs.evolve(change_set, adopts=found)
    values = [change.to_wire(values=True) for change in differences.property_changes]
    made = attrs.evolve(
        change_set,
        changes=changes,
        property_changes=hierarchy.with_ids(values, below),
        warning=differences.warning(),
    )
    return imports.shown_as_imports(made)


def _worked_out_below(cx: Context, request: Mapping[str, Any], stack: Stack) -> ChangeSet:
    """A nested stack's change set, kept unless nothing changes. One that cannot be worked out fails."""
    kind = "CREATE" if stack.status == REVIEW else "UPDATE"
    try:
        made = _worked_out(cx, request, stack, kind)
    except AwsError as error:
        bare = ChangeSet(
            stack=stack.key,
            stack_name=stack.name,
            stack_id=stack.id,
            name=request["ChangeSetName"],
            uuid=cx.ids.uuid(),
            type=kind,
            status="FAILED",
            execution_status="UNAVAILABLE",
            created=cx.now,
            input=stack.input,
            account=stack.account,
            region=stack.region,
            include_nested=True,
            parent_id=request["ParentChangeSetId"],
            root_id=request["RootChangeSetId"],
            logical_id=request["LogicalId"],
        )
        made = _failed(bare, error.message)
    if not made.empty:
        cx.tx.put(made)
        cx.tx.put(ChangeSetName(stack.key, made.name, made.key))
    return made


def _holder_of_the_name(cx: Context, wanted: ChangeSet) -> ChangeSet | None:
    """The change set that a repeated call made before; None where the name is free.

    Raises AlreadyExistsException where it stands for something else. A change set that has been executed does not hold
    its name, nor does one that failed within the same second: on AWS the work takes longer than that, so clients may
    put the second into the name.
    """
    found = cx.tx.get(ChangeSetName, f"{wanted.stack}/{wanted.name}")
    known = None if found is None else cx.tx.get(ChangeSet, found.key_of_set)
    if known is None or known.execution_status in SPENT:
        return None
    if known.status == "FAILED" and wanted.created - known.created < 1.0:
        return None
    for attribute, value in _identity(wanted).items():
        if value != _identity(known)[attribute]:
            raise AwsError(
                "AlreadyExistsException",
                f"ChangeSet {wanted.name} cannot be created due to a mismatch with existing attribute {attribute}",
            )
    return known


def _identity(change_set: ChangeSet) -> dict[str, object]:
    """What makes two calls of the same name the same call, as AWS names it."""
    return {
        "Template": change_set.input.as_written,
        "Parameters": change_set.input.parameters,
        "Capabilities": sorted(change_set.input.capabilities),
        "Tags": change_set.input.tags,
        "RoleARN": change_set.role_arn,
        "NotificationARNs": change_set.notification_arns,
        "RollbackConfiguration": change_set.rollback_configuration,
        "Description": change_set.description,
        "ClientToken": change_set.client_token,
    }


@operation("cloudformation", "DescribeChangeSet", reads=True)
def describe_change_set(cx: Context, request: Json) -> Json:
    """One change set with its changes, a page of at most a megabyte at a time."""
    found = find_change_set(cx, request)
    values = bool(request.get("IncludePropertyValues", False))
    changes, token = _page_of_changes(
        found.property_changes if values else found.changes, request.get("NextToken")
    )
    shown: Json = {
        "ChangeSetName": found.name,
        "ChangeSetId": found.id,
        "StackId": found.stack_id,
        "StackName": found.stack_name,
        "Description": found.description,
        "Parameters": inputs.shown_parameters(found.input) or None,
        "CreationTime": found.created,
        "ExecutionStatus": found.execution_status,
        "Status": found.status,
        "StatusReason": found.reason or (found.warning if values else None),
        "NotificationARNs": found.notification_arns,
        "RollbackConfiguration": found.rollback_configuration,
        "Capabilities": found.input.capabilities,
        "Tags": upper(found.input.tags) or None,
        "Changes": changes,
        "NextToken": token,
        "IncludeNestedStacks": found.include_nested,
        "OnStackFailure": found.on_stack_failure,
        "ImportExistingResources": found.import_existing or None,
        "ParentChangeSetId": found.parent_id,
        "RootChangeSetId": found.root_id,
        "DeploymentConfig": found.deployment_config,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _page_of_changes(changes: list[Json], token: str | None) -> tuple[list[Json], str | None]:
    """The changes from a token on until they fill a page. The token is the position."""
    if token is not None and not token.isdigit():
        raise AwsError("ValidationError", "NextToken is not valid")
    start = int(token or 0)
    size = 0
    for index in range(start, len(changes)):
        size += len(json.dumps(changes[index]))
        if size > _PAGE_BYTES and index > start:
            return changes[start:index], str(index)
    return changes[start:], None


@operation("cloudformation", "ExecuteChangeSet")
def execute_change_set(cx: Context, request: Json) -> Json:
    """Do what a change set says. The stack's other change sets are no longer valid and go."""
    found = find_change_set(cx, request)
    stack = cx.tx.get(Stack, found.stack)
    assert stack is not None
    if repeated(stack, request, f"{found.type}_STACK") is not None:
        return {}
    hierarchy.refuse_below(found)
    _check_executable(found)
    how = _how(found, request)
    if found.type == "UPDATE" or (found.type == "IMPORT" and stack.status != REVIEW):
        check_updatable(stack, disable_rollback=without_rollback(how))
    for other in change_sets_of(cx, stack):
        if other.key != found.key and other.execution_status not in SPENT:
            _forget(cx, other)
    stack = attrs.evolve(stack, change_set_id=found.id)
    if found.type == "IMPORT":
        imports.start(cx, stack, found, how["ClientRequestToken"])
    elif found.type == "UPDATE":
        start_update(cx, stack, found.input, how)
    else:
        start_create(cx, _to_be_created(stack, found, how), found.input, how)
    hierarchy.tie(cx, found)
    return {}


def _how(found: ChangeSet, request: Mapping[str, Any]) -> Json:
    """What the two calls together say about the operation, as a request of CreateStack or UpdateStack says it."""
    if found.on_stack_failure is not None and request.get("DisableRollback") is not None:
        raise AwsError(
            "ValidationError",
            "DisableRollback must not be specified for a change set that has OnStackFailure",
        )
    return {
        "DisableRollback": bool(request.get("DisableRollback")) or found.on_stack_failure == "DO_NOTHING",
        "RetainExceptOnCreate": request.get("RetainExceptOnCreate"),
        "ClientRequestToken": request.get("ClientRequestToken"),
        "RoleARN": found.role_arn,
        "NotificationARNs": found.notification_arns,
        "RollbackConfiguration": found.rollback_configuration,
        "OnFailure": found.on_stack_failure,
        "DeploymentConfig": found.deployment_config,
    }


def _to_be_created(stack: Stack, found: ChangeSet, how: Json) -> Stack:
    """The stack in review, as CreateStack would have begun it."""
    return attrs.evolve(
        stack,
        input=found.input,
        description=inputs.outline_of(found.input).description,
        role_arn=found.role_arn or stack.role_arn,
        disable_rollback=without_rollback(how),
        notification_arns=found.notification_arns,
        rollback_configuration=found.rollback_configuration,
        retain_except_on_create=bool(how["RetainExceptOnCreate"]),
        deployment_config=found.deployment_config,
    )


def _check_executable(found: ChangeSet) -> None:
    if found.status != "CREATE_COMPLETE":
        raise AwsError(
            "InvalidChangeSetStatus",
            f"ChangeSet [{found.id}] cannot be executed in its current status of [{found.status}]",
        )
    if found.execution_status != "AVAILABLE":
        raise AwsError(
            "InvalidChangeSetStatus",
            f"ChangeSet [{found.id}] cannot be executed in its current execution status of [{found.execution_status}]",
        )


@operation("cloudformation", "DeleteChangeSet")
def delete_change_set(cx: Context, request: Json) -> Json:
    """Forget a change set. The stack it made exist in review stays."""
    try:
        found = find_change_set(cx, request)
    except AwsError as error:
        if error.code == "ChangeSetNotFound":
            return {}
        raise
    if found.execution_status == "EXECUTE_IN_PROGRESS":
        raise AwsError(
            "InvalidChangeSetStatus",
            f"ChangeSet [{found.id}] cannot be deleted in its current execution status of [{found.execution_status}]",
        )
    hierarchy.refuse_below(found)
    _forget(cx, found)
    return {}


def _forget_below(cx: Context, change_set: ChangeSet) -> None:
    """The change sets of the hierarchy go with their root's, and so do nested stacks that only they made exist."""
    for each in hierarchy.below(cx, change_set):
        _forget(cx, each)
        stack = cx.tx.get(Stack, each.stack)
        if stack is not None and stack.status == REVIEW:
            record(cx, attrs.evolve(stack, deleted=cx.now), DELETED)


def _forget(cx: Context, change_set: ChangeSet) -> None:
    _forget_below(cx, change_set)
    cx.tx.delete(ChangeSet, change_set.key)
    named = cx.tx.get(ChangeSetName, f"{change_set.stack}/{change_set.name}")
    if named is not None and named.key_of_set == change_set.key:
        cx.tx.delete(ChangeSetName, named.key)


@operation("cloudformation", "ListChangeSets", reads=True)
def list_change_sets(cx: Context, request: Json) -> Json:
    """The change sets of a stack that have not been executed."""
    stack = by_name(cx, request["StackName"])
    if stack is None:
        raise AwsError("ValidationError", f"Stack [{request['StackName']}] does not exist")
    waiting = [c for c in change_sets_of(cx, stack) if c.execution_status not in SPENT]
    shown, token = page(waiting, request.get("NextToken"), _LIST_PAGE)
    answer: Json = {"Summaries": [_summary(change_set) for change_set in shown]}
    return answer if token is None else {**answer, "NextToken": token}


def _summary(change_set: ChangeSet) -> Json:
    shown: Json = {
        "StackId": change_set.stack_id,
        "StackName": change_set.stack_name,
        "ChangeSetId": change_set.id,
        "ChangeSetName": change_set.name,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "CreationTime": change_set.created,
        "Description": change_set.description,
        "IncludeNestedStacks": change_set.include_nested,
        "ImportExistingResources": change_set.import_existing or None,
        "ParentChangeSetId": change_set.parent_id,
        "RootChangeSetId": change_set.root_id,
    }
    return {name: value for name, value in shown.items() if value is not None}
