"""Creating, changing and deleting stacks: what is wanted is recorded, the driver does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import (
    DELETED,
    UPDATABLE,
    UPDATABLE_WITHOUT_ROLLBACK,
    ChangeSet,
    ChangeSetName,
    Stack,
    StackInput,
    StackOperation,
)
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import template as language
from neargate.services.cloudformation import inputs, nested
from neargate.services.cloudformation import nested_change_sets as hierarchy
from neargate.services.cloudformation.differences import Differences
from neargate.services.cloudformation.events import INITIATED, stack_event
from neargate.services.cloudformation.lookup import all_stacks, by_name, change_sets_of, required
from neargate.services.cloudformation.policies import given_policy
from neargate.services.cloudformation.repeats import begun, repeated

REVIEW = "REVIEW_IN_PROGRESS"


@operation("cloudformation", "CreateStack")
def create_stack(cx: Context, request: Json) -> Json:
    """Accept a template and start to create its stack."""
    parent = nested.parent_of(cx, request)
    planned = None if parent is None else hierarchy.planned(cx, parent, request)
    if planned is not None:
        request = hierarchy.as_planned(planned, request)
    name = request["StackName"]
    known = by_name(cx, name)
    if known is not None:
        operation_id = repeated(known, request, "CREATE_STACK")
        if operation_id is not None:
            return {"StackId": known.id, "OperationId": operation_id}
    if known is not None and known.status != REVIEW:
        raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
    if request.get("OnFailure") and request.get("DisableRollback"):
        raise AwsError("ValidationError", "You cannot specify both OnFailure and DisableRollback")
    refuse_unhonoured(request)
    if parent is not None:
        request = nested.inherit(parent, request)
    stack = attrs.evolve(new_stack(cx, request), policy=given_policy(cx, request))
    if known is not None:
        retire_change_sets(cx, known)
        stack = attrs.evolve(stack, uuid=known.uuid, created=known.created)
    if parent is not None:
        stack = nested.adopted(parent, stack)
    place = inputs.place_for(cx, name, stack.id, stack.notification_arns)
    try:
        wanted, _ = inputs.stack_input(cx, request, None, place)
    except inputs.ProcessingFailed as failed:
        wanted = failed.wanted
    stack = attrs.evolve(stack, input=wanted, description=inputs.outline_of(wanted).description)
    operation_id = start_create(cx, stack, wanted, request)
    if planned is not None:
        hierarchy.tie(cx, planned)
    _record_transformation(cx, stack, wanted)
    return {"StackId": stack.id, "OperationId": operation_id}


def refuse_unhonoured(request: Mapping[str, Any]) -> None:
    """Members that change what happens and that Neargate does not honour yet."""
    if request.get("DeploymentMode"):
        raise not_implemented("cloudformation: DeploymentMode", "cloudformation")
    for trigger in (request.get("RollbackConfiguration") or {}).get("RollbackTriggers") or ():
        _refuse_trigger(trigger)


def _refuse_trigger(trigger: Mapping[str, Any]) -> None:
    if trigger.get("Type") not in {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"}:
        raise AwsError("ValidationError", "Rollback Trigger Type not supported")
    parts = str(trigger.get("Arn", "")).split(":")
    if len(parts) != 7 or parts[5] != "alarm":
        raise AwsError("ValidationError", "RelativeId of a Rollback Trigger's ARN is incorrect")
    raise not_implemented("cloudformation: RollbackConfiguration.RollbackTriggers", "cloudformation")


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
        disable_rollback=without_rollback(request),
        timeout_minutes=request.get("TimeoutInMinutes"),
        notification_arns=list(request.get("NotificationARNs") or ()),
        termination_protection=bool(request.get("EnableTerminationProtection", False)),
        rollback_configuration=dict(request.get("RollbackConfiguration") or {}),
        retain_except_on_create=bool(request.get("RetainExceptOnCreate", False)),
        deployment_config=request.get("DeploymentConfig"),
    )


def without_rollback(request: Mapping[str, Any]) -> bool:
    """True where a failure is to leave everything as it is."""
    config = request.get("DeploymentConfig") or {}
    return bool(request.get("DisableRollback") or config.get("DisableRollback"))


def is_express(request: Mapping[str, Any]) -> bool:
    """True where a resource that is configured counts as complete."""
    return (request.get("DeploymentConfig") or {}).get("Mode") == "EXPRESS"


def check_role(cx: Context, role: str) -> None:
    """CloudFormation must be able to assume the role."""
    name = role.rsplit("/", 1)[-1]
    try:
        cx.invoke("iam", "GetRole", {"RoleName": name})
    except AwsError as error:
        raise AwsError("ValidationError", f"Role {role} is invalid or cannot be assumed") from error


def start_create(cx: Context, stack: Stack, wanted: StackInput, request: Mapping[str, Any]) -> str:
    """Record the operation and its first event; its id. A change set's creation counts as an update of the stack."""
    identity = cx.ids.uuid()
    started = StackOperation(
        id=identity,
        kind="CREATE",
        phase="validate",
        started=cx.now,
        wanted=wanted,
        disable_rollback=without_rollback(request),
        on_failure=request.get("OnFailure") or "ROLLBACK",
        token=request.get("ClientRequestToken"),
        type="CREATE_STACK",
        base=identity,
        retain_except_on_create=bool(request.get("RetainExceptOnCreate", False)),
        express=is_express(request),
    )
    updated = cx.now if stack.change_set_id is not None else None
    record(cx, begun(attrs.evolve(stack, updated=updated), started), "CREATE_IN_PROGRESS")
    return identity


