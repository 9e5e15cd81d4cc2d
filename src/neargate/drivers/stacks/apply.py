"""Making resources so: create, update, replace or keep one, and see whether it has stabilised.

Every function here runs inside one store transaction. The API calls of a handler and the record of what they
made are kept together or not at all, so a crash in between cannot orphan or double a resource.
"""

from __future__ import annotations

import contextlib
import json

import attrs

from neargate.drivers.stacks import handlers, importing, protection, references
from neargate.drivers.stacks.journal import VALIDATION_FAILED, resource_event
from neargate.drivers.stacks.place import place_in
from neargate.model import moto
from neargate.model.cloudformation import REVERTED, Made, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners import template as language
from neargate.resources import evaluation, registry, schemas
from neargate.resources.carrying import noting
from neargate.resources.declaration import Desired, Existing, Failed, Naming, ResourceType, Waiting

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
NO_REPLACEMENT = "Replacement type updates not supported on stack with disable-rollback."
INITIATED = "Resource creation Initiated"
STABILISE_WITHIN = 3 * 3600.0  # seconds; CloudFormation's wait for types whose schema names no other


class Invalid(handlers.HandlerFailed):
    """The properties do not fit the type's schema."""


def begin(
    cx: Context,
    stack: Stack,
    operation: StackOperation,
    opened: evaluation.Opened,
    logical_id: str,
    place: evaluation.Place,
) -> None:
    """Start on one resource. Raises HandlerFailed with the properties wanted; the caller records that in a transaction
    of its own."""
    resource = current(cx, stack, operation, logical_id, opened.live[logical_id].type)
    wanted = operation.wanted
    assert wanted is not None
    made = resource.made
    place = references.looking_up(cx, place, stack.role_arn)
    want = evaluation.desired(
        opened,
        logical_id,
        place,
        wanted.tags,
        seed=f"{stack.id}/{logical_id}/{operation.id}",
        token=f"{operation.id}-{logical_id}",
        kept_name=made.name if made is not None and resource.type == opened.live[logical_id].type else None,
    )
    try:
        _start(cx, stack, operation, resource.touched(operation, cx.now), want, opened, place)
    except handlers.HandlerFailed as failed:
        failed.properties = _shown(opened, want)
        raise


def _start(
    cx: Context,
    stack: Stack,
    operation: StackOperation,
    resource: StackResource,
    want: Desired,
    opened: evaluation.Opened,
    place: evaluation.Place,
) -> None:
    made = resource.made
    needs = sorted(opened.needs[want.logical_id])
    if made is None and want.logical_id in operation.adopts:
        identifier = operation.adopts[want.logical_id]
        resource, made = importing.adopt(cx, stack, resource, want, needs, identifier)
        taken = attrs.evolve(resource, made=_with_policies(made, opened, want.logical_id))
        resource_event(cx, stack, taken, "UPDATE_COMPLETE")
        return
    if made is None:
        _create(cx, stack, resource, want, needs, opened)
        return
    declared = registry.find(resource.type)
    changed = evaluation.change(resource.type, made, want)
    if not changed and not (declared.nested and operation.kind == "UPDATE"):
        _keep(cx, resource, made, needs, opened)
    elif evaluation.needs_replacement(resource.type, made, want, changed):
        protection.check(operation.policy, "Update:Replace", resource)
        if operation.disable_rollback:
            raise handlers.HandlerFailed(NO_REPLACEMENT, "InvalidRequest")
        _replace(cx, stack, resource, want, needs, opened, place)
    else:
        protection.check(operation.policy, "Update:Modify", resource)
        _update(cx, stack, resource, declared, made, want, needs, opened)


def _shown(opened: evaluation.Opened, want: Desired) -> Json:
    """What events may show of a wish."""
    masked = evaluation.masked(opened, want.logical_id)
    return want.properties if masked is None else masked


