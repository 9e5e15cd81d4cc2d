"""CloudFormation's registry schemas, as cfn-lint bundles them: what a resource type's properties are.

Read lazily, one type at a time, straight from the data files: cfn-lint itself is not imported. The validator words its
findings as AWS's own does (cloudformation-resource-schema over everit's json-schema): findings that would show a value
are worded `failed validation constraint for keyword [enum]`. Keywords that only cfn-lint knows (requiredXor,
dependentExcluded, …) are left to the resource's API, whose error AWS shows.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import attrs

from neargate.planners.template.nouns import UNKNOWN
from neargate.planners.template.patterns import compiled
from neargate.planners.template.scalars import is_scalar, text_of

_DATA = "data/schemas"
_REGION = "us-east-1"
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_DYNAMIC = "{{resolve:"
_MAX_REFERENCES = 50

# types whose every property Fn::GetAtt returns (facts 1.14); elsewhere it returns read-only ones
_ALL_PROPERTIES = frozenset(
    "AWS::" + name
    for name in (
        "AutoScaling::AutoScalingGroup EC2::CapacityReservation EC2::Instance EC2::SecurityGroup EC2::Subnet EC2::VPC "
        "EFS::MountTarget EKS::Nodegroup ElastiCache::ReplicationGroup ElasticLoadBalancingV2::LoadBalancer "
        "Events::EventBus Kinesis::StreamConsumer Neptune::DBCluster RDS::DBInstance RDS::DBParameterGroup "
        "S3::AccessPoint SNS::Topic SQS::Queue SSM::Parameter StepFunctions::Activity"
    ).split()
)
# types that were recorded on AWS without the tags that their schema says CloudFormation puts on (docs/facts-found.md)
_WITHOUT_SYSTEM_TAGS = frozenset(
    f"AWS::EC2::{name}"
    for name in ("PrefixList", "TransitGateway", "TransitGatewayAttachment", "VPCEndpoint")
)
_ANY_ATTRIBUTE = ("Custom::", "AWS::CloudFormation::CustomResource", "AWS::CloudFormation::Macro")


@attrs.frozen
class Handler:
    """What one operation on a type needs. `timeout_minutes` is None where the schema has the default (2 hours)."""

    permissions: tuple[str, ...]
    timeout_minutes: int | None = None


@attrs.frozen
class ResourceSchema:
    """One resource type. Property paths are slash-separated without `/properties`: `Listeners/*/Port`."""

    type: str
    properties: Mapping[str, Any]
    definitions: Mapping[str, Any]
    required: tuple[str, ...]
    create_only: tuple[str, ...]
    conditional_create_only: tuple[str, ...]
    read_only: tuple[str, ...]
    write_only: tuple[str, ...]
    primary_identifier: tuple[str, ...]
    system_tags: bool
    tag_property: str | None
    handlers: Mapping[str, Handler]
    replacement_strategy: str
    body: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    def handler_timeout(self, name: str) -> int | None:
        """Minutes that CloudFormation waits for create, update, delete …; None where the schema does not say."""
        handler = self.handlers.get(name)
        return None if handler is None else handler.timeout_minutes

    def resolved(self, rule: Any) -> Mapping[str, Any]:
        """A rule with its `$ref` followed; empty where it leads nowhere."""
        for _ in range(_MAX_REFERENCES):
            if not isinstance(rule, dict):
                return {}
            pointer = rule.get("$ref")
            if not isinstance(pointer, str) or not pointer.startswith("#/"):
                return rule
            target: Any = self.body
            for step in pointer[2:].split("/"):
                target = target.get(step, {}) if isinstance(target, dict) else {}
            rule = target
        return {}


def exists(type_name: str) -> bool:
    """True where AWS has the type. Custom resources (`Custom::…`) and modules are not in the registry."""
    return type_name in _index()


def names() -> list[str]:
    """Every type that AWS has."""
    return sorted(_index())


@lru_cache(maxsize=64)
def schema(type_name: str) -> ResourceSchema:
    """The schema of a type. Raises LookupError for a type that AWS does not have."""
    found = _index().get(type_name)
    if found is None:
        raise LookupError(f"no schema for {type_name}")
    body = _load(f"resources/{found}.json")
    tagging = body.get("tagging") or {}
    tag_property = tagging.get("tagProperty")
    return ResourceSchema(
        type=type_name,
        properties=body.get("properties", {}),
        definitions=body.get("definitions", {}),
        required=tuple(body.get("required", ())),
        create_only=_paths(body, "createOnlyProperties"),
        conditional_create_only=_paths(body, "conditionalCreateOnlyProperties"),
        read_only=_paths(body, "readOnlyProperties"),
        write_only=_paths(body, "writeOnlyProperties"),
        primary_identifier=_paths(body, "primaryIdentifier"),
        system_tags=bool(tagging.get("cloudFormationSystemTags", False))
        and type_name not in _WITHOUT_SYSTEM_TAGS,
        tag_property=_path(tag_property) if tag_property else None,
        handlers={
            name: Handler(tuple(handler.get("permissions", ())), handler.get("timeoutInMinutes"))
            for name, handler in body.get("handlers", {}).items()
        },
        replacement_strategy=body.get("replacementStrategy", "create_then_delete"),
        body=body,
    )


@lru_cache(maxsize=1)
def _index() -> Mapping[str, str]:
    index: dict[str, str] = _load(f"providers/{_REGION}.json")
    return index


@lru_cache(maxsize=1)
def _reader() -> tuple[Callable[[str], bytes], str]:
    spec = importlib.util.find_spec("cfnlint")  # of a top-level package: finds it, does not import it
    if spec is None or not spec.submodule_search_locations or spec.loader is None:
        raise LookupError("cfn-lint, which carries the resource schemas, is not installed")
    read: Callable[[str], bytes] = spec.loader.get_data  # type: ignore[attr-defined]
    return read, spec.submodule_search_locations[0]


def _load(name: str) -> Any:
    read, place = _reader()
    return json.loads(read(f"{place}/{_DATA}/{name}"), object_hook=_without_prose)


def _without_prose(value: dict[str, Any]) -> dict[str, Any]:
    """Most of a schema is descriptions; a property that is called `description` is a map and stays."""
    if isinstance(value.get("description"), str):
        del value["description"]
    return value


def _path(pointer: str) -> str:
    return pointer.removeprefix("/properties/").replace("/properties/", "/").replace("/items/", "/*/")


def _paths(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(_path(pointer) for pointer in body.get(key, ()))


# -- replacement and attributes -----------------------------------------------------------------------------


def replacement(type_name: str, property_path: str) -> str:
    """Whether a change of this property replaces the resource: `Always`, `Conditionally` or `Never`.

    A path is `Listeners/0/Port`, list places as numbers or `*`. `Conditionally` is also the answer for a path that
    merely contains a create-only one: it depends on what changed inside.
    """
    known = schema(type_name)
    path = _steps(property_path)
    if "create" in known.handlers and "update" not in known.handlers:
        return "Always"
    create_only = [_steps(p) for p in known.create_only]
    if any(path[: len(steps)] == steps for steps in create_only):
        return "Always"
    conditional = [_steps(p) for p in known.conditional_create_only]
    if any(path[: len(steps)] == steps for steps in conditional):
        return "Conditionally"
    if any(steps[: len(path)] == path for steps in create_only + conditional):
        return "Conditionally"
    return "Never"


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step and step != "*" and not step.isdigit()]


def supports_attribute(type_name: str, attribute: str) -> bool:
    """Whether Fn::GetAtt returns this attribute of this type; true for types that the registry does not have."""
    if not exists(type_name) or type_name.startswith(_ANY_ATTRIBUTE):
        return True
    if type_name == "AWS::CloudFormation::Stack" and attribute.startswith("Outputs."):
        return True
    known = schema(type_name)
    path = attribute.replace(".", "/")
    if any(path == ro or path.startswith(ro + "/") for ro in known.read_only):
        return True
    by_property = type_name in _ALL_PROPERTIES or not known.handlers
    return by_property and attribute.partition(".")[0] in known.properties


# -- validation ---------------------------------------------------------------------------------------------


def property_errors(type_name: str, logical_id: str, properties: Mapping[str, Any]) -> list[str]:
    """What AWS says of properties that break their schema: one sentence with every finding, or nothing.

    `Properties validation failed for resource Web with message: [#: required key [Cluster] not found, …]`.
    Values that are UNKNOWN yet, and dynamic references, are taken as fine.
    """
    found = violations(type_name, properties)
    if not found:
        return []
    return [f"Properties validation failed for resource {logical_id} with message: [{', '.join(found)}]"]


def violations(type_name: str, properties: Mapping[str, Any]) -> list[str]:
    """The single findings: `#/Name: expected maxLength: 32, actual: 33`."""
    known = schema(type_name)
    body: Mapping[str, Any] = known.body
    settable = {name: s for name, s in known.properties.items() if name not in known.read_only}
    typed = {
        key: body[key] for key in ("required", "patternProperties", "anyOf", "oneOf", "allOf") if key in body
    }
    root: dict[str, Any] = {"type": "object", "properties": settable, "additionalProperties": False, **typed}
    return _Validator(known).check(root, properties, "#")


class _Validator:
    """Checks a value against one type's schema. Findings come in everit's order."""

    def __init__(self, known: ResourceSchema) -> None:
        self._known = known

    def check(self, rule: Any, value: Any, at: str) -> list[str]:
        rule = self._known.resolved(rule)
        if value is UNKNOWN or (isinstance(value, str) and _DYNAMIC in value):
            return []
        parts = list(self._parts(rule, value, at))
        findings = [finding for part in parts for finding in part]
        if findings and len(parts) > 1:
            matching = sum(not part for part in parts)
            return [f"{at}: #: only {matching} subschema matches out of {len(parts)}", *findings]
        return findings

    def _parts(self, rule: Mapping[str, Any], value: Any, at: str) -> Iterator[list[str]]:
        """One list of findings for each of the schemas that everit makes of a rule."""
        types = rule.get("type")
        if types is not None or "properties" in rule or "required" in rule:
            yield self._typed(rule, types, value, at)
        if "enum" in rule or "enumCaseInsensitive" in rule:
            yield [] if _is_member(rule, value) else [_scrubbed(at, "enum")]
        if "const" in rule:
            yield [] if _same(rule["const"], value) else [_scrubbed(at, "const")]
        if "not" in rule:
            yield [] if self.check(rule["not"], value, at) else [_scrubbed(at, "not")]
        for keyword in ("allOf", "anyOf", "oneOf"):  # those of formats alone are cfn-lint's
            if keyword in rule and not all(set(one) <= {"format"} for one in rule[keyword]):
                yield self._combined(keyword, rule[keyword], value, at)

    def _combined(self, keyword: str, rules: list[Any], value: Any, at: str) -> list[str]:
        results = [self.check(rule, value, at) for rule in rules]
        matching, total = sum(not result for result in results), len(results)
        findings = [finding for result in results for finding in result]
        if keyword == "allOf" and matching < total:
            return [f"{at}: #: only {matching} subschema matches out of {total}", *findings]
        if keyword == "anyOf" and matching == 0:
            return [f"{at}: #: no subschema matched out of the total {total} subschemas", *findings]
        if keyword == "oneOf" and matching != 1:
            return [f"{at}: #: {matching} subschemas matched instead of one", *findings]
        return []

    def _typed(self, rule: Mapping[str, Any], types: Any, value: Any, at: str) -> list[str]:
        if isinstance(types, list) and len(types) > 1:
            if any(_is_of(kind, value) for kind in types):
                return self._contents(rule, value, at)
            mismatches = [_mismatch(kind, value, at) for kind in types]
            return [f"{at}: #: no subschema matched out of the total {len(types)} subschemas", *mismatches]
        kind = types[0] if isinstance(types, list) and types else types
        if kind is None:
            return self._contents(rule, value, at)
        if not _is_of(kind, value):
            return [_mismatch(kind, value, at)]
        return self._contents(rule, value, at, kind)

    def _contents(self, rule: Mapping[str, Any], value: Any, at: str, kind: str | None = None) -> list[str]:
        if isinstance(value, Mapping):
            return self._object(rule, value, at)
        if isinstance(value, list):
            return self._array(rule, value, at)
        if kind in ("integer", "number"):
            return _number(rule, float(text_of(value)), at)
        if kind == "boolean":
            return []
        return _string(rule, text_of(value), at)

    def _object(self, rule: Mapping[str, Any], value: Mapping[str, Any], at: str) -> list[str]:
        required, known = rule.get("required", ()), rule.get("properties", {})
        patterns = rule.get("patternProperties", {})
        found = [f"{at}: required key [{key}] not found" for key in required if key not in value]
        size = len(value)
        if size < rule.get("minProperties", 0):
            found.append(f"{at}: minimum size: [{rule['minProperties']}], found: [{size}]")
        if size > rule.get("maxProperties", size):
            found.append(f"{at}: maximum size: [{rule['maxProperties']}], found: [{size}]")
        extra = [key for key in value if key not in known and not any(_search(p, key) for p in patterns)]
        others = rule.get("additionalProperties", True)
        if others is False:
            found += [f"{at}: extraneous key [{key}] is not permitted" for key in extra]
        elif isinstance(others, dict):
            found += [f for key in extra for f in self.check(others, value[key], f"{at}/{key}")]
        for pattern, inner in patterns.items():
            for key in value:
                if _search(pattern, key):
                    found += self.check(inner, value[key], f"{at}/{key}")
        for key, inner in known.items():
            if key in value:
                found += self.check(inner, value[key], f"{at}/{key}")
        return found

    def _array(self, rule: Mapping[str, Any], value: list[Any], at: str) -> list[str]:
        found = []
        count = len(value)
        if count < rule.get("minItems", 0):
            found.append(f"{at}: expected minimum item count: {rule['minItems']}, found: {count}")
        if count > rule.get("maxItems", count):
            found.append(f"{at}: expected maximum item count: {rule['maxItems']}, found: {count}")
        if rule.get("uniqueItems") and not _unique(value):
            found.append(f"{at}: array items are not unique")
        if "items" in rule:
            for index, item in enumerate(value):
                found += self.check(rule["items"], item, f"{at}/{index}")
        return found


def _scrubbed(at: str, keyword: str) -> str:
    return f"{at}: failed validation constraint for keyword [{keyword}]"


def _string(rule: Mapping[str, Any], text: str, at: str) -> list[str]:
    found = []
    if len(text) < rule.get("minLength", 0):
        found.append(f"{at}: expected minLength: {rule['minLength']}, actual: {len(text)}")
    if len(text) > rule.get("maxLength", len(text)):
        found.append(f"{at}: expected maxLength: {rule['maxLength']}, actual: {len(text)}")
    if "pattern" in rule and not _search(rule["pattern"], text):
        found.append(_scrubbed(at, "pattern"))
    return found


def _number(rule: Mapping[str, Any], number: float, at: str) -> list[str]:
    found = []
    if number < rule.get("minimum", number):
        found.append(_scrubbed(at, "minimum"))
    if number > rule.get("maximum", number):
        found.append(_scrubbed(at, "maximum"))
    if "exclusiveMaximum" in rule and number >= rule["exclusiveMaximum"]:
        found.append(_scrubbed(at, "exclusiveMaximum"))
    if "exclusiveMinimum" in rule and number <= rule["exclusiveMinimum"]:
        found.append(_scrubbed(at, "exclusiveMinimum"))
    if rule.get("multipleOf") and number % rule["multipleOf"]:
        found.append(_scrubbed(at, "multipleOf"))
    return found


def _search(pattern: str, text: str) -> bool:
    """The few patterns that only Java knows are left to the resource's API."""
    expression = compiled(pattern)
    return expression is None or expression.search(text) is not None


