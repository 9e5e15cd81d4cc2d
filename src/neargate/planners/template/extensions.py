"""AWS::LanguageExtensions: Fn::ForEach written out, and every function that is known before deployment carried out.

The transform's output is an ordinary template. What needs a resource that does not exist yet stays a function, and so
do Fn::If, Fn::ImportValue and Fn::GetAZs, and whatever depends on a NoEcho parameter.
A loop's identifier stands for its item in the keys of the loop's fragment (`${Id}`, and `&{Id}` without what is not
alphanumeric), in the text of Fn::Sub, and under Ref; anywhere else it is plain text, as on AWS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.planners.template import functions as fn
from neargate.planners.template.evaluation import Evaluator, Scope
from neargate.planners.template.graph import conditions
from neargate.planners.template.nouns import LANGUAGE_EXTENSIONS, UNKNOWN, Template
from neargate.planners.template.scalars import is_scalar, text_of
from neargate.planners.template.transforms import Json, TransformFailed, failed

FOR_EACH = "Fn::ForEach::"
_SECTIONS = ("Conditions", "Resources", "Outputs")
_LAYOUT = "Fn::ForEach layout is incorrect"
_NO_COLLECTION = "Could not find a collection or could not be resolved for Fn::ForEach"
_NO_LENGTH = "The Fn::Length value could not be resolved for properties"
_PLACEHOLDER = re.compile(r"([$&])\{([^!}][^}]*)\}")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")
_STAYS = frozenset({"Fn::If", "Fn::ImportValue", "Fn::GetAZs"}) | fn.CONDITION_FUNCTIONS
_MISSING = object()

Bindings = Mapping[str, str]


def extended(data: Json, scope: Scope) -> Json:
    """The template without what only this transform knows. `scope` holds the parameters' values (UNKNOWN for NoEcho).

    Raises TransformFailed with AWS's reason.
    """
    try:
        return _Extension(data, scope).template()
    except AwsError as error:
        if error.message == fn.SUB_NAMES:
            raise TransformFailed(error.message) from None
        raise failed(LANGUAGE_EXTENSIONS, error.message.removeprefix("Template error: ")) from None


class _Extension:
    def __init__(self, data: Json, scope: Scope) -> None:
        mappings = data.get("Mappings")
        self._data = data
        self._scope = attrs.evolve(
            scope,
            mappings=mappings if isinstance(mappings, dict) else {},
            exports=lambda name: UNKNOWN,
            references=lambda name, attribute: UNKNOWN,
        )
        self._place = ""

    def template(self) -> Json:
        processed = dict(self._data)
        for section in _SECTIONS:
            members = self._data.get(section)
            if isinstance(members, dict):
                processed[section] = self._section(section, members)
        self._settle_attributes(processed)
        return processed

    def _section(self, section: str, members: Json) -> Json:
        expanded: Json = {}
        for name, value in members.items():
            self._place = name
            for key, produced in self._member(name, value, {}):
                if key != name and not (key.isascii() and key.isalnum()):
                    noun = "OutputKey" if section == "Outputs" else "LogicalId"
                    raise failed(LANGUAGE_EXTENSIONS, f"{noun} '{key}' should be alphanumeric")
                _add(expanded, key, produced)
        return expanded

    # -- values ------------------------------------------------------------------------------------------------

    def _value(self, value: Any, bound: Bindings) -> Any:
        """A value with its loops written out and its known functions carried out."""
        found = fn.function_of(value)
        if found is not None and not found[0].startswith(FOR_EACH):
            return self._function(*found, bound)
        if isinstance(value, dict):
            members: Json = {}
            for key, item in value.items():
                for produced_key, produced in self._member(key, item, bound):
                    _add(members, produced_key, produced)
            return members
        if isinstance(value, list):
            return [self._value(item, bound) for item in value]
        return value

    def _member(self, key: str, value: Any, bound: Bindings) -> Iterator[tuple[str, Any]]:
        if key.startswith(FOR_EACH):
            yield from self._loop(value, bound)
        else:
            yield key, self._value(value, bound)

    def _loop(self, layout: Any, bound: Bindings) -> Iterator[tuple[str, Any]]:
        """The members that one Fn::ForEach stands for, in the collection's order."""
        if not isinstance(layout, list) or len(layout) != 3:
            raise failed(LANGUAGE_EXTENSIONS, _LAYOUT)
        identifier, collection, fragment = layout
        if (
            not isinstance(identifier, str)
            or not identifier
            or not isinstance(fragment, dict)
            or not fragment
        ):
            raise failed(LANGUAGE_EXTENSIONS, _LAYOUT)
        for item in self._collection(collection, bound):
            inner = {**bound, identifier: item}
            for key, value in fragment.items():
                yield from self._member(
                    _filled(key, inner) if not key.startswith(FOR_EACH) else key, value, inner
                )

    def _collection(self, collection: Any, bound: Bindings) -> list[str]:
        if is_scalar(collection):
            raise failed(LANGUAGE_EXTENSIONS, _LAYOUT)
        found = fn.function_of(collection)
        if found is not None and found[0] == "Fn::If":
            raise failed(LANGUAGE_EXTENSIONS, "Condition layout is incorrect")
        items = self._value(collection, bound)
        if not isinstance(items, list) or not all(is_scalar(item) for item in items):
            raise failed(LANGUAGE_EXTENSIONS, _NO_COLLECTION)
        return [text_of(item) for item in items]

    def _function(self, name: str, argument: Any, bound: Bindings) -> Any:
        if name == "Fn::ToJsonString":
            self._refuse_condition(argument)
        if name == "Fn::Sub":
            settled: Any = self._sub(argument, bound)
        else:
            settled = self._value(argument, bound)
        node = {name: settled}
        if name in _STAYS:
            return node
        result = self._known(node, bound)
        if result is not _MISSING:
            return result
        if name == "Fn::Length":
            raise failed(LANGUAGE_EXTENSIONS, _NO_LENGTH)
        return node

    def _known(self, node: Any, bound: Bindings) -> Any:
        """What a function gives, or _MISSING where that is not known before deployment."""
        if _waits(node):
            return _MISSING
        scope = attrs.evolve(self._scope, parameters={**self._scope.parameters, **bound})
        result = Evaluator(scope).value(node)
        return result if _is_data(result) else _MISSING

    def _refuse_condition(self, argument: Any) -> None:
        """AWS takes a map whose only key is Condition for the function of that name, and refuses it here."""
        if isinstance(argument, dict):
            if list(argument) == ["Condition"]:
                raise failed(
                    LANGUAGE_EXTENSIONS,
                    f"Fn::ToJsonString does not support Condition intrinsic function for resource {self._place}",
                )
            for item in argument.values():
                self._refuse_condition(item)
        elif isinstance(argument, list):
            for item in argument:
                self._refuse_condition(item)

    def _sub(self, argument: Any, bound: Bindings) -> Any:
        """Fn::Sub's argument with the known variables filled in; the others stay for deployment."""
        fn.check_function("Fn::Sub", argument)
        text, context = fn.sub_parts(argument)
        settled = {key: self._value(value, bound) for key, value in context.items()}
        known = {key: text_of(value) for key, value in settled.items() if is_scalar(value)}
        for variable in fn.variables(text):
            if variable in settled or "." in variable:
                continue
            value = self._known({"Ref": variable}, bound)
            if is_scalar(value):
                known[variable] = text_of(value)
        filled = fn.VARIABLE.sub(lambda m: _literal(known, m), text)
        left = {key: value for key, value in settled.items() if key not in known}
        return [filled, left] if left else filled

    # -- attributes that are no functions to the engine --------------------------------------------------------

    def _settle_attributes(self, processed: Json) -> None:
        """Condition, DependsOn, DeletionPolicy and UpdateReplacePolicy must be texts when the transform is done."""
        known = _members(processed, "Conditions")
        for section in ("Resources", "Outputs"):
            for declaration in _members(processed, section).values():
                if not isinstance(declaration, dict):
                    continue
                name = declaration.get("Condition")
                if isinstance(name, str) and name not in known:
                    raise failed(LANGUAGE_EXTENSIONS, f"Key {name} is missing in the map.")
                needed = declaration.get("DependsOn")
                if section == "Resources" and isinstance(needed, list) and len(needed) == 1:
                    declaration["DependsOn"] = needed[0]
                for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                    if isinstance(declaration.get(policy), dict):
                        declaration[policy] = self._policy(declaration[policy], known)

    def _policy(self, value: Any, declared: Json) -> Any:
        settled = conditions(Template(conditions=declared), self._scope)
        result = Evaluator(attrs.evolve(self._scope, conditions=settled)).value(value)
        return result if _is_data(result) else value