def current(
    cx: Context, stack: Stack, operation: StackOperation, logical_id: str, type_name: str
) -> StackResource:
    """The record of a resource, or a new one."""
    found = cx.tx.get(StackResource, f"{stack.key}/{logical_id}")
    if found is not None and (found.made is not None or found.operation == operation.id):
        return attrs.evolve(found, type=type_name) if found.made is None else found
    return StackResource(stack.key, logical_id, type_name, "", cx.now)


def _create(
    cx: Context,
    stack: Stack,
    resource: StackResource,
    want: Desired,
    needs: list[str],
    opened: evaluation.Opened,
) -> None:
    resource = resource_event(cx, stack, resource, "CREATE_IN_PROGRESS", properties=_shown(opened, want))
    made = _with_policies(_make(cx, stack, resource.type, want, needs), opened, want.logical_id)
    resource = attrs.evolve(resource, made=made)
    resource = resource_event(cx, stack, resource, "CREATE_IN_PROGRESS", INITIATED)
    _settle(cx, stack, resource)


def _keep(
    cx: Context, resource: StackResource, made: Made, needs: list[str], opened: evaluation.Opened
) -> None:
    """Nothing differs: no event, only what the template says around the properties is taken over."""
    kept = _with_policies(attrs.evolve(made, needs=needs), opened, resource.logical_id)
    status = resource.status if resource.status.endswith("_COMPLETE") else "UPDATE_COMPLETE"
    before = kept if resource.before == made else resource.before
    cx.tx.put(attrs.evolve(resource, made=kept, before=before, status=status))


def _replace(
    cx: Context,
    stack: Stack,
    resource: StackResource,
    want: Desired,
    needs: list[str],
    opened: evaluation.Opened,
    place: evaluation.Place,
) -> None:
    made = resource.made
    assert made is not None
    declared = registry.find(opened.live[want.logical_id].type)
    naming = declared.naming
    shared = naming is not None and not naming.unique
    if naming is not None and naming.unique and naming.property in want.properties and want.name == made.name:
        raise handlers.HandlerFailed(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
            f"{made.physical_id} and update the stack again.",
            "InvalidRequest",
        )
    formed = evaluation.desired(
        opened,
        want.logical_id,
        place,
        want.tags,
        seed=f"{want.stack_id}/{want.logical_id}/{want.token}",
        token=want.token,
        kept_name=made.name if shared else None,
    )
    resource = resource_event(
        cx, stack, resource, "UPDATE_IN_PROGRESS", REPLACING, properties=_shown(opened, want)
    )
    makes_way = declared.type == resource.type and handlers.makes_way(declared.type)
    if makes_way:
        _make_way(cx, stack, declared, made, want, place)
    fresh = _with_policies(_make(cx, stack, declared.type, formed, needs), opened, want.logical_id)
    leftover = None if makes_way else made
    resource = attrs.evolve(resource, made=fresh, type=declared.type, leftover=leftover)
    resource = resource_event(cx, stack, resource, "UPDATE_IN_PROGRESS", INITIATED)
    _settle(cx, stack, resource)


def _make_way(
    cx: Context, stack: Stack, declared: ResourceType, made: Made, want: Desired, place: evaluation.Place
) -> None:
    """Delete the old one first: the two cannot stand side by side."""
    try:
        handlers.remove(declared, evaluation.existing(made, want.logical_id, place), cx, stack.role_arn)
    except AwsError as error:
        raise handlers.failure(declared, "Delete", error, want.token) from error


def _update(
    cx: Context,
    stack: Stack,
    resource: StackResource,
    declared: ResourceType,
    made: Made,
    want: Desired,
    needs: list[str],
    opened: evaluation.Opened,
) -> None:
    resource = resource_event(cx, stack, resource, "UPDATE_IN_PROGRESS", properties=_shown(opened, want))
    place_of = Existing(
        made.physical_id, attrs.evolve(want, properties=made.properties, name=made.name, tags=made.tags)
    )
    changed = _changed(cx, stack, declared, place_of, want)
    attributes = {**made.attributes, **changed.attributes}
    fresh = _with_policies(attrs.evolve(changed, needs=needs, attributes=attributes), opened, want.logical_id)
    _settle(cx, stack, attrs.evolve(resource, made=fresh))


