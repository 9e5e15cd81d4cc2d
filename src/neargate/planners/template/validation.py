"""Whether a template makes sense: everything AWS refuses before it creates anything (facts 1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from neargate.planners.template import graph
from neargate.planners.template.functions import (
    CONDITION_FUNCTIONS,
    IMPORT_DEPENDS,
    NO_BRANCH,
    PSEUDO,
    Reference,
    check_function,
    function_of,
    references,
    walk,
)
from neargate.planners.template.nouns import (
    Parameter,
    Resource,
    Template,
    invalid,
)
from neargate.planners.template.scalars import is_scalar, text_of

_DELETION_POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"})
_REPLACE_POLICIES = frozenset({"Delete", "Retain", "Snapshot"})
_SNAPSHOTTED = frozenset(
    "AWS::" + name
    for name in (
        "DocDB::DBCluster EC2::Volume ElastiCache::CacheCluster ElastiCache::ReplicationGroup Neptune::DBCluster "
        "RDS::DBCluster RDS::DBInstance Redshift::Cluster"
    ).split()
)

Supports = Callable[[str, str], bool]


def validate(template: Template, supports: Supports | None = None, *, extended: bool = False) -> None:
    """Raises ValidationError with AWS's text for the first thing wrong.

    `supports(type, attribute)` says whether a type has an attribute for Fn::GetAtt; without it attributes are not
    checked. Resource types and values of parameters are the caller's to check. `extended`: AWS::LanguageExtensions
    made the template, so that its functions may be left in it.
    """
    _check_names(template)
    for parameter in template.parameters.values():
        _check_parameter(parameter)
    _check_conditions(template, extended)
    for resource in template.resources.values():
        _check_policies(resource)
        _check_condition_name(template, resource.condition, "Resources")
    for output in template.outputs.values():
        _check_condition_name(template, output.get("Condition"), "Outputs")
        _check_output_value(output["Value"])
    _check_functions(template, extended)
    _check_references(template, supports)
    graph.refuse_circles(_certain_needs(template))


def _check_names(template: Template) -> None:
    common = [name for name in template.resources if name in template.parameters]
    if common:
        raise invalid(
            "Template error: all resources and parameters must have unique names. Common name(s):"
            f"[{', '.join(common)}]"
        )


def _check_parameter(parameter: Parameter) -> None:
    texts = {"MinLength": parameter.min_length, "MaxLength": parameter.max_length}
    numbers = {"MinValue": parameter.min_value, "MaxValue": parameter.max_value}
    numeric = parameter.type in ("Number", "List<Number>")
    for key, value in (texts if numeric else numbers).items():
        if value is not None:
            kind = "String" if numeric else "Number"
            raise invalid(
                f"Template error: Parameter '{parameter.name}' {key} must be on a parameter of type {kind}."
            )
    for low, high in (("MinLength", "MaxLength"), ("MinValue", "MaxValue")):
        least, most = (texts | numbers)[low], (texts | numbers)[high]
        if least is not None and most is not None and least > most:
            raise invalid(f"Template error: Parameter '{parameter.name}' {low} must be less than {high}.")


# -- conditions ---------------------------------------------------------------------------------------------


def _check_conditions(template: Template, extended: bool) -> None:
    foreign: dict[str, None] = {}
    for value in template.conditions.values():
        found = _condition_function(value)
        if found is None:
            raise invalid(
                "Template format error: Conditions can only be boolean operations on parameters and other conditions"
            )
        for name, argument in walk(value):
            if name == "Fn::ImportValue":
                raise invalid("Template error: Cannot use Fn::ImportValue in Conditions.")
            check_function(name, argument, extensions=extended)
            if name == "Fn::FindInMap":
                _check_mapping_lookup(template, argument)
        for reference in references(value):
            if reference.attribute is not None or not _is_value(template, reference.name):
                foreign[reference.name] = None
    if foreign:
        raise invalid(
            f"Template format error: Unresolved dependencies [{', '.join(foreign)}]. Cannot reference resources in the "
            "Conditions block of the template"
        )
    _check_condition_graph(template)


def _condition_function(value: Any) -> tuple[str, Any] | None:
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name in CONDITION_FUNCTIONS or name == "Condition":
            return name, argument
    return None


def _named_conditions(value: Any) -> list[str]:
    """The conditions that a condition names. Inside Fn::Equals there are none."""
    found = _condition_function(value)
    if found is None or found[0] == "Fn::Equals":
        return []
    name, argument = found
    if name == "Condition":
        if not isinstance(argument, str):
            raise invalid("Template error: All Conditions must be of type string")
        return [argument]
    return [inner for item in argument for inner in _named_conditions(item)]


def _check_condition_graph(template: Template) -> None:
    needs = {name: _named_conditions(value) for name, value in template.conditions.items()}
    for named in needs.values():
        for name in named:
            if name not in needs:
                raise invalid(
                    f"Template format error: Unresolved condition dependency {name} in the Conditions block"
                )
    settled: set[str] = set()
    while len(settled) < len(needs):
        ready = {name for name, named in needs.items() if name not in settled and settled.issuperset(named)}
        if not ready:
            circle = [name for name in needs if name not in settled]
            raise invalid(f"Template error: Found circular condition dependency: [{', '.join(circle)}]")
        settled |= ready


def _check_condition_name(template: Template, name: str | None, block: str) -> None:
    if name is not None and name not in template.conditions:
        raise invalid(
            f"Template format error: Unresolved condition dependency {name} in the {block} block of the template"
        )


# -- functions and references -------------------------------------------------------------------------------


def _values(template: Template) -> Iterable[Any]:
    for resource in template.resources.values():
        yield from graph.parts_of(resource)
    for output in template.outputs.values():
        yield [output["Value"], output.get("Export")]


def _check_functions(template: Template, extended: bool) -> None:
    for value in _values(template):
        for name, argument in walk(value):
            check_function(name, argument, extensions=extended)
            if name in CONDITION_FUNCTIONS:
                raise invalid(f"Template error: {name} can only be used in the Conditions block")
            if name == "Fn::If" and argument[0] not in template.conditions:
                raise invalid(f"Template error: unresolved condition dependency {argument[0]} in Fn::If")
            if name == "Fn::ImportValue":
                _check_import(template, argument)
            if name == "Fn::FindInMap":
                _check_mapping_lookup(template, argument)
    for rule in template.rules.values():
        for name, argument in walk(rule):
            check_function(name, argument, rules=True)


def _check_import(template: Template, argument: Any) -> None:
    if any(reference.name in template.resources for reference in references(argument)):
        raise invalid(IMPORT_DEPENDS)


def _check_mapping_lookup(template: Template, argument: list[Any]) -> None:
    """A lookup that names everything literally; the others show when they are evaluated."""
    if len(argument) != 3 or not is_scalar(argument[0]):
        return
    mapping = template.mappings.get(text_of(argument[0]))
    if mapping is None:
        raise invalid(
            f"Template error: Mapping named '{text_of(argument[0])}' is not present in the 'Mappings' section of "
            "template."
        )
    if is_scalar(argument[1]) and is_scalar(argument[2]):
        parts = [text_of(part) for part in argument]
        if parts[2] not in mapping.get(parts[1], {}):
            raise invalid(f"Template error: Unable to get mapping for {'::'.join(parts)}")


def _is_value(template: Template, name: str) -> bool:
    return name in template.parameters or name in PSEUDO


def _check_references(template: Template, supports: Supports | None) -> None:
    missing: dict[str, None] = {}
    for resource in template.resources.values():
        for reference in graph.resource_references(resource):
            _check_reference(template, reference, missing, supports)
        missing.update({name: None for name in resource.depends_on if name not in template.resources})
    if missing:
        raise invalid(graph.unresolved(list(missing), "Resources"))
    for output in template.outputs.values():
        for reference in references([output["Value"], output.get("Export")]):
            _check_reference(template, reference, missing, supports)
    if missing:
        raise invalid(graph.unresolved(list(missing), "Outputs"))


def _check_reference(
    template: Template, reference: Reference, missing: dict[str, None], supports: Supports | None
) -> None:
    name, attribute = reference.name, reference.attribute
    if attribute is None:
        if name not in template.resources and not _is_value(template, name):
            missing[name] = None
        return
    if name not in template.resources:
        if reference.via == "Fn::Sub":
            raise invalid(
                f"Template error: instance of Fn::Sub references invalid resource attribute {name}.{attribute}"
            )
        raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
    if supports is None or attribute.startswith("{"):  # an attribute that is itself a function
        return
    if not supports(template.resources[name].type, attribute):
        raise invalid(
            f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
        )


def _certain_needs(template: Template) -> Mapping[str, frozenset[str]]:
    """Who needs whom whatever the conditions are: outside Fn::If, among resources without a Condition."""
    certain = {name: r for name, r in template.resources.items() if r.condition is None}
    return {
        name: frozenset(
            {reference.name for reference in graph.resource_references(r, NO_BRANCH)} | set(r.depends_on)
        )
        & certain.keys()
        for name, r in certain.items()
    }


# -- policies and outputs -----------------------------------------------------------------------------------


def _check_policies(resource: Resource) -> None:
    policies = (
        ("DeletionPolicy", resource.deletion_policy, _DELETION_POLICIES),
        ("UpdateReplacePolicy", resource.update_replace_policy, _REPLACE_POLICIES),
    )
    for key, given, known in policies:
        for policy in _branches(given):
            if key == "UpdateReplacePolicy" and function_of(policy) is not None:
                continue  # a Ref is taken there without any transform (recorded on AWS in 2026)
            if not isinstance(policy, str):
                raise invalid(f"Template format error: Every {key} member must be a string.")
            if policy not in known:
                raise invalid(
                    f"Template format error: Unrecognized {key} {policy} for resource {resource.logical_id}"
                )
            if policy == "Snapshot" and resource.type not in _SNAPSHOTTED:
                what = "deletion policy" if key == "DeletionPolicy" else "update replace policy"
                raise invalid(
                    f"Template error: resource type {resource.type} does not support {what} Snapshot"
                )


def _branches(policy: Any) -> list[Any]:
    """What a policy may come to: an Fn::If is taken without any transform (recorded on AWS in 2026)."""
    if policy is None:
        return []
    found = function_of(policy)
    if found is None or found[0] != "Fn::If" or not isinstance(found[1], list) or len(found[1]) != 3:
        return [policy]
    return [leaf for branch in found[1][1:] for leaf in _branches(branch)]


def _check_output_value(value: Any) -> None:
    if is_scalar(value) or function_of(value) is not None:
        return
    kind = "List" if isinstance(value, list) else "Map"
    raise invalid(
        f"Template format error: The Value field of every Outputs member must evaluate to a String and not a {kind}."
    )
