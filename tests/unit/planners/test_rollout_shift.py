"""Blue/green, canary and linear deployments: the stages, the traffic, and the way back."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neargate.planners import rollout_health as health
from neargate.planners.rollout_monitors import AlarmSeen
from neargate.planners.rollout_shift import STAGES
from neargate.planners.rollout_traffic import Weights
from tests.unit.planners.rollout_world import World, running, service, shifting

WHOLE = STAGES[1:]


def go(world: World, most: int = 300) -> list[tuple[str, Weights | None]]:
    """Let everything go well until it is steady: each stage with the production rule's weights at its end."""
    seen: list[tuple[str, Weights | None]] = []
    for _ in range(most):
        for task_id in list(world.tasks):
            world.advance(task_id)
        made = world.plan()
        stage = world.service.primary.stage
        if seen and seen[-1][0] == stage:
            seen.pop()
        if stage:
            seen.append((stage, world.rules.get("production")))
        if world.service.steady:
            return seen
        if made.wake_at is not None and not any(t.status != "RUNNING" for t in world.tasks.values()):
            world.now = max(world.now, made.wake_at)
        world.now += 0.1
    raise AssertionError(f"not steady, waiting for {world.waiting_for}")


def test_green_takes_over_stage_by_stage() -> None:
    world = shifting("BLUE_GREEN")
    blue = (("blue", 100), ("green", 0))
    green = (("green", 100), ("blue", 0))
    assert world.rules["production"] == blue
    world.deploy(2)
    seen = go(world)
    assert [stage for stage, _ in seen] == list(WHOLE)
    weights = dict(seen)
    assert weights["POST_TEST_TRAFFIC_SHIFT"] == blue
    assert weights["PRODUCTION_TRAFFIC_SHIFT"] == green
    assert world.rules["test"] == green
    assert running(world) == ["ecs-svc/2"] * 2
    assert {place.group for task in world.tasks.values() for place in task.targets} == {"green"}
    assert world.events[-2:] == [
        "(service web) (deployment ecs-svc/2) deployment completed.",
        "(service web) has reached a steady state.",
    ]


def test_the_next_deployment_goes_the_other_way_round() -> None:
    world = shifting("BLUE_GREEN")
    world.deploy(2)
    go(world)
    world.deploy(3)
    go(world)
    assert world.rules["production"] == (("blue", 100), ("green", 0))
    assert running(world) == ["ecs-svc/3"] * 2


def test_blue_serves_until_the_bake_time_is_over() -> None:
    world = shifting("BLUE_GREEN", bakeTimeInMinutes=5)
    world.deploy(2)
    for _ in range(40):
        for task_id in list(world.tasks):
            world.advance(task_id)
        made = world.plan()
    assert world.service.primary.stage == "BAKE_TIME"
    assert sorted(running(world)) == ["ecs-svc/1"] * 2 + ["ecs-svc/2"] * 2
    assert made.wake_at == world.service.primary.stage_since + 300
    assert made.waiting_for == "the end of the bake time"


def weights_of(world: World) -> list[tuple[float, float]]:
    """(percent, seconds since the first) of each step of the production traffic."""
    found: list[tuple[float, float]] = []
    for _ in range(400):
        for task_id in list(world.tasks):
            world.advance(task_id)
        made = world.plan()
        primary = world.service.primary
        if primary.stage == "PRODUCTION_TRAFFIC_SHIFT" and (not found or found[-1][0] != primary.weight):
            found.append((primary.weight, world.now))
        if primary.stage == "BAKE_TIME":
            start = found[0][1]
            return [(percent, round(at - start, 3)) for percent, at in found]
        if made.wake_at is not None and not any(t.status != "RUNNING" for t in world.tasks.values()):
            world.now = made.wake_at
    raise AssertionError(world.waiting_for)


def test_a_canary_gets_its_share_and_then_everything() -> None:
    canary = {"canaryPercent": 12.5, "canaryBakeTimeInMinutes": 3}
    world = shifting("CANARY", canaryConfiguration=canary)
    world.deploy(2)
    assert weights_of(world) == [(12.5, 0), (100.0, 180)]


