"""How a phase of a stack operation ends: the stack's next status, its outputs, or its failure. One transaction each."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import attrs

from neargate.drivers.stacks import apply, importing, nested
from neargate.drivers.stacks.journal import VALIDATION_FAILED, stack_event
from neargate.drivers.stacks.place import opened_for, place_in
from neargate.model.cloudformation import UPDATABLE, ChangeSet, Phase, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners import template as language

BY_USER = "Rollback requested by user."
LEFT_BEHIND = "Update successful. One or more resources could not be deleted."


def resources_of(cx: Context, stack: Stack) -> dict[str, StackResource]:
    return {r.logical_id: r for r in cx.tx.scan(StackResource, stack.key + "/")}


# -- the end of `apply` ------------------------------------------------------------------------------------


def applied(cx: Context, stack: Stack, operation: StackOperation) -> None:
    """Everything is as wanted: outputs, exports, and the final status (an update cleans up first)."""
    resources = resources_of(cx, stack)
    place = place_in(cx.tx, stack)
    try:
        opened = opened_for(operation, place, resources)
        outputs = language.evaluate_outputs(opened.template, opened.scope, opened.conditions)
        exports = {o.export_name: o.value for o in outputs if o.export_name is not None}
        _check_exports(cx, stack, exports)
    except AwsError as error:
        apply_impossible(cx, stack, operation, error.message)
        return
    assert operation.wanted is not None
    done = attrs.evolve(
        stack,
        input=operation.wanted,
        stable=None,
        base="",
        policy=operation.new_policy if operation.new_policy is not None else stack.policy,
        description=opened.template.description,
        outputs=[_output(o) for o in outputs],
        exports=exports,
        imports=sorted(language.imports(opened.template, opened.scope)),
    )
    if operation.kind == "CREATE" or operation.importing:
        stack_event(cx, done, "IMPORT_COMPLETE" if operation.importing else "CREATE_COMPLETE")
        _end(cx, stack)
        return
    done = attrs.evolve(done, operation=attrs.evolve(operation, phase="cleanup"))
    stack_event(cx, done, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")


def _output(output: language.Output) -> Json:
    shown: Json = {"OutputKey": output.key, "OutputValue": output.value}
    if output.description is not None:
        shown["Description"] = output.description
    if output.export_name is not None:
        shown["ExportName"] = output.export_name
    return shown


def _check_exports(cx: Context, stack: Stack, exports: Mapping[str, str]) -> None:
    if not exports and not stack.exports:
        return  # nothing to ask the other stacks
    others = [s for s in cx.tx.scan(Stack, f"{stack.account}/{stack.region}/") if s.key != stack.key]
    for other in others:
        for name in other.exports.keys() & exports.keys():
            raise AwsError(
                "ValidationError", f"Export with name {name} is already exported by stack {other.name}"
            )
    for name, value in stack.exports.items():
        if exports.get(name) == value:
            continue
        users = [other.name for other in others if name in other.imports]
        if users:
            verb = "updated" if name in exports else "deleted"
            raise AwsError(
                "ValidationError", f"Export {name} cannot be {verb} as it is in use by {' and '.join(users)}"
            )


def _end(cx: Context, stack: Stack) -> None:
    """The operation is over."""
    now = cx.tx.get(Stack, stack.key)
    assert now is not None
    _report(cx, now)
    cx.tx.put(attrs.evolve(now, operation=None, waiting_for=None))
    nested.release_all(cx, resources_of(cx, stack).values())


def _report(cx: Context, stack: Stack) -> None:
    """Tell the change set that was executed how it ended."""
    key = stack.operation.change_set if stack.operation is not None else None
    executed = cx.tx.get(ChangeSet, key) if key is not None else None
    if executed is not None:
        well = stack.status in UPDATABLE and "ROLLBACK" not in stack.status
        cx.tx.put(attrs.evolve(executed, execution_status="EXECUTE_COMPLETE" if well else "EXECUTE_FAILED"))


def apply_impossible(cx: Context, stack: Stack, operation: StackOperation, reason: str) -> None:
    """The template as a whole cannot be carried out: the stack fails without blaming a resource."""
    _turn_back(
        cx, stack, operation, reason + ". "
    )  # two full stops in a row where the reason ends in one, as on AWS


def apply_ended(cx: Context, stack: Stack, operation: StackOperation, reason: str) -> None:
    """Somebody cancelled the update, or the stack's time is over: cancel what is under way and turn back."""
    for resource in resources_of(cx, stack).values():
        if resource.operation == operation.id and resource.status.endswith("_IN_PROGRESS"):
            apply.cancel(cx, stack, resource)
    _turn_back(cx, stack, operation, reason)


def apply_failed(cx: Context, stack: Stack, operation: StackOperation) -> None:
    """Resources failed: cancel what is under way and turn back."""
    mine = [r for r in resources_of(cx, stack).values() if r.operation == operation.id]
    failed = sorted((r for r in mine if r.status.endswith("_FAILED")), key=lambda r: r.at)
    busy = [r for r in mine if r.status.endswith("_IN_PROGRESS")]
    for resource in busy:
        apply.cancel(cx, stack, resource)
    created = [r for r in (*failed, *busy) if r.status.startswith("CREATE")]
    updated = [r for r in (*failed, *busy) if r.status.startswith("UPDATE")]
    imported = [r for r in failed if r.status.startswith("IMPORT")]
    reason = _blame("import", imported) + _blame("create", created) + _blame("update", updated)
    if all(r.detailed == VALIDATION_FAILED for r in failed):
        names = ", ".join(r.logical_id for r in failed)
        reason = f"Validation failed for following resources: [{names}]. "
    _turn_back(cx, stack, operation, reason)


