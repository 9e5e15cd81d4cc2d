"""Whether an update changes anything, and the changes as a change set shows them."""

from __future__ import annotations

import attrs

from neargate.model.cloudformation import Made, Stack, StackInput, StackResource
from neargate.model.operations import Context
from neargate.planners import template as language
from neargate.resources import evaluation


def made_of(cx: Context, stack: Stack) -> dict[str, StackResource]:
    return {r.logical_id: r for r in cx.tx.scan(StackResource, stack.key + "/") if r.made is not None}


def differs(
    cx: Context, stack: Stack, wanted: StackInput, opened: evaluation.Opened, place: evaluation.Place
) -> bool:
    """True where a resource, an output or a tag would change."""
    if wanted.tags != stack.input.tags:
        return True
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
    records = made_of(cx, stack)
    made = {name: r.made for name, r in records.items() if r.made is not None}
    against = evaluation.open_stack(wanted, place, made)
    found: list[dict[str, object]] = []
    for name, resource in against.live.items():
        if name not in records:
            found.append(_change("Add", name, "", resource.type))
            continue
        record = records[name]
        want = evaluation.desired(
            against, name, place, wanted.tags, seed="", token="", kept_name=made[name].name
        )
        changed = evaluation.change(record.type, made[name], want)
        replaced = record.type != resource.type or evaluation.needs_replacement(
            record.type, made[name], want, changed
        )
        metadata = (dict(resource.metadata) if resource.metadata else None) != made[name].metadata
        if changed or replaced or metadata:
            found.append(_modification(record, changed, replaced, metadata))
    for name, record in records.items():
        if name not in against.live:
            found.append(_change("Remove", name, made[name].physical_id, record.type))
    return found


def _change(action: str, name: str, physical_id: str, type_name: str) -> dict[str, object]:
    change: dict[str, object] = {
        "Action": action,
        "LogicalResourceId": name,
        "ResourceType": type_name,
        "Scope": [],
        "Details": [],
    }
    if physical_id:
        change["PhysicalResourceId"] = physical_id
    return {"Type": "Resource", "ResourceChange": change}


def _modification(
    record: StackResource, changed: tuple[str, ...], replaced: bool, metadata: bool
) -> dict[str, object]:
    assert record.made is not None
    details: list[dict[str, object]] = []
    for name in changed:
        attribute = "Tags" if name == "Tags" else "Properties"
        target: dict[str, object] = {
            "Attribute": attribute,
            "RequiresRecreation": "Always" if replaced else "Never",
        }
        if attribute == "Properties":
            target["Name"] = name
        details.append({"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"})
    scope = sorted(
        {"Tags" if name == "Tags" else "Properties" for name in changed}
        | ({"Metadata"} if metadata else set())
    )
    whole = _change("Modify", record.logical_id, record.made.physical_id, record.type)
    body = whole["ResourceChange"]
    assert isinstance(body, dict)
    body.update(Replacement="True" if replaced else "False", Scope=scope, Details=details)
    return whole
