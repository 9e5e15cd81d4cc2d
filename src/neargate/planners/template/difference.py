"""What an update would change and why, as a change set shows it (facts 1.7; recorded change sets of AWS).

A change set has two views. Without property values, a reference to a resource counts as a change of its own: Ref and
GetAtt of one that is replaced (Static), GetAtt of one that is updated (Dynamic: the attribute may change). With
property values, attributes are taken as they are now; only what a replaced or new resource will have is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

import attrs

from neargate.planners.template.changes import Cause, Change, Detail, Evaluation, Recreation, Replaced
from neargate.planners.template.functions import is_function, references
from neargate.planners.template.nouns import invalid
from neargate.planners.template.values import ABSENT, Key, Leaf, changed_paths, holds_unknown, leaves, same

Replacement = Callable[[str, str], str]
"""The registry's answer for a type and a property path such as `LoadBalancers/0/ContainerPort`: a Recreation."""

_ORDER: tuple[Recreation, ...] = ("Never", "Conditionally", "Always")
_ATTRIBUTES = ("Metadata", "DeletionPolicy", "UpdateReplacePolicy")
_SILENT = ("CreationPolicy", "UpdatePolicy")  # no update on their own; they show beside one
_KEPT = {"Retain": "Retain", "RetainExceptOnCreate": "Retain", "Snapshot": "Snapshot"}


@attrs.frozen
class Before:
    """A resource as it stands.

    `properties` are those it was made with; `written` those of its template, as far as they are known without any
    resource. `attributes` are Metadata and the policies, as far as the template has them. `tags` are the effective
    ones, the stack's included; None where the type has none.
    """

    type: str
    properties: Mapping[str, Any]
    physical_id: str = ""
    tags: Mapping[str, str] | None = None
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
    written: Mapping[str, Any] | None = None


@attrs.frozen
class After:
    """A resource as it is wanted.

    `source` are the properties as written. `evaluate` carries their functions out: for the view with property values
    it gets the logical ids of resources that are not known yet, for the other one None. `needs` are the logical ids it
    refers to or depends on. A `nested` stack is always updated: only that shows whether something changes in it, so its
    outputs are not known before. The rest as in `Before`.
    """

    type: str
    source: Mapping[str, Any]
    evaluate: Callable[[Collection[str] | None], Mapping[str, Any]]
    needs: Collection[str] = ()
    nested: bool = False
    tags: Mapping[str, str] | None = None
    attributes: Mapping[str, Any] = attrs.field(factory=dict)


def difference(
    old: Mapping[str, Before],
    new: Mapping[str, After],
    replacement: Replacement,
    parameters: Collection[str] = (),
    *,
    values: bool = False,
) -> list[Change]:
    """The changes from `old` to `new`, by logical id. `values`: the view with property values.

    `parameters` names the template parameters whose values differ. Raises ValidationError where a type changes.
    """
    refuse_type_changes(old, new)
    comparison = _Comparison(old, new, replacement, frozenset(parameters), values)
    changes = [change for name in _in_order(new) if (change := comparison.change(name)) is not None]
    changes += [_removal(name, old[name]) for name in old if name not in new]
    return sorted(changes, key=lambda change: change.logical_id)


def refuse_type_changes(old: Mapping[str, Before], new: Mapping[str, After]) -> None:
    """Raises ValidationError where a logical id gets another type."""
    changed = [name for name in new if name in old and old[name].type != new[name].type]
    if changed:
        raise invalid(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )


def replacement_of(details: Collection[Detail]) -> Replaced:
    """True for a static change that always recreates; Conditional where it depends; else False."""
    if any(d.recreation == "Always" and d.cause.evaluation == "Static" for d in details):
        return "True"
    return "Conditional" if any(d.recreation != "Never" for d in details) else "False"


def _in_order(new: Mapping[str, After]) -> Iterable[str]:
    """Each after those that it needs: what happens to them decides about it."""
    return TopologicalSorter({name: list(wanted.needs) for name, wanted in new.items()}).static_order()


def _removal(name: str, old: Before) -> Change:
    before = old.properties if old.written is None else old.written
    return Change(
        action="Remove",
        logical_id=name,
        type=old.type,
        physical_id=old.physical_id,
        policy_action=_kept(old.attributes.get("DeletionPolicy")),
        before={"Properties": before, **old.attributes},
    )


def _kept(policy: Any) -> str:
    return _KEPT.get(str(policy), "Delete")