def _unique(items: list[Any]) -> bool:
    known = [item for item in items if item is not UNKNOWN]
    return all(item not in known[:index] for index, item in enumerate(known))


def _same(left: Any, right: Any) -> bool:
    if is_scalar(left) and is_scalar(right):
        return text_of(left) == text_of(right)
    return bool(left == right)


def _is_member(rule: Mapping[str, Any], value: Any) -> bool:
    if any(_same(member, value) for member in rule.get("enum", ())):
        return True
    folded = [text_of(member).lower() for member in rule.get("enumCaseInsensitive", ()) if is_scalar(member)]
    return is_scalar(value) and text_of(value).lower() in folded


# -- scalars as CloudFormation takes them -------------------------------------------------------------------

_JAVA = {
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "object": "JSONObject",
    "array": "JSONArray",
    "null": "Null",
}


def _is_of(kind: str, value: Any) -> bool:
    """Whether CloudFormation takes a value for this type: "256" for an integer, 256 for a string, "true" as true."""
    if kind == "object":
        return isinstance(value, Mapping)
    if kind == "array":
        return isinstance(value, list)
    if not is_scalar(value):
        return False
    if kind == "string":
        return True
    text = text_of(value)
    if kind == "boolean":
        return text.lower() in ("true", "false")
    if isinstance(value, bool) or kind == "null":
        return False
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return bool((_INTEGER if kind == "integer" else _NUMBER).fullmatch(text))


def _mismatch(kind: str, value: Any, at: str) -> str:
    return f"{at}: expected type: {_JAVA.get(kind, kind)}, found: {_java_type(value)}"


def _java_type(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer" if -(1 << 31) <= value < 1 << 31 else "Long"
    if isinstance(value, float):
        return "BigDecimal"
    if isinstance(value, str):
        return "String"
    return "JSONArray" if isinstance(value, list) else "JSONObject"
