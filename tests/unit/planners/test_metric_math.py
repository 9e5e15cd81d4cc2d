"""Metric math: what CloudWatch's user guide says of operators and functions."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.planners import metric_math
from neargate.planners.metric_math import MathError, Scope, Unsupported

A = {0: 1.0, 60: 2.0, 180: 4.0}
B = {0: 10.0, 60: 0.0, 120: 30.0}


def calculated(expression: str) -> Any:
    scope = Scope({"a": A, "b": B}, ("a", "b"), {"a": "requests", "b": "errors"}, (0, 60, 120, 180), 60)
    return metric_math.evaluate(metric_math.parse(expression), scope)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 ^ 2", 19.0),
        ("-(1 - 4) / 2", 1.5),
        ("a + b", {0: 11.0, 60: 2.0}),
        ("a / b", {0: 0.1}),
        ("a * 10", {0: 10.0, 60: 20.0, 180: 40.0}),
        ("a > 1", {0: 0.0, 60: 1.0, 180: 1.0}),
        ("SUM([a, b])", {0: 11.0, 60: 2.0, 120: 30.0, 180: 4.0}),
        ("SUM(METRICS())", {0: 11.0, 60: 2.0, 120: 30.0, 180: 4.0}),
        ("SUM(METRICS('err'))", {0: 10.0, 60: 0.0, 120: 30.0}),
        ("SUM(a)", 7.0),
        ("MAX([a, b])", {0: 10.0, 60: 2.0, 120: 30.0, 180: 4.0}),
        ("AVG(a)", 7 / 3),
        ("FILL(a, 0)", {0: 1.0, 60: 2.0, 120: 0.0, 180: 4.0}),
        ("FILL(a, REPEAT)", {0: 1.0, 60: 2.0, 120: 2.0, 180: 4.0}),
        ("FILL(a, LINEAR)", {0: 1.0, 60: 2.0, 120: 3.0, 180: 4.0}),
        ("FILL(a, b)", {0: 1.0, 60: 2.0, 120: 30.0, 180: 4.0}),
        ("IF(b > 5, a, 0)", {0: 1.0, 60: 0.0}),
        ("IF(a > 1 AND a < 3, 1)", {60: 1.0}),
        ("RATE(a)", {60: 1 / 60, 180: 2 / 120}),
        ("DIFF(a)", {60: 1.0, 180: 2.0}),
        ("PERIOD(a)", 60.0),
        ("RUNNING_SUM(a)", {0: 1.0, 60: 3.0, 180: 7.0}),
        ("CEIL(a / 3)", {0: 1.0, 60: 1.0, 180: 2.0}),
        ("DATAPOINT_COUNT(a)", 3.0),
        ("TIME_SERIES(5)", {0: 5.0, 60: 5.0, 120: 5.0, 180: 5.0}),
        ("FIRST([a, b])", A),
        ("METRIC_COUNT(METRICS())", 2.0),
    ],
)
def test_expressions(expression: str, expected: object) -> None:
    assert calculated(expression) == expected


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a +", "Unexpected end of the expression"),
        ("(a", "')' is missing"),
        ("a b", "Unexpected 'b'"),
        ("NOPE(a)", "Unsupported function NOPE"),
        ("c + 1", "Unknown identifier 'c'"),
        ("ABS()", "Wrong number of arguments for ABS"),
        ("a ~ b", "Unexpected character at position 2"),
        ("1 / 0", "Division by zero"),
        ("(" * 150 + "1" + ")" * 150, "The expression is nested too deeply"),
    ],
)
def test_what_is_no_expression(expression: str, words: str) -> None:
    with pytest.raises(MathError, match=words.replace("(", r"\(").replace(")", r"\)")):
        calculated(expression)


def test_what_neargate_has_not_is_named() -> None:
    with pytest.raises(Unsupported, match="SEARCH"):
        metric_math.parse("AVG(SEARCH('x', 'Sum'))")


@given(st.text(alphabet="ab12+-*/^<>=!&|()[],.'\" ABSUMFILLIFREPEAT", max_size=60))
def test_any_text_is_calculated_or_refused(text: str) -> None:
    with contextlib.suppress(MathError, Unsupported):
        calculated(text)
