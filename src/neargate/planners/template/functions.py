"""CloudFormation's functions as data: finding them in a value, their shapes, and what they refer to.

A function is a map with the single key `Ref` or `Fn::…`. `Condition` is one only inside conditions: in properties it
is an ordinary key (IAM policies have it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from neargate.planners.template.nouns import invalid
from neargate.planners.template.scalars import is_scalar, text_of

PSEUDO = frozenset(
    "AWS::" + name
    for name in "AccountId NotificationARNs NoValue Partition Region StackId StackName URLSuffix".split()
)
CONDITION_FUNCTIONS = frozenset({"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals"})
_LANGUAGE_EXTENSIONS = frozenset({"Fn::Length", "Fn::ToJsonString"})
_RULE_FUNCTIONS = frozenset(
    {
        "Fn::Contains",
        "Fn::EachMemberEquals",
        "Fn::EachMemberIn",
        "Fn::RefAll",
        "Fn::ValueOf",
        "Fn::ValueOfAll",
    }
)
_SUPPORTED = (
    "Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, Ref, "
    "Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, Fn::EachMemberEquals, Fn::EachMemberIn, "
    "Fn::ValueOf, Fn::ValueOfAll, Fn::RefAll, Fn::Sub, Fn::Cidr"
)
VARIABLE = re.compile(r"\$\{\s*(!?)([^}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_.:]+")
_CONTEXT_KEY = re.compile(r"[A-Za-z0-9_]+")


def function_of(value: Any) -> tuple[str, Any] | None:
    """(name, argument) where the value is a function."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or name.startswith("Fn::"):
            return name, argument
    return None


def is_function(value: Any) -> bool:
    return function_of(value) is not None


NO_BRANCH: Mapping[str, bool] = {}  # for `walk`: neither branch of any Fn::If


def walk(value: Any, taken: Mapping[str, bool] | None = None) -> list[tuple[str, Any]]:
    """Every function in a value, outer before inner. With `taken`, only the branches of Fn::If that hold."""
    found: list[tuple[str, Any]] = []
    _collect(value, taken, found)
    return found


def _collect(value: Any, taken: Mapping[str, bool] | None, found: list[tuple[str, Any]]) -> None:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, (dict, list)):
                _collect(item, taken, found)
        return
    if not isinstance(value, dict):
        return
    if len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or name.startswith("Fn::"):
            found.append((name, argument))
            if name == "Fn::If" and taken is not None and isinstance(argument, list) and len(argument) == 3:
                if taken is not NO_BRANCH:
                    _collect(argument[1] if taken.get(str(argument[0])) else argument[2], taken, found)
                return
    for item in value.values():
        if isinstance(item, (dict, list)):
            _collect(item, taken, found)


# -- references ---------------------------------------------------------------------------------------------


@attrs.frozen
class Reference:
    """Something that a function names. `attribute` is None for a Ref; `via` is the function."""

    name: str
    attribute: str | None
    via: str


def references(value: Any, taken: Mapping[str, bool] | None = None) -> Iterator[Reference]:
    """What Ref, Fn::GetAtt and Fn::Sub in a value name: parameters, resources, pseudo parameters."""
    for name, argument in walk(value, taken):
        if name == "Ref" and isinstance(argument, str):
            yield Reference(argument, None, name)
        elif name == "Fn::GetAtt":
            target = getatt(argument)
            if target is not None:
                yield Reference(target[0], str(target[1]), name)
        elif name == "Fn::Sub":
            yield from _sub_references(argument)


def getatt(argument: Any) -> tuple[str, Any] | None:
    """(logical id, attribute) of Fn::GetAtt's argument in either form; None where it has neither."""
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2:
        return None
    name, attribute = parts
    if not isinstance(name, str) or not name or not attribute:
        return None
    if not isinstance(attribute, str) and not is_function(attribute):
        return None
    return name, attribute


