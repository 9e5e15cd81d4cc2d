"""Filters and pages of Describe calls."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import Tags

T = TypeVar("T")
Values = str | bool | int | None | Iterable[str]
Fields = Mapping[str, Values]


def select(items: Iterable[T], filters: list[Json] | None, fields: Callable[[T], Fields]) -> list[T]:
    """The items that meet every filter. `fields` gives an item's values by filter name; the tags go under
    the key `tags` as a dict.

    Values of one filter are alternatives; `*` and `?` are wildcards, a backslash takes their meaning away.
    Raises InvalidParameterValue for a filter name that the items do not have.
    """
    everything = list(items)
    for wanted in filters or ():
        name, values = wanted.get("Name") or "", wanted.get("Values") or []
        if not name:
            raise AwsError("MissingParameter", "The request must contain the parameter filter name")
        if not values:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' must have at least one value")
        everything = [item for item in everything if _meets(fields(item), name, values)]
    return everything


def page(request: Json, member: str, items: list[T], render: Callable[[T], Json]) -> Json:
    """A page of the items from NextToken on, MaxResults long (all without it)."""
    start = _position(request.get("NextToken"))
    limit = request.get("MaxResults") or len(items)
    answer: Json = {member: [render(item) for item in items[start : start + limit]]}
    if start + limit < len(items):
        answer["NextToken"] = base64.b64encode(f"from:{start + limit}".encode()).decode()
    return answer


def _position(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).decode().removeprefix("from:"))
    except (binascii.Error, ValueError):
        raise AwsError("InvalidParameterValue", f"Invalid value '{token}' for nextToken") from None


def _meets(fields: Fields, name: str, values: list[str]) -> bool:
    tags = fields.get("tags")
    tags = tags if isinstance(tags, dict) else {}
    have = _tag_values(tags, name)
    if have is None:
        if name not in fields or name == "tags":
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
        have = _texts(fields[name])
    return any(_pattern(value).fullmatch(text) for value in values for text in have)


def _tag_values(tags: Tags, name: str) -> list[str] | None:
    if name == "tag-key":
        return list(tags)
    if name == "tag-value":
        return list(tags.values())
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return [tags[key]] if key in tags else []
    return None


def _texts(value: Values) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, str | int):
        return [str(value)]
    return list(value)


@functools.lru_cache(maxsize=256)
def _pattern(value: str) -> re.Pattern[str]:
    expression = ""
    for part in re.split(r"(\\.|\*|\?)", value):
        if part in ("*", "?"):
            expression += ".*" if part == "*" else "."
        else:
            escaped = part.startswith("\\") and len(part) == 2
            expression += re.escape(part[1:] if escaped else part)
    return re.compile(expression, re.DOTALL)
