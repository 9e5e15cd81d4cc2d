"""How many there should be: AWS's step arithmetic, cooldowns, and properties of every decision."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.model.application_autoscaling import ScalableTarget, ScalingPolicy
from neargate.planners.scaling import STEP, TRACKING, Asked, Trigger, after_scaling, band, decide

PLACE: dict[str, Any] = {
    "account": "1",
    "region": "r",
    "namespace": "ecs",
    "resource": "service/c/s",
    "dimension": "ecs:service:DesiredCount",
}


def target(minimum: int = 1, maximum: int = 100, **suspended: bool) -> ScalableTarget:
    return ScalableTarget(
        id="t", minimum=minimum, maximum=maximum, role="", created=0, suspended=suspended, **PLACE
    )


def steps(
    *adjustments: tuple[float | None, float | None, int], kind: str = "ChangeInCapacity", **more: Any
) -> ScalingPolicy:
    told = []
    for low, high, adjustment in adjustments:
        step: dict[str, Any] = {"ScalingAdjustment": adjustment}
        step |= {} if low is None else {"MetricIntervalLowerBound": low}
        told.append(step | ({} if high is None else {"MetricIntervalUpperBound": high}))
    configuration = {"AdjustmentType": kind, "StepAdjustments": told, **more}
    return ScalingPolicy(name="s", id="1", kind=STEP, configuration=configuration, created=0, **PLACE)


def tracking(goal: float = 50.0, name: str = "t", **more: Any) -> ScalingPolicy:
    configuration = {"TargetValue": goal, **more}
    return ScalingPolicy(name=name, id=name, kind=TRACKING, configuration=configuration, created=0, **PLACE)


def high(*values: float, threshold: float = 50.0) -> Trigger:
    return Trigger("high", values, threshold, below=False)


def low(*values: float, threshold: float = 45.0) -> Trigger:
    return Trigger("low", values, threshold, below=True)


def count(
    current: int, *asked: Asked, now: float = 1000.0, deploying: bool = False, **band: int
) -> int | None:
    decision = decide(target(**band), current, asked, now, deploying=deploying)
    return None if decision is None else decision.count


@pytest.mark.parametrize(
    ("value", "expected"),
    [(50.0, 11), (60.0, 12), (69.9, 12), (70.0, 13), (500.0, 13)],
)
def test_the_step_that_the_breach_falls_into(value: float, expected: int) -> None:
    policy = steps((0, 10, 1), (10, 20, 2), (20, None, 3))
    assert count(10, Asked(policy, (high(value),))) == expected


def test_steps_of_an_alarm_on_low_values() -> None:
    policy = steps((-10, 0, -1), (None, -10, -2))
    assert count(10, Asked(policy, (low(40.0, threshold=50.0),))) == 8
    assert count(10, Asked(policy, (low(41.0, threshold=50.0),))) == 9


@pytest.mark.parametrize(
    ("percent", "current", "least", "expected"),
    [
        (10, 12, 0, 13),
        (67, 10, 0, 16),
        (1, 10, 0, 11),
        (10, 10, 4, 14),
        (-67, 10, 0, 4),
        (-1, 10, 0, 9),
        (-10, 10, 3, 7),
    ],
)
def test_percent_of_capacity(percent: int, current: int, least: int, expected: int) -> None:
    policy = steps((0, None, percent), kind="PercentChangeInCapacity", MinAdjustmentMagnitude=least)
    assert count(current, Asked(policy, (high(60.0),))) == expected


def test_exact_capacity() -> None:
    assert count(5, Asked(steps((0, None, 9), kind="ExactCapacity"), (high(60.0),))) == 9


def test_target_tracking_puts_the_load_at_the_target() -> None:
    assert count(2, Asked(tracking(), (high(90.0, 100.0, 95.0),))) == 4
    assert count(4, Asked(tracking(), (low(*[20.0] * 14, 24.0),))) == 2
    assert count(2, Asked(tracking(), (low(44.0),))) is None


def test_several_policies() -> None:
    one, other = tracking(name="a"), tracking(name="b")
    assert count(2, Asked(one, (high(100.0),)), Asked(other, (high(150.0),))) == 6
    assert count(4, Asked(one, (low(10.0),)), Asked(other, (high(60.0),))) == 5
    assert count(4, Asked(one, (low(10.0),)), Asked(other)) is None
    assert count(4, Asked(one, (low(10.0),)), Asked(other, (low(30.0),))) == 3
    gentle = tracking(name="b", DisableScaleIn=True)
    assert count(4, Asked(one, (low(10.0),)), Asked(gentle)) == 1


def test_a_deployment_blocks_scaling_in_only() -> None:
    decision = decide(target(), 4, [Asked(tracking(), (low(10.0),))], 0.0, deploying=True)
    assert decision is not None
    assert decision.reasons == ({"Code": "TargetServicePutResourceAsUnscalable"},)
    assert count(1, Asked(tracking(), (high(100.0),)), deploying=True) == 2


def test_the_band_holds() -> None:
    assert count(2, Asked(tracking(), (high(500.0),)), maximum=7) == 7
    assert count(9, Asked(tracking(), (low(1.0),)), minimum=3) == 3
    assert [band(target(2, 4), each) for each in (1, 2, 4, 5)] == [2, None, None, 4]
    full = decide(target(maximum=2), 2, [Asked(tracking(), (high(100.0),))], 0.0, deploying=False)
    assert full is not None
    assert full.reasons == ({"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 2},)


def test_during_a_scale_out_cooldown_only_more_is_added() -> None:
    policy = after_scaling(steps((0, 20, 2), (20, None, 5)), 4, 6, 1000.0)
    assert count(6, Asked(policy, (high(60.0),)), now=1100.0) is None
    assert count(6, Asked(policy, (high(90.0),)), now=1100.0) == 9
    assert count(6, Asked(policy, (high(60.0),)), now=1301.0) == 8
    again = after_scaling(policy, 6, 9, 1100.0)
    assert (again.out_from, again.out_to) == (4, 9)


def test_during_a_scale_in_cooldown_nothing_is_taken_away() -> None:
    policy = after_scaling(tracking(ScaleInCooldown=120), 8, 4, 1000.0)
    assert count(4, Asked(policy, (low(10.0),)), now=1100.0) is None
    assert count(4, Asked(policy, (low(10.0),)), now=1121.0) == 1
    assert count(4, Asked(policy, (high(100.0),)), now=1100.0) == 8


def test_suspension() -> None:
    suspended = target(DynamicScalingInSuspended=True)
    assert decide(suspended, 4, [Asked(tracking(), (low(1.0),))], 0.0, deploying=False) is None


values = st.lists(st.floats(0, 1000, allow_nan=False), max_size=5).map(tuple)
triggers = st.builds(lambda v, below: Trigger("a", v, 50.0, below), values, st.booleans())
policies = st.one_of(
    st.builds(lambda goal, quiet: tracking(goal, DisableScaleIn=quiet), st.floats(1, 200), st.booleans()),
    st.builds(
        lambda up, down: steps((0, None, up), (None, 0, down)), st.integers(-5, 50), st.integers(-50, 5)
    ),
)
asked = st.lists(st.builds(Asked, policies, st.lists(triggers, max_size=2).map(tuple)), max_size=4)


@given(asked, st.integers(0, 30), st.integers(0, 10), st.integers(0, 20), st.booleans())
def test_every_decision_stays_in_the_band_or_moves_towards_it(
    wanted: list[Asked], current: int, minimum: int, more: int, deploying: bool
) -> None:
    decision = decide(target(minimum, minimum + more), current, wanted, 1000.0, deploying=deploying)
    if decision is None or decision.count is None:
        return
    assert decision.count != current
    assert minimum <= decision.count <= max(minimum + more, current)
    assert not (deploying and decision.count < current)
    assert decision.policy is not None
