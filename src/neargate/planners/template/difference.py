"""What an update would change, as a change set shows it (facts 1.7, 1.8).

A change is Static where the new value is known, Dynamic where it depends on a resource that itself is replaced or
changed. A dynamic change of a create-only property makes the replacement Conditional.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal

import attrs

from neargate.planners.template.functions import references
from neargate.planners.template.nouns import UNKNOWN, invalid

Recreation = Literal["Always", "Conditionally", "Never"]
Replacement = Callable[[str, str], str]

_ORDER: tuple[Recreation, ...] = ("Never", "Conditionally", "Always")
_SCOPES = "Properties Metadata CreationPolicy UpdatePolicy DeletionPolicy UpdateReplacePolicy Tags".split()


@attrs.frozen
class ResourceState:
    """One resource, as it is or as it is wanted.

    `properties` are evaluated, `source` the same unevaluated: it tells what caused a change. `tags`, where given, are
    the effective ones and stand for the property Tags. Policies are evaluated texts.
    """

    type: str
    properties: Mapping[str, Any]
    source: Mapping[str, Any] | None = None
    physical_id: str = ""
    tags: Mapping[str, str] | None = None
    metadata: Mapping[str, Any] | None = None
    creation_policy: Any = None
    update_policy: Any = None
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"


@attrs.frozen
class Detail:
    """One cause of one changed attribute. `name` is the top-level property; None for other attributes."""

    attribute: str
    name: str | None
    recreation: Recreation
    evaluation: Literal["Static", "Dynamic"]
    source: str
    cause: str | None = None

    def to_wire(self) -> dict[str, Any]:
        target = {"Attribute": self.attribute, "RequiresRecreation": self.recreation}
        if self.name is not None:
            target["Name"] = self.name
        wire: dict[str, Any] = {
            "Target": target,
            "Evaluation": self.evaluation,
            "ChangeSource": self.source,
        }
        if self.cause is not None:
            wire["CausingEntity"] = self.cause
        return wire


@attrs.frozen
class Change:
    """One resource's change. `replacement` is None unless it is modified."""

    action: Literal["Add", "Modify", "Remove"]
    logical_id: str
    type: str
    physical_id: str = ""
    replacement: Literal["True", "False", "Conditional"] | None = None
    policy_action: str | None = None
    details: tuple[Detail, ...] = ()

    @property
    def scope(self) -> list[str]:
        return [scope for scope in _SCOPES if any(d.attribute == scope for d in self.details)]

    def to_wire(self) -> dict[str, Any]:
        """A member of DescribeChangeSet's Changes."""
        body: dict[str, Any] = {"Action": self.action, "LogicalResourceId": self.logical_id}
        if self.policy_action is not None:
            body["PolicyAction"] = self.policy_action
        if self.physical_id:
            body["PhysicalResourceId"] = self.physical_id
        body["ResourceType"] = self.type
        if self.replacement is not None:
            body["Replacement"] = self.replacement
        body["Scope"] = self.scope
        body["Details"] = [detail.to_wire() for detail in self.details]
        return {"Type": "Resource", "ResourceChange": body}


def difference(
    old: Mapping[str, ResourceState],
    new: Mapping[str, ResourceState],
    replacement: Replacement,
    parameters: Collection[str] = (),
) -> list[Change]:
    """The changes from `old` to `new`: added and modified ones in the order of `new`, then the removed ones.

    `replacement(type, path)` is the registry's answer for a property path such as `LoadBalancers/0/ContainerPort`;
    `parameters` names the template parameters whose values differ. Raises ValidationError where a type changes.
    """
    refuse_type_changes(old, new)
    details = _settle(old, new, replacement, frozenset(parameters))
    changes: list[Change] = []
    for name, state in new.items():
        if name not in old:
            changes.append(Change("Add", name, state.type))
        elif details[name]:
            changes.append(_modification(name, old[name], state, details[name]))
    removed = [name for name in old if name not in new]
    return changes + [
        Change("Remove", name, old[name].type, old[name].physical_id, None, _kept(old[name].deletion_policy))
        for name in removed
    ]


def refuse_type_changes(old: Mapping[str, ResourceState], new: Mapping[str, ResourceState]) -> None:
    """Raises ValidationError where a logical id gets another type."""
    changed = [name for name in new if name in old and old[name].type != new[name].type]
    if changed:
        raise invalid(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )


def _kept(policy: str) -> str:
    return "Retain" if policy == "Retain" else "Snapshot" if policy == "Snapshot" else "Delete"


def _modification(name: str, old: ResourceState, new: ResourceState, details: tuple[Detail, ...]) -> Change:
    replaced = replacement_of(details)
    return Change(
        action="Modify",
        logical_id=name,
        type=new.type,
        physical_id=old.physical_id,
        replacement=replaced,
        policy_action=None if replaced == "False" else f"ReplaceAnd{_kept(new.update_replace_policy)}",
        details=details,
    )


