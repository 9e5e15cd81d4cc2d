"""Values with their functions carried out.

What is not known yet is UNKNOWN and spreads: a text made of it is UNKNOWN, a map or list keeps it inside.
Functions whose shape or operands are wrong raise ValidationError in AWS's words; nothing else is raised.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from neargate.planners.template import functions as fn
from neargate.planners.template.functions import check_function, function_of
from neargate.planners.template.nouns import UNKNOWN, Output, Resource, Template, invalid
from neargate.planners.template.scalars import is_scalar, text_of
from neargate.planners.template.structure import description_of


def _no_zones(region: str) -> Sequence[str]:
    return ()


def _no_export(name: str) -> Any:
    return None


def _nothing_made(logical_id: str, attribute: str | None) -> Any:
    return UNKNOWN


@attrs.frozen
class Scope:
    """What a value is evaluated against.

    `parameters` are those of `parameter_values`. `zones` answers Fn::GetAZs for a region. `exports` answers
    Fn::ImportValue: None where no such export exists, UNKNOWN where it need not exist yet. `references` answers Ref
    (attribute None) and Fn::GetAtt of resources: UNKNOWN for one that does not exist yet. `conditions` are those of
    `conditions(…)`. `unknown_text` is what Fn::Sub of a mere text puts in for what is not known; without it the whole
    text is not known.
    """

    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    account: str = "000000000000"
    region: str = "us-east-1"
    stack_name: str = ""
    stack_id: str = ""
    notification_arns: Sequence[str] = ()
    zones: Callable[[str], Sequence[str]] = _no_zones
    exports: Callable[[str], Any] = _no_export
    references: Callable[[str, str | None], Any] = _nothing_made
    mappings: Mapping[str, Mapping[str, Mapping[str, Any]]] = attrs.field(factory=dict)
    conditions: Mapping[str, bool] = attrs.field(factory=dict)
    unknown_text: str | None = None

    @property
    def partition(self) -> str:
        for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-iso", "aws-iso")):
            if self.region.startswith(prefix):
                return partition
        return "aws"

    @property
    def url_suffix(self) -> str:
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def pseudo(self, name: str) -> Any:
        """A pseudo parameter's value; AWS::NoValue is the mark that removes its place."""
        return {
            "AWS::AccountId": self.account,
            "AWS::NotificationARNs": list(self.notification_arns),
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": self.url_suffix,
        }[name]


class _NoValue:
    def __repr__(self) -> str:
        return "AWS::NoValue"


_NO_VALUE = _NoValue()


def evaluate(value: Any, scope: Scope) -> Any:
    """The value with every function carried out. A value that is AWS::NoValue as a whole is None."""
    result = Evaluator(scope).value(value)
    return None if result is _NO_VALUE else result


def evaluate_resource(resource: Resource, scope: Scope) -> dict[str, Any]:
    """The properties of a resource; those that are AWS::NoValue are absent."""
    properties = evaluate(resource.properties, scope)
    if not isinstance(properties, dict):
        raise invalid(
            f"Template format error: [/Resources/{resource.logical_id}/Properties] must be an object."
        )
    return properties


def evaluate_outputs(template: Template, scope: Scope, conditions: Mapping[str, bool]) -> list[Output]:
    """The outputs whose Condition holds, in the template's order."""
    scope = attrs.evolve(scope, conditions=conditions)
    found = []
    for key, declaration in template.outputs.items():
        condition = declaration.get("Condition")
        if condition is not None and not conditions.get(condition, False):
            continue
        export = declaration.get("Export")
        found.append(
            Output(
                key=key,
                value=_text(evaluate(declaration["Value"], scope)),
                description=description_of(declaration),
                export_name=None if export is None else _text(evaluate(export["Name"], scope)),
            )
        )
    return found


def _text(value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN
    if not is_scalar(value):
        kind = "List" if isinstance(value, list) else "Map"
        raise invalid(
            "Template format error: The Value field of every Outputs member must evaluate to a String and not a "
            f"{kind}."
        )
    return text_of(value)


def _holds_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_unknown(item) for item in value)
    return value is UNKNOWN


