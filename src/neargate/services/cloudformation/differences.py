"""Whether an update changes anything, and the changes as a change set shows them."""

from __future__ import annotations

import attrs

from neargate.model.cloudformation import Made, Stack, StackInput, StackResource
from neargate.model.operations import Context
from neargate.planners import template as language
from neargate.planners.template import difference
from neargate.resources import evaluation, registry


def made_of(cx: Context, stack: Stack) -> dict[str, StackResource]:
    return {r.logical_id: r for r in cx.tx.scan(StackResource, stack.key + "/") if r.made is not None}


def differs(
    cx: Context, stack: Stack, wanted: StackInput, opened: evaluation.Opened, place: evaluation.Place
) -> bool:
    """True where a resource, an output or a tag would change."""
    if wanted.tags != stack.input.tags:
        return True
    if any(registry.find(resource.type).nested for resource in opened.live.values()):
        return True  # what has changed in a nested stack shows only when it is updated
    records = made_of(cx, stack)
    if records.keys() != opened.live.keys():
        return True
    made = {name: r.made for name, r in records.items() if r.made is not None}
    against = attrs.evolve(opened, scope=evaluation.open_stack(wanted, place, made).scope)
    for name in opened.live:
        if _resource_differs(against, name, made[name], records[name].type, place, wanted):
            return True
    outputs = language.evaluate_outputs(against.template, against.scope, against.conditions)
    shown = {(o["OutputKey"], o["OutputValue"], o.get("ExportName")) for o in stack.outputs}
    return {(o.key, o.value, o.export_name) for o in outputs} != shown


def _resource_differs(
    opened: evaluation.Opened,
    name: str,
    made: Made,
    type_name: str,
    place: evaluation.Place,
    wanted: StackInput,
) -> bool:
    resource = opened.live[name]
    if resource.type != type_name:
        return True
    if (dict(resource.metadata) if resource.metadata else None) != made.metadata:
        return True
    want = evaluation.desired(opened, name, place, wanted.tags, seed="", token="", kept_name=made.name)
    return bool(evaluation.change(type_name, made, want))


def changes(
    cx: Context, stack: Stack, wanted: StackInput, opened: evaluation.Opened, place: evaluation.Place
) -> list[dict[str, object]]:
    """The Changes of a change set: `[{"Type": "Resource", "ResourceChange": {…}}]`."""
    made = {name: r.made for name, r in made_of(cx, stack).items() if r.made is not None}
    types = {name: r.type for name, r in made_of(cx, stack).items()}
    old = {name: _as_made(types[name], each) for name, each in made.items()}
    against = evaluation.open_stack(wanted, place, made)
    new = {name: _as_wanted(against, name, made.get(name), place, wanted) for name in against.live}
    given = {**stack.input.parameters, **wanted.parameters}
    parameters = [name for name in given if stack.input.parameters.get(name) != wanted.parameters.get(name)]
    found = difference.difference(old, new, evaluation.replacement, parameters)
    return [change.to_wire() for change in found]


def refuse_type_changes(cx: Context, stack: Stack, opened: evaluation.Opened) -> None:
    """Raises ValidationError where a logical id gets another type."""
    old = {name: difference.ResourceState(r.type, {}) for name, r in made_of(cx, stack).items()}
    new = {name: difference.ResourceState(r.type, {}) for name, r in opened.live.items()}
    difference.refuse_type_changes(old, new)


def _as_made(type_name: str, made: Made) -> difference.ResourceState:
    return difference.ResourceState(
        type=type_name,
        properties=made.properties,
        physical_id=made.physical_id,
        tags=made.tags,
        metadata=made.metadata,
        deletion_policy=made.deletion_policy,
        update_replace_policy=made.update_replace_policy,
    )


def _as_wanted(
    opened: evaluation.Opened, name: str, made: Made | None, place: evaluation.Place, wanted: StackInput
) -> difference.ResourceState:
    resource = opened.live[name]
    kept = made.name if made is not None else None
    want = evaluation.desired(opened, name, place, wanted.tags, seed="", token="", kept_name=kept)
    policies = [
        str(language.evaluate(policy, opened.scope) or "Delete")
        for policy in (resource.deletion_policy, resource.update_replace_policy)
    ]
    return difference.ResourceState(
        type=resource.type,
        properties=want.properties,
        source=resource.properties,
        tags=want.tags,
        metadata=dict(resource.metadata) if resource.metadata else None,
        deletion_policy=policies[0],
        update_replace_policy=policies[1],
    )
