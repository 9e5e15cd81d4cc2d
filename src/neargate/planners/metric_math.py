"""CloudWatch's metric math: expressions over time series.

A time series maps the begin of each period (epoch seconds) to its value; periods without data are left out. An
expression gives a number, a time series or a list of them. Functions and syntax are those of CloudWatch's user guide;
`UNSUPPORTED` are functions of AWS that Neargate has not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

Series = Mapping[int, float]
Value = float | Series | list[Series] | str

UNSUPPORTED = frozenset(
    "ANOMALY_DETECTION_BAND DB_PERF_INSIGHTS INSIGHT_RULE_METRIC LAMBDA SEARCH SERVICE_QUOTA".split()
)

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<text>"[^"]*"|'[^']*')|(?P<sign>\|\||&&|==|!=|<=|>=|[-+*/^<>(),\[\]]))"""
)
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||", "OR"),
    ("&&", "AND"),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/"),
    ("^",),
)


_DEEPEST = 40


class MathError(Exception):
    """An expression that is none; the text says what is wrong with it."""


class Unsupported(Exception):
    """A function of AWS's that Neargate has not; the text is its name."""


# What an expression is made of: a number, a text, a name, a call, an operation, an array.
@attrs.frozen
class Node:
    kind: str
    value: str = ""
    number: float = 0.0
    parts: tuple[Node, ...] = ()


@attrs.frozen
class Scope:
    """What an expression is evaluated over: the results of the other queries by id, in the order of the request.

    `metrics` are the ids of those that are metrics and not expressions. `timeline` has the begins of all periods.
    """

    results: Mapping[str, Value]
    metrics: tuple[str, ...]
    labels: Mapping[str, str]
    timeline: tuple[int, ...]
    period: int


def parse(expression: str) -> Node:
    """Raises MathError, Unsupported."""
    reader = _Reader(list(_tokens(expression)))
    node = reader.operation(0)
    if reader.position < len(reader.tokens):
        raise MathError(f"Unexpected '{reader.tokens[reader.position][1]}'")
    return node


def names(node: Node) -> Iterator[str]:
    """The ids that an expression reads."""
    if node.kind == "name":
        yield node.value
    for part in node.parts:
        yield from names(part)


def calls(node: Node) -> Iterator[str]:
    """The functions that an expression calls."""
    if node.kind == "call":
        yield node.value
    for part in node.parts:
        yield from calls(part)


def evaluate(node: Node, scope: Scope) -> Value:
    """Raises MathError."""
    if node.kind == "number":
        return node.number
    if node.kind == "text":
        return node.value
    if node.kind == "name":
        if node.value not in scope.results:
            if node.value.upper() in {"REPEAT", "LINEAR"}:
                return node.value.upper()
            raise MathError(f"Unknown identifier '{node.value}'")
        return scope.results[node.value]
    if node.kind == "array":
        return [_series(evaluate(part, scope)) for part in node.parts]
    if node.kind == "operation":
        left, right = (evaluate(part, scope) for part in node.parts)
        return _mapped(_OPERATIONS[node.value], left, right)
    if node.kind == "minus":
        return _mapped(lambda a, b: b - a, evaluate(node.parts[0], scope), 0.0)
    return _call(node, scope)


# -- reading -----------------------------------------------------------------------------------------------


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = expression.rstrip()
    if not text:
        raise MathError("The expression is empty")
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise MathError(f"Unexpected character at position {position + 1}")
        position = match.end()
        kind = str(match.lastgroup)
        yield kind, match[kind]


