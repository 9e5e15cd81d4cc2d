"""CloudWatch Logs' filter pattern language, as FilterLogEvents reads it.

    ERROR -health "timed out"          terms: all of them, not the excluded one, an exact phrase
    ?ERROR ?WARN                       any of them (ignored beside other terms, as on AWS)
    %5\\d\\d%                            a regular expression (AWS's subset of the syntax)
    { $.level = "error" && $.n > 3 }   JSON messages
    [ip, user, ..., status = 5*]       messages of space-delimited fields

Matching is case-sensitive; the empty pattern matches everything. Source: the CloudWatch Logs User Guide, "Filter
pattern syntax", and the service's own error texts.
"""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

T = TypeVar("T")
Predicate = Callable[[T], bool]

_INVALID = "Invalid filter pattern"
_MAX_REGEXES = 2


class InvalidPattern(ValueError):
    """The pattern cannot be read; the message is AWS's."""


@attrs.frozen
class Pattern:
    """A compiled pattern; `matches(message)` says whether an event's message is wanted.

    Every wanted message holds the text `holding`: whoever looks for that first has less to match. `values(message)`
    are the fields that the pattern names, of a message that matches: `$.a.b` or `$column`.
    """

    text: str
    matches: Predicate[str]
    holding: str = ""
    values: Callable[[str], dict[str, str]] = lambda message: {}


@functools.lru_cache(maxsize=128)
def compile_pattern(text: str) -> Pattern:
    """Raises InvalidPattern with AWS's text."""
    stripped = text.strip()
    if not stripped:
        return Pattern(text, lambda message: True)
    if stripped[0] == "{":
        return _json_pattern(text, _inside(stripped, "{", "}"))
    if stripped[0] == "[":
        return _field_pattern(text, _inside(stripped, "[", "]"))
    return _term_pattern(text)


def _inside(text: str, opening: str, closing: str) -> str:
    if len(text) < 2 or text[-1] != closing:
        raise InvalidPattern(f"If a filter pattern starts with '{opening}' it must end with '{closing}'")
    return text[1:-1]


# -- terms -------------------------------------------------------------------------------------------------

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)*)%|(\S+))', re.DOTALL)


def _term_pattern(text: str) -> Pattern:
    wanted: dict[str, list[Predicate[str]]] = {"": [], "?": [], "-": []}
    holding = ""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _TERM.match(text, position)
        if found is None:
            raise InvalidPattern(_INVALID)
        test, term = _term(found)
        wanted[found[1]].append(test)
        if not found[1] and len(term) > len(holding):
            holding = term
        position = found.end()
    required, optional, excluded = wanted[""], wanted["?"], wanted["-"]
    if optional and not required and not excluded:
        return Pattern(text, lambda message: any(test(message) for test in optional))
    if len(required) == 1 and not excluded:
        return Pattern(text, required[0], holding)
    return Pattern(
        text,
        lambda message: (
            all(test(message) for test in required) and not any(test(message) for test in excluded)
        ),
        holding,
    )


def _term(found: re.Match[str]) -> tuple[Predicate[str], str]:
    """The test, and the text that it looks for (of a regular expression, none)."""
    _, phrase, regex, word = found.groups()
    if regex is not None:
        searched = _searching(regex)
        return (lambda message: searched.search(message) is not None), ""
    if word is not None and not re.fullmatch(r"\w+", word):
        raise InvalidPattern(f"Invalid character(s) in term '{found[0]}'")
    term = word if word is not None else _unquoted(phrase)
    if not term:
        raise InvalidPattern(f"Invalid character(s) in term '{found[0]}'")
    return (lambda message: term in message), term


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


