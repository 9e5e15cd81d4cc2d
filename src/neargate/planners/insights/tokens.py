"""The words of a query, and what reads them from left to right."""

from __future__ import annotations

import re

import attrs

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<regex>/(?:[^/\\\n]|\\.)+/)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<quoted>`[^`]+`)
    | (?P<period>\d+[a-z]+\b)
    | (?P<number>\d+(?:\.\d+)?|\.\d+)
    | (?P<name>@?[A-Za-z_][\w@]*(?:\.(?:[\w@]+))*)
    | (?P<symbol>\|\||&&|!=|<=|>=|=~|[|,()\[\]=<>+\-*/%^])
    """,
    re.VERBOSE,
)
_WORD = re.compile(r"\S+")

# A slash begins a regular expression only behind one of these; elsewhere it divides.
_BEFORE_REGEX = frozenset({"like", "=~", "parse"})


class MalformedQuery(ValueError):
    """The query cannot be read. `start` and `end` (exclusive) are the offsets of what is wrong."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


@attrs.frozen
class Token:
    """`kind` is the group of `_TOKEN` that matched, or `end`."""

    kind: str
    text: str
    start: int
    end: int


class Reader:
    """Reads tokens; every unexpected one makes the query malformed."""

    def __init__(self, query: str) -> None:
        self.query = query
        self._tokens = _tokens(query)
        self._next = 0

    def peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.peek()
        if token.kind != "end":
            self._next += 1
        return token

    def took(self, *texts: str) -> bool:
        """Take the next token if it is one of these symbols or words, in any case of letters."""
        if self.sees(*texts):
            self._next += 1
            return True
        return False

    def sees(self, *texts: str) -> bool:
        token = self.peek()
        return token.kind in {"symbol", "name"} and token.text.lower() in texts

    def require(self, text: str) -> None:
        if not self.took(text):
            raise self.unexpected()

    def of(self, *kinds: str) -> Token:
        if self.peek().kind not in kinds:
            raise self.unexpected()
        return self.take()

    def unexpected(self, token: Token | None = None) -> MalformedQuery:
        token = token or self.peek()
        if token.kind == "end":
            return MalformedQuery("unexpected end of query", token.start, token.end)
        return unexpected_symbol(self.query, token.text, token.start)

    def since(self, start: int) -> str:
        """The query's text from an offset up to the token that was taken last."""
        return self.query[start : self._tokens[self._next - 1].end]


def unexpected_symbol(query: str, text: str, start: int) -> MalformedQuery:
    """As the service words it, with line and position counted from 1."""
    line = query.count("\n", 0, start) + 1
    position = start - (query.rfind("\n", 0, start) + 1) + 1
    message = f"unexpected symbol found {text} at line {line} and position {position}"
    return MalformedQuery(message, start, start + len(text))


def unquoted(token: Token) -> str:
    """What a text, or a name in backticks, says."""
    if token.kind == "quoted":
        return token.text[1:-1]
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL) if token.kind == "text" else token.text


def _tokens(query: str) -> list[Token]:
    found: list[Token] = []
    position = 0
    while position < len(query):
        match = _TOKEN.match(query, position)
        if match is not None and match.lastgroup == "regex" and not _regex_may_stand_behind(found):
            match = re.compile(r"(?P<symbol>/)").match(query, position)
        if match is None:
            word = _WORD.match(query, position)
            raise unexpected_symbol(query, word[0] if word else query[position], position)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup or "", match[0], match.start(), match.end()))
        position = match.end()
    return [*found, Token("end", "", len(query), len(query))]


def _regex_may_stand_behind(tokens: list[Token]) -> bool:
    if not tokens:
        return False
    last = tokens[-1]
    if last.text.lower() in _BEFORE_REGEX:
        return True
    return len(tokens) > 1 and last.kind in {"name", "quoted"} and tokens[-2].text.lower() == "parse"