def _sub_references(argument: Any) -> Iterator[Reference]:
    text, context = sub_parts(argument)
    for variable in variables(text):
        if variable in context:
            continue
        name, _, attribute = variable.partition(".")
        yield Reference(name, attribute or None, "Fn::Sub")


def sub_parts(argument: Any) -> tuple[str, Mapping[str, Any]]:
    """The text and the context of Fn::Sub in either form."""
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
        return text_of(argument[0]), argument[1]
    return (text_of(argument) if is_scalar(argument) else ""), {}


def variables(text: str) -> list[str]:
    """The `${names}` of a Fn::Sub text, without `${!literals}`. AWS takes blanks around a name."""
    return [name.strip() for literal, name in VARIABLE.findall(text) if not literal]


# -- shapes -------------------------------------------------------------------------------------------------

JOIN = (
    "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings "
    "to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
)
SPLIT = (
    "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be "
    "split or a function that returns a string to be split."
)
SELECT = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
SELECT_INDEX = (
    "Template error: Fn::Select requires a list argument with a valid index value as its first element"
)
GETATT = (
    "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource "
    "attribute"
)
SUB = (
    "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as "
    "first argument, and an optional second argument to specify a mapping of values to replace in the string"
)
SUB_NAMES = (
    "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, "
    "periods, and colons"
)
EQUALS = "Template error: every Fn::Equals object requires a list of 2 string parameters."
MAP = (
    "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute "
    "for return value"
)
BASE64 = "Template error: every Fn::Base64 object must have a String-typed value."
GETAZS = "Template error: every Fn::GetAZs object must have a String-typed value."
IMPORT = (
    "Template error: the attribute in Fn::ImportValue must be a string or a function that returns a string."
)
IMPORT_DEPENDS = (
    "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or "
    "Fn::GetAZs"
)
CIDR = (
    "Template error: every Fn::Cidr object requires two or three parameters: the address block, the count of blocks "
    "and the number of subnet bits."
)


def _list(argument: Any, lengths: range, message: str) -> list[Any]:
    if not isinstance(argument, list) or len(argument) not in lengths:
        raise invalid(message)
    return argument


def _or_function(value: Any, kind: Callable[[Any], bool], message: str) -> None:
    if not kind(value) and not is_function(value):
        raise invalid(message)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _ref(argument: Any) -> None:
    if not isinstance(argument, str):
        raise invalid("Template error: All References must be of type string")


def _getatt(argument: Any) -> None:
    if getatt(argument) is None:
        raise invalid(GETATT)


def _sub(argument: Any) -> None:
    if isinstance(argument, list) and not (
        len(argument) == 2 and is_scalar(argument[0]) and isinstance(argument[1], dict)
    ):
        raise invalid(SUB)
    if not isinstance(argument, list) and not is_scalar(argument):
        raise invalid(SUB)
    text, context = sub_parts(argument)
    for key, value in context.items():
        if not _CONTEXT_KEY.fullmatch(key):
            raise invalid(
                "Template error: every key of the context object of every Fn::Sub object must contain only "
                "alphanumeric characters and underscores"
            )
        _or_function(
            value,
            is_scalar,
            "Template error: every value of the context object of every Fn::Sub object must be a string or a function "
            "that returns a string",
        )
    if not all(_VARIABLE_NAME.fullmatch(name) for name in variables(text)):
        raise invalid(SUB_NAMES)


def _join(argument: Any) -> None:
    delimiter, items = _list(argument, range(2, 3), JOIN)
    if not is_scalar(delimiter):
        raise invalid(JOIN)
    _or_function(items, _is_list, JOIN)


def _split(argument: Any) -> None:
    delimiter, text = _list(argument, range(2, 3), SPLIT)
    if not is_scalar(delimiter) or not text_of(delimiter):
        raise invalid(SPLIT)
    _or_function(text, is_scalar, SPLIT)


