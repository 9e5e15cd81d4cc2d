"""The filters of DescribeParameters and GetParametersByPath, checked and applied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.ssm import Parameter
from neargate.services.ssm.lookup import invalid

_TYPES = ("String", "StringList", "SecureString")
_TIERS = ("Standard", "Advanced", "Intelligent-Tiering")
_PATH = re.compile(r"/|(/[\w.-]+)+/?", re.ASCII)
_NAME_RULES = (
    "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "
    '"/". It can\'t be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the '
    "following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, "
    'if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.'
)


@attrs.frozen
class Filter:
    """One checked filter: it fits where one of its values does."""

    key: str
    option: str
    values: tuple[str, ...]

    def fits(self, parameter: Parameter) -> bool:
        if self.key == "Path":
            recursive = self.option == "Recursive"
            return any(is_below(parameter, path, recursive=recursive) for path in self.values)
        if self.key == "Label":
            return any(label in parameter.labels for label in self.values)
        seen = self._seen(parameter)
        if seen is None:
            return False
        return not self.values or any(self._matches(seen, value) for value in self.values)

    def _seen(self, parameter: Parameter) -> str | None:
        if self.key.startswith("tag:"):
            return parameter.tags.get(self.key.removeprefix("tag:"))
        current = parameter.current
        return {
            "Name": parameter.name,
            "Type": current.type,
            "KeyId": current.key_id,
            "Tier": current.tier,
            "DataType": current.data_type,
        }[self.key]

    def _matches(self, seen: str, value: str) -> bool:
        if self.key == "Name":
            seen, value = (
                seen.removeprefix("/"),
                value if self.option == "Contains" else value.removeprefix("/"),
            )
        if self.option == "BeginsWith":
            return seen.startswith(value)
        return value in seen if self.option == "Contains" else seen == value


def described(request: Json) -> list[Filter]:
    """DescribeParameters': `ParameterFilters`, or the older `Filters`, whose values are beginnings of a name."""
    older, newer = request.get("Filters") or (), request.get("ParameterFilters") or ()
    if older and newer:
        raise invalid("You can use either Filters or ParameterFilters in a single request.")
    if older:
        return [
            Filter(each["Key"], "BeginsWith" if each["Key"] == "Name" else "Equals", tuple(each["Values"]))
            for each in older
        ]
    return _checked(newer, ("Path", "Name", "Type", "KeyId", "Tier"), also=("DataType", "tag:"))


def by_path(items: Iterable[Mapping[str, Any]]) -> list[Filter]:
    """GetParametersByPath's."""
    return _checked(items, ("Type", "KeyId"), also=("Label", "DataType"))


def _checked(
    items: Iterable[Mapping[str, Any]], named: tuple[str, ...], *, also: tuple[str, ...]
) -> list[Filter]:
    """`named` are the keys that AWS's refusal of another one names; it takes those of `also` too."""
    checked: list[Filter] = []
    for item in items:
        key, values = item["Key"], tuple(item.get("Values") or ())
        if key not in named and not any(key.startswith(one) if one == "tag:" else key == one for one in also):
            raise AwsError(
                "InvalidFilterKey",
                f"The following filter key is not valid: {key}. Valid filter keys include: [{', '.join(named)}].",
            )
        if any(key == other.key for other in checked):
            raise invalid(
                f"The following filter is duplicated in the request: {key}. "
                "A request can contain only one occurrence of a specific filter."
            )
        if not values and not key.startswith("tag:"):
            raise AwsError(
                "InvalidFilterValue", f"The following filter values are missing : null for filter key {key}."
            )
        checked.append(Filter(key, _option(key, item.get("Option")), values))
        _check_values(checked[-1])
    return checked


def _option(key: str, option: str | None) -> str:
    if key == "Path":
        allowed, default = ("Recursive", "OneLevel"), "OneLevel"
    else:
        allowed, default = ("BeginsWith", "Equals"), "Equals"
    if option is None:
        return default
    if option in allowed or (key == "Name" and option == "Contains"):
        return option
    raise AwsError(
        "InvalidFilterOption",
        f"The following filter option is not valid: {option}. Valid options include: [{', '.join(allowed)}].",
    )


def _check_values(wanted: Filter) -> None:
    if wanted.key == "Path":
        for path in wanted.values:
            _check_path(path)
    allowed = {"Type": _TYPES, "Tier": _TIERS}.get(wanted.key)
    if allowed is None or wanted.option != "Equals":
        return
    for value in wanted.values:
        if value not in allowed:
            raise AwsError(
                "InvalidFilterOption",
                f"The following filter value is not valid: {value}. Valid values include: [{', '.join(allowed)}].",
            )


def _check_path(path: str) -> None:
    if path.lower().startswith(("/aws", "/ssm")):
        raise invalid(
            'Filters for common parameters can\'t be prefixed with "aws" or "ssm" (case-insensitive). '
            "When using global parameters, please specify within a global namespace."
        )
    if not _PATH.fullmatch(path):
        raise invalid(_NAME_RULES)


# -- paths ---------------------------------------------------------------------------------------------------


def prefix_of(path: str) -> str:
    """How the keys of all parameters below a path begin, behind account and region. Raises ValidationException."""
    if not _PATH.fullmatch(path):
        raise invalid(_NAME_RULES)
    inner = path.strip("/")
    return f"{inner}/" if inner else ""


def is_below(parameter: Parameter, path: str, *, recursive: bool) -> bool:
    """Whether it lies below the path: right below it, or with `recursive` at any depth."""
    inner = path.strip("/")
    prefix, name = f"{inner}/" if inner else "", parameter.name.removeprefix("/")
    return name.startswith(prefix) and (recursive or "/" not in name[len(prefix) :])