# -- tokens and boolean expressions --------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<symbol>&&|\|\||<=|>=|!=|=|<|>|\(|\)|,)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<regex>%(?:[^%\\]|\\.)*%)
      | (?P<selector>\$(?:\.(?:[\w-]+|\*)|\[(?:\d+|\*|'[^']*'|"[^"]*")\])*)
      | (?P<bare>[^\s()&|=!<>"%,$]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


@attrs.frozen
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidPattern(f"Invalid character(s) in term '{text[position:].strip()}'")
        kind = match.lastgroup or ""
        found.append(_Token(kind, match[kind]))
        position = match.end()
    if sum(token.kind == "regex" for token in found) > _MAX_REGEXES:
        raise InvalidPattern(_INVALID)
    return found


class _Reader:
    """Reads tokens from left to right; every unexpected one makes the pattern invalid."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    @property
    def done(self) -> bool:
        return self._next == len(self._tokens)

    def peek(self) -> _Token:
        return _Token("", "") if self.done else self._tokens[self._next]

    def take(self) -> _Token:
        token = self.peek()
        if not token.kind:
            raise InvalidPattern(_INVALID)
        self._next += 1
        return token

    def took(self, symbol: str) -> bool:
        if self.peek() == _Token("symbol", symbol):
            self._next += 1
            return True
        return False

    def word(self) -> str:
        """A bare word, in upper case: `IS`, `NULL`…"""
        token = self.take()
        if token.kind != "bare":
            raise InvalidPattern(_INVALID)
        return token.text.upper()


def _expression(
    reader: _Reader, condition: Callable[[_Reader], Predicate[T]], depth: int = 0
) -> Predicate[T]:
    """`a && (b || c)`: && binds tighter."""
    if depth > 50:
        raise InvalidPattern(_INVALID)

    def operand() -> Predicate[T]:
        if not reader.took("("):
            return condition(reader)
        inner = _expression(reader, condition, depth + 1)
        if not reader.took(")"):
            raise InvalidPattern(_INVALID)
        return inner

    def conjunction() -> Predicate[T]:
        parts = [operand()]
        while reader.took("&&"):
            parts.append(operand())
        return parts[0] if len(parts) == 1 else lambda value: all(part(value) for part in parts)

    choices = [conjunction()]
    while reader.took("||"):
        choices.append(conjunction())
    return choices[0] if len(choices) == 1 else lambda value: any(choice(value) for choice in choices)


# -- comparing a value ---------------------------------------------------------------------------------------

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Scalar = str | int | float | bool


def _comparison(reader: _Reader) -> Predicate[Scalar]:
    """The rest of a condition, `!= 123.123.*`, as a test of a value."""
    comparator = reader.take()
    if comparator.kind != "symbol" or comparator.text not in {"=", "!=", *_ORDER}:
        raise InvalidPattern(_INVALID)
    literal = reader.take()
    if comparator.text in _ORDER:
        if literal.kind != "bare" or not _NUMBER.fullmatch(literal.text):
            raise InvalidPattern(_INVALID)
        order, bound = _ORDER[comparator.text], float(literal.text)
        return lambda value: (number := _number(value)) is not None and order(number, bound)
    same = _equality(literal)
    return same if comparator.text == "=" else lambda value: not same(value)


def _equality(literal: _Token) -> Predicate[Scalar]:
    if literal.kind == "regex":
        searched = _searching(literal.text[1:-1])
        return lambda value: searched.search(_text(value)) is not None
    if literal.kind not in {"bare", "quoted"}:
        raise InvalidPattern(_INVALID)
    if literal.kind == "bare" and _NUMBER.fullmatch(literal.text):
        wanted = float(literal.text)
        return lambda value: _text(value) == literal.text or _number(value) == wanted
    text = literal.text if literal.kind == "bare" else _unquoted(literal.text[1:-1])
    if "*" not in text:
        return lambda value: _text(value) == text
    wild = re.compile(".*".join(re.escape(piece) for piece in text.split("*")), re.DOTALL)
    return lambda value: wild.fullmatch(_text(value)) is not None


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Scalar) -> float | int | None:
    """A number as such; of a field's text, the number it spells."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return value


# -- JSON ----------------------------------------------------------------------------------------------------


def json_value(selector: str, message: str) -> Scalar | None:
    """The first value that a selector like `$.a.b` finds in a JSON message; None for none, and for no scalar."""
    try:
        found = _select(_steps(selector), json.loads(message))
    except (ValueError, RecursionError):
        return None
    return found[0] if found and isinstance(found[0], str | int | float | bool) else None


def _json_pattern(text: str, inside: str) -> Pattern:
    tokens = _tokens(inside)
    reader = _Reader(tokens)
    wanted = _expression(reader, _json_condition)
    if not reader.done:
        raise InvalidPattern(_INVALID)
    selectors = [token.text for token in tokens if token.kind == "selector"]

    def matches(message: str) -> bool:
        try:
            document = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict | list) and wanted(document)

    def values(message: str) -> dict[str, str]:
        found = {selector: json_value(selector, message) for selector in selectors}
        return {selector: _text(value) for selector, value in found.items() if value is not None}

    return Pattern(text, matches, values=values)


def _json_condition(reader: _Reader) -> Predicate[Any]:
    selector = reader.take()
    if selector.kind != "selector":
        raise InvalidPattern(_INVALID)
    select = functools.partial(_select, _steps(selector.text))
    if reader.peek().kind == "bare":
        return _state(reader, select)
    compare = _comparison(reader)
    return lambda document: any(
        isinstance(value, str | int | float | bool) and compare(value) for value in select(document)
    )


def _state(reader: _Reader, select: Callable[[Any], list[Any]]) -> Predicate[Any]:
    """`EXISTS`, `NOT EXISTS`, `IS NULL`, `IS TRUE`, `IS FALSE`, `IS NOT NULL`."""
    word = reader.word()
    if word == "EXISTS":
        return lambda document: bool(select(document))
    if word == "NOT" and reader.word() == "EXISTS":
        return lambda document: not select(document)
    if word != "IS":
        raise InvalidPattern(_INVALID)
    wanted = reader.word()
    negated = wanted == "NOT"
    if negated:
        wanted = reader.word()
    constants = {"NULL": None, "TRUE": True, "FALSE": False}
    if wanted not in constants:
        raise InvalidPattern(_INVALID)
    constant = constants[wanted]
    return lambda document: any((value is constant) is not negated for value in select(document))


_STEP = re.compile(
    r"""\.(?P<name>[\w-]+|\*)|\[(?:(?P<index>\d+|\*)|'(?P<single>[^']*)'|"(?P<double>[^"]*)")\]"""
)


def _steps(selector: str) -> list[str | int | None]:
    """`$.a[0].b` to ["a", 0, "b"]; a wildcard is None."""
    steps: list[str | int | None] = []
    for found in _STEP.finditer(selector, 1):
        if found["index"] is not None:
            steps.append(None if found["index"] == "*" else int(found["index"]))
        elif found["name"] == "*":
            steps.append(None)
        else:
            steps.append(next(name for name in found.group("name", "single", "double") if name is not None))
    return steps


def _select(steps: list[str | int | None], document: Any) -> list[Any]:
    found = [document]
    for step in steps:
        found = [child for value in found for child in _children(value, step)]
    return found


def _children(value: Any, step: str | int | None) -> list[Any]:
    if isinstance(value, dict):
        if step is None:
            return list(value.values())
        return [value[step]] if step in value else []
    if isinstance(value, list):
        if step is None:
            return value
        return [value[step]] if isinstance(step, int) and step < len(value) else []
    return []


# -- space-delimited fields ------------------------------------------------------------------------------------

_FIELD = re.compile(r'\[([^\]]*)\]|"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
_ELLIPSIS = "..."


Column = tuple[str, Predicate[Scalar]]
"""The name of a column, which may be empty, and what its value must be like."""


def _field_pattern(text: str, inside: str) -> Pattern:
    reader = _Reader(_tokens(inside))
    fields = [_field(reader)]
    while reader.took(","):
        fields.append(_field(reader))
    if not reader.done or fields.count(None) > 1:
        raise InvalidPattern(_INVALID)
    gap = fields.index(None) if None in fields else len(fields)
    leading = [field for field in fields[:gap] if field is not None]
    trailing = [field for field in fields[gap:] if field is not None]
    columns = functools.partial(_columns, leading, trailing, None in fields)

    def matches(message: str) -> bool:
        found = columns(message)
        return found is not None and all(field is None or field[1](value) for field, value in found)

    def values(message: str) -> dict[str, str]:
        return {
            f"${field[0] if field is not None and field[0] else number}": value
            for number, (field, value) in enumerate(columns(message) or (), 1)
        }

    return Pattern(text, matches, values=values)


def _field(reader: _Reader) -> Column | None:
    """One column: `name`, a condition on it, or None for the ellipsis."""
    if reader.peek() == _Token("bare", _ELLIPSIS):
        reader.take()
        return None
    names: set[str] = set()

    def condition(inner: _Reader) -> Predicate[Scalar]:
        if inner.peek().kind == "bare":
            names.add(inner.take().text)
            if inner.done or inner.peek() == _Token("symbol", ","):
                return lambda value: True
        return _comparison(inner)

    wanted: Predicate[Scalar] = _expression(reader, condition)
    if len(names) > 1:
        raise InvalidPattern(_INVALID)
    return next(iter(names), ""), wanted


def _columns(
    leading: list[Column], trailing: list[Column], gap: bool, message: str
) -> list[tuple[Column | None, str]] | None:
    """The message's values, each with the column that it belongs to; None where their number does not fit."""
    values = [next(part for part in found.groups() if part is not None) for found in _FIELD.finditer(message)]
    between = len(values) - len(leading) - len(trailing)
    if between < 0 or (between > 0 and not gap):
        return None
    columns: list[Column | None] = [*leading, *[None] * between, *trailing]
    return list(zip(columns, values, strict=True))


# -- regular expressions -------------------------------------------------------------------------------------

_REGEX_CHARACTERS = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+")
_CLASSES = frozenset("dDsSwW")


def _searching(regex: str) -> re.Pattern[str]:
    """AWS's subset: no groups, no `!`, no spaces (`\\s`, `\\x20`), ASCII only. Anchors hold for the whole value."""
    refused = InvalidPattern(f"Invalid character(s) in term '%{regex}%'")
    if not _REGEX_CHARACTERS.fullmatch(regex):
        raise refused
    translated: list[str] = []
    in_set = False
    position = 0
    while position < len(regex):
        character = regex[position]
        if character == "\\":
            piece, position = _escape(regex, position + 1, refused)
            translated.append(piece)
            continue
        position += 1
        if in_set and (character in "[|" or regex.startswith("--", position - 1)):
            translated.append("\\" + character)
            continue
        in_set = (in_set or character == "[") and character != "]"
        translated.append(character)
    try:
        return re.compile("".join(translated), re.ASCII)
    except (re.error, OverflowError):
        raise refused from None


def _escape(regex: str, position: int, refused: InvalidPattern) -> tuple[str, int]:
    """What stands behind a backslash, for Python, and where reading goes on."""
    character = regex[position : position + 1]
    if character == "x" and re.fullmatch("[0-9A-Fa-f]{2}", regex[position + 1 : position + 3]):
        return re.escape(chr(int(regex[position + 1 : position + 3], 16))), position + 3
    if character in _CLASSES and character:
        return "\\" + character, position + 1
    if not character or character.isalnum():
        raise refused
    return re.escape(character), position + 1