def _select(argument: Any) -> None:
    index, items = _list(argument, range(2, 3), SELECT)
    _or_function(index, is_scalar, SELECT)
    _or_function(items, _is_list, SELECT)
    if is_scalar(index) and not text_of(index).isdecimal():
        raise invalid(SELECT)


def _selects_something(argument: Any) -> None:
    """Where both are written out, AWS sees at once that there is nothing at that place (recorded)."""
    index, items = argument
    if is_scalar(index) and isinstance(items, list) and int(text_of(index)[:9]) >= len(items):
        raise invalid(SELECT)


def _if(argument: Any) -> None:
    if not isinstance(argument, list) or not argument or not isinstance(argument[0], str):
        raise invalid(
            "Template error: Fn::If requires a list argument with the first element being a condition"
        )
    _list(argument, range(3, 4), "Template error: Fn::If requires a list argument with three elements")


def _equals(argument: Any) -> None:
    for side in _list(argument, range(2, 3), EQUALS):
        _or_function(side, is_scalar, EQUALS)


def _and_or(name: str) -> Callable[[Any], None]:
    def check(argument: Any) -> None:
        _list(
            argument,
            range(2, 11),
            f"Template error: every {name} object requires a list of at least 2 and at most 10 boolean parameters.",
        )

    return check


def _not(argument: Any) -> None:
    _list(argument, range(1, 2), "Template error: Fn::Not requires a list argument with one element")


def _find_in_map(argument: Any) -> None:
    for part in _list(argument, range(3, 4), MAP):
        _or_function(part, is_scalar, MAP)


def _find_in_map_or_default(argument: Any) -> None:
    """With AWS::LanguageExtensions a fourth part may be `{"DefaultValue": …}`."""
    *parts, last = _list(argument, range(3, 5), MAP)
    if len(parts) == 3 and not (isinstance(last, dict) and list(last) == ["DefaultValue"]):
        raise invalid(MAP)
    for part in argument[:3]:
        _or_function(part, is_scalar, MAP)


def _scalar_or_function(message: str) -> Callable[[Any], None]:
    def check(argument: Any) -> None:
        _or_function(argument, is_scalar, message)

    return check


def _import_value(argument: Any) -> None:
    _or_function(argument, is_scalar, IMPORT)
    if any(name in ("Fn::GetAtt", "Fn::ImportValue", "Fn::GetAZs") for name, _ in walk(argument)):
        raise invalid(IMPORT_DEPENDS)


def _cidr(argument: Any) -> None:
    for part in _list(argument, range(2, 4), CIDR):
        _or_function(part, is_scalar, CIDR)


_SHAPES: dict[str, Callable[[Any], None]] = {
    "Ref": _ref,
    "Fn::GetAtt": _getatt,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::And": _and_or("Fn::And"),
    "Fn::Or": _and_or("Fn::Or"),
    "Fn::Not": _not,
    "Fn::FindInMap": _find_in_map,
    "Fn::Base64": _scalar_or_function(BASE64),
    "Fn::GetAZs": _scalar_or_function(GETAZS),
    "Fn::ImportValue": _import_value,
    "Fn::Cidr": _cidr,
}


def check_function(name: str, argument: Any, *, extensions: bool = False, rules: bool = False) -> None:
    """Raises ValidationError where a function is unknown or its argument has the wrong shape.

    `extensions`: the template has AWS::LanguageExtensions; `rules`: the function stands in Rules.
    """
    if (extensions and name in _LANGUAGE_EXTENSIONS) or (rules and name in _RULE_FUNCTIONS):
        return
    shape = _find_in_map_or_default if extensions and name == "Fn::FindInMap" else _SHAPES.get(name)
    if shape is None:
        raise invalid(
            f"Template error: Encountered unsupported function: {name} Supported functions are: [{_SUPPORTED}]"
        )
    shape(argument)
    if name == "Fn::Select" and not extensions:
        _selects_something(argument)
