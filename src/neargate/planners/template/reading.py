"""From a template's text to plain data: JSON, or YAML 1.1 as CloudFormation reads it.

Short forms become long forms (`!Ref A` → `{"Ref": "A"}`), a key that occurs twice keeps its last value, aliases are
refused. Nulls stay None; the structure check refuses them with their path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import yaml

from neargate.model.errors import AwsError
from neargate.planners.template.nouns import invalid
from neargate.planners.template.scalars import plain, text_of

_FUNCTIONS = (
    "And Base64 Cidr Contains EachMemberEquals EachMemberIn Equals FindInMap GetAZs GetAtt If ImportValue Join Not Or "
    "RefAll Select Split Sub Transform ValueOf ValueOfAll"
).split()
_SHORT_FORMS = {f"!{name}": f"Fn::{name}" for name in _FUNCTIONS} | {"!Ref": "Ref", "!Condition": "Condition"}
_CORE = "tag:yaml.org,2002:"


def read(body: str, *, short_forms: bool = True) -> dict[str, Any]:
    """The template's data. Raises ValidationError with line and column where the text is not well-formed.

    Without `short_forms`, `!Ref` and its kin are tags that nobody knows, as in a snippet of AWS::Include.
    """
    body = body.removeprefix("\ufeff")
    tags = _SHORT_FORMS if short_forms else {}
    try:
        data = _read_json(body) if body.lstrip().startswith("{") else _Yaml(body, tags).document()
    except RecursionError:
        raise invalid("Template format error: unsupported structure.") from None
    if not isinstance(data, dict):
        raise invalid("Template format error: unsupported structure.")
    return data


def _read_json(body: str) -> Any:
    try:
        data = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
        if "\\u" in body:
            _refuse_halves(data)
        return data
    except json.JSONDecodeError as error:
        raise invalid(
            f"Template format error: JSON not well-formed. (line {error.lineno}, column {error.colno})"
        ) from None
    except ValueError:  # NaN, Infinity, an integer of thousands of digits, or half a character
        raise invalid("Template format error: JSON not well-formed. (line 1, column 1)") from None


def _refuse_halves(data: Any) -> None:
    """`"\\ud800"` without its other half is no text that anybody could store or send. Raises ValueError."""
    json.dumps(data, ensure_ascii=False).encode()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return number


def located(path: Sequence[str]) -> str:
    """A path as AWS writes it: what lies in a resource's properties is under `/Type/`."""
    if len(path) > 3 and path[0] == "Resources" and path[2] == "Properties":
        path = [*path[:2], "Type", *path[3:]]
    return "/" + "/".join(path)


def _not_well_formed(line: int, column: int) -> AwsError:
    return invalid(f"Template format error: YAML not well-formed. (line {line + 1}, column {column + 1})")


class _Yaml:
    """Builds the data from libyaml's events; `path` is where it stands, as AWS writes paths."""

    def __init__(self, body: str, short_forms: Mapping[str, str]) -> None:
        self._body = body
        self._short_forms = short_forms
        self._events: Iterator[yaml.Event] = iter(())
        self._path: list[str] = []

    def document(self) -> Any:
        try:
            self._events = yaml.parse(self._body, Loader=yaml.CSafeLoader)
            next(self._events)  # the stream's start
            if isinstance(next(self._events), yaml.StreamEndEvent):
                return None
            data = self._value(next(self._events))
            next(self._events)  # the document's end
            after = next(self._events)
            if not isinstance(after, yaml.StreamEndEvent):
                raise self._broken(after)
            return data
        except yaml.reader.ReaderError as error:
            before = self._body[: error.position]
            raise _not_well_formed(before.count("\n"), len(before) - before.rfind("\n") - 1) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise _not_well_formed(mark.line if mark else 0, mark.column if mark else 0) from None

    def _broken(self, event: yaml.Event) -> AwsError:
        mark = event.start_mark
        return _not_well_formed(mark.line if mark else 0, mark.column if mark else 0)

    def _value(self, event: yaml.Event) -> Any:
        if isinstance(event, yaml.AliasEvent):
            raise invalid("Template error: YAML aliases are not allowed in CloudFormation templates")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if not isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            raise self._broken(event)
        tag: str | None = event.tag
        if (
            tag is not None
            and tag not in self._short_forms
            and tag not in ("!", f"{_CORE}map", f"{_CORE}seq")
        ):
            raise self._broken(event)
        data = self._sequence() if isinstance(event, yaml.SequenceStartEvent) else self._mapping()
        return {self._short_forms[tag]: data} if tag is not None and tag in self._short_forms else data

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        tag, text = event.tag, event.value
        if tag is None:
            return plain(text) if event.implicit[0] else text
        if tag in ("!", f"{_CORE}str"):
            return text
        if tag in self._short_forms:
            return {self._short_forms[tag]: text.split(".", 1) if tag == "!GetAtt" else text}
        if tag in (f"{_CORE}int", f"{_CORE}float", f"{_CORE}bool", f"{_CORE}null"):
            return plain(text)
        raise self._broken(event)

    def _sequence(self) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            self._path.append(str(len(items)))
            items.append(self._value(event))
            self._path.pop()
        return items

    def _mapping(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            self._path.append(key)
            members[key] = self._value(next(self._events))
            self._path.pop()
        return members

    def _key(self, event: yaml.Event) -> str:
        """Keys are texts. AWS refuses numbers and functions, and takes `on`, `yes` and the like as they are written."""
        if isinstance(event, yaml.SequenceStartEvent):
            raise self._bad_key("a list")
        if not isinstance(event, yaml.ScalarEvent) or event.tag in self._short_forms:
            raise self._bad_key("a map")
        text: str = event.value
        number = plain(text) if event.implicit[0] and event.tag is None else None
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            raise self._bad_key(f"numeric [{text_of(number)}]")
        return text

    def _bad_key(self, what: str) -> AwsError:
        return invalid(
            f"Template format error: [{located(self._path)}] map keys must be strings; received {what} instead"
        )
