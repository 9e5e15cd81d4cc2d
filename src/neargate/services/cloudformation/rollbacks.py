"""Going back after a failure, and what else is done to a stack that stands still."""

from __future__ import annotations

import attrs

from neargate.model.cloudformation import REVERTED, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.cloudformation.events import INITIATED, STACK_TYPE, stack_event
from neargate.services.cloudformation.lookup import required, resources
from neargate.services.cloudformation.repeats import begun, repeated
from neargate.services.cloudformation.stacks import check_role, is_express


@operation("cloudformation", "ContinueUpdateRollback")
def continue_update_rollback(cx: Context, request: Json) -> Json:
    """Try again what a rollback could not do, without the resources that are to be skipped."""
    stack = required(cx, request["StackName"])
    if repeated(stack, request, "CONTINUE_ROLLBACK") is not None:
        return {}
    if stack.status != "UPDATE_ROLLBACK_FAILED":
        raise AwsError(
            "ValidationError",
            f"Stack:{stack.id} is in {stack.status} state and can not be rolled back.",
        )
    skip = list(request.get("ResourcesToSkip") or ())
    if skip and request.get("ForceRollback"):
        raise AwsError("ValidationError", "You cannot specify both ResourcesToSkip and ForceRollback")
    failed = [r for r in resources(cx, stack) if _could_not_go_back(r)]
    stuck = [r.logical_id for r in failed]
    if request.get("ForceRollback"):
        skip = stuck
    below = {r.made.physical_id.split("/")[1] for r in failed if _is_stack(r) and r.made is not None}
    others = [name for name in skip if name not in stuck and name.partition(".")[0] not in below]
    if others:
        raise AwsError(
            "ValidationError",
            f"The following resource(s) cannot be skipped, as no rollback of them has failed: [{', '.join(others)}]",
        )
    started = attrs.evolve(_going_back(cx, stack, request, "CONTINUE_ROLLBACK"), skip=skip)
    _start(cx, stack, request, started, "UPDATE_ROLLBACK_IN_PROGRESS")
    return {}


def _is_stack(resource: StackResource) -> bool:
    """A nested stack: resources of its own are skipped as `NESTED-STACK-NAME.RESOURCE`."""
    return resource.type == STACK_TYPE


def _could_not_go_back(resource: StackResource) -> bool:
    return resource.status == "UPDATE_FAILED" and resource.operation.startswith(REVERTED)


@operation("cloudformation", "RollbackStack")
def rollback_stack(cx: Context, request: Json) -> Json:
    """Bring a stack that failed without rollback to its last stable state; one that never had any loses everything."""
    stack = required(cx, request["StackName"])
    operation_id = repeated(stack, request, "ROLLBACK")
    if operation_id is not None:
        return {"StackId": stack.id, "OperationId": operation_id}
    if stack.status not in {"CREATE_FAILED", "UPDATE_FAILED"}:
        raise AwsError(
            "ValidationError",
            f"Stack:{stack.id} is in {stack.status} state and can not be rolled back.",
        )
    started = _going_back(cx, stack, request, "ROLLBACK")
    if stack.stable is None:
        started = attrs.evolve(started, kind="CREATE", phase="rollback", wanted=stack.input)
        _start(cx, attrs.evolve(stack, deleted=cx.now), request, started, "ROLLBACK_IN_PROGRESS")
    else:
        _start(cx, stack, request, started, "UPDATE_ROLLBACK_IN_PROGRESS")
    return {"StackId": stack.id, "OperationId": started.id}


def _going_back(cx: Context, stack: Stack, request: Json, kind: str) -> StackOperation:
    return StackOperation(
        id=cx.ids.uuid(),
        kind="UPDATE",
        phase="revert",
        started=cx.now,
        wanted=stack.input,
        before=stack.stable,
        token=request.get("ClientRequestToken"),
        type=kind,
        base=stack.base,
        retain_except_on_create=bool(request.get("RetainExceptOnCreate", False)),
        express=is_express(request),
    )


def _start(cx: Context, stack: Stack, request: Json, started: StackOperation, status: str) -> None:
    if request.get("RoleARN"):
        check_role(cx, request["RoleARN"])
        stack = attrs.evolve(stack, role_arn=request["RoleARN"])
    stack_event(cx, begun(attrs.evolve(stack, updated=cx.now), started), status, INITIATED)


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
