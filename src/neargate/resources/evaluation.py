"""From a stack's input to what each resource should be: template, parameters and what already exists, combined.

Pure: the services that validate a template and the driver that carries it out see the same evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import Made, StackInput
from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import Tags
from neargate.planners import template as language
from neargate.planners.physical_names import physical_name
from neargate.planners.template.references import Reference, replaced
from neargate.planners.template.values import changed_paths, same
from neargate.resources import registry, schemas
from neargate.resources.conversion import converted
from neargate.resources.declaration import Desired, Existing, ResourceType


def as_written(reference: Reference) -> str | None:
    """Leaves a dynamic reference alone."""
    return None


@attrs.frozen
class Place:
    """Where a stack stands: what pseudo parameters, cross-stack functions and dynamic references need.

    `zones` answers Fn::GetAZs; `plain` the dynamic references whose value is part of the properties, where None leaves
    one as written.
    """

    account: str
    region: str
    stack_name: str
    stack_id: str
    zones: Callable[[str], tuple[str, ...]]
    export: Callable[[str], str | None]
    notification_arns: tuple[str, ...] = ()
    plain: Callable[[Reference], str | None] = as_written


@attrs.frozen
class Opened:
    """A template with its parameters settled: which resources live, and who needs whom."""

    template: language.Template
    scope: language.Scope
    conditions: Mapping[str, bool]
    live: Mapping[str, language.Resource]
    needs: Mapping[str, frozenset[str]]


def open_stack(given: StackInput, place: Place, made: Mapping[str, Made]) -> Opened:
    """Parse and settle. `made` answers Ref and GetAtt of what exists. Raises AwsError (ValidationError)."""
    template = language.parse(given.template)
    parameters = language.parameter_values(template, {**given.parameters, **given.resolved})
    scope = attrs.evolve(
        bare_scope(place, parameters, template.mappings),
        zones=place.zones,
        exports=place.export,
        references=_references(made),
    )
    conditions = language.conditions(template, scope)
    scope = attrs.evolve(scope, conditions=conditions)
    live = language.live_resources(template, conditions)
    needs = language.dependencies(template, conditions, live)
    return Opened(template, scope, conditions, live, needs)


def seen_with(opened: Opened, made: Mapping[str, Made], unknown: Collection[str] = ()) -> Opened:
    """The same template against what exists; the resources of these logical ids stand for something yet to come."""
    known = _references(made)

    def reference(logical_id: str, attribute: str | None) -> Any:
        return language.UNKNOWN if logical_id in unknown else known(logical_id, attribute)

    return attrs.evolve(opened, scope=attrs.evolve(opened.scope, references=reference))


def bare_scope(place: Place, parameters: Mapping[str, Any], mappings: Any) -> language.Scope:
    """What is known of a stack before its template is: parameters and pseudo parameters, and mappings if any."""
    return language.Scope(
        parameters=parameters,
        account=place.account,
        region=place.region,
        stack_name=place.stack_name,
        stack_id=place.stack_id,
        notification_arns=place.notification_arns,
        mappings=mappings if isinstance(mappings, Mapping) else {},
    )


def _references(made: Mapping[str, Made]) -> Callable[[str, str | None], Any]:
    def reference(logical_id: str, attribute: str | None) -> Any:
        found = made.get(logical_id)
        if found is None:
            return language.UNKNOWN
        if attribute is None:
            return found.ref
        value: Any = found.attributes
        if attribute in value:
            return value[attribute]
        for part in attribute.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise AwsError(
                    "ValidationError",
                    f"Template error: resource {logical_id} does not support attribute type {attribute} in Fn::GetAtt",
                )
            value = value[part]
        return value

    return reference


def desired(
    opened: Opened,
    logical_id: str,
    place: Place,
    stack_tags: Tags,
    *,
    seed: str,
    token: str,
    kept_name: str | None,
) -> Desired:
    """What the template wants of one resource. Values it cannot know yet stay `language.UNKNOWN`.

    `seed` decides a formed name's tail; `kept_name` is the formed name of the one that exists already.
    """
    resource = opened.live[logical_id]
    properties = evaluated(resource, opened, place)
    declared = registry.find(resource.type)
    name = _name(declared, properties, place.stack_name, logical_id, seed, kept_name)
    return Desired(
        logical_id=logical_id,
        properties=properties,
        name=name,
        stack_name=place.stack_name,
        stack_id=place.stack_id,
        account=place.account,
        region=place.region,
        token=token,
        tags=effective_tags(resource.type, properties, stack_tags),
        system_tags=_system_tags(resource.type, logical_id, place),
        creation_policy=language.evaluate(resource.creation_policy, opened.scope),
    )


def evaluated(resource: language.Resource, opened: Opened, place: Place) -> Json:
    """A resource's properties in their schema's types: functions carried out, plain dynamic references looked up."""
    properties: Json = replaced(language.evaluate_resource(resource, opened.scope), place.plain)
    return converted(resource.type, properties)


def masked(opened: Opened, logical_id: str) -> Json | None:
    """A resource's properties with a mask where a NoEcho parameter stands; None where the template has none."""
    hidden = {
        name: ["****"] if parameter.is_list else "****"
        for name, parameter in opened.template.parameters.items()
        if parameter.no_echo
    }
    if not hidden:
        return None
    scope = attrs.evolve(opened.scope, parameters={**opened.scope.parameters, **hidden})
    try:
        return language.evaluate_resource(opened.live[logical_id], scope)
    except AwsError:
        return {}  # a function that cannot work on the mask