@attrs.define
class _Reader:
    tokens: list[tuple[str, str]]
    position: int = 0
    depth: int = 0

    def sign(self, *wanted: str) -> str | None:
        if self.position < len(self.tokens):
            kind, text = self.tokens[self.position]
            found = text if kind == "sign" else text.upper()
            if kind in {"sign", "name"} and found in wanted:
                self.position += 1
                return {"OR": "||", "AND": "&&"}.get(found, found)
        return None

    def operation(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        node = self.operation(level + 1)
        while sign := self.sign(*_LEVELS[level]):
            node = Node("operation", sign, parts=(node, self.operation(level + 1)))
        return node

    def unary(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise MathError("The expression is nested too deeply")
        try:
            if self.sign("-"):
                return Node("minus", parts=(self.unary(),))
            return self.atom()
        finally:
            self.depth -= 1

    def atom(self) -> Node:
        if self.sign("("):
            node = self.operation(0)
            self.expect(")")
            return node
        if self.sign("["):
            return Node("array", parts=self.list("]"))
        if self.position == len(self.tokens):
            raise MathError("Unexpected end of the expression")
        kind, text = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            return Node("number", number=float(text))
        if kind == "text":
            return Node("text", text[1:-1])
        if kind != "name":
            raise MathError(f"Unexpected '{text}'")
        if not self.sign("("):
            return Node("name", text)
        name = text.upper()
        if name in UNSUPPORTED:
            raise Unsupported(name)
        if name not in _FUNCTIONS:
            raise MathError(f"Unsupported function {text}")
        return Node("call", name, parts=self.list(")"))

    def list(self, end: str) -> tuple[Node, ...]:
        if self.sign(end):
            return ()
        parts = [self.operation(0)]
        while self.sign(","):
            parts.append(self.operation(0))
        self.expect(end)
        return tuple(parts)

    def expect(self, sign: str) -> None:
        if not self.sign(sign):
            raise MathError(f"'{sign}' is missing")


# -- operations --------------------------------------------------------------------------------------------


def _divided(a: float, b: float) -> float | None:
    return None if b == 0 else a / b


def _power(a: float, b: float) -> float | None:
    try:
        found = a**b
    except (OverflowError, ZeroDivisionError):
        return None
    return None if isinstance(found, complex) else found


_OPERATIONS: dict[str, Callable[[float, float], float | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "^": _power,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    ">": lambda a, b: float(a > b),
    "<=": lambda a, b: float(a <= b),
    ">=": lambda a, b: float(a >= b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
}


def _mapped(operation: Callable[[float, float], float | None], left: Value, right: Value) -> Value:
    """Numbers go with every period; two time series meet where both have data; a list goes one by one."""
    if isinstance(left, list):
        if isinstance(right, list):
            if len(left) != len(right):
                raise MathError("The arrays have different lengths")
            return [_series(_mapped(operation, a, b)) for a, b in zip(left, right, strict=True)]
        return [_series(_mapped(operation, each, right)) for each in left]
    if isinstance(right, list):
        return [_series(_mapped(operation, left, each)) for each in right]
    if isinstance(left, str) or isinstance(right, str):
        raise MathError("A text cannot be calculated with")
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        both = [at for at in left if at in right]
        return _present((at, operation(left[at], right[at])) for at in both)
    if isinstance(left, Mapping):
        assert not isinstance(right, Mapping)
        return _present((at, operation(value, right)) for at, value in left.items())
    if isinstance(right, Mapping):
        return _present((at, operation(left, value)) for at, value in right.items())
    found = operation(left, right)
    if found is None:
        raise MathError("Division by zero")
    return found


def _present(pairs: Iterator[tuple[int, float | None]]) -> Series:
    return {at: value for at, value in pairs if value is not None}


def _series(value: Value) -> Series:
    if not isinstance(value, Mapping):
        raise MathError("A time series is needed")
    return value


# -- functions ---------------------------------------------------------------------------------------------


def _call(node: Node, scope: Scope) -> Value:
    fewest, most, function = _FUNCTIONS[node.value]
    if not fewest <= len(node.parts) <= most:
        raise MathError(f"Wrong number of arguments for {node.value}")
    return function([evaluate(part, scope) for part in node.parts], scope)


def _each(function: Callable[[float], float | None]) -> Callable[[Sequence[Value], Scope], Value]:
    """A function of one value, applied to every period."""
    return lambda given, scope: _mapped(lambda a, _: function(a), given[0], 0.0)


def _across(reduce: Callable[[list[float]], float]) -> Callable[[Sequence[Value], Scope], Value]:
    """Of a time series the number over all its periods; of a list the time series over its members."""

    def function(given: Sequence[Value], scope: Scope) -> Value:
        value = given[0]
        if isinstance(value, list):
            times = sorted({at for each in value for at in each})
            return {at: reduce([each[at] for each in value if at in each]) for at in times}
        if isinstance(value, Mapping):
            if not value:
                return {}
            return reduce(list(value.values()))
        if isinstance(value, str):
            raise MathError("A time series is needed")
        return reduce([value])

    return function


def _for_each_series(
    function: Callable[[Series, Scope], Series],
) -> Callable[[Sequence[Value], Scope], Value]:
    def applied(given: Sequence[Value], scope: Scope) -> Value:
        value = given[0]
        if isinstance(value, list):
            return [function(each, scope) for each in value]
        return function(_series(value), scope)

    return applied


def _steps(series: Series) -> Iterator[tuple[int, int]]:
    times = sorted(series)
    return itertools.pairwise(times)


def _metrics(given: Sequence[Value], scope: Scope) -> Value:
    wanted = given[0] if given else ""
    if not isinstance(wanted, str):
        raise MathError("METRICS takes a text")
    found = [scope.results[name] for name in scope.metrics if wanted in scope.labels.get(name, name)]
    return [each for each in found if isinstance(each, Mapping)]


def _fill(given: Sequence[Value], scope: Scope) -> Value:
    value, filler = given
    if isinstance(value, list):
        return [_filled(each, filler, scope) for each in value]
    return _filled(_series(value), filler, scope)


def _filled(series: Series, filler: Value, scope: Scope) -> Series:
    if isinstance(filler, list):
        raise MathError("FILL takes a number, a time series, REPEAT or LINEAR")
    filled: dict[int, float] = {}
    for at in scope.timeline:
        found = series.get(at, _filling(series, filler, at))
        if found is not None:
            filled[at] = found
    return filled


def _filling(series: Series, filler: float | Series | str, at: int) -> float | None:
    if isinstance(filler, Mapping):
        return filler.get(at)
    if not isinstance(filler, str):
        return filler
    before = max((time for time in series if time < at), default=None)
    after = min((time for time in series if time > at), default=None)
    if filler == "REPEAT":
        return None if before is None else series[before]
    if before is None or after is None:
        return None
    share = (at - before) / (after - before)
    return series[before] + share * (series[after] - series[before])


def _if(given: Sequence[Value], scope: Scope) -> Value:
    condition, then = given[0], given[1]
    otherwise = given[2] if len(given) == 3 else None
    if isinstance(condition, float):
        chosen = then if condition else otherwise
        return {} if chosen is None else chosen
    found: dict[int, float] = {}
    for at, holds in _series(condition).items():
        chosen = then if holds else otherwise
        value = chosen.get(at) if isinstance(chosen, Mapping) else chosen
        if isinstance(value, (list, str)):
            raise MathError("IF takes numbers and time series")
        if value is not None:
            found[at] = value
    return found


def _slice(given: Sequence[Value], scope: Scope) -> Value:
    value, start = given[0], given[1]
    end = given[2] if len(given) == 3 else None
    if not isinstance(value, list) or not isinstance(start, float) or not isinstance(end, float | None):
        raise MathError("SLICE takes an array and numbers")
    return value[int(start) : None if end is None else int(end)]


def _end_of(newest: bool) -> Callable[[Sequence[Value], Scope], Value]:
    def function(given: Sequence[Value], scope: Scope) -> Value:
        if not isinstance(given[0], list) or not given[0]:
            raise MathError("FIRST and LAST take an array that is not empty")
        return given[0][-1 if newest else 0]

    return function


def _metric_count(given: Sequence[Value], scope: Scope) -> Value:
    return float(len(given[0])) if isinstance(given[0], list) else 1.0


def _running_sum(series: Series, scope: Scope) -> Series:
    total, sums = 0.0, {}
    for at in sorted(series):
        total += series[at]
        sums[at] = total
    return sums


def _deviation(each: list[float]) -> float:
    mean = sum(each) / len(each)
    return float((sum((value - mean) ** 2 for value in each) / len(each)) ** 0.5)


def _logarithm(base: float) -> Callable[[float], float | None]:
    import math

    return lambda value: math.log(value, base) if value > 0 else None


def _rate(series: Series, scope: Scope) -> Series:
    return {b: (series[b] - series[a]) / (b - a) for a, b in _steps(series)}


def _repeated(given: Sequence[Value], scope: Scope) -> Value:
    if not isinstance(given[0], float):
        raise MathError("TIME_SERIES takes a number")
    return dict.fromkeys(scope.timeline, given[0])


def _no_empty(given: Sequence[Value], scope: Scope) -> Value:
    return [each for each in given[0] if each] if isinstance(given[0], list) else given[0]


_FUNCTIONS: dict[str, tuple[int, int, Callable[[Sequence[Value], Scope], Value]]] = {
    "ABS": (1, 1, _each(abs)),
    "AVG": (1, 1, _across(lambda each: sum(each) / len(each))),
    "CEIL": (1, 1, _each(lambda value: float(-(-value // 1)))),
    "DATAPOINT_COUNT": (1, 1, _across(lambda each: float(len(each)))),
    "DIFF": (1, 1, _for_each_series(lambda s, _: {b: s[b] - s[a] for a, b in _steps(s)})),
    "DIFF_TIME": (1, 1, _for_each_series(lambda s, _: {b: float(b - a) for a, b in _steps(s)})),
    "EPOCH": (1, 1, _for_each_series(lambda s, _: {at: float(at) for at in s})),
    "FILL": (2, 2, _fill),
    "FIRST": (1, 1, _end_of(newest=False)),
    "FLOOR": (1, 1, _each(lambda value: float(value // 1))),
    "IF": (2, 3, _if),
    "LAST": (1, 1, _end_of(newest=True)),
    "LOG": (1, 1, _each(_logarithm(2.718281828459045))),
    "LOG10": (1, 1, _each(_logarithm(10.0))),
    "MAX": (1, 1, _across(max)),
    "METRICS": (0, 1, _metrics),
    "METRIC_COUNT": (1, 1, _metric_count),
    "MIN": (1, 1, _across(min)),
    "PERIOD": (1, 1, lambda given, scope: float(scope.period)),
    "RATE": (1, 1, _for_each_series(_rate)),
    "REMOVE_EMPTY": (1, 1, _no_empty),
    "RUNNING_SUM": (1, 1, _for_each_series(_running_sum)),
    "SLICE": (2, 3, _slice),
    "STDDEV": (1, 1, _across(_deviation)),
    "SUM": (1, 1, _across(sum)),
    "TIME_SERIES": (1, 1, _repeated),
}
