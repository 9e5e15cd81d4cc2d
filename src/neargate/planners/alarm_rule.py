"""The rule language of composite alarms: ALARM(name), OK(name), INSUFFICIENT_DATA(name), TRUE, FALSE, AND, OR, NOT.

A name is a bare alarm name, a quoted one, or an ARN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import attrs

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>[()])|"(?P<quoted>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)'|(?P<word>[^\s()"']+))"""
)
_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_DEEPEST = 50


class RuleError(Exception):
    """A rule that is none; the text says why."""


@attrs.frozen
class Node:
    """`kind` is `and`, `or`, `not`, `true`, `false`, or a state that `alarm` must be in."""

    kind: str
    alarm: str = ""
    parts: tuple[Node, ...] = ()


def parse(rule: str) -> Node:
    """Raises RuleError."""
    reader = _Reader(list(_tokens(rule)))
    node = reader.either(0)
    if reader.position < len(reader.tokens):
        raise RuleError(f"unexpected {reader.tokens[reader.position][1]!r}")
    return node


def alarms(node: Node) -> Iterator[str]:
    """The alarms that a rule names, as it writes them, in order."""
    if node.alarm:
        yield node.alarm
    for part in node.parts:
        yield from alarms(part)


def holds(node: Node, state_of: Callable[[str], str]) -> bool:
    """Whether the rule is true; `state_of` knows the state of an alarm that it names."""
    if node.kind == "and":
        return all(holds(part, state_of) for part in node.parts)
    if node.kind == "or":
        return any(holds(part, state_of) for part in node.parts)
    if node.kind == "not":
        return not holds(node.parts[0], state_of)
    if node.kind in {"true", "false"}:
        return node.kind == "true"
    return state_of(node.alarm) == node.kind


def _tokens(rule: str) -> Iterator[tuple[str, str]]:
    position, text = 0, rule.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise RuleError("a quotation mark is missing")
        position = match.end()
        kind = str(match.lastgroup)
        if kind == "quoted":
            yield "name", re.sub(r"\\(.)", r"\1", match[kind])
        elif kind == "single":
            yield "name", match[kind]
        else:
            yield kind, match[kind]


@attrs.define
class _Reader:
    tokens: list[tuple[str, str]]
    position: int = 0

    def take(self, kind: str, *texts: str) -> str | None:
        if self.position < len(self.tokens):
            found, text = self.tokens[self.position]
            if found == kind and (not texts or text in texts):
                self.position += 1
                return text
        return None

    def either(self, depth: int) -> Node:
        parts = [self.both(depth)]
        while self.take("word", "OR"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Node("or", parts=tuple(parts))

    def both(self, depth: int) -> Node:
        parts = [self.one(depth)]
        while self.take("word", "AND"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else Node("and", parts=tuple(parts))

    def one(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise RuleError("it is nested too deeply")
        if self.take("word", "NOT"):
            return Node("not", parts=(self.one(depth + 1),))
        if self.take("sign", "("):
            node = self.either(depth + 1)
            self.end()
            return node
        if (constant := self.take("word", "TRUE", "FALSE")) is not None:
            return Node(constant.lower())
        state = self.take("word", *_STATES)
        if state is None:
            shown = self.tokens[self.position][1] if self.position < len(self.tokens) else "its end"
            raise RuleError(f"unexpected {shown!r}")
        if not self.take("sign", "("):
            raise RuleError(f"'(' is missing behind {state}")
        name = self.take("name") or self.take("word")
        if not name:
            raise RuleError(f"{state} names no alarm")
        self.end()
        return Node(state, alarm=name)

    def end(self) -> None:
        if not self.take("sign", ")"):
            raise RuleError("')' is missing")