def _name(
    declared: ResourceType,
    properties: Mapping[str, Any],
    stack: str,
    logical_id: str,
    seed: str,
    kept: str | None,
) -> str | None:
    naming = declared.naming
    if naming is None:
        return None
    given = properties.get(naming.property)
    if given is not None:
        return str(given)
    if kept:
        return kept
    ending = naming.ending(properties) if naming.ending else ""
    return physical_name(naming.style, naming.max_length - len(ending), stack, logical_id, seed) + ending


def effective_tags(type_name: str, properties: Mapping[str, Any], stack_tags: Tags) -> Tags:
    """The resource's own tags over those of the stack, which reach only types that can be tagged."""
    inherited = stack_tags if is_taggable(type_name) else {}
    own = properties.get(tag_property(type_name))
    if isinstance(own, list):
        pairs = {str(t.get("Key", "")): str(t.get("Value", "")) for t in own if isinstance(t, Mapping)}
        return {**inherited, **pairs}
    if isinstance(own, Mapping):
        return {**inherited, **{str(k): str(v) for k, v in own.items()}}
    return dict(inherited)


def tag_property(type_name: str) -> str:
    """Where a template writes a resource's tags: `Tags`, or what the type has instead, as `HostedZoneTags`."""
    found = schemas.schema(type_name).tag_property if schemas.exists(type_name) else None
    return found or "Tags"


def is_taggable(type_name: str) -> bool:
    """True where CloudFormation passes a stack's tags on."""
    if not schemas.exists(type_name):
        return False
    known = schemas.schema(type_name)
    return known.tag_property is not None or "Tags" in known.properties


def _system_tags(type_name: str, logical_id: str, place: Place) -> Tags:
    if not schemas.exists(type_name) or not schemas.schema(type_name).system_tags:
        return {}
    return {
        "aws:cloudformation:stack-name": place.stack_name,
        "aws:cloudformation:stack-id": place.stack_id,
        "aws:cloudformation:logical-id": logical_id,
    }


def existing(made: Made, logical_id: str, place: Place) -> Existing:
    """A made resource as its handlers want it."""
    return Existing(
        made.physical_id,
        Desired(
            logical_id=logical_id,
            properties=made.properties,
            name=made.name,
            stack_name=place.stack_name,
            stack_id=place.stack_id,
            account=place.account,
            region=place.region,
            token="",
            tags=made.tags,
            system_tags=made.system_tags,
        ),
    )


def change(type_name: str, made: Made, want: Desired) -> tuple[str, ...]:
    """The top-level properties in which a wish differs from what was made; `Tags` for tags alone."""
    tags = {"Tags", tag_property(type_name)}
    names = [
        name
        for name in {**made.properties, **want.properties}
        if name not in tags and not same(made.properties.get(name), want.properties.get(name))
    ]
    if made.tags != want.tags:
        names.append("Tags")
    return tuple(names)


def needs_replacement(type_name: str, made: Made, want: Desired, changed: tuple[str, ...]) -> bool:
    """True where a changed property is create-only, or its type says so, or the type knows no update."""
    declared = registry.find(type_name)
    if declared.replaces is not None and declared.replaces(made.properties, want.properties):
        return True
    return any(_replaces(type_name, name, made.properties, want.properties) for name in changed)


def _replaces(type_name: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    paths = changed_paths(name, old.get(name), new.get(name))
    return any(replacement(type_name, path) == "Always" for path in [name, *paths])


def replacement(type_name: str, path: str) -> str:
    """Whether a change of a property replaces the resource: `Always`, `Conditionally` or `Never`."""
    if registry.find(type_name).update is None:
        return "Always"
    return schemas.replacement(type_name, path) if schemas.exists(type_name) else "Never"