def replacement_of(details: Collection[Detail]) -> Literal["True", "False", "Conditional"]:
    """True for a static change that always recreates; Conditional where it depends; else False."""
    if any(d.recreation == "Always" and d.evaluation == "Static" for d in details):
        return "True"
    return "Conditional" if any(d.recreation != "Never" for d in details) else "False"


def _settle(
    old: Mapping[str, ResourceState],
    new: Mapping[str, ResourceState],
    replacement: Replacement,
    parameters: frozenset[str],
) -> dict[str, tuple[Detail, ...]]:
    """Details by resource, until the changes that changes cause cause no more. Terminates: details only grow."""
    common = [name for name in new if name in old]
    details: dict[str, tuple[Detail, ...]] = dict.fromkeys(common, ())
    while True:
        before = dict(details)
        fresh = {name for name in new if name not in old}
        replaced = fresh | {n for n in common if before[n] and replacement_of(before[n]) != "False"}
        changed = replaced | {name for name in common if before[name]}
        for name in common:
            found = _Comparison(old[name], new[name], replacement, parameters, replaced, changed)
            details[name] = tuple(found.details())
        if details == before:
            return details


@attrs.frozen
class _Comparison:
    """One resource before and after, given which resources are replaced and which change at all."""

    old: ResourceState
    new: ResourceState
    replacement: Replacement
    parameters: frozenset[str]
    replaced: Collection[str]
    changed: Collection[str]

    def details(self) -> list[Detail]:
        found = [d for name in {**self.old.properties, **self.new.properties} for d in self._property(name)]
        if self.old.tags != self.new.tags and self.new.tags is not None:
            found.append(Detail("Tags", None, "Never", "Static", "DirectModification"))
        if self.old.metadata != self.new.metadata:
            found.append(Detail("Metadata", None, "Never", "Static", "DirectModification"))
        return found + self._policies() if found else found

    def _policies(self) -> list[Detail]:
        """Policies are no update on their own; they show beside one."""
        pairs = {
            "CreationPolicy": (self.old.creation_policy, self.new.creation_policy),
            "UpdatePolicy": (self.old.update_policy, self.new.update_policy),
            "DeletionPolicy": (self.old.deletion_policy, self.new.deletion_policy),
            "UpdateReplacePolicy": (self.old.update_replace_policy, self.new.update_replace_policy),
        }
        return [
            Detail(attribute, None, "Never", "Static", "DirectModification")
            for attribute, (before, after) in pairs.items()
            if before != after
        ]

    def _property(self, name: str) -> Iterator[Detail]:
        if name == "Tags" and self.new.tags is not None:
            return
        before, after = self.old.properties.get(name), self.new.properties.get(name)
        source = (self.new.source or {}).get(name)
        dynamic = list(self._resource_causes(source))
        if before == after and not dynamic:
            return
        attribute, target = ("Tags", None) if name == "Tags" else ("Properties", name)
        recreation = self._recreation(name, before, after)
        rewritten = self.new.source is None or (self.old.source or {}).get(name) != source
        caused = sorted({r.name for r in references(source)} & self.parameters)
        for parameter in caused:
            yield Detail(attribute, target, recreation, "Static", "ParameterReference", parameter)
        for kind, entity in dynamic:
            yield Detail(attribute, target, recreation, "Dynamic", kind, entity)
        if before == after:
            return
        if caused and not rewritten:
            yield Detail(attribute, target, recreation, "Dynamic", "DirectModification")
        elif rewritten or not dynamic:
            static = not _holds_unknown(after)
            yield Detail(
                attribute, target, recreation, "Static" if static else "Dynamic", "DirectModification"
            )

    def _resource_causes(self, source: Any) -> Iterator[tuple[str, str]]:
        """A Ref changes only with a replacement, an attribute may with any change."""
        seen = set()
        for reference in references(source):
            cause = None
            if reference.attribute is None and reference.name in self.replaced:
                cause = ("ResourceReference", reference.name)
            elif reference.attribute is not None and reference.name in self.changed:
                cause = ("ResourceAttribute", f"{reference.name}.{reference.attribute}")
            if cause is not None and cause not in seen:
                seen.add(cause)
                yield cause

    def _recreation(self, name: str, before: Any, after: Any) -> Recreation:
        paths = list(changed_paths(name, before, after)) or [name]
        answers = [self.replacement(self.new.type, path) for path in paths]
        return max((a for a in _ORDER if a in answers), key=_ORDER.index, default="Never")


def changed_paths(path: str, old: Any, new: Any) -> Iterator[str]:
    """The paths, down to what differs: `Listeners/0/Port`. Lists of different lengths differ as a whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from changed_paths(f"{path}/{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from changed_paths(f"{path}/{index}", left, right)
    elif old != new:
        yield path


def _holds_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_unknown(item) for item in value)
    return value is UNKNOWN
