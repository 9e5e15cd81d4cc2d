"""Change sets of a hierarchy of stacks (IncludeNestedStacks): each nested stack has one of its own, below its parent's.

A nested stack that is to be created exists from then on, in review. One in which nothing changes gets no change set and
shows no change. The root's is the one to execute and to delete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import ChangeSet, Stack, StackResource, key_of
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.tags import from_list, upper
from neargate.planners.template.values import KNOWN_AFTER_APPLY
from neargate.resources import evaluation, registry
from neargate.resources.cloudformation import parameter_text
from neargate.services.cloudformation import nested
from neargate.services.cloudformation.events import INITIATED, stack_event

REVIEW = "REVIEW_IN_PROGRESS"
_TAIL = 12
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

WorkOut = Callable[[Context, Mapping[str, Any], Stack], ChangeSet]


class NestedFailed(Exception):
    """A nested change set could not be made; `reason` is its parent's StatusReason."""

    def __init__(self, change_set: ChangeSet) -> None:
        state = f"Currently in {change_set.status}."
        self.reason = f"Nested change set {change_set.id} was not successfully created: {state}"
        super().__init__(self.reason)


def children(
    cx: Context,
    parent: Stack,
    change_set: ChangeSet,
    opened: evaluation.Opened,
    place: evaluation.Place,
    work_out: WorkOut,
) -> dict[str, ChangeSet | None]:
    """Make the change set of every nested stack, by logical id; None where nothing changes. Raises NestedFailed."""
    made: dict[str, ChangeSet | None] = {}
    for name, resource in opened.live.items():
        properties = evaluation.evaluated(resource, opened, place)
        if not registry.find(resource.type).nested or not isinstance(properties["TemplateURL"], str):
            continue
        child = _standing(cx, parent, name) or _in_review(cx, parent, name)
        below = work_out(cx, _request(cx, change_set, name, properties, child), child)
        if below.status == "FAILED" and not below.empty:
            raise NestedFailed(below)
        made[name] = None if below.empty else below
    return made


def _standing(cx: Context, parent: Stack, logical_id: str) -> Stack | None:
    known = cx.tx.get(StackResource, f"{parent.key}/{logical_id}")
    if known is None or known.made is None:
        return None
    return cx.tx.get(Stack, key_of(known.made.physical_id))


def _in_review(cx: Context, parent: Stack, logical_id: str) -> Stack:
    stack = Stack(
        account=parent.account,
        region=parent.region,
        name=f"{parent.name}-{logical_id}-{cx.ids.letters(_TAIL, _LETTERS)}",
        uuid=cx.ids.uuid(),
        status=REVIEW,
        created=cx.now,
        input=attrs.evolve(parent.input, template="", parameters={}),
        principal=parent.principal,
        role_arn=parent.role_arn,
    )
    return stack_event(cx, nested.adopted(parent, stack), REVIEW, INITIATED)


def _request(
    cx: Context, change_set: ChangeSet, logical_id: str, properties: Mapping[str, Any], child: Stack
) -> Json:
    """CreateChangeSet for the nested stack, as far as its properties are known yet."""
    values: list[Json] = []
    for name, value in (properties.get("Parameters") or {}).items():
        text = parameter_text(value, KNOWN_AFTER_APPLY)
        if KNOWN_AFTER_APPLY in text and name in child.input.parameters:
            values.append({"ParameterKey": name, "UsePreviousValue": True})
        else:
            values.append({"ParameterKey": name, "ParameterValue": text})
    own = from_list(properties.get("Tags"))
    return {
        "StackName": child.id,
        "ChangeSetName": f"{change_set.name}-{logical_id}-{cx.ids.letters(_TAIL, _LETTERS)}",
        "TemplateURL": properties["TemplateURL"],
        "Parameters": values,
        "Tags": upper({**change_set.input.tags, **own}),
        "Capabilities": change_set.input.capabilities,
        "IncludeNestedStacks": True,
        "ParentChangeSetId": change_set.id,
        "RootChangeSetId": change_set.root_id or change_set.id,
        "LogicalId": logical_id,
    }


def with_ids(changes: list[Json], below: Mapping[str, ChangeSet | None]) -> list[Json]:
    """A parent's Changes with the ids of the change sets below it."""
    return [_with_id(change, below.get(change["ResourceChange"]["LogicalResourceId"])) for change in changes]


def _with_id(change: Json, child: ChangeSet | None) -> Json:
    if child is None:
        return change
    return {**change, "ResourceChange": {**change["ResourceChange"], "ChangeSetId": child.id}}


# -- the hierarchy -----------------------------------------------------------------------------------------


def below(cx: Context, change_set: ChangeSet) -> list[ChangeSet]:
    """The change sets directly below one."""
    if not change_set.include_nested:
        return []
    everything = cx.tx.scan(ChangeSet, f"{change_set.account}/{change_set.region}/{change_set.name}-")
    return [each for each in everything if each.parent_id == change_set.id]


def planned(cx: Context, parent: Stack, request: Mapping[str, Any]) -> ChangeSet | None:
    """What the change set that the parent executes plans for one of its nested stacks."""
    leading = parent.operation
    executed = None if leading is None or not leading.change_set else cx.tx.get(ChangeSet, leading.change_set)
    if executed is None:
        return None
    wanted = request.get("LogicalId")
    return next((each for each in below(cx, executed) if each.logical_id == wanted), None)


def as_planned(planned: ChangeSet, request: Mapping[str, Any]) -> Json:
    """A call on a nested stack, with the template that its change set has shown."""
    body = planned.input.original or planned.input.template
    return {**request, "StackName": planned.stack_name, "TemplateURL": None, "TemplateBody": body}


def tie(cx: Context, change_set: ChangeSet) -> None:
    """The change set is under way; the operation that has begun tells it how it ends."""
    cx.tx.put(attrs.evolve(change_set, execution_status="EXECUTE_IN_PROGRESS"))
    stack = cx.tx.get(Stack, change_set.stack)
    assert stack is not None
    assert stack.operation is not None
    begun = attrs.evolve(stack.operation, change_set=change_set.key, adopts=change_set.adopts)
    cx.tx.put(attrs.evolve(stack, operation=begun, change_set_id=change_set.id))


def refuse_below(change_set: ChangeSet) -> None:
    """Raises ValidationError for a change set that stands below another one."""
    if change_set.root_id is not None:
        raise AwsError(
            "ValidationError",
            f"Change set [{change_set.id}] is nested: the operation must be performed on its root change set "
            f"[{change_set.root_id}].",
        )
