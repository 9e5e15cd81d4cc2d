"""Whether an update changes anything, and the changes as a change set shows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from neargate.model.cloudformation import Made, Stack, StackInput, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.planners import template as language
from neargate.planners.template.changes import Change
from neargate.planners.template.difference import After, Before, difference, refuse_type_changes
from neargate.planners.template.doubts import doubts
from neargate.planners.template.masking import masked
from neargate.planners.template.values import KNOWN_AFTER_APPLY, holds_unknown
from neargate.resources import evaluation, registry

_INCOMPLETE = "[WARN] --include-property-values option can return incomplete ChangeSet data because: "


class Differences:
    """What separates a stack from a wish.

    `opened` is the wanted template, opened without any resource; `settled` names nested stacks in which nothing
    changes. Raises ValidationError where a type changes.
    """

    def __init__(
        self,
        cx: Context,
        stack: Stack,
        wanted: StackInput,
        opened: evaluation.Opened,
        place: evaluation.Place,
        settled: Collection[str] = (),
    ) -> None:
        self._stack, self._wanted, self._place, self._settled = stack, wanted, place, settled
        records = [r for r in cx.tx.scan(StackResource, stack.key + "/") if r.made is not None]
        self._types = {r.logical_id: r.type for r in records}
        self._made: dict[str, Made] = {r.logical_id: r.made for r in records if r.made is not None}
        self._opened = evaluation.seen_with(opened, self._made)
        self._new = {name: self._after(name, resource) for name, resource in opened.live.items()}
        refuse_type_changes(
            {name: Before(type_name, {}) for name, type_name in self._types.items()}, self._new
        )

    def __bool__(self) -> bool:
        """True where a resource, an output or a tag of the stack would change."""
        return bool(self.changes) or self.around

    @cached_property
    def around(self) -> bool:
        """True where something differs around the resources: the stack's tags, looked-up values, outputs."""
        before, after = self._stack.input, self._wanted
        if (before.tags, before.resolved) != (after.tags, after.resolved):
            return True
        return self._outputs_differ()

    @property
    def opened(self) -> evaluation.Opened:
        """The wanted template, seen with the resources that stand."""
        return self._opened

    @cached_property
    def changes(self) -> list[Change]:
        """As a change set shows them without property values."""
        return self._differences(values=False)

    @cached_property
    def property_changes(self) -> list[Change]:
        """As a change set shows them with property values, those of NoEcho parameters masked."""
        found = self._differences(values=True)
        unknown = {change.logical_id for change in found if self._becomes_unknown(change)}
        return [
            masked(change, self._mask_before(change.logical_id), self._mask_after(change.logical_id, unknown))
            for change in found
        ]

    def _becomes_unknown(self, change: Change) -> bool:
        if change.action == "Modify" and self._new[change.logical_id].nested:
            return True
        return change.action == "Add" or change.replacement in ("True", "Conditional")

    def _mask_before(self, name: str) -> Mapping[str, Any] | None:
        made = self._made.get(name)
        return None if made is None else made.masked

    def _mask_after(self, name: str, unknown: Collection[str]) -> Mapping[str, Any] | None:
        if name not in self._new:
            return None
        against = evaluation.seen_with(self._opened, self._made, unknown)
        return evaluation.masked(_for_show(against), name)

    def warning(self) -> str | None:
        """What CloudFormation could not work out for the view with property values."""
        found = [
            f"ChangeSet creation failed for resource [{change.logical_id}] because: {doubt}"
            for change in self.property_changes
            if change.after is not None and holds_unknown(change.after)
            for doubt in self._doubts(change.logical_id)
        ]
        return _INCOMPLETE + ", ".join(found) if found else None

    def _doubts(self, name: str) -> Iterator[str]:
        yield from doubts(self._opened.live[name].properties, self._opened.scope)

    def _differences(self, *, values: bool) -> list[Change]:
        return difference(self._old, self._new, evaluation.replacement, self._parameters, values=values)

    @cached_property
    def _parameters(self) -> list[str]:
        """The names of the parameters whose values differ."""
        before, after = self._stack.input.parameters, self._wanted.parameters
        return [name for name in {**before, **after} if before.get(name) != after.get(name)]

    def _outputs_differ(self) -> bool:
        against = self._opened
        outputs = language.evaluate_outputs(against.template, against.scope, against.conditions)
        shown = {(o["OutputKey"], o["OutputValue"], o.get("ExportName")) for o in self._stack.outputs}
        return {(o.key, o.value, o.export_name) for o in outputs} != shown

    # -- both sides ----------------------------------------------------------------------------------------

    @cached_property
    def _old(self) -> dict[str, Before]:
        written = self._written() if self._made else None
        return {name: self._before(name, made, written) for name, made in self._made.items()}

    def _written(self) -> evaluation.Opened | None:
        """The stack's template, seen without any resource; None where it can no longer be evaluated."""
        try:
            return evaluation.open_stack(self._stack.input, self._place, {})
        except AwsError:
            return None

    def _before(self, name: str, made: Made, written: evaluation.Opened | None) -> Before:
        before = Before(
            type=self._types[name],
            properties=made.properties,
            physical_id=made.physical_id,
            tags=made.tags if evaluation.is_taggable(self._types[name]) else None,
            attributes=_attributes_made(made),
        )
        if written is None or name not in written.live:
            return before
        resource = written.live[name]
        gone = name not in self._new
        return attrs.evolve(
            before,
            attributes=_attributes(resource, written.scope),
            written=language.evaluate_resource(resource, _for_show(written).scope) if gone else None,
        )

    def _evaluated(self, resource: language.Resource, against: evaluation.Opened) -> dict[str, Any]:
        return evaluation.evaluated(resource, against, self._place)

    def _after(self, name: str, resource: language.Resource) -> After:
        properties = self._evaluated(resource, self._opened)
        needs = self._opened.needs[name]

        def evaluate(unknown: Collection[str] | None) -> Mapping[str, Any]:
            if unknown is None or not needs:
                return properties
            against = evaluation.seen_with(self._opened, self._made, unknown)
            return self._evaluated(resource, _for_show(against))

        taggable = evaluation.is_taggable(resource.type)
        return After(
            type=resource.type,
            source=resource.properties,
            evaluate=evaluate,
            needs=needs,
            nested=registry.find(resource.type).nested and name not in self._settled,
            tags=evaluation.effective_tags(resource.type, properties, self._wanted.tags)
            if taggable
            else None,
            attributes=_attributes(resource, self._opened.scope),
        )


def _for_show(opened: evaluation.Opened) -> evaluation.Opened:
    """Opened so that a text of which a part is not known shows the rest."""
    return attrs.evolve(opened, scope=attrs.evolve(opened.scope, unknown_text=KNOWN_AFTER_APPLY))


def _attributes(resource: language.Resource, scope: language.Scope) -> dict[str, Any]:
    written = {
        "Metadata": resource.metadata,
        "CreationPolicy": resource.creation_policy,
        "UpdatePolicy": resource.update_policy,
        "DeletionPolicy": resource.deletion_policy,
        "UpdateReplacePolicy": resource.update_replace_policy,
    }
    return {name: language.evaluate(value, scope) for name, value in written.items() if value is not None}


def _attributes_made(made: Made) -> dict[str, Any]:
    policies = {
        "DeletionPolicy": made.deletion_policy,
        "UpdateReplacePolicy": made.update_replace_policy,
    }
    found: dict[str, Any] = {name: policy for name, policy in policies.items() if policy != "Delete"}
    return found if made.metadata is None else {"Metadata": made.metadata, **found}