def _members(data: Json, section: str) -> Json:
    """A section that is a map; empty where it is missing or, for the next check to refuse, something else."""
    members = data.get(section)
    return members if isinstance(members, dict) else {}


def _add(members: Json, key: str, value: Any) -> None:
    if key in members:
        raise failed(
            LANGUAGE_EXTENSIONS, f"Duplicate key '{key}' when merging keys to parent object in Fn::ForEach"
        )
    members[key] = value


def _filled(key: str, bound: Bindings) -> str:
    def item(match: re.Match[str]) -> str:
        if match[2] not in bound:
            return match[0]
        text = bound[match[2]]
        return text if match[1] == "$" else _NOT_ALPHANUMERIC.sub("", text)

    return _PLACEHOLDER.sub(item, key)


def _literal(known: Mapping[str, str], match: re.Match[str]) -> str:
    """A known variable's text, which must not become a variable itself."""
    name = match[2].strip()
    if match[1] or name not in known:
        return match[0]
    return known[name].replace("${", "${!")


def _waits(value: Any) -> bool:
    """A function stands in it that only deployment carries out."""
    return any(name in _STAYS for name, _ in fn.walk(value))


def _is_data(value: Any) -> bool:
    """Known through and through: neither UNKNOWN nor the mark of AWS::NoValue is in it."""
    if isinstance(value, dict):
        return all(_is_data(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_data(item) for item in value)
    return is_scalar(value)
