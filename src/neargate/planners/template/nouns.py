"""The nouns of a CloudFormation template.

Values inside `properties`, `conditions` and `outputs` are plain data (dicts with string keys, lists, strings, ints,
floats, bools) with functions in their long form: `{"Fn::Sub": "…"}`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import attrs

from neargate.model.errors import AwsError


class Unknown(enum.Enum):
    """The one value that stands for "known after apply"."""

    UNKNOWN = "known after apply"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN

VERSION = "2010-09-09"
LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"


def invalid(message: str) -> AwsError:
    """A `ValidationError` with AWS's text."""
    return AwsError("ValidationError", message)


@attrs.frozen
class Parameter:
    """A declaration under Parameters. `default` and `allowed_values` are texts, as AWS compares them."""

    name: str
    type: str
    default: str | None = None
    allowed_values: tuple[str, ...] = ()
    allowed_pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    no_echo: bool = False
    description: str | None = None
    constraint_description: str | None = None

    @property
    def is_ssm_value(self) -> bool:
        """Its value is the name of an SSM parameter, whose value Ref returns."""
        return ssm_value_type(self.type) is not None

    @property
    def is_list(self) -> bool:
        """Ref returns a list."""
        inner = ssm_value_type(self.type) or self.type
        return inner == "CommaDelimitedList" or inner.startswith("List<")


def ssm_value_type(type_name: str) -> str | None:
    """`String` for `AWS::SSM::Parameter::Value<String>`; None for any other type."""
    prefix = "AWS::SSM::Parameter::Value<"
    if type_name.startswith(prefix) and type_name.endswith(">"):
        return type_name[len(prefix) : -1]
    return None


@attrs.frozen
class Resource:
    """A member of Resources. `properties` and the policies are unevaluated."""

    logical_id: str
    type: str
    properties: Mapping[str, Any] = attrs.field(factory=dict)
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    deletion_policy: Any = None
    update_replace_policy: Any = None
    metadata: Mapping[str, Any] | None = None
    creation_policy: Mapping[str, Any] | None = None
    update_policy: Mapping[str, Any] | None = None


@attrs.frozen
class Template:
    """A template whose sections have the right shapes. `validate` says whether it also makes sense."""

    version: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | None = None
    parameters: Mapping[str, Parameter] = attrs.field(factory=dict)
    mappings: Mapping[str, Mapping[str, Mapping[str, Any]]] = attrs.field(factory=dict)
    conditions: Mapping[str, Any] = attrs.field(factory=dict)
    rules: Mapping[str, Any] = attrs.field(factory=dict)
    resources: Mapping[str, Resource] = attrs.field(factory=dict)
    outputs: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    transforms: tuple[str, ...] = ()  # the names of those that are still to be carried out


@attrs.frozen
class Output:
    """An evaluated output. `value` is UNKNOWN while a resource it needs does not exist."""

    key: str
    value: Any
    description: str | None = None
    export_name: Any = None