def _changed(cx: Context, stack: Stack, declared: ResourceType, old: Existing, want: Desired) -> Made:
    whole = references.revealed(cx, want, stack.role_arn)
    _check_properties(declared.type, whole, stack)
    assert declared.update is not None
    done: set[str] = set()
    try:
        handlers.carry_out(noting(declared.update(old, whole), done), cx, stack.role_arn)
        made = Made(old.id, want.properties, want.name, want.tags, want.system_tags)
        return handlers.read(declared, made, Existing(old.id, whole), cx, stack.role_arn)
    except AwsError as error:
        if done & moto.SERVICES:
            _change_back(cx, stack, declared, old, whole)
        raise handlers.failure(declared, "Update", error, want.token) from error


def _change_back(cx: Context, stack: Stack, declared: ResourceType, old: Existing, tried: Desired) -> None:
    """Undo what a failed update changed in moto's memory, which the end of the transaction does not undo."""
    assert declared.update is not None
    before = references.revealed(cx, old.desired, stack.role_arn)
    with contextlib.suppress(AwsError):
        handlers.carry_out(declared.update(Existing(old.id, tried), before), cx, stack.role_arn)


def _make(cx: Context, stack: Stack, type_name: str, want: Desired, needs: list[str]) -> Made:
    declared = registry.find(type_name)
    whole = references.revealed(cx, want, stack.role_arn)
    _check_properties(type_name, whole, stack)
    try:
        made = handlers.make(declared, whole, needs, cx, stack.role_arn)
        return references.concealed(made, want)
    except AwsError as error:
        failed = handlers.failure(declared, "Create", error, want.token)
        if failed.code == "AlreadyExists" and declared.naming is not None:
            failed = _name_taken(cx, stack, declared, declared.naming, whole) or failed
        raise failed from error


def _name_taken(
    cx: Context, stack: Stack, declared: ResourceType, naming: Naming, want: Desired
) -> handlers.HandlerFailed | None:
    """Another stack has it, or something outside of CloudFormation. None where the service's words stand."""
    if naming.taken == "service":
        return None
    for other in cx.tx.scan(StackResource, f"{stack.account}/{stack.region}/"):
        if other.type == declared.type and other.made is not None and other.made.name == want.name:
            owner = cx.tx.get(Stack, other.stack)
            assert owner is not None
            return handlers.HandlerFailed(f"{want.name} already exists in stack {owner.id}", "AlreadyExists")
    identifier = want.name
    if naming.taken == "map":
        identifier = json.dumps({f"/properties/{naming.property}": want.name}, separators=(",", ":"))
    return handlers.failure_text(
        declared,
        f"Resource of type '{declared.type}' with identifier '{identifier}' already exists.",
        "AlreadyExists",
        want.token,
    )


def _check_properties(type_name: str, want: Desired, stack: Stack) -> None:
    if not schemas.exists(type_name):
        return
    errors = schemas.property_errors(type_name, want.logical_id, want.properties)
    if errors:
        raise Invalid(errors[0], "InvalidRequest")


def _with_policies(made: Made, opened: evaluation.Opened, logical_id: str) -> Made:
    resource = opened.live[logical_id]
    return attrs.evolve(
        made,
        deletion_policy=str(language.evaluate(resource.deletion_policy, opened.scope) or "Delete"),
        update_replace_policy=str(
            language.evaluate(resource.update_replace_policy, opened.scope) or "Delete"
        ),
        metadata=dict(resource.metadata) if resource.metadata else None,
        masked=evaluation.masked(opened, logical_id),
    )


def _settle(cx: Context, stack: Stack, resource: StackResource) -> None:
    """Complete it at once where its type needs no wait, or nobody wants to wait; otherwise `check` will."""
    declared = registry.find(resource.type)
    express = stack.operation is not None and stack.operation.express and not declared.waits_always
    if declared.ready is None or express:
        _complete(cx, stack, resource)
        return
    cx.tx.put(resource)