def test_tenths_of_a_percent_are_weights_of_a_thousand() -> None:
    canary = {"canaryPercent": 12.5, "canaryBakeTimeInMinutes": 3}
    world = shifting("CANARY", canaryConfiguration=canary)
    world.deploy(2)
    while world.service.primary.weight == 0:
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    assert world.rules["production"] == (("green", 125), ("blue", 875))


def test_linear_goes_in_equal_steps() -> None:
    linear = {"stepPercent": 30.0, "stepBakeTimeInMinutes": 2}
    world = shifting("LINEAR", linearConfiguration=linear)
    world.deploy(2)
    assert weights_of(world) == [(30.0, 0), (60.0, 120), (90.0, 240), (100.0, 360)]


def test_a_first_deployment_has_nobody_to_share_with() -> None:
    world = shifting("CANARY", first=True, canaryConfiguration={"canaryPercent": 5.0})
    seen = go(world)
    assert [stage for stage, _ in seen] == list(WHOLE)
    assert world.rules["production"] == (("blue", 100), ("green", 0))


def test_without_a_load_balancer_the_stages_are_the_same() -> None:
    made = service(1, deployment_configuration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0})
    world = World(attrs.evolve(made, deployments=(attrs.evolve(made.primary, traffic="BLUE_GREEN"),)))
    go(world)
    world.deploy(2)
    assert [stage for stage, _ in go(world)] == list(WHOLE)
    assert running(world) == ["ecs-svc/2"]


def test_an_alarm_while_it_bakes_gives_the_traffic_back_before_green_stops() -> None:
    alarms = {"alarmNames": ["slow"], "enable": True, "rollback": True}
    world = shifting("BLUE_GREEN", bakeTimeInMinutes=5, alarms=alarms)
    world.deploy(2)
    for _ in range(40):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    world.alarms["slow"] = AlarmSeen("ALARM")
    world.plan()
    assert world.rules["production"] == (("blue", 100), ("green", 0))
    assert len(running(world)) == 4
    assert world.events[-2:] == [
        "(service web) (deployment ecs-svc/2) deployment failed: alarm detected.",
        "(service web) rolling back to deployment ecs-svc/1.",
    ]
    go(world)
    assert running(world) == ["ecs-svc/1"] * 2
    assert world.service.primary.rollout_state == "COMPLETED"
    assert world.rules["test"] == (("blue", 100), ("green", 0))


def test_a_new_deployment_in_the_middle_of_one_reconciles_first() -> None:
    world = shifting("BLUE_GREEN", bakeTimeInMinutes=5)
    world.deploy(2)
    for _ in range(40):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    assert world.service.primary.stage == "BAKE_TIME"
    world.deploy(3)
    seen = go(world)
    assert [stage for stage, _ in seen] == list(STAGES)
    assert dict(seen)["RECONCILE_SERVICE"] == (("blue", 100), ("green", 0))
    assert running(world) == ["ecs-svc/3"] * 2


def test_traffic_goes_back_to_blue_only_once_blue_can_carry_it() -> None:
    world = shifting("BLUE_GREEN", 1, bakeTimeInMinutes=5)
    world.deploy(2)
    for _ in range(40):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    (blue,) = [task.id for task in world.tasks.values() if task.deployment == "ecs-svc/1"]
    world.fail(blue)
    world.deploy(3)
    for _ in range(3):
        world.plan()
    assert world.service.primary.stage == "RECONCILE_SERVICE"
    assert world.rules["production"] == (("green", 100), ("blue", 0))
    assert running(world) == ["ecs-svc/2"]
    go(world)
    assert running(world) == ["ecs-svc/3"]


