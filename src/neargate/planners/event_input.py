"""What a target of an EventBridge rule is sent: the event, a part of it, a constant, or a template filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from neargate.model.records import Json

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]")
_PLACE = re.compile(r"<([A-Za-z0-9_.\-]+)>")
_MISSING = object()


def target_input(target: Mapping[str, Any], event: Json, rule: str, rule_arn: str) -> str:
    """The text that is sent. `Input`, `InputPath` and `InputTransformer` of a target exclude each other."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath"):
        found = _at(event, str(target["InputPath"]))
        return json.dumps(None if found is _MISSING else found)
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    values: dict[str, Any] = {
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.ingestion-time": event.get("time"),
        "aws.events.event.json": event,
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule,
    }
    for name, path in (transformer.get("InputPathsMap") or {}).items():
        values[name] = _at(event, str(path))
    return _filled(str(transformer["InputTemplate"]), values)


def _at(event: Any, path: str) -> Any:
    """What stands at `$.detail.items[0].name`; `_MISSING` where nothing does."""
    found = event
    for step in _STEP.finditer(path.removeprefix("$")):
        key, index, quoted = step.groups()
        if index is not None:
            if not isinstance(found, list) or int(index) >= len(found):
                return _MISSING
            found = found[int(index)]
        else:
            name = key if key is not None else quoted
            if not isinstance(found, Mapping) or name not in found:
                return _MISSING
            found = found[name]
    return found


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """The template with its places filled. In quotes a value is its text, elsewhere its JSON.

    A place whose path leads nowhere is empty. One that is not declared stays as it is.
    """

    def fill(place: re.Match[str]) -> str:
        name = place.group(1)
        if name not in values:
            return place.group(0)
        value = values[name]
        if value is _MISSING:
            return ""
        if not _in_quotes(template, place.start()):
            return json.dumps(value)
        text = value if isinstance(value, str) else json.dumps(value)
        return json.dumps(text)[1:-1]

    return _PLACE.sub(fill, template)


def _in_quotes(template: str, at: int) -> bool:
    return len(re.findall(r'(?<!\\)"', template[:at])) % 2 == 1