def _blame(verb: str, resources: Iterable[StackResource]) -> str:
    names = ", ".join(resource.logical_id for resource in resources)
    return f"The following resource(s) failed to {verb}: [{names}]. " if names else ""


def _turn_back(cx: Context, stack: Stack, operation: StackOperation, reason: str) -> None:
    assert operation.wanted is not None
    failed = attrs.evolve(stack, input=operation.wanted, stable=operation.before, base=operation.base)
    if operation.importing:
        importing.turn_back(cx, stack, operation, reason)
        _end(cx, stack)
    elif operation.kind == "UPDATE" and operation.disable_rollback:
        _stop(cx, failed, "UPDATE_FAILED", reason)
    elif operation.kind == "UPDATE" and operation.before is not None:
        _go_on(cx, stack, operation, "revert", "UPDATE_ROLLBACK_IN_PROGRESS", reason)
    elif operation.disable_rollback or operation.on_failure == "DO_NOTHING":
        _stop(cx, failed, "CREATE_FAILED", reason)
    elif operation.on_failure == "DELETE":
        _go_on(cx, stack, attrs.evolve(operation, kind="DELETE"), "delete", "DELETE_IN_PROGRESS", reason)
    else:
        _go_on(cx, stack, operation, "rollback", "ROLLBACK_IN_PROGRESS", reason + BY_USER)


def _stop(cx: Context, stack: Stack, status: str, reason: str) -> None:
    stack_event(cx, stack, status, reason)
    _end(cx, stack)


def _go_on(
    cx: Context, stack: Stack, operation: StackOperation, phase: Phase, status: str, reason: str
) -> None:
    turned = attrs.evolve(stack, operation=attrs.evolve(operation, phase=phase))
    if phase in ("rollback", "delete"):
        turned = attrs.evolve(turned, deleted=cx.now)
    stack_event(cx, turned, status, reason)


# -- the end of `revert` and of the cleanups ---------------------------------------------------------------


def reverted(cx: Context, stack: Stack, operation: StackOperation) -> None:
    """Everything is as before the update; what it made new goes now."""
    assert operation.before is not None
    back = attrs.evolve(
        stack,
        input=operation.before,
        stable=None,
        base="",
        operation=attrs.evolve(operation, phase="revert-cleanup"),
    )
    if operation.shown is not None:
        back = attrs.evolve(back, **attrs.asdict(operation.shown, recurse=False))
    stack_event(cx, back, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")


def revert_failed(cx: Context, stack: Stack, operation: StackOperation, names: Iterable[str]) -> None:
    """The rollback ends here; ContinueUpdateRollback goes on with it."""
    reason = f"The following resource(s) failed to update: [{', '.join(names)}]. "
    stuck = attrs.evolve(stack, stable=operation.before, base=operation.base)
    _stop(cx, stuck, "UPDATE_ROLLBACK_FAILED", reason)


def superfluous(
    operation: StackOperation, live: Container[str], resources: Mapping[str, StackResource]
) -> dict[str, StackResource]:
    """Which whole resources a cleanup removes: those the template no longer has, or that a revert made pointless."""
    if operation.phase == "revert-cleanup":
        return {
            name: r
            for name, r in resources.items()
            if r.base == operation.base and not r.existed
            if r.made is not None or r.status.startswith("DELETE")
        }
    return {
        name: r
        for name, r in resources.items()
        if name not in live and (r.made is not None or r.status == "DELETE_IN_PROGRESS")
    }


def cleaned(cx: Context, stack: Stack, operation: StackOperation) -> None:
    """The last of an update. Records of resources that are gone, or were left behind, go too."""
    for resource in resources_of(cx, stack).values():
        if resource.made is None or resource.status == "DELETE_FAILED":
            cx.tx.delete(StackResource, resource.key)
        elif resource.before is not None or resource.existed:
            cx.tx.put(attrs.evolve(resource, before=None, existed=True))
    done = attrs.evolve(stack, updated=cx.now)
    if operation.phase == "cleanup":
        stack_event(cx, done, "UPDATE_COMPLETE", LEFT_BEHIND if operation.failed else None)
    else:
        stack_event(cx, done, "UPDATE_ROLLBACK_COMPLETE")
    _end(cx, stack)


# -- the end of a removal ----------------------------------------------------------------------------------


def removed(cx: Context, stack: Stack, operation: StackOperation) -> None:
    """A rollback or a delete has done what it could."""
    resources = resources_of(cx, stack).values()
    left = [r for r in resources if r.status == "DELETE_FAILED" and r.made is not None]
    reason = _blame("delete", left) or None
    for resource in resources:
        if resource.made is None and not resource.last_id:  # it never was
            cx.tx.delete(StackResource, resource.key)
    if operation.phase == "rollback":
        wanted = operation.wanted or stack.input
        rolled = attrs.evolve(stack, input=wanted, stable=None, base="")
        stack_event(cx, rolled, "ROLLBACK_FAILED" if left else "ROLLBACK_COMPLETE", reason)
    elif left:
        stack_event(cx, stack, "DELETE_FAILED", reason)
    else:
        gone = attrs.evolve(stack, exports={}, imports=[])
        stack_event(cx, gone, "DELETE_COMPLETE")
    _end(cx, stack)