class Evaluator:
    """Carries out functions against one scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def value(self, value: Any) -> Any:
        """A value, UNKNOWN, or the mark for AWS::NoValue."""
        found = function_of(value)
        if found is not None:
            return self._function(*found)
        if isinstance(value, dict):
            members = {key: self.value(item) for key, item in value.items()}
            return {key: item for key, item in members.items() if item is not _NO_VALUE}
        if isinstance(value, list):
            return [item for item in map(self.value, value) if item is not _NO_VALUE]
        return value

    def condition(self, value: Any, named: Callable[[str], bool]) -> bool:
        """A condition's value. `named` gives those it refers to by name."""
        if isinstance(value, dict) and len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Condition":
                if not isinstance(argument, str):
                    raise invalid("Template error: All Conditions must be of type string")
                return named(argument)
            if name in fn.CONDITION_FUNCTIONS:
                check_function(name, argument)
                if name == "Fn::Equals":
                    return self._equals(argument)
                results = [self.condition(item, named) for item in argument]
                return {"Fn::And": all, "Fn::Or": any}.get(name, _none)(results)
            if name in _MEMBERSHIP:
                return self._membership(name, argument)
        result = self.value(value)
        if is_scalar(result) and text_of(result) in ("true", "false"):
            return text_of(result) == "true"
        raise invalid(f"Template error: Invalid boolean value {_shown(result)}")

    def _membership(self, name: str, argument: Any) -> bool:
        """Fn::Contains and its kin, for Rules."""
        message = f"Template error: every {name} object requires a list of 2 parameters."
        if not isinstance(argument, list) or len(argument) != 2:
            raise invalid(message)
        first, second = (self.value(side) for side in argument)
        left = [text_of(i) for i in first] if isinstance(first, list) else [_shown(first)]
        right = [text_of(i) for i in second] if isinstance(second, list) else [_shown(second)]
        return _MEMBERSHIP[name](left, right)

    def _function(self, name: str, argument: Any) -> Any:
        check_function(name, argument, extensions=True)
        return _FUNCTIONS[name](self, argument)

    def _ref(self, name: str) -> Any:
        if name in fn.PSEUDO:
            return self._scope.pseudo(name)
        if name in self._scope.parameters:
            found = self._scope.parameters[name]
            if found == "AWS::NoValue":
                return _NO_VALUE  # a parameter that holds these words removes its place too (docs/facts-found.md)
            return list(found) if isinstance(found, (list, tuple)) else found
        return self._scope.references(name, None)

    def _getatt(self, argument: Any) -> Any:
        target = fn.getatt(argument)
        assert target is not None  # its shape has been checked
        attribute = self.value(target[1])
        if attribute is UNKNOWN:
            return UNKNOWN
        if not is_scalar(attribute):
            raise invalid(fn.GETATT)
        return self._scope.references(target[0], text_of(attribute))

    def _sub(self, argument: Any) -> Any:
        text, context = fn.sub_parts(argument)
        values: dict[str, str] = {}
        for variable in fn.variables(text):
            if variable in context:
                found = self.value(context[variable])
            elif "." in variable:
                name, _, attribute = variable.partition(".")
                found = self._scope.references(name, attribute)
            else:
                found = self._ref(variable)
            if found is UNKNOWN:
                if self._scope.unknown_text is None or not is_scalar(argument):
                    return UNKNOWN
                found = self._scope.unknown_text
            if not is_scalar(found):
                raise invalid("Template error: every variable in an Fn::sub object must reference a string")
            values[variable] = text_of(found)
        return fn.VARIABLE.sub(lambda m: f"${{{m[2]}}}" if m[1] else values[m[2].strip()], text)

    def _join(self, argument: Any) -> Any:
        items = self.value(argument[1])
        if items is UNKNOWN or (isinstance(items, list) and UNKNOWN in items):
            return UNKNOWN
        if not isinstance(items, list) or not all(is_scalar(item) for item in items):
            raise invalid(fn.JOIN)
        return text_of(argument[0]).join(text_of(item) for item in items)

    def _split(self, argument: Any) -> Any:
        text = self.value(argument[1])
        if text is UNKNOWN:
            return UNKNOWN
        if not is_scalar(text):
            raise invalid(fn.SPLIT)
        return text_of(text).split(text_of(argument[0]))

    def _select(self, argument: Any) -> Any:
        index, items = self.value(argument[0]), self.value(argument[1])
        if index is UNKNOWN or items is UNKNOWN:
            return UNKNOWN
        if not is_scalar(index) or not text_of(index).isdecimal():
            raise invalid(fn.SELECT_INDEX)
        if not isinstance(items, list):
            raise invalid(fn.SELECT)
        position = int(text_of(index)[:9])
        if position >= len(items):
            raise invalid(f"Template error: Fn::Select cannot select nonexistent value at index {position}")
        return items[position]

    def _if(self, argument: Any) -> Any:
        name = argument[0]
        if name not in self._scope.conditions:
            raise invalid(f"Template error: unresolved condition dependency {name} in Fn::If")
        return self.value(argument[1] if self._scope.conditions[name] else argument[2])

    def _equals(self, argument: Any) -> bool:
        left, right = (self.value(side) for side in argument)
        if not is_scalar(left) or not is_scalar(right):
            raise invalid(fn.EQUALS)
        return text_of(left) == text_of(right)

    def _condition_function(self, argument: Any) -> Any:
        raise invalid("Template error: Condition functions can only be used in the Conditions block")

    def _find_in_map(self, argument: Any) -> Any:
        parts = [self.value(part) for part in argument[:3]]
        if UNKNOWN in parts:
            return UNKNOWN
        if not all(is_scalar(part) for part in parts):
            raise invalid(fn.MAP)
        name, key, attribute = (text_of(part) for part in parts)
        default = (
            argument[3].get("DefaultValue") if len(argument) == 4 and isinstance(argument[3], dict) else None
        )
        if name not in self._scope.mappings and default is None:
            raise invalid(
                f"Template error: Mapping named '{name}' is not present in the 'Mappings' section of template."
            )
        found = _mapped(self._scope.mappings, name, key, attribute)
        if found is not None:
            return list(found) if isinstance(found, list) else found
        if default is not None:
            return self.value(default)
        raise invalid(f"Template error: Unable to get mapping for {name}::{key}::{attribute}")

    def _get_azs(self, argument: Any) -> Any:
        region = self.value(argument)
        if region is UNKNOWN:
            return UNKNOWN
        if not is_scalar(region):
            raise invalid(fn.GETAZS)
        return list(self._scope.zones(text_of(region) or self._scope.region))

    def _import_value(self, argument: Any) -> Any:
        name = self.value(argument)
        if name is UNKNOWN:
            return UNKNOWN
        if not is_scalar(name):
            raise invalid(fn.IMPORT)
        found = self._scope.exports(text_of(name))
        if found is None:
            raise invalid(f"No export named {text_of(name)} found.")
        return found

    def _base64(self, argument: Any) -> Any:
        text = self.value(argument)
        if text is UNKNOWN:
            return UNKNOWN
        if not is_scalar(text):
            raise invalid(fn.BASE64)
        return base64.b64encode(text_of(text).encode("utf-8", "replace")).decode()

    def _cidr(self, argument: Any) -> Any:
        parts = [self.value(part) for part in argument]
        if UNKNOWN in parts:
            return UNKNOWN
        if not all(is_scalar(part) for part in parts):
            raise invalid(fn.CIDR)
        block, count, *bits = (text_of(part) for part in parts)
        return _cidr_blocks(block, count, bits[0] if bits else "8")

    def _length(self, argument: Any) -> Any:
        items = self.value(argument)
        if items is UNKNOWN:
            return UNKNOWN
        if not isinstance(items, list):
            raise invalid("Template error: every Fn::Length object must have a List-typed value.")
        return len(items)

    def _to_json_string(self, argument: Any) -> Any:
        value = self.value(argument)
        if _holds_unknown(value):
            return UNKNOWN
        if not isinstance(value, (dict, list)):
            raise invalid(
                "Template error: every Fn::ToJsonString object must have a Map- or List-typed value."
            )
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _mapped(mappings: Any, *names: str) -> Any:
    """What a mapping holds, or None. Transforms look into mappings whose shape nobody has checked yet."""
    for name in names:
        mappings = mappings.get(name) if isinstance(mappings, Mapping) else None
    return mappings


