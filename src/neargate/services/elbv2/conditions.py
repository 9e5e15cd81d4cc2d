"""Conditions of rules: checked, and completed to the form in which the API shows them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.services.elbv2.lookup import invalid

MOST_VALUES = 5
MOST_WILDCARDS = 6
_LONGEST = 128
_CONFIGS = {
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "path-pattern": "PathPatternConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_PLAIN = ("host-header", "path-pattern")
"""Fields whose values can also stand in the condition's own `Values`."""
_REPEATABLE = ("http-header", "query-string")
_METHOD = re.compile(r"[A-Z_-]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"[A-Za-z0-9.*?-]+")
_PATH = re.compile(r"[A-Za-z0-9_\-.$/~\"'@:+*?&]+")


def completed_conditions(conditions: Sequence[Json]) -> tuple[Json, ...]:
    """The conditions as the API shows them; ValidationError, TooManyConditions-like limits as AWS words them."""
    if not conditions:
        raise invalid("A condition must be specified")
    fields = [condition.get("Field") or "" for condition in conditions]
    for field in fields:
        if field not in _CONFIGS:
            raise invalid(f"Condition field '{field}' must be one of '[{','.join(sorted(_CONFIGS))}]'")
        if fields.count(field) > 1 and field not in _REPEATABLE:
            raise invalid(f"A rule can only have one '{field}' condition")
    done = tuple(_completed(condition) for condition in conditions)
    count = sum(len(_values(condition)) for condition in done)
    if count > MOST_VALUES:
        raise invalid(f"A rule can only have '{MOST_VALUES}' condition values")
    wildcards = sum(
        text.count("*") + text.count("?")
        for condition in done
        if condition["Field"] != "source-ip"
        for value in _values(condition)
        for text in ((value,) if isinstance(value, str) else tuple(value.values()))
    )
    if wildcards > MOST_WILDCARDS:
        raise invalid(f"A rule can only have '{MOST_WILDCARDS}' condition wildcards")
    return done


def _values(condition: Json) -> list[str] | list[Json]:
    values: list[str] | list[Json] = condition[_CONFIGS[condition["Field"]]]["Values"]
    return values


def _completed(condition: Json) -> Json:
    field = condition["Field"]
    for other, config in _CONFIGS.items():
        if other != field and condition.get(config):
            raise invalid(f"You cannot specify '{config}' with a condition of type '{field}'")
    own: Json = condition.get(_CONFIGS[field]) or {}
    plain = condition.get("Values") or []
    if condition.get("RegexValues") or own.get("RegexValues"):
        raise not_implemented("elbv2 RegexValues of a rule's condition", "elbv2")
    if field in _PLAIN:
        return _patterns(field, plain, own.get("Values") or [])
    if plain:
        raise invalid(f"The 'Values' field is not compatible with '{field}'")
    if not own:
        raise invalid(f"A '{_CONFIGS[field]}' must be specified with '{field}'")
    values = own.get("Values") or []
    if not values:
        raise invalid(f"A '{field}' value must be specified")
    _CHECKS[field](values)
    name = {"HttpHeaderName": _header_name(own)} if field == "http-header" else {}
    return {"Field": field, _CONFIGS[field]: {**name, "Values": values}}


def _patterns(field: str, plain: list[str], own: list[str]) -> Json:
    config = _CONFIGS[field]
    if plain and own:
        raise invalid(f"You cannot provide both Values and '{config}' for a condition of type '{field}'")
    if len(plain) > 1:
        raise invalid(f"The '{field}' field contains too many values; the limit is '1'")
    values = plain or own
    if not values:
        raise invalid("A condition value must be specified")
    allowed = _HOST if field == "host-header" else _PATH
    for value in values:
        _short(field, value)
        if not allowed.fullmatch(value):
            raise invalid(f"Condition value '{value}' contains a character that is not valid")
    return {"Field": field, "Values": values, config: {"Values": values}}


def _short(what: str, value: str, most: int = _LONGEST) -> None:
    if not value:
        raise invalid(f"The '{what}' value must not be empty")
    if len(value) > most:
        raise invalid(f"The '{what}' value is too long; the limit is '{most}'")


def _header_name(config: Json) -> str:
    name = config.get("HttpHeaderName") or ""
    if not name:
        raise invalid("A 'HttpHeaderName' must be specified in 'HttpHeaderConfig'")
    _short("HttpHeaderName", name, 40)
    if not _HEADER.fullmatch(name):
        raise invalid(f"The 'HttpHeaderName' value '{name}' contains a character that is not valid")
    if name.lower() == "host":
        raise invalid("Use a condition of type 'host-header' to specify a host header condition")
    return str(name)


def _check_headers(values: list[str]) -> None:
    for value in values:
        _short("http-header", value)


def _check_methods(values: list[str]) -> None:
    for value in values:
        _short("http-request-method", value, 40)
        if not _METHOD.fullmatch(value):
            raise invalid(
                "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore"
            )


def _check_queries(values: list[Json]) -> None:
    for value in values:
        if "Value" not in value:
            raise invalid("A 'Value' must be specified in 'QueryStringKeyValuePair'")
        _short("Value", value["Value"])
        if "Key" in value:
            _short("Key", value["Key"])


def _check_sources(values: list[str]) -> None:
    for value in values:
        try:
            ipaddress.ip_network(value)
        except ValueError:
            raise invalid(f"The source IP '{value}' must be in CIDR format") from None
        if "/" not in value:
            raise invalid(f"The source IP '{value}' must be in CIDR format")
        if value.startswith("255.255.255.255"):
            raise invalid("The source IP '255.255.255.255/32' is not valid")


_CHECKS: dict[str, Callable[[list[Any]], None]] = {
    "http-header": _check_headers,
    "http-request-method": _check_methods,
    "query-string": _check_queries,
    "source-ip": _check_sources,
}
