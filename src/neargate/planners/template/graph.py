"""Which parts of a template live, and who needs whom.

As on AWS, an undefined name counts on every branch of Fn::If, but a circular dependency, and a reference to a
resource whose Condition is false, count only on the branches that are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from neargate.planners.template.evaluation import Evaluator, Scope, evaluate
from neargate.planners.template.functions import Reference, references, walk
from neargate.planners.template.nouns import UNKNOWN, Resource, Template, invalid
from neargate.planners.template.scalars import text_of


def conditions(template: Template, scope: Scope) -> dict[str, bool]:
    """Every condition's value. Raises ValidationError for an undefined or circular one."""
    settled: dict[str, bool] = {}
    evaluator = Evaluator(scope)

    def named(name: str, above: tuple[str, ...]) -> bool:
        if name not in template.conditions:
            raise invalid(
                f"Template format error: Unresolved condition dependency {name} in the Conditions block"
            )
        if name in above:
            raise invalid(f"Template error: Found circular condition dependency: [{', '.join(above)}]")
        if name not in settled:
            chain = (*above, name)
            settled[name] = evaluator.condition(template.conditions[name], lambda n: named(n, chain))
        return settled[name]

    for name in template.conditions:
        named(name, ())
    return {name: settled[name] for name in template.conditions}


def live_resources(template: Template, conditions: Mapping[str, bool]) -> dict[str, Resource]:
    """The resources whose Condition holds. Raises where a living resource or output refers to a dead one."""
    live = {
        name: resource
        for name, resource in template.resources.items()
        if resource.condition is None or conditions.get(resource.condition, False)
    }
    dead = template.resources.keys() - live.keys()
    if dead:
        _refuse_dead(
            dead, "Resources", [r for x in live.values() for r in resource_references(x, conditions)]
        )
        outputs = [
            output
            for output in template.outputs.values()
            if output.get("Condition") is None or conditions.get(output["Condition"], False)
        ]
        _refuse_dead(dead, "Outputs", [r for x in outputs for r in references(dict(x), conditions)])
    return live


def _refuse_dead(dead: set[str], block: str, used: list[Reference]) -> None:
    names = dict.fromkeys(reference.name for reference in used if reference.name in dead)
    if names:
        raise invalid(unresolved(list(names), block))


def unresolved(names: list[str], block: str) -> str:
    """AWS puts the prefix only before those of the Resources block."""
    prefix = "Template format error: " if block == "Resources" else ""
    return (
        f"{prefix}Unresolved resource dependencies [{', '.join(names)}] in the {block} block of the template"
    )


def resource_references(
    resource: Resource, conditions: Mapping[str, bool] | None = None
) -> Iterator[Reference]:
    """What a resource's properties, metadata and policies name; with `conditions` only on taken branches."""
    for part in parts_of(resource):
        yield from references(part, conditions)


def parts_of(resource: Resource) -> list[Any]:
    """Everything in a resource that may hold functions."""
    return [
        part
        for part in (
            resource.properties,
            resource.metadata,
            resource.creation_policy,
            resource.update_policy,
            resource.deletion_policy,
            resource.update_replace_policy,
        )
        if isinstance(part, (dict, list))
    ]


def dependencies(
    template: Template, conditions: Mapping[str, bool], live: Mapping[str, Resource] | None = None
) -> dict[str, frozenset[str]]:
    """Living logical id → the living logical ids that must be there before it. `live` are the `live_resources`.

    By Ref, Fn::GetAtt and Fn::Sub on the taken branches, and by DependsOn; a DependsOn on a resource whose Condition
    is false counts for nothing. Raises ValidationError for a circle.
    """
    if live is None:
        live = live_resources(template, conditions)
    needs = {}
    for name, resource in live.items():
        named = {reference.name for reference in resource_references(resource, conditions)}
        needs[name] = frozenset((named | set(resource.depends_on)) & live.keys())
    refuse_circles(needs)
    return needs


def refuse_circles(needs: Mapping[str, frozenset[str]]) -> None:
    """Raises `Circular dependency between resources: [A, B]`, naming those that are part of a circle."""
    left = {name: set(needed) for name, needed in needs.items()}
    for _ in range(2):  # drop those that end nowhere, then those that nobody in a circle needs
        ready = [name for name, needed in left.items() if not needed]
        users: dict[str, list[str]] = {}
        for name, needed in left.items():
            for other in needed:
                users.setdefault(other, []).append(name)
        while ready:
            gone = ready.pop()
            del left[gone]
            for user in users.get(gone, ()):
                left[user].discard(gone)
                if not left[user]:
                    ready.append(user)
        left = _reversed(left)
    if left:
        circle = [name for name in needs if name in left]
        raise invalid(f"Circular dependency between resources: [{', '.join(circle)}]")


def _reversed(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    turned: dict[str, set[str]] = {name: set() for name in needs}
    for name, needed in needs.items():
        for other in needed:
            turned[other].add(name)
    return turned


def imports(template: Template, scope: Scope) -> set[str]:
    """The names of the exports that living resources and outputs import, on the taken branches."""
    live = live_resources(template, scope.conditions)
    values = [part for resource in live.values() for part in parts_of(resource)]
    values += [
        dict(output)
        for output in template.outputs.values()
        if output.get("Condition") is None or scope.conditions.get(output["Condition"], False)
    ]
    found = set()
    for value in values:
        for name, argument in walk(value, scope.conditions):
            if name == "Fn::ImportValue":
                export = evaluate(argument, scope)
                if export is not None and export is not UNKNOWN and not isinstance(export, (list, dict)):
                    found.add(text_of(export))
    return found