def _record_transformation(cx: Context, stack: Stack, wanted: StackInput) -> None:
    """Between the call and the first resource AWS runs the transforms; a change set's have run before it."""
    started = cx.tx.get(Stack, stack.key)
    if started is not None and wanted.original and not wanted.failure:
        record(cx, started, started.status, "Transformation succeeded")


def record(cx: Context, stack: Stack, status: str, reason: str = INITIATED) -> Stack:
    """Move a stack to a status, with the event that shows it."""
    return stack_event(cx, stack, status, reason)


@operation("cloudformation", "UpdateStack")
def update_stack(cx: Context, request: Json) -> Json:
    """Accept a change of a stack and start to make it."""
    stack = required(cx, request["StackName"])
    operation_id = repeated(stack, request, "UPDATE_STACK")
    if operation_id is not None:
        return {"StackId": stack.id, "OperationId": operation_id}
    refuse_unhonoured(request)
    parent = nested.parent_of(cx, request)
    planned = None if parent is None else hierarchy.planned(cx, parent, request)
    if planned is not None:
        request = hierarchy.as_planned(planned, request)
    if parent is not None:
        request = nested.inherit(parent, request)
    check_updatable(stack, disable_rollback=without_rollback(request))
    around = settings(stack, request)
    place = inputs.place_for(cx, stack.name, stack.id, around.notification_arns)
    try:
        wanted, opened = inputs.stack_input(cx, request, stack.input, place)
    except inputs.ProcessingFailed as failed:
        wanted = failed.wanted
    else:
        same = around == settings_of(stack) and not Differences(cx, stack, wanted, opened, place)
        if same and not _is_always_new(wanted):
            raise AwsError("ValidationError", "No updates are to be performed.")
    if request.get("Capabilities") is None:  # those of earlier calls are still shown
        wanted = attrs.evolve(wanted, capabilities=stack.input.capabilities)
    operation_id = start_update(cx, attrs.evolve(stack, change_set_id=None), wanted, request)
    if planned is not None:
        hierarchy.tie(cx, planned)
    _record_transformation(cx, stack, wanted)
    return {"StackId": stack.id, "OperationId": operation_id}


def _is_always_new(wanted: StackInput) -> bool:
    """A template that a macro or a service's transform has processed is an update, whatever came of it."""
    if not wanted.original:
        return False
    return set(language.outline(language.read(wanted.original)).transforms) != {language.LANGUAGE_EXTENSIONS}


def check_updatable(stack: Stack, *, disable_rollback: bool = False) -> None:
    """Raises ValidationError where the stack's state does not allow an update."""
    fine = stack.status in UPDATABLE or (disable_rollback and stack.status in UPDATABLE_WITHOUT_ROLLBACK)
    if not fine or stack.operation is not None:
        raise AwsError(
            "ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not be updated."
        )


