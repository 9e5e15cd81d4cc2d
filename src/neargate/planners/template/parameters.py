"""Parameters: their declarations, the values a caller gives, and what AWS refuses of either (facts 1.5).

Existence of AWS-typed values is checked by the caller, asynchronously as on AWS: `typed_references` says which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from neargate.planners.template.nouns import Parameter, Template, invalid, ssm_value_type
from neargate.planners.template.patterns import compiled
from neargate.planners.template.scalars import is_scalar, text_of

SSM_NAME = "AWS::SSM::Parameter::Name"
AWS_TYPES = frozenset(
    "AWS::EC2::" + name
    for name in (
        "AvailabilityZone::Name Image::Id Instance::Id KeyPair::KeyName SecurityGroup::GroupName SecurityGroup::Id "
        "Subnet::Id Volume::Id VPC::Id"
    ).split()
) | {"AWS::Route53::HostedZone::Id"}
_PLAIN = frozenset({"String", "Number", "CommaDelimitedList"})
_LISTED = AWS_TYPES - {"AWS::EC2::KeyPair::KeyName"} | {"Number", "String"}
_MEMBERS = (
    "Type Default AllowedValues AllowedPattern MinLength MaxLength MinValue MaxValue NoEcho Description "
    "ConstraintDescription"
).split()
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
MAX_VALUE = 4096
Value = str | list[str]


# -- declarations -------------------------------------------------------------------------------------------


def parameter_from(name: str, declaration: Mapping[str, Any]) -> Parameter:
    """A member of Parameters. Raises ValidationError for a declaration of the wrong shape."""
    unknown = [key for key in declaration if key not in _MEMBERS]
    if unknown:
        raise invalid(f"Invalid template parameter property '{unknown[0]}'")
    type_name = declaration.get("Type")
    if type_name is None:
        raise invalid("Template format error: Every Parameters object must contain a Type member.")
    if not isinstance(type_name, str) or not _is_type(type_name):
        raise invalid(
            f"Template format error: Unrecognized parameter type: {text_of(type_name) if is_scalar(type_name) else ''}"
        )
    default = declaration.get("Default")
    if default is not None and not is_scalar(default):
        raise invalid("Template format error: Every Default member must be a string.")
    allowed = declaration.get("AllowedValues", [])
    if not isinstance(allowed, list):
        raise invalid("Template format error: Every AllowedValues member must be a list.")
    if not all(is_scalar(value) for value in allowed):
        raise invalid("Template format error: Every AllowedValues value must be a string.")
    return Parameter(
        name=name,
        type=type_name,
        default=None if default is None else text_of(default),
        allowed_values=tuple(text_of(value) for value in allowed),
        allowed_pattern=_pattern(name, declaration.get("AllowedPattern")),
        min_length=_length(name, declaration, "MinLength"),
        max_length=_length(name, declaration, "MaxLength"),
        min_value=_bound(name, declaration, "MinValue"),
        max_value=_bound(name, declaration, "MaxValue"),
        no_echo=text_of(declaration.get("NoEcho", False)).lower() == "true",
        description=_text(declaration, "Description"),
        constraint_description=_text(declaration, "ConstraintDescription"),
    )


def _is_type(type_name: str) -> bool:
    inner = ssm_value_type(type_name)
    if inner is not None:
        return inner in ("String", "List<String>", "CommaDelimitedList") or _is_aws(inner)
    return type_name in _PLAIN or type_name == SSM_NAME or _is_aws(type_name)


def _is_aws(type_name: str) -> bool:
    if type_name.startswith("List<") and type_name.endswith(">"):
        return type_name[5:-1] in _LISTED
    return type_name in AWS_TYPES


def _text(declaration: Mapping[str, Any], key: str) -> str | None:
    value = declaration.get(key)
    if value is None:
        return None
    if not is_scalar(value):
        raise invalid(f"Template format error: Every {key} member must be a string.")
    return text_of(value)


def _pattern(name: str, value: Any) -> str | None:
    if value is None:
        return None
    text = text_of(value)
    if compiled(text) is None:
        raise invalid(f"Parameter '{name}' AllowedPattern must be a valid regular expression.")
    return text


def _bound(name: str, declaration: Mapping[str, Any], key: str) -> float | None:
    value = declaration.get(key)
    if value is None:
        return None
    text = text_of(value) if is_scalar(value) else ""
    if not _NUMBER.fullmatch(text):
        raise invalid(f"Template format error: Every {key} member must be a number.")
    return float(text)


def _length(name: str, declaration: Mapping[str, Any], key: str) -> int | None:
    bound = _bound(name, declaration, key)
    return None if bound is None else int(bound)


# -- values -------------------------------------------------------------------------------------------------


def resolve_parameters(
    template: Template,
    given: Mapping[str, str],
    previous: Mapping[str, str] | None,
    use_previous: Collection[str],
) -> dict[str, str]:
    """The value of every parameter, as text: given, previous or default; in the template's order.

    `previous` is what the stack has (None on a create); `use_previous` names those to keep from it. Raises
    ValidationError for unknown parameters, missing values, and every broken constraint.
    """
    named = [*given, *use_previous]
    foreign = [name for name in dict.fromkeys(named) if name not in template.parameters]
    if foreign:
        raise invalid(f"Parameters: [{', '.join(foreign)}] do not exist in the template")
    kept = previous or {}
    values: dict[str, str] = {}
    missing = []
    for name, parameter in template.parameters.items():
        value = kept.get(name) if name in use_previous else given.get(name, parameter.default)
        if value is None:
            missing.append(name)
        else:
            values[name] = value
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in values.items():
        check_value(template.parameters[name], value)
    return values


def check_value(parameter: Parameter, value: str) -> None:
    """Raises ValidationError where the value breaks the declaration. SSM types: the constraints test the name."""
    name = parameter.name
    if len(value.encode("utf-8", "replace")) > MAX_VALUE:
        raise invalid(
            f"Parameter '{name}' value exceeds the maximum parameter value length of {MAX_VALUE} bytes."
        )
    broken = _broken(parameter, value)
    if broken is None:
        return
    if parameter.constraint_description is not None:
        raise invalid(f"Parameter {name} failed to satisfy constraint: {parameter.constraint_description}")
    raise invalid(f"Parameter '{name}' must {broken}")


def _broken(parameter: Parameter, value: str) -> str | None:
    items = _items(value) if parameter.is_list and ssm_value_type(parameter.type) is None else [value]
    if parameter.type in ("Number", "List<Number>"):
        for item in items:
            broken = _broken_number(parameter, item)
            if broken is not None:
                return broken
    for item in items:
        if parameter.allowed_values and not _is_allowed(parameter, item):
            return "be one of AllowedValues"
        if parameter.allowed_pattern is not None and not _matches(parameter.allowed_pattern, item):
            return f"match pattern {parameter.allowed_pattern}"
        if parameter.max_length is not None and len(item) > parameter.max_length:
            return f"contain at most {parameter.max_length} characters"
        if parameter.min_length is not None and len(item) < parameter.min_length:
            return f"contain at least {parameter.min_length} characters"
    return None


def _matches(pattern: str, item: str) -> bool:
    """AWS matches the whole value. The pattern compiles: its declaration was checked."""
    expression = compiled(pattern)
    return expression is not None and expression.fullmatch(item) is not None


def _is_allowed(parameter: Parameter, item: str) -> bool:
    if item in parameter.allowed_values:
        return True
    if parameter.type not in ("Number", "List<Number>"):
        return False
    return float(item) in [float(a) for a in parameter.allowed_values if _NUMBER.fullmatch(a)]


def _broken_number(parameter: Parameter, item: str) -> str | None:
    if not _NUMBER.fullmatch(item):
        return "be a number."
    number = float(item)
    if parameter.min_value is not None and number < parameter.min_value:
        return f"be a number not less than {_shown(parameter.min_value)}"
    if parameter.max_value is not None and number > parameter.max_value:
        return f"be a number not greater than {_shown(parameter.max_value)}"
    return None


def _shown(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")]


def parameter_values(template: Template, values: Mapping[str, str]) -> dict[str, Value]:
    """What Ref returns for each parameter: a text, or a list of trimmed texts for the list types.

    `values` are those of `resolve_parameters`, with an SSM parameter's looked-up value in place of its name.
    """
    settled: dict[str, Value] = {}
    for name, parameter in template.parameters.items():
        value = values.get(name, parameter.default)
        if value is not None:
            settled[name] = _items(value) if parameter.is_list else value
    return settled


# -- what must exist ----------------------------------------------------------------------------------------


def typed_references(template: Template, values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(parameter, AWS type, value) for every value that must name something that exists; a list counts by item.

    `values` are those of `resolve_parameters`, with an SSM parameter's looked-up value in place of its name.
    """
    found = []
    for name, parameter in template.parameters.items():
        inner = (ssm_value_type(parameter.type) or parameter.type).removeprefix("List<").removesuffix(">")
        if (inner in AWS_TYPES or inner == SSM_NAME) and name in values:
            items: Sequence[str] = _items(values[name]) if parameter.is_list else [values[name]]
            found += [(name, inner, item) for item in items]
    return found


def ssm_references(template: Template, values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(parameter, type, SSM parameter name) of the SSM-typed ones.

    The type is the one inside `AWS::SSM::Parameter::Value<…>`, whose value Ref returns, or
    `AWS::SSM::Parameter::Name`, which need only exist.
    """
    found = []
    for name, parameter in template.parameters.items():
        inner = ssm_value_type(parameter.type)
        if name in values and (inner is not None or parameter.type == SSM_NAME):
            found.append((name, inner or parameter.type, values[name]))
    return found
