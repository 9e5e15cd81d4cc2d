"""Change sets: a create or update that is shown before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import DELETED, ChangeSet, Stack
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.planners import template as language
from neargate.services.cloudformation import inputs
from neargate.services.cloudformation.differences import changes, differs, refuse_type_changes
from neargate.services.cloudformation.lookup import by_name
from neargate.services.cloudformation.lookup import change_set as find_change_set
from neargate.services.cloudformation.stacks import (
    check_updatable,
    new_stack,
    record,
    refuse_unhonoured,
    start_create,
    start_update,
)

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
REVIEW = "REVIEW_IN_PROGRESS"


@operation("cloudformation", "CreateChangeSet")
def create_change_set(cx: Context, request: Json) -> Json:
    """Work out what a create or update would do. A CREATE makes the stack exist, in review."""
    name, kind = request["StackName"], request.get("ChangeSetType") or "UPDATE"
    refuse_unhonoured(request)
    if kind not in {"CREATE", "UPDATE"}:
        raise not_implemented(f"cloudformation: ChangeSetType {kind}", "cloudformation")
    stack = _stack_for(cx, request, name, kind)
    key = f"{stack.key}/{request['ChangeSetName']}"
    known = cx.tx.get(ChangeSet, key)
    # Two deploys within one second name their change sets alike: one that is spent is in nobody's way.
    if known is not None and known.execution_status in {"AVAILABLE", "EXECUTE_IN_PROGRESS"}:
        raise AwsError(
            "AlreadyExistsException",
            f"ChangeSet {request['ChangeSetName']} cannot be created due to a mismatch with existing attribute "
            "Template",
        )
    fresh = stack.status == REVIEW
    place = inputs.place_for(cx, stack.name, stack.id, stack.notification_arns)
    previous = None if fresh else stack.input
    wanted, opened = inputs.stack_input(cx, request, previous, place, change_set=True)
    refuse_type_changes(cx, stack, opened)
    empty = not fresh and not differs(cx, stack, wanted, opened, place)
    change_set = ChangeSet(
        stack=stack.key,
        stack_name=stack.name,
        stack_id=stack.id,
        name=request["ChangeSetName"],
        uuid=cx.ids.uuid(),
        type=kind,
        status="FAILED" if empty else "CREATE_COMPLETE",
        execution_status="UNAVAILABLE" if empty else "AVAILABLE",
        reason=NO_CHANGES if empty else None,
        created=cx.now,
        input=wanted,
        account=cx.account,
        region=cx.region,
        description=request.get("Description"),
        changes=[] if empty else changes(cx, stack, wanted, opened, place),
        role_arn=request.get("RoleARN"),
        notification_arns=list(request.get("NotificationARNs") or ()),
        include_nested=bool(request.get("IncludeNestedStacks", False)),
        on_stack_failure=request.get("OnStackFailure"),
    )
    cx.tx.put(change_set)
    return {"Id": change_set.id, "StackId": stack.id}


def _stack_for(cx: Context, request: Mapping[str, Any], name: str, kind: str) -> Stack:
    stack = by_name(cx, name)
    if stack is not None and stack.status == DELETED:
        stack = None
    if kind == "CREATE":
        if stack is None:
            return record(cx, new_stack(cx, request, REVIEW), REVIEW)
        if stack.status != REVIEW:
            raise AwsError(
                "ValidationError",
                f"Stack [{name}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}].",
            )
        return stack
    if stack is None:
        raise AwsError("ValidationError", f"Stack [{name}] does not exist")
    check_updatable(stack)
    return stack


@operation("cloudformation", "DescribeChangeSet", reads=True)
def describe_change_set(cx: Context, request: Json) -> Json:
    """One change set with its changes."""
    found = find_change_set(cx, request)
    template = language.parse(found.input.template)
    shown: Json = {
        "ChangeSetName": found.name,
        "ChangeSetId": found.id,
        "StackId": found.stack_id,
        "StackName": found.stack_name,
        "Description": found.description,
        "Parameters": inputs.shown_parameters(template, found.input.parameters),
        "CreationTime": found.created,
        "ExecutionStatus": found.execution_status,
        "Status": found.status,
        "StatusReason": found.reason,
        "NotificationARNs": found.notification_arns,
        "RollbackConfiguration": {},
        "Capabilities": found.input.capabilities,
        "Tags": upper(found.input.tags),
        "Changes": found.changes,
        "IncludeNestedStacks": found.include_nested,
        "OnStackFailure": found.on_stack_failure,
    }
    return {name: value for name, value in shown.items() if value is not None}


@operation("cloudformation", "ExecuteChangeSet")
def execute_change_set(cx: Context, request: Json) -> Json:
    """Do what a change set says."""
    refuse_unhonoured(request)
    found = find_change_set(cx, request)
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
    stack = cx.tx.get(Stack, found.stack)
    assert stack is not None
    cx.tx.put(attrs.evolve(found, execution_status="EXECUTE_COMPLETE"))
    stack = attrs.evolve(stack, change_set_id=found.id)
    how: Json = {
        "DisableRollback": request.get("DisableRollback"),
        "ClientRequestToken": request.get("ClientRequestToken"),
        "RoleARN": found.role_arn,
        "NotificationARNs": found.notification_arns,
        "OnFailure": found.on_stack_failure,
    }
    if stack.status == REVIEW:
        stack = attrs.evolve(stack, input=found.input, role_arn=found.role_arn or stack.role_arn)
        start_create(cx, stack, found.input, how)
    else:
        check_updatable(stack, disable_rollback=bool(request.get("DisableRollback")))
        start_update(cx, stack, found.input, how)
    return {}


@operation("cloudformation", "DeleteChangeSet")
def delete_change_set(cx: Context, request: Json) -> Json:
    """Forget a change set. The stack it made exist in review stays."""
    try:
        found = find_change_set(cx, request)
    except AwsError as error:
        if error.code == "ChangeSetNotFound":
            return {}
        raise
    cx.tx.delete(ChangeSet, found.key)
    return {}


@operation("cloudformation", "ListChangeSets", reads=True)
def list_change_sets(cx: Context, request: Json) -> Json:
    """The change sets of a stack."""
    stack = by_name(cx, request["StackName"])
    if stack is None:
        raise AwsError("ValidationError", f"Stack [{request['StackName']}] does not exist")
    summaries = [
        {
            "StackId": c.stack_id,
            "StackName": c.stack_name,
            "ChangeSetId": c.id,
            "ChangeSetName": c.name,
            "ExecutionStatus": c.execution_status,
            "Status": c.status,
            "StatusReason": c.reason,
            "CreationTime": c.created,
            "Description": c.description,
            "IncludeNestedStacks": c.include_nested,
        }
        for c in cx.tx.scan(ChangeSet, stack.key + "/")
    ]
    return {"Summaries": summaries}