def test_a_rollback_that_fails_too_stays_failed() -> None:
    world = shifting("BLUE_GREEN", 1, bakeTimeInMinutes=5)
    breaker = {"enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 1}}
    world.service = attrs.evolve(world.service, circuit_breaker=breaker)
    world.deploy(2)
    for _ in range(4):
        world.plan()
    for task in [task for task in world.tasks.values() if task.deployment == "ecs-svc/2"]:
        world.fail(task.id)
    for task in [task for task in world.tasks.values() if task.deployment == "ecs-svc/1"]:
        world.fail(task.id)
    world.plan()
    assert world.service.primary.rolls_back
    world.plan()
    for task_id in list(world.tasks):
        world.fail(task_id)
    for _ in range(5):
        world.plan()
        world.now += 60
    assert (world.service.primary.id, world.service.primary.rollout_state) == ("ecs-svc/1", "FAILED")
    world.deploy(3)
    go(world)
    assert running(world) == ["ecs-svc/3"]


PREFIX = "Service deployment rolled back because of invalid networking configuration"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"production": None}, ". One or more rules not found"),
        (
            {"production": (("blue", 1),), "test": (("blue", 1),)},
            ": Target group green is not associated with either productionListenerRule or testListenerRule.",
        ),
        (
            {"production": (("blue", 50), ("green", 50))},
            ". productionListenerRule production should have exactly one target group serving traffic but found 2 "
            "target groups which are serving traffic",
        ),
        (
            {"production": (("stranger", 1), ("blue", 0))},
            ". Production listener rule is forwarding traffic to unexpected target group stranger. Expected traffic to "
            "be forwarded to either targetGroupArn: green or alternateTargetGroupArn: blue",
        ),
    ],
)
def test_rules_that_cannot_be_shifted_fail_the_deployment(rules: dict[str, Any], said: str) -> None:
    world = shifting("BLUE_GREEN")
    world.rules |= rules
    world.deploy(2)
    while world.service.primary.id == "ecs-svc/2":
        world.plan()
    assert world.service.primary.id == "ecs-svc/1"
    assert world.service.primary.status_reason == PREFIX + said
    assert (
        f"(service web) (deployment ecs-svc/2) deployment failed: {(PREFIX + said).rstrip('.')}."
        in world.events
    )


def paused(stage: str, **hook: Any) -> World:
    """A service whose next deployment waits at a stage."""
    world = shifting("BLUE_GREEN")
    hooks = [{"targetType": "PAUSE", "lifecycleStages": [stage], **hook}]
    configuration = {**world.service.deployment_configuration, "lifecycleHooks": hooks}
    world.service = attrs.evolve(world.service, deployment_configuration=configuration)
    world.deploy(2)
    for _ in range(40):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    return world


def answer(world: World, what: str) -> None:
    primary = world.service.primary
    hooks = tuple(attrs.evolve(hook, answer=what) for hook in primary.hooks)
    changed = attrs.evolve(primary, hooks=hooks)
    world.service = attrs.evolve(world.service, deployments=(changed, *world.service.deployments[1:]))


