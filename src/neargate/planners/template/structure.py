"""From plain data to a Template: the shapes of its sections, in AWS's words (facts 1.4, 1.10).

What the sections say to each other is `validation`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.planners.template.nouns import VERSION, Resource, Template, invalid
from neargate.planners.template.parameters import parameter_from
from neargate.planners.template.reading import located
from neargate.planners.template.scalars import is_scalar, text_of
from neargate.planners.template.transforms import named

SECTIONS = (
    "AWSTemplateFormatVersion Description Metadata Parameters Mappings Conditions Rules Resources Outputs Transform "
    "Hooks"
).split()
ATTRIBUTES = (
    "Type Properties DependsOn Condition DeletionPolicy UpdateReplacePolicy Metadata CreationPolicy UpdatePolicy "
    "Description Version"
).split()
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_FOR_EACH = "Fn::ForEach::"
LIMITS = {"Resources": 500, "Parameters": 200, "Mappings": 200, "Outputs": 200}
MAX_NAME = 255
MAX_DEPTH = 100
MAX_DESCRIPTION = 1024


def template_from(data: Mapping[str, Any]) -> Template:
    """The template of its data. Raises ValidationError for a section, resource or parameter of the wrong shape.

    The data has no transforms, or they have been carried out; `outline` reads one that is still to be transformed.
    """
    unknown = [key for key in data if key not in SECTIONS]
    if unknown:
        raise invalid(f"Invalid template property or properties [{', '.join(unknown)}]")
    head = _head(data)
    for section in LIMITS:
        _check_members(section, _section(data, section))
    return attrs.evolve(
        head,
        mappings=_mappings(_section(data, "Mappings")),
        conditions=_section(data, "Conditions"),
        rules=_section(data, "Rules"),
        resources=_resources(_section(data, "Resources")),
        outputs=_outputs(_section(data, "Outputs")),
    )


def outline(data: Mapping[str, Any]) -> Template:
    """What a template says of itself whatever its transforms make of it: parameters, description, transforms.

    Of its resources there are those that can be read already.
    """
    head = _head(data)
    resources = {}
    for name, declaration in _section(data, "Resources").items():
        try:
            resources[name] = _resource(name, declaration if isinstance(declaration, dict) else {})
        except AwsError:  # a transform will make something of it
            continue
    return attrs.evolve(head, resources=resources, transforms=named(data))


def _head(data: Mapping[str, Any]) -> Template:
    _refuse_nulls(data, ())
    version, description = data.get("AWSTemplateFormatVersion"), data.get("Description")
    if version is not None and version != VERSION:
        raise invalid("Template format error: unsupported value for AWSTemplateFormatVersion.")
    _check_description(description)
    parameters = _section(data, "Parameters")
    for name, declaration in parameters.items():
        _check_name("Parameter", name)
        if not isinstance(declaration, dict):
            raise invalid("Template format error: Any Parameters member must be an object.")
    return Template(
        version=version,
        description=description,
        metadata=_section(data, "Metadata") or None,
        parameters={name: parameter_from(name, declared) for name, declared in parameters.items()},
    )


def _refuse_nulls(value: Any, path: tuple[str, ...]) -> None:
    if value is None:
        raise invalid(f"[{located(path)}] 'null' values are not allowed in templates")
    if len(path) > MAX_DEPTH:
        raise invalid("Template format error: unsupported structure.")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_nulls(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_nulls(item, (*path, str(index)))


def _section(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, dict):
        raise invalid(f"Template format error: {name} must be an object.")
    return section


def _check_members(section: str, members: Mapping[str, Any]) -> None:
    limit = LIMITS[section]
    if len(members) > limit:
        raise invalid(
            f"Template format error: Number of {section.lower()}, {len(members)}, is greater than maximum allowed, "
            f"{limit}"
        )


def _check_name(kind: str, name: str) -> None:
    if not _ALPHANUMERIC.fullmatch(name):
        raise invalid(f"Template format error: {kind} name {name} is non alphanumeric.")
    if len(name) > MAX_NAME:
        raise invalid(f"Template format error: {kind} name {name} length is greater than {MAX_NAME}.")


def _check_description(description: Any) -> None:
    if description is None:
        return
    if not isinstance(description, str):
        raise invalid("Template format error: every Description member must be a string.")
    if len(description.encode("utf-8", "replace")) > MAX_DESCRIPTION:
        raise invalid(f"Template format error: 'Description' length is greater than {MAX_DESCRIPTION}.")


def _mappings(mappings: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    for name, keys in mappings.items():
        _check_name("Mappings", name)
        if not isinstance(keys, dict):
            raise invalid(f"Template format error: Every Mappings member {name} must be a map")
        for key, attributes in keys.items():
            if not isinstance(attributes, dict):
                raise invalid(f"Template format error: Every Mappings member {key} must be a map")
            if not all(_is_mapped(value) for value in attributes.values()):
                raise invalid("Template format error: Every Mappings attribute must be a String or a List.")
    return dict(mappings)


def _is_mapped(value: Any) -> bool:
    return is_scalar(value) or (isinstance(value, list) and all(is_scalar(item) for item in value))


def _resources(resources: Mapping[str, Any]) -> dict[str, Resource]:
    if not resources:
        raise invalid("Template format error: At least one Resources member must be defined.")
    found = {}
    for name, declaration in resources.items():
        if name.startswith(_FOR_EACH):
            raise invalid(f"Template format error: [/Resources/{name}] resource definition is malformed")
        if not _ALPHANUMERIC.fullmatch(name):
            raise invalid(f"Template format error: Resource name {name} is non alphanumeric.")
        if not isinstance(declaration, dict):
            raise invalid("Template format error: Any Resources member must be an object.")
        _check_name("Resource", name)
        found[name] = _resource(name, declaration)
    return found


def _resource(name: str, declaration: Mapping[str, Any]) -> Resource:
    type_name = declaration.get("Type")
    if type_name is None:
        raise invalid(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        )
    if not isinstance(type_name, str):
        raise invalid(f"Template format error: [/Resources/{name}/Type] must be a string")
    for key in declaration:
        if key not in ATTRIBUTES:
            raise invalid(f"Invalid template resource property '{key}'")
    return Resource(
        logical_id=name,
        type=type_name,
        properties=_part(name, declaration, "Properties") or {},
        depends_on=_depends_on(declaration.get("DependsOn", ())),
        condition=_condition(declaration),
        deletion_policy=declaration.get("DeletionPolicy"),
        update_replace_policy=declaration.get("UpdateReplacePolicy"),
        metadata=_part(name, declaration, "Metadata"),
        creation_policy=_part(name, declaration, "CreationPolicy"),
        update_policy=_part(name, declaration, "UpdatePolicy"),
    )


def _part(name: str, declaration: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    part = declaration.get(key)
    if part is not None and not isinstance(part, dict):
        raise invalid(f"Template format error: [/Resources/{name}/{key}] {key} must be an object.")
    return part


def _depends_on(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise invalid("Template format error: DependsOn must be a string or list of strings.")
    if not all(isinstance(item, str) for item in value):
        raise invalid("Template format error: Every DependsOn value must be a string.")
    return tuple(dict.fromkeys(value))


def _condition(declaration: Mapping[str, Any]) -> str | None:
    condition = declaration.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise invalid("Template format error: Every Condition member must be a string.")
    return condition


def _outputs(outputs: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    for name, declaration in outputs.items():
        _check_name("Output", name)
        if not isinstance(declaration, dict):
            raise invalid("Template format error: Any Outputs member must be an object.")
        if "Value" not in declaration:
            raise invalid("Template format error: Every Outputs member must contain a Value object")
        unknown = [key for key in declaration if key not in ("Value", "Description", "Export", "Condition")]
        if unknown:
            raise invalid(f"Invalid output property or properties [{', '.join(unknown)}]")
        _condition(declaration)
        description = declaration.get("Description")
        if description is not None and not is_scalar(description):
            raise invalid("Template format error: every Description member must be a string.")
        export = declaration.get("Export")
        if export is not None and (not isinstance(export, dict) or set(export) != {"Name"}):
            raise invalid(
                f"Template format error: Output {name} is malformed. The Name field of every Export member must be "
                "specified and consist only of alphanumeric characters, colons, or hyphens."
            )
    return dict(outputs)


def description_of(declaration: Mapping[str, Any]) -> str | None:
    """An output's description as text."""
    description = declaration.get("Description")
    return None if description is None else text_of(description)