def _none(results: list[bool]) -> bool:
    return not results[0]


def _shown(value: Any) -> str:
    return text_of(value) if is_scalar(value) else str(value)


def _cidr_blocks(block: str, count: str, bits: str) -> list[str]:
    """The first `count` networks inside `block` that leave `bits` bits for hosts."""
    try:
        network = ipaddress.ip_network(block)
        wanted, host_bits = int(count), int(bits)
    except ValueError:
        raise invalid(f"Template error: invalid Fn::Cidr arguments [{block}, {count}, {bits}]") from None
    prefix = network.max_prefixlen - host_bits
    if not 1 <= wanted <= 256 or host_bits < 1 or prefix < network.prefixlen:
        raise invalid(f"Template error: invalid Fn::Cidr arguments [{block}, {count}, {bits}]")
    if wanted > 1 << (prefix - network.prefixlen):
        raise invalid(f"Template error: invalid Fn::Cidr arguments [{block}, {count}, {bits}]")
    first = int(network.network_address)
    make = ipaddress.IPv4Network if network.version == 4 else ipaddress.IPv6Network
    return [str(make((first + (index << host_bits), prefix))) for index in range(wanted)]


_MEMBERSHIP: dict[str, Callable[[list[str], list[str]], bool]] = {
    "Fn::Contains": lambda items, value: all(item in items for item in value),
    "Fn::EachMemberEquals": lambda items, value: all([item] == value for item in items),
    "Fn::EachMemberIn": lambda items, allowed: all(item in allowed for item in items),
}

_FUNCTIONS: dict[str, Callable[[Evaluator, Any], Any]] = {
    "Ref": Evaluator._ref,
    "Fn::GetAtt": Evaluator._getatt,
    "Fn::Sub": Evaluator._sub,
    "Fn::Join": Evaluator._join,
    "Fn::Split": Evaluator._split,
    "Fn::Select": Evaluator._select,
    "Fn::If": Evaluator._if,
    "Fn::Equals": Evaluator._condition_function,
    "Fn::And": Evaluator._condition_function,
    "Fn::Or": Evaluator._condition_function,
    "Fn::Not": Evaluator._condition_function,
    "Fn::FindInMap": Evaluator._find_in_map,
    "Fn::GetAZs": Evaluator._get_azs,
    "Fn::ImportValue": Evaluator._import_value,
    "Fn::Base64": Evaluator._base64,
    "Fn::Cidr": Evaluator._cidr,
    "Fn::Length": Evaluator._length,
    "Fn::ToJsonString": Evaluator._to_json_string,
}