@pytest.mark.parametrize("stage", ["PRE_SCALE_UP", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT"])
def test_a_pause_hook_waits_at_its_stage_until_somebody_continues(stage: str) -> None:
    world = paused(stage)
    (hook,) = world.service.primary.hooks
    assert (world.service.primary.stage, hook.stage, hook.status) == (stage, stage, "AWAITING_ACTION")
    assert world.waiting_for == f"ContinueServiceDeployment for the hook {hook.id}"
    answer(world, "CONTINUE")
    go(world)
    assert running(world) == ["ecs-svc/2"] * 2


def test_a_pause_before_the_traffic_shifts_can_go_back() -> None:
    world = paused("PRE_PRODUCTION_TRAFFIC_SHIFT")
    assert world.rules["production"] == (("blue", 100), ("green", 0))
    answer(world, "ROLLBACK")
    go(world)
    assert running(world) == ["ecs-svc/1"] * 2
    assert any("PRE_PRODUCTION_TRAFFIC_SHIFT lifecycle hook(s) failed" in text for text in world.events)


@pytest.mark.parametrize(("action", "winner"), [("CONTINUE", "ecs-svc/2"), ("ROLLBACK", "ecs-svc/1")])
def test_a_pause_that_takes_too_long_does_what_was_asked_for(action: str, winner: str) -> None:
    world = paused("POST_SCALE_UP", timeoutConfiguration={"timeoutInMinutes": 30, "action": action})
    (hook,) = world.service.primary.hooks
    world.now = hook.expires
    go(world)
    assert running(world) == [winner] * 2


def test_a_service_that_rolls_again_stays_in_the_group_that_serves() -> None:
    world = shifting("BLUE_GREEN")
    world.deploy(2)
    go(world)
    world.service = attrs.evolve(world.service, deployment_configuration={"strategy": "ROLLING"})
    world.deploy(3)
    world.settle()
    assert {place.group for task in world.tasks.values() for place in task.targets} == {"green"}


TO_TASKS = ["fail", "sicken", "sicken_target", "user_stops"]
happenings = st.lists(
    st.tuples(
        st.sampled_from(["advance"] * 12 + TO_TASKS + ["deploy", "scale", "time", "alarm", "stop"]),
        st.integers(0, 30),
    ),
    max_size=80,
)


def check(world: World, before: dict[str, int]) -> None:
    """Each colour keeps to its bounds; whoever gets production traffic is there to answer it."""
    most = health.bounds(world.service)[1]
    occupying = colours(world)
    for colour, count in occupying.items():
        assert count <= max(before.get(colour, 0), most)


def colours(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for task in world.tasks.values():
        if task.status not in ("DEPROVISIONING", "STOPPED"):
            found[task.deployment] = found.get(task.deployment, 0) + 1
    return found


def served(world: World) -> bool:
    """Some healthy task is in a group that production traffic goes to."""
    groups = {group for group, weight in world.rules["production"] or () if weight > 0}
    return any(
        health.is_healthy(task) and any(place.group in groups for place in task.targets)
        for task in world.tasks.values()
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["BLUE_GREEN", "CANARY", "LINEAR"]),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
    happenings,
)
def test_it_keeps_to_its_bounds_and_converges_whatever_happens(
    strategy: str, desired: int, breaker: bool, watched: bool, steps: list[tuple[str, int]]
) -> None:
    alarms = {"alarmNames": ["slow"], "enable": watched, "rollback": True}
    world = shifting(strategy, desired, alarms=alarms)
    world.service = attrs.evolve(world.service, circuit_breaker={"enable": breaker, "rollback": True})
    for what, which in steps:
        before, was_served = colours(world), served(world)
        serving = world.rules["production"]
        world.now += 0.3
        names = list(world.tasks)
        struck = what in TO_TASKS
        if what == "deploy":
            world.deploy()
        elif what == "scale":
            world.scale(which % 5)
        elif what == "time":
            world.now += which * 30
        elif what == "alarm":
            world.alarms["slow"] = AlarmSeen("ALARM" if which % 2 else "OK")
        elif what == "stop":
            if world.service.primary.rollout_state == "IN_PROGRESS":
                world.stop(("ROLLBACK", "ABORT")[which % 2])
        elif names:
            getattr(world, what)(names[which % len(names)])
        world.plan()
        check(world, before)
        if was_served and not struck and serving != world.rules["production"]:
            assert served(world), "traffic went where nobody is healthy"
    world.heal()
    world.alarms.clear()
    if world.service.primary.rollout_state == "FAILED":
        world.deploy()
    world.service = attrs.evolve(world.service, deployment_configuration=_quick(world))
    go(world, most=900)
    assert len(running(world)) == world.service.desired
    assert len(world.service.deployments) == 1
    assert world.service.primary.rollout_state == "COMPLETED"
    assert set(running(world)) <= {world.service.primary.id}
    own = world.service.primary.load_balancers[0]["targetGroupArn"]
    assert {group for group, weight in world.rules["production"] or () if weight > 0} == {own}


def _quick(world: World) -> dict[str, Any]:
    return {**world.service.deployment_configuration, "bakeTimeInMinutes": 0}