class _Comparison:
    """Both sides, and what has been found so far about the resources that others refer to."""

    def __init__(
        self,
        old: Mapping[str, Before],
        new: Mapping[str, After],
        replacement: Replacement,
        parameters: frozenset[str],
        values: bool,
    ) -> None:
        self._old, self._new = old, new
        self._replacement = replacement
        self._parameters = parameters
        self._values = values
        self._changed: set[str] = set()
        self._unknown: set[str] = set()
        self._replaced: dict[str, Evaluation] = {}

    def change(self, name: str) -> Change | None:
        """The change of one resource, after those of what it needs."""
        new, old = self._new[name], self._old.get(name)
        properties = new.evaluate(self._unknown if self._values else None)
        after = {"Properties": properties, **new.attributes}
        if old is None:
            self._note(name, new, "True")
            return Change("Add", name, new.type, after=after)
        details = tuple(self._details(old, new, properties))
        if not details:
            return None
        replaced = replacement_of(details)
        self._note(name, new, replaced)
        policy = _kept(new.attributes.get("UpdateReplacePolicy"))
        return Change(
            action="Modify",
            logical_id=name,
            type=new.type,
            physical_id=old.physical_id,
            replacement=replaced,
            policy_action=None if replaced == "False" else f"ReplaceAnd{policy}",
            details=details,
            before={"Properties": old.properties, **old.attributes},
            after=after,
        )

    def _note(self, name: str, new: After, replaced: Replaced) -> None:
        self._changed.add(name)
        if replaced != "False":
            self._replaced[name] = "Static" if replaced == "True" else "Dynamic"
        if replaced != "False" or new.nested:
            self._unknown.add(name)

    def _details(self, old: Before, new: After, properties: Mapping[str, Any]) -> list[Detail]:
        found = [
            detail
            for name in {**old.properties, **properties}
            for detail in self._property(name, old, new, properties)
        ]
        if (
            new.tags is not None
            and old.tags != new.tags
            and same(old.properties.get("Tags"), properties.get("Tags"))
        ):
            found.append(Detail("Tags", None, "Never", Cause("DirectModification")))
        found += [detail for name in _ATTRIBUTES for detail in self._attribute(name, old, new)]
        if new.nested and not found:
            found.append(Detail("Properties", None, "Never", Cause("Automatic", None, "Dynamic")))
        if found:
            found += [detail for name in _SILENT for detail in self._attribute(name, old, new)]
        return found

    def _attribute(self, name: str, old: Before, new: After) -> Iterator[Detail]:
        before, after = old.attributes.get(name, ABSENT), new.attributes.get(name, ABSENT)
        found = list(leaves(before, after))
        if found and not self._values:
            found = found[:1]
        for leaf in found:
            shown = attrs.evolve(leaf, keys=(name, *leaf.keys)) if self._values else None
            yield Detail(name, None, "Never", Cause("DirectModification"), shown)

    def _property(
        self, name: str, old: Before, new: After, properties: Mapping[str, Any]
    ) -> Iterator[Detail]:
        before, after = old.properties.get(name, ABSENT), properties.get(name, ABSENT)
        source = new.source.get(name)
        if self._values:
            for leaf in leaves(before, after):
                causes = self._causes(_source_at(source, leaf.keys))
                recreation = self._recreation(new.type, ["/".join(map(str, (name, *leaf.keys)))])
                direct = _direct(causes, leaf.after)
                shown = attrs.evolve(leaf, keys=("Properties", name, *leaf.keys))
                yield from _explained(name, recreation, [*causes, direct], shown)
            return
        differs = not same(before, after)
        if not differs and self._changed.isdisjoint(new.needs):
            return
        causes = self._causes(source)
        if differs or any(cause.source != "ParameterReference" for cause in causes):
            paths = changed_paths(name, before, after) if differs else ()
            recreation = self._recreation(new.type, list(paths) or [name])
            yield from _explained(name, recreation, [*causes, *([_direct(causes, after)] if differs else [])])

    def _causes(self, source: Any) -> list[Cause]:
        """Which parameters and resources a value changes with. A Ref changes only with a replacement."""
        found: dict[Cause, None] = {}
        if not (self._parameters or self._changed):
            return []
        for reference in references(source):
            name = reference.name
            if name in self._parameters:
                found[Cause("ParameterReference", name)] = None
            elif reference.attribute is None and name in self._replaced:
                found[Cause("ResourceReference", name, self._replaced[name])] = None
            elif reference.attribute is not None and name in self._changed:
                evaluation = self._replaced.get(name, "Dynamic")
                found[Cause("ResourceAttribute", f"{name}.{reference.attribute}", evaluation)] = None
        return list(found)

    def _recreation(self, type_name: str, paths: list[str]) -> Recreation:
        answers = {self._replacement(type_name, path) for path in paths}
        return max((a for a in _ORDER if a in answers), key=_ORDER.index, default="Never")


def _direct(causes: Collection[Cause], after: Any) -> Cause:
    """The change of a value itself: Dynamic where something else decides about it."""
    return Cause("DirectModification", None, "Dynamic" if causes or holds_unknown(after) else "Static")


def _explained(
    name: str, recreation: Recreation, causes: Collection[Cause], leaf: Leaf | None = None
) -> Iterator[Detail]:
    attribute, target = ("Tags", None) if name == "Tags" else ("Properties", name)
    for cause in causes:
        yield Detail(attribute, target, recreation, cause, leaf)


def _source_at(source: Any, keys: tuple[Key, ...]) -> Any:
    """What the template has at a place of an evaluated value: the function that gives it, where one does."""
    for key in keys:
        if is_function(source):
            return source
        if isinstance(source, Mapping) and isinstance(key, str):
            source = source.get(key)
        elif isinstance(source, list) and isinstance(key, int) and not any(map(_may_vanish, source)):
            source = source[key] if key < len(source) else None
        else:
            return source
    return source


def _may_vanish(item: Any) -> bool:
    """An Fn::If can be AWS::NoValue, which moves the items behind it."""
    return isinstance(item, Mapping) and "Fn::If" in item
