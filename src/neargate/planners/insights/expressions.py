"""Expressions: read once, then applied to each record."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from neargate.planners.insights.functions import FUNCTIONS, floor, period
from neargate.planners.insights.records import Record, Value, number_of, order_of, text_of, truth
from neargate.planners.insights.tokens import MalformedQuery, Reader, Token, unquoted

Expression = Callable[[Record], Value]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DEEPEST = 50


def expression(reader: Reader, depth: int = 0) -> Expression:
    """`or` binds least, then `and`, `not`, comparisons, sums, products, powers."""
    if depth > _DEEPEST:
        raise reader.unexpected()
    parts = [_conjunction(reader, depth)]
    while reader.took("or", "||"):
        parts.append(_conjunction(reader, depth))
    return parts[0] if len(parts) == 1 else lambda record: any(truth(part(record)) for part in parts)


def _conjunction(reader: Reader, depth: int) -> Expression:
    parts = [_negation(reader, depth)]
    while reader.took("and", "&&"):
        parts.append(_negation(reader, depth))
    return parts[0] if len(parts) == 1 else lambda record: all(truth(part(record)) for part in parts)


def _negation(reader: Reader, depth: int) -> Expression:
    if reader.took("not"):
        negated = _negation(reader, depth + 1)
        return lambda record: not truth(negated(record))
    return _comparison(reader, depth)


def _comparison(reader: Reader, depth: int) -> Expression:
    left = _sum(reader, depth)
    if reader.took("not"):
        if not reader.sees("like", "in"):
            raise reader.unexpected()
        positive = _membership(reader, left, depth)
        return lambda record: not positive(record)
    if reader.sees("like", "=~", "in"):
        return _membership(reader, left, depth)
    if reader.sees("=", "!="):
        negated = reader.take().text == "!="
        right = _sum(reader, depth)
        return lambda record: same(left(record), right(record)) is not negated
    if reader.sees(*_ORDER):
        compare = _ORDER[reader.take().text]
        right = _sum(reader, depth)
        return lambda record: _ordered(compare, left(record), right(record))
    return left


def _membership(reader: Reader, left: Expression, depth: int) -> Expression:
    """`like "text"`, `like /regex/`, `=~ /regex/`, `in ["a", 1]`."""
    if reader.take().text.lower() != "in":
        if reader.peek().kind == "regex":
            wanted = regex(reader)
            return lambda record: (
                (value := left(record)) is not None and wanted.search(text_of(value)) is not None
            )
        part = unquoted(reader.of("text"))
        return lambda record: (value := left(record)) is not None and part in text_of(value)
    reader.require("[")
    choices = [_sum(reader, depth)]
    while reader.took(","):
        choices.append(_sum(reader, depth))
    reader.require("]")
    return lambda record: any(same(left(record), choice(record)) for choice in choices)


def regex(reader: Reader) -> re.Pattern[str]:
    """A regular expression between slashes; groups are named as in Java."""
    token = reader.of("regex")
    text = re.sub(r"\(\?<(?![=!])", "(?P<", token.text[1:-1].replace(r"\/", "/"))
    try:
        return re.compile(text)
    except (re.error, OverflowError) as error:
        raise MalformedQuery(
            f"invalid regular expression {token.text}: {error}", token.start, token.end
        ) from None


def same(left: Value, right: Value) -> bool:
    """By number where both are numbers, else by text. What is missing equals nothing."""
    if left is None or right is None:
        return False
    numbers = number_of(left), number_of(right)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return text_of(left) == text_of(right)


def _ordered(compare: Callable[[Any, Any], bool], left: Value, right: Value) -> bool:
    if left is None or right is None:
        return False
    keys = order_of(left), order_of(right)
    return keys[0][0] == keys[1][0] and compare(*keys)


def _sum(reader: Reader, depth: int) -> Expression:
    left = _product(reader, depth)
    while reader.sees("+", "-"):
        work = operator.add if reader.take().text == "+" else operator.sub
        left = _calculated(work, left, _product(reader, depth))
    return left


def _product(reader: Reader, depth: int) -> Expression:
    signs = {"*": operator.mul, "/": operator.truediv, "%": operator.mod}
    left = _power(reader, depth)
    while reader.sees(*signs):
        left = _calculated(signs[reader.take().text], left, _power(reader, depth))
    return left


def _power(reader: Reader, depth: int) -> Expression:
    left = _operand(reader, depth)
    return _calculated(operator.pow, left, _power(reader, depth + 1)) if reader.took("^") else left


def _calculated(work: Callable[[Any, Any], Any], left: Expression, right: Expression) -> Expression:
    def calculate(record: Record) -> Value:
        one, other = number_of(left(record)), number_of(right(record))
        if one is None or other is None or (work is operator.pow and abs(other) > 1_000):
            return None
        try:
            result = work(one, other)
        except (ZeroDivisionError, OverflowError):
            return None
        return None if isinstance(result, complex) else result

    return calculate


def _operand(reader: Reader, depth: int) -> Expression:
    if depth > _DEEPEST:
        raise reader.unexpected()
    token = reader.peek()
    if reader.took("("):
        inner = expression(reader, depth + 1)
        reader.require(")")
        return inner
    if reader.took("-"):
        negated = _operand(reader, depth + 1)
        return lambda record: None if (number := number_of(negated(record))) is None else -number
    if token.kind == "name" and reader.peek(1).text == "(":
        return _call(reader, depth)
    token = reader.of("name", "quoted", "text", "number", "period")
    constant: Value
    if token.kind in {"name", "quoted"}:
        name = unquoted(token)
        return lambda record: record.get(name)
    if token.kind == "text":
        constant = unquoted(token)
    elif token.kind == "period":
        constant = _period(reader, token)
    else:
        constant = float(token.text) if "." in token.text else int(token.text)
    return lambda record: constant


def _call(reader: Reader, depth: int) -> Expression:
    token = reader.take()
    reader.require("(")
    name = token.text.lower()
    if name == "bin":
        size = _period(reader, reader.of("period"))
        reader.require(")")
        return lambda record: floor(record.get("@timestamp"), size)
    function = FUNCTIONS.get(name)
    if function is None:
        raise MalformedQuery(f"unknown function: {token.text}", token.start, token.end)
    arguments: list[Expression] = []
    while not reader.took(")"):
        if arguments:
            reader.require(",")
        arguments.append(expression(reader, depth + 1))
    if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
        raise MalformedQuery(f"wrong number of arguments for {token.text}", token.start, token.end)
    return lambda record: function.apply(*(argument(record) for argument in arguments))


def _period(reader: Reader, token: Token) -> int:
    size = period(token.text)
    if size is None:
        raise reader.unexpected(token)
    return size
