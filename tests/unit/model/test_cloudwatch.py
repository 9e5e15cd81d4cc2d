"""Data points: what is kept of many values, and that combining them loses no sum."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neargate.model.cloudwatch import combined, point

values = st.lists(
    st.tuples(st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from([1.0, 2.0, 5.0])),
    min_size=1,
    max_size=500,
)


@given(values, values)
def test_combining_keeps_the_sums_and_the_ends(
    first: list[tuple[float, float]], second: list[tuple[float, float]]
) -> None:
    one, two = (point(0, 60, "None", each) for each in (first, second))
    both = combined([one, two], at=0, resolution=60)
    every = first + second
    assert both.count == sum(count for _, count in every)
    assert abs(both.total - sum(value * count for value, count in every)) <= 1e-3
    assert (both.low, both.high) == (min(v for v, _ in every), max(v for v, _ in every))
    assert both.values is not None
    assert abs(sum(count for _, count in both.values) - both.count) < 1e-6
    assert (both.values[0][0], both.values[-1][0]) == (both.low, both.high)


def test_many_values_take_a_bounded_place_and_stay_near() -> None:
    made = point(0, 60, "None", [(float(number), 1.0) for number in range(1, 10_001)])
    assert made.values is not None
    assert len(made.values) <= 500
    below = sum(count for value, count in made.values if value <= 5000)
    assert abs(below - 5000) <= 100


def test_a_statistic_set_has_no_values_unless_they_are_all_the_same() -> None:
    spread = point(0, 60, "None", [], {"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0})
    assert spread.values is None
    same = point(61, 60, "None", [], {"SampleCount": 2.0, "Sum": 4.0, "Minimum": 2.0, "Maximum": 2.0})
    assert (same.at, same.values) == (60, ((2.0, 2.0),))
    assert combined([spread, same], at=0, resolution=300).values is None