def start_update(cx: Context, stack: Stack, wanted: StackInput, request: Mapping[str, Any]) -> str:
    """Record the operation and its first event; its id. What change sets planned no longer holds."""
    retire_change_sets(cx, stack)
    role = request.get("RoleARN") or stack.role_arn
    if request.get("RoleARN"):
        check_role(cx, request["RoleARN"])
    led = nested.parent_of(cx, request) is not None
    new_policy = given_policy(cx, request)
    during = given_policy(cx, request, "StackPolicyDuringUpdate")
    identity = cx.ids.uuid()
    stable = stack.status in UPDATABLE
    started = StackOperation(
        id=identity,
        kind="UPDATE",
        phase="validate",
        started=cx.now,
        wanted=wanted,
        before=stack.input if stable else stack.stable,
        disable_rollback=without_rollback(request),
        token=request.get("ClientRequestToken"),
        type="UPDATE_STACK",
        base=identity if stable else stack.base,
        policy=during if during is not None else stack.policy,
        new_policy=new_policy,
        retain_except_on_create=bool(request.get("RetainExceptOnCreate", False)),
        express=is_express(request),
        led=led,
        shown=nested.shown(stack) if led else None,
    )
    around = settings(stack, request)
    changed = attrs.evolve(
        stack,
        updated=cx.now,
        role_arn=role,
        disable_rollback=started.disable_rollback,
        notification_arns=around.notification_arns,
        rollback_configuration=around.rollback_configuration,
        retain_except_on_create=started.retain_except_on_create,
        deployment_config=request.get("DeploymentConfig"),
    )
    record(cx, begun(changed, started), "UPDATE_IN_PROGRESS")
    return identity


def retire_change_sets(cx: Context, stack: Stack) -> None:
    """What they planned no longer holds."""
    for change_set in change_sets_of(cx, stack):
        if change_set.execution_status == "AVAILABLE":
            cx.tx.put(attrs.evolve(change_set, execution_status="OBSOLETE"))


@attrs.frozen
class Settings:
    """What is said around a template: a change of these alone is an update too."""

    notification_arns: list[str]
    rollback_configuration: Json


def settings_of(stack: Stack) -> Settings:
    return Settings(stack.notification_arns, stack.rollback_configuration)


def settings(stack: Stack, request: Mapping[str, Any]) -> Settings:
    """What holds for the stack after the call: what it says, or what was there where it says nothing."""
    return Settings(
        list(_replaced(request.get("NotificationARNs"), stack.notification_arns)),
        dict(_replaced(request.get("RollbackConfiguration"), stack.rollback_configuration)),
    )


def _replaced(given: Any, known: Any) -> Any:
    """What an update says, the empty too; what was there where it says nothing."""
    return known if given is None else given


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
    if stack is None or stack.status == DELETED or repeated(stack, request, "DELETE_STACK") is not None:
        return {}
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
    mode = request.get("DeletionMode")
    _check_delete_failed(stack, retain, mode)
    _refuse_used_exports(cx, stack)
    role = request.get("RoleARN") or stack.role_arn
    identity = cx.ids.uuid()
    started = StackOperation(
        id=identity,
        kind="DELETE",
        phase="delete",
        started=cx.now,
        retain=retain,
        token=request.get("ClientRequestToken"),
        type="DELETE_STACK",
        base=identity,
        force=mode == "FORCE_DELETE_STACK",
    )
    for change_set in change_sets_of(cx, stack):
        cx.tx.delete(ChangeSetName, f"{stack.key}/{change_set.name}")
        if not change_set.execution_status.startswith("EXECUTE"):
            cx.tx.delete(ChangeSet, change_set.key)
    going = attrs.evolve(stack, role_arn=role, deleted=cx.now, deletion_mode=mode)
    record(cx, begun(going, started), "DELETE_IN_PROGRESS")
    return {}


def _check_delete_failed(stack: Stack, retain: list[str], mode: str | None) -> None:
    """What may be said only of a stack that could not be deleted before."""
    refused = f"Invalid operation on stack [{stack.id}]. "
    if stack.status == "DELETE_FAILED":
        return
    if retain:
        raise AwsError(
            "ValidationError",
            refused + "Specifying resources to retain is only allowed for stacks in the DELETE_FAILED state.",
        )
    if mode == "FORCE_DELETE_STACK":
        raise AwsError(
            "ValidationError",
            refused + "Force deletion is only allowed for stacks in the DELETE_FAILED state.",
        )


def _refuse_used_exports(cx: Context, stack: Stack) -> None:
    if not stack.exports:
        return
    for other in all_stacks(cx):
        if other.key == stack.key or other.status == DELETED:
            continue
        for name in stack.exports.keys() & set(other.imports):
            raise AwsError(
                "ValidationError", f"Export {name} cannot be deleted as it is in use by {other.name}"
            )