def _complete(cx: Context, stack: Stack, resource: StackResource) -> None:
    verb = resource.status.partition("_")[0]
    resource_event(cx, stack, resource, f"{verb}_COMPLETE")
    _read_again(cx, stack, resource)


def _read_again(cx: Context, stack: Stack, resource: StackResource) -> None:
    """The attributes of what it stands on, where its type alters them."""
    altered = registry.find(resource.type).alters
    for name in resource.made.needs if altered and resource.made is not None else ():
        ground = cx.tx.get(StackResource, f"{stack.key}/{name}")
        if ground is not None and ground.made is not None and ground.type in altered:
            existing = evaluation.existing(ground.made, name, place_in(cx.tx, stack))
            made = handlers.read(registry.find(ground.type), ground.made, existing, cx, stack.role_arn)
            cx.tx.put(attrs.evolve(ground, made=made))


def check(cx: Context, stack: Stack, resource: StackResource, place: evaluation.Place) -> bool:
    """Look whether a resource under way has stabilised; True where something changed. Raises HandlerFailed."""
    made = resource.made
    if made is None:
        return False
    declared = registry.find(resource.type)
    existing = evaluation.existing(made, resource.logical_id, place)
    existing = attrs.evolve(existing, reverting=resource.operation.startswith(REVERTED))
    token = f"{resource.operation}-{resource.logical_id}"
    try:
        seen = handlers.readiness(declared, existing, cx, stack.role_arn)
    except AwsError as error:  # somebody took away what it stands on
        verb = resource.status.partition("_")[0].capitalize()
        raise handlers.failure(declared, verb, error, token) from error
    if isinstance(seen, Failed):
        raise handlers.not_stabilised(declared, seen, token)
    if isinstance(seen, Waiting):
        if not declared.waits_always and cx.now - resource.started > _patience(resource.type):
            raise handlers.failure_text(declared, "Exceeded attempts to wait", "NotStabilized", token)
        if seen.reason == resource.waiting_for:
            return False
        cx.tx.put(attrs.evolve(resource, waiting_for=seen.reason))
        return False
    fresh = handlers.read(declared, made, existing, cx, stack.role_arn)
    _complete(cx, stack, attrs.evolve(resource, made=fresh))
    return True


def _patience(type_name: str) -> float:
    if not schemas.exists(type_name):
        return STABILISE_WITHIN
    minutes = schemas.schema(type_name).handler_timeout("create")
    return min(minutes * 60.0, STABILISE_WITHIN) if minutes else STABILISE_WITHIN


def record_failure(
    cx: Context,
    stack: Stack,
    operation: StackOperation,
    logical_id: str,
    type_name: str,
    error: handlers.HandlerFailed,
) -> None:
    """The resource failed: its event, and the operation remembers it."""
    resource = current(cx, stack, operation, logical_id, type_name)
    if resource.operation == operation.id:
        verb = resource.status.partition("_")[0]
    else:
        verb, reason = "CREATE" if resource.made is None else "UPDATE", None
        if logical_id in operation.adopts:
            verb, reason = "IMPORT", importing.STARTED
        resource = resource.touched(operation, cx.now)
        resource = resource_event(
            cx, stack, resource, f"{verb}_IN_PROGRESS", reason, properties=error.properties
        )
    detailed = VALIDATION_FAILED if isinstance(error, Invalid) else None
    resource_event(
        cx,
        stack,
        resource,
        f"{verb}_FAILED",
        error.reason,
        properties=error.properties,
        detailed=detailed,
    )


def cancel(cx: Context, stack: Stack, resource: StackResource) -> None:
    """A sibling failed: this one's part in the operation ends here."""
    if resource.status.startswith("UPDATE"):
        resource_event(cx, stack, resource, "UPDATE_FAILED", "Resource update cancelled")
    else:
        resource_event(cx, stack, resource, "CREATE_FAILED", "Resource creation cancelled")
