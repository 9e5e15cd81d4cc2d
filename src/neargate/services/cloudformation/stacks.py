"""Creating, changing and deleting stacks: what is wanted is recorded, the driver does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import (
    DELETED,
    EVENTS,
    UPDATABLE,
    UPDATABLE_WITHOUT_ROLLBACK,
    ChangeSet,
    Stack,
    StackInput,
    StackOperation,
)
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.cloudformation import inputs, nested
from neargate.services.cloudformation.differences import differs, refuse_type_changes
from neargate.services.cloudformation.lookup import all_stacks, by_name, required

INITIATED = "User Initiated"


@operation("cloudformation", "CreateStack")
def create_stack(cx: Context, request: Json) -> Json:
    """Accept a template and start to create its stack."""
    name = request["StackName"]
    if by_name(cx, name) is not None:
        raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
    if request.get("OnFailure") and request.get("DisableRollback"):
        raise AwsError("ValidationError", "You cannot specify both OnFailure and DisableRollback")
    refuse_unhonoured(request)
    parent = nested.parent_of(cx, request)
    if parent is not None:
        request = nested.inherit(parent, request)
    stack = new_stack(cx, request)
    if parent is not None:
        stack = nested.adopted(parent, stack)
    place = inputs.place_for(cx, name, stack.id, stack.notification_arns)
    wanted, opened = inputs.stack_input(cx, request, None, place)
    stack = attrs.evolve(stack, input=wanted, description=opened.template.description)
    operation_id = start_create(cx, stack, wanted, request)
    return {"StackId": stack.id, "OperationId": operation_id}


def refuse_unhonoured(request: Mapping[str, Any]) -> None:
    """Members that change what happens and that Neargate does not honour yet."""
    for member in (
        "StackPolicyBody",
        "StackPolicyURL",
        "StackPolicyDuringUpdateBody",
        "StackPolicyDuringUpdateURL",
        "RetainExceptOnCreate",
        "DeploymentMode",
        "ImportExistingResources",
        "ResourcesToImport",
        "NotificationARNs",
    ):
        if request.get(member):
            raise not_implemented(f"cloudformation: {member}", "cloudformation")
    configuration = request.get("RollbackConfiguration") or {}
    if configuration.get("RollbackTriggers"):
        raise not_implemented("cloudformation: RollbackConfiguration.RollbackTriggers", "cloudformation")
    mode = (request.get("DeploymentConfig") or {}).get("Mode")
    if mode not in (None, "STANDARD"):
        raise not_implemented(f"cloudformation: DeploymentConfig.Mode {mode}", "cloudformation")


def new_stack(cx: Context, request: Mapping[str, Any], status: str = "CREATE_IN_PROGRESS") -> Stack:
    """A stack record with what the call says around the template."""
    role = request.get("RoleARN")
    if role:
        check_role(cx, role)
    return Stack(
        account=cx.account,
        region=cx.region,
        name=request["StackName"],
        uuid=cx.ids.uuid(),
        status=status,
        created=cx.now,
        input=StackInput(template=""),
        principal=cx.caller.principal,
        role_arn=role,
        disable_rollback=bool(request.get("DisableRollback", False)),
        timeout_minutes=request.get("TimeoutInMinutes"),
        notification_arns=list(request.get("NotificationARNs") or ()),
        termination_protection=bool(request.get("EnableTerminationProtection", False)),
    )


def check_role(cx: Context, role: str) -> None:
    """CloudFormation must be able to assume the role."""
    name = role.rsplit("/", 1)[-1]
    try:
        cx.invoke("iam", "GetRole", {"RoleName": name})
    except AwsError as error:
        raise AwsError("ValidationError", f"Role {role} is invalid or cannot be assumed") from error


def start_create(cx: Context, stack: Stack, wanted: StackInput, request: Mapping[str, Any]) -> str:
    """Record the operation and its first event; its id."""
    started = StackOperation(
        id=cx.ids.uuid(),
        kind="CREATE",
        phase="validate",
        started=cx.now,
        wanted=wanted,
        disable_rollback=bool(request.get("DisableRollback", False)),
        on_failure=request.get("OnFailure") or "ROLLBACK",
        token=request.get("ClientRequestToken"),
    )
    record(cx, attrs.evolve(stack, operation=started), "CREATE_IN_PROGRESS")
    return started.id


def record(cx: Context, stack: Stack, status: str, reason: str = INITIATED) -> Stack:
    """Move a stack to a status, with the event that shows it."""
    moved = attrs.evolve(stack, status=status, reason=reason)
    cx.tx.put(moved)
    body: Json = {
        "EventId": cx.ids.uuid(),
        "LogicalResourceId": stack.name,
        "PhysicalResourceId": stack.id,
        "ResourceType": "AWS::CloudFormation::Stack",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }
    if stack.operation is not None:
        body["OperationId"] = stack.operation.id
        if stack.operation.token:
            body["ClientRequestToken"] = stack.operation.token
    cx.tx.append(EVENTS, stack.key, body)
    return moved


@operation("cloudformation", "UpdateStack")
def update_stack(cx: Context, request: Json) -> Json:
    """Accept a change of a stack and start to make it."""
    stack = required(cx, request["StackName"])
    if stack.status == DELETED:
        raise AwsError("ValidationError", f"Stack with id {request['StackName']} does not exist")
    refuse_unhonoured(request)
    parent = nested.parent_of(cx, request)
    if parent is not None:
        request = nested.inherit(parent, request)
    check_updatable(stack, disable_rollback=bool(request.get("DisableRollback", False)))
    place = inputs.place_for(cx, stack.name, stack.id, stack.notification_arns)
    wanted, opened = inputs.stack_input(cx, request, stack.input, place)
    refuse_type_changes(cx, stack, opened)
    if not differs(cx, stack, wanted, opened, place):
        raise AwsError("ValidationError", "No updates are to be performed.")
    operation_id = start_update(cx, stack, wanted, request)
    return {"StackId": stack.id, "OperationId": operation_id}


def check_updatable(stack: Stack, *, disable_rollback: bool = False) -> None:
    fine = stack.status in UPDATABLE or (disable_rollback and stack.status in UPDATABLE_WITHOUT_ROLLBACK)
    if not fine or stack.operation is not None:
        raise AwsError(
            "ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not be updated."
        )


def start_update(cx: Context, stack: Stack, wanted: StackInput, request: Mapping[str, Any]) -> str:
    """Record the operation and its first event; its id. What change sets planned no longer holds."""
    for change_set in cx.tx.scan(ChangeSet, stack.key + "/"):
        if change_set.execution_status == "AVAILABLE":
            cx.tx.put(attrs.evolve(change_set, execution_status="OBSOLETE"))
    role = request.get("RoleARN") or stack.role_arn
    if request.get("RoleARN"):
        check_role(cx, request["RoleARN"])
    led = nested.parent_of(cx, request) is not None
    started = StackOperation(
        id=cx.ids.uuid(),
        kind="UPDATE",
        phase="validate",
        started=cx.now,
        wanted=wanted,
        before=stack.input,
        disable_rollback=bool(request.get("DisableRollback", False)),
        token=request.get("ClientRequestToken"),
        led=led,
        shown=nested.shown(stack) if led else None,
    )
    changed = attrs.evolve(
        stack,
        operation=started,
        updated=cx.now,
        role_arn=role,
        notification_arns=list(request.get("NotificationARNs") or stack.notification_arns),
    )
    record(cx, changed, "UPDATE_IN_PROGRESS")
    return started.id


@operation("cloudformation", "CancelUpdateStack")
def cancel_update_stack(cx: Context, request: Json) -> Json:
    """Turn an update back that is under way, disabled rollback or not."""
    stack = required(cx, request["StackName"], "Stack [{}] does not exist")
    running = stack.operation
    if running is None or stack.status != "UPDATE_IN_PROGRESS":
        raise AwsError("ValidationError", "CancelUpdateStack cannot be called from current stack status")
    cx.tx.put(attrs.evolve(stack, operation=attrs.evolve(running, cancelled=True, disable_rollback=False)))
    return {}


@operation("cloudformation", "DeleteStack")
def delete_stack(cx: Context, request: Json) -> Json:
    """Start to delete a stack. One that does not exist is deleted already."""
    stack = by_name(cx, request["StackName"])
    if stack is None or stack.status == DELETED:
        return {}
    refuse_unhonoured(request)
    if request.get("DeletionMode") not in (None, "STANDARD"):
        raise not_implemented(f"cloudformation: DeletionMode {request['DeletionMode']}", "cloudformation")
    led = nested.parent_of(cx, request) is not None
    if not led and nested.protected(cx, stack):
        raise AwsError(
            "ValidationError",
            f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled",
        )
    running = stack.operation
    if running is not None and running.kind == "DELETE":
        return {}
    if running is not None and running.kind == "UPDATE" and not led:
        raise AwsError(
            "ValidationError",
            f"Stack [{stack.id}] cannot be deleted while in status {stack.status}",
        )
    retain = list(request.get("RetainResources") or ())
    if retain and stack.status != "DELETE_FAILED":
        raise AwsError(
            "ValidationError",
            f"Invalid operation on stack [{stack.id}]. Specifying resources to retain is only allowed for stacks in "
            "the DELETE_FAILED state.",
        )
    _refuse_used_exports(cx, stack)
    role = request.get("RoleARN") or stack.role_arn
    started = StackOperation(
        id=cx.ids.uuid(),
        kind="DELETE",
        phase="delete",
        started=cx.now,
        retain=retain,
        token=request.get("ClientRequestToken"),
    )
    for change_set in cx.tx.scan(ChangeSet, stack.key + "/"):
        cx.tx.delete(ChangeSet, change_set.key)
    record(cx, attrs.evolve(stack, operation=started, role_arn=role), "DELETE_IN_PROGRESS")
    return {}


def _refuse_used_exports(cx: Context, stack: Stack) -> None:
    for other in all_stacks(cx):
        if other.key == stack.key or other.status == DELETED:
            continue
        for name in stack.exports.keys() & set(other.imports):
            raise AwsError(
                "ValidationError", f"Export {name} cannot be deleted as it is in use by {other.name}"
            )


@operation("cloudformation", "UpdateTerminationProtection")
def update_termination_protection(cx: Context, request: Json) -> Json:
    """Switch termination protection."""
    stack = required(cx, request["StackName"])
    if stack.root_id is not None:
        raise AwsError(
            "ValidationError",
            f"TerminationProtection cannot be updated on nested stack [{stack.name}]: update its root stack.",
        )
    cx.tx.put(attrs.evolve(stack, termination_protection=request["EnableTerminationProtection"]))
    return {"StackId": stack.id}
