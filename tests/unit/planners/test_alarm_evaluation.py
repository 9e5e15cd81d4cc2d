"""Alarm states: the user guide's tables about missing data, AWS's sentences, and properties of every evaluation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.planners.alarm_evaluation import Seen, Watch, evaluate, number

NOW = 1767225600.0  # 2026-01-01T00:00:00Z
MISSING = ("missing", "ignore", "breaching", "notBreaching")


def watch(
    needed: int | None, periods: int, missing: str = "missing", comparison: str = "GreaterThanThreshold"
) -> Watch:
    return Watch(comparison, 1.0, periods, 60, needed, missing, "Average", "Percent")


def seen(points: str) -> list[Seen]:
    """`0 - X`: within the threshold, missing, breaching."""
    each = points.split()
    begin = int(NOW) - 60 * len(each)
    values = {"0": 0.0, "X": 2.0}
    return [Seen(begin + 60 * n, values.get(one), 1.0) for n, one in enumerate(each)]


def state(rule: Watch, points: str, before: str) -> str:
    outcome = evaluate(rule, seen(points), before, NOW)
    return before if outcome is None else outcome.state


@pytest.mark.parametrize(
    ("needed", "points", "expected"),
    [
        (3, "0 - X - X", "OK OK OK OK"),
        (3, "- - - - 0", "OK OK OK OK"),
        (3, "- - - - -", "INSUFFICIENT_DATA same ALARM OK"),
        (3, "0 X X - X", "ALARM ALARM ALARM ALARM"),
        (3, "- - X - -", "ALARM same ALARM OK"),
        (3, "- - - - X", "same same ALARM OK"),
        (3, "- - - X -", "same same ALARM OK"),
        (2, "0 - X - X", "ALARM ALARM ALARM ALARM"),
        (2, "0 0 X 0 X", "ALARM ALARM ALARM ALARM"),
        (2, "0 - X - -", "OK OK ALARM OK"),
        (2, "- - - - 0", "OK OK ALARM OK"),
        (2, "- - - X -", "ALARM same ALARM OK"),
    ],
)
def test_missing_data_as_the_user_guide_has_it(needed: int, points: str, expected: str) -> None:
    for treated, wanted in zip(MISSING, expected.split(), strict=True):
        for before in ("OK", "ALARM", "INSUFFICIENT_DATA"):
            found = state(watch(needed, 3, treated), points, before)
            assert found == (before if wanted == "same" else wanted), (treated, before)


def test_reasons_in_cloudwatchs_words() -> None:
    def reason(rule: Watch, points: str, before: str) -> str:
        outcome = evaluate(rule, seen(points), before, NOW)
        assert outcome is not None
        return outcome.reason

    assert reason(watch(None, 1), "- - X", "OK") == (
        "Threshold Crossed: 1 datapoint [2.0 (31/12/25 23:59:00)] was greater than the threshold (1.0)."
    )
    assert reason(watch(1, 1), "- - X", "INSUFFICIENT_DATA") == (
        "Threshold Crossed: 1 out of the last 1 datapoints [2.0 (31/12/25 23:59:00)] was greater than the threshold "
        "(1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert reason(watch(2, 3), "0 0 X 0 X", "OK") == (
        "Threshold Crossed: 2 out of the last 3 datapoints [2.0 (31/12/25 23:59:00), 2.0 (31/12/25 23:57:00)] were "
        "greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert reason(watch(None, 1), "- - 0", "ALARM") == (
        "Threshold Crossed: 1 datapoint [0.0 (31/12/25 23:59:00)] was not greater than the threshold (1.0)."
    )
    assert reason(watch(None, 2, "breaching"), "- - - -", "OK") == (
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as "
        "[Breaching]."
    )
    assert reason(watch(None, 1), "- - -", "OK") == "Insufficient Data: 1 datapoint was unknown."
    low = watch(None, 6, comparison="LessThanOrEqualToThreshold")
    assert reason(low, "- - 0 0 0 0 0 0", "OK").startswith(
        "Threshold Crossed: 6 datapoints were less than or equal to the threshold (1.0). The most recent datapoints "
        "which crossed the threshold: [0.0 (31/12/25 23:59:00), "
    )


def test_the_reason_data_is_cloudwatchs_document() -> None:
    outcome = evaluate(watch(None, 1), seen("- 0 X"), "OK", NOW + 2.5)
    assert outcome is not None
    assert json.loads(outcome.data) == {
        "version": "1.0",
        "queryDate": "2026-01-01T00:00:02.500+0000",
        "startDate": "2025-12-31T23:59:00.000+0000",
        "unit": "Percent",
        "statistic": "Average",
        "period": 60,
        "recentDatapoints": [2.0],
        "threshold": 1.0,
        "evaluatedDatapoints": [
            {"timestamp": "2025-12-31T23:59:00.000+0000", "sampleCount": 1.0, "value": 2.0}
        ],
    }


def test_few_samples_of_a_percentile_change_nothing_where_they_are_to_be_ignored() -> None:
    rule = Watch("GreaterThanThreshold", 1.0, 1, 60, None, "missing", "p90", "", fewest_samples=100)
    assert evaluate(rule, seen("- - X"), "OK", NOW) is None


def test_numbers_as_java_writes_them() -> None:
    assert [number(each) for each in (5.0, 0.1, 21.5, 1e7, 12345678.0, 0.0001, -0.0)] == [
        "5.0",
        "0.1",
        "21.5",
        "1.0E7",
        "1.2345678E7",
        "1.0E-4",
        "-0.0",
    ]


points = st.lists(st.sampled_from(["0", "X", "-"]), min_size=7, max_size=7).map(" ".join)
states = st.sampled_from(["OK", "ALARM", "INSUFFICIENT_DATA"])
needs = st.integers(1, 5)


@given(points, states, needs, st.sampled_from(MISSING))
def test_an_evaluation_settles(points: str, before: str, needed: int, treated: str) -> None:
    rule = watch(needed, 5, treated)
    first = evaluate(rule, seen(points), before, NOW)
    if first is not None:
        assert first.state != before
        assert evaluate(rule, seen(points), first.state, NOW) is None


@given(points, states, needs)
def test_more_breaching_data_never_ends_an_alarm(points: str, before: str, needed: int) -> None:
    rule = watch(needed, 5)
    worse = points.replace("0", "X")
    if state(rule, points, before) == "ALARM":
        assert state(rule, worse, before) == "ALARM"


@given(points, states, needs, st.sampled_from(MISSING))
def test_alarm_needs_as_many_breaching_points_as_were_asked_for(
    points: str, before: str, needed: int, treated: str
) -> None:
    outcome = evaluate(watch(needed, 5, treated), seen(points), before, NOW)
    if outcome is not None and "-" not in points:
        newest = points.split()[-5:]
        assert (newest.count("X") >= needed) == (outcome.state == "ALARM")
