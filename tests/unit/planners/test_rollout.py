"""The rollout planner: what it promises, through any interleaving of what can happen to tasks."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neargate.planners import ecs_events, rollout
from neargate.planners import rollout_actions as steps
from neargate.planners import rollout_health as health
from neargate.planners.rollout_failures import pause, quick_pause
from neargate.planners.rollout_monitors import AlarmSeen
from tests.unit.planners.rollout_world import World, balanced, running, service

percents = st.sampled_from([(100, 200), (50, 100), (0, 100), (50, 200), (75, 150), (0, 200), (100, 125)])
TO_TASKS = ["fail", "sicken", "sicken_target", "user_stops", "protect"]
happenings = st.lists(
    st.tuples(
        st.sampled_from(["advance"] * 8 + TO_TASKS + ["deploy", "scale", "time", "alarm", "stop"]),
        st.integers(0, 30),
    ),
    max_size=60,
)
WATCHED = {"alarms": {"alarmNames": ["slow"], "enable": True, "rollback": True}}


def happen(world: World, what: str, which: int) -> None:
    """One thing that can happen to a service; its scheduler looks at it afterwards."""
    world.now += 0.3
    names = list(world.tasks)
    if what == "deploy":
        world.deploy()
    elif what == "scale":
        world.scale(which % 7)
    elif what == "time":
        world.now += which * 4
    elif what == "alarm":
        world.alarms["slow"] = AlarmSeen("ALARM" if which % 2 else "OK", 60.0)
    elif what == "stop" and world.service.primary.rollout_state == "IN_PROGRESS":
        world.stop(("ROLLBACK", "ABORT")[which % 2])
    elif what not in ("stop",) and names:
        getattr(world, what)(names[which % len(names)])
    world.plan()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 6), percents, st.integers(0, 2), st.booleans(), st.booleans(), happenings)
def test_the_band_holds_and_it_converges_whatever_happens(
    desired: int,
    percent: tuple[int, int],
    groups: int,
    breaker: bool,
    watched: bool,
    steps: list[tuple[str, int]],
) -> None:
    minimum, maximum = percent
    made = service(
        desired,
        minimum,
        maximum,
        circuit_breaker={"enable": breaker, "rollback": True},
        deployment_configuration=WATCHED if watched else {},
    )
    world = World(balanced(made, *(f"group-{number}" for number in range(groups))))
    for what, which in steps:
        happen(world, what, which)
    world.heal()
    world.alarms.clear()
    if world.service.primary.rollout_state == "FAILED" or _cannot_move(world):
        world.deploy(9999)
        world.service = attrs.evolve(world.service, maximum_percent=200)
    world.settle()
    assert len(running(world)) == world.service.desired
    assert len(world.service.deployments) == 1
    assert world.service.primary.rollout_state == "COMPLETED"
    assert set(running(world)) <= {world.service.primary.id}


def _cannot_move(world: World) -> bool:
    """Such as 1 task at 100/125 percent: ECS says so in an event and waits for an update."""
    least, most = health.bounds(world.service)
    return least == most or most < world.service.desired


@settings(max_examples=60, deadline=None)
@given(happenings)
def test_a_plan_repeated_at_once_changes_nothing_more(happenings_: list[tuple[str, int]]) -> None:
    world = World(balanced(service(3), "group"))
    for what, which in happenings_:
        happen(world, what, which)
        again = rollout.plan(world.service, list(world.tasks.values()), world.now, "local", world.alarms)
        repeated = (steps.Start, steps.Settle, steps.Register, steps.Deregister)
        assert not [action for action in again.actions if isinstance(action, repeated)]


def test_a_first_deployment_says_what_ecs_says() -> None:
    world = World(service(1))
    world.settle()
    (task,) = world.tasks
    assert world.events == [
        "(service web) (deployment ecs-svc/1) deployment completed.",
        "(service web) has reached a steady state.",
    ]
    assert ecs_events.started("web", [task]) == f"(service web) has started 1 tasks: (task {task})."
    assert world.service.primary.rollout_reason == "ECS deployment ecs-svc/1 completed."
    assert world.service.steady


def test_an_update_starts_the_new_task_before_it_stops_the_old_one() -> None:
    world = World(service(1))
    world.settle()
    (old,) = world.tasks
    world.events.clear()
    world.deploy(2)
    world.plan()
    assert [t.desired_status for t in world.tasks.values()] == ["RUNNING", "RUNNING"]
    assert world.waiting_for == "0 of 1 tasks to be running and healthy"
    world.settle()
    assert world.events == [
        f"(service web) has stopped 1 running tasks: (task {old}).",
        "(service web) (deployment ecs-svc/2) deployment completed.",
        "(service web) has reached a steady state.",
    ]


def test_with_zero_and_hundred_percent_the_old_task_is_gone_before_the_new_one_starts() -> None:
    world = World(service(1, 0, 100))
    world.settle()
    world.deploy(2)
    for _ in range(20):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
        assert world.occupying() <= 1
    assert running(world) == ["ecs-svc/2"]


def test_hundred_and_hundred_percent_cannot_move_and_say_so_once() -> None:
    world = World(service(1, 100, 100))
    world.settle()
    world.deploy(2)
    for _ in range(5):
        world.plan()
        world.now += 60
    assert [event for event in world.events if "unable to stop or start" in event] == [
        "(service web) was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    ]
    assert running(world) == ["ecs-svc/1"]


def _fail_all(world: World, rounds: int) -> None:
    for _ in range(rounds):
        for task_id, task in list(world.tasks.items()):
            if task.deployment == world.service.primary.id:
                world.fail(task_id)
        made = world.plan()
        world.now = max(world.now, made.wake_at or world.now)
        world.plan()


def test_launches_that_fail_are_tried_again_with_growing_pauses_and_an_event() -> None:
    world = World(service(1))
    world.plan()
    at = []
    for _ in range(5):
        world.fail(next(iter(world.tasks)))
        made = world.plan()
        assert made.wake_at is not None
        at.append(made.wake_at - world.now)
        assert made.waiting_for.startswith("the next try to start a task, in ")
        world.now = made.wake_at
        world.plan()
    assert at == pytest.approx([1, 2, 4, 8, 16])
    assert world.events == ["(service web) is unable to consistently start tasks successfully."]
    assert pause(30, "local") == 60
    assert pause(30, "aws") == 900


def test_a_spot_interruption_is_nobody_s_failure() -> None:
    """Its replacement does not wait, and the circuit breaker does not count it."""
    world = World(service(1, circuit_breaker={"enable": True, "rollback": False}))
    world.plan()
    for _ in range(5):
        world.change(
            next(iter(world.tasks)), desired_status="STOPPED", stop_code="SpotInterruption", status="STOPPED"
        )
        world.plan()
        assert any(task.desired_status == "RUNNING" for task in world.tasks.values())
    assert (world.service.primary.failed_tasks, world.service.primary.launch_failures) == (0, 0)
    assert world.service.primary.rollout_state == "IN_PROGRESS"


def test_the_breaker_fails_the_deployment_at_its_threshold() -> None:
    world = World(service(1, circuit_breaker={"enable": True, "rollback": False}))
    world.plan()
    _fail_all(world, 4)
    primary = world.service.primary
    assert primary.rollout_state == "FAILED"
    assert primary.rollout_reason == "ECS deployment circuit breaker: tasks failed to start."
    assert primary.failed_tasks == 3
    assert (
        world.events[-1] == "(service web) (deployment ecs-svc/1) deployment failed: tasks failed to start."
    )
    assert world.tasks == {}
    assert "the circuit breaker has stopped deployment" in world.waiting_for


def test_the_breaker_rolls_back_to_the_last_completed_deployment() -> None:
    world = World(service(2, circuit_breaker={"enable": True, "rollback": True}))
    world.settle()
    kept = set(world.tasks)
    world.deploy(2)
    world.plan()
    _fail_all(world, 2)
    assert "(service web) rolling back to deployment ecs-svc/1." in world.events
    assert world.service.primary.id == "ecs-svc/1"
    world.settle()
    assert set(world.tasks) == kept
    assert [d.id for d in world.service.deployments] == ["ecs-svc/1"]
    assert world.events[-1] == "(service web) has reached a steady state."


def test_a_threshold_is_half_of_the_desired_tasks_between_3_and_200() -> None:
    assert [health.threshold(service(n)) for n in (1, 6, 7, 1000)] == [3, 3, 4, 200]
    count = {"thresholdConfiguration": {"type": "COUNT", "value": 7}}
    share = {"thresholdConfiguration": {"type": "UNBOUNDED_PERCENT", "value": 50}}
    assert health.threshold(service(1, circuit_breaker=count)) == 7
    assert health.threshold(service(1000, circuit_breaker=share)) == 500


def test_a_task_that_ends_after_running_is_replaced_at_once_and_a_crash_loop_slowed_down() -> None:
    world = World(service(1))
    world.settle()
    waits = []
    for _ in range(4):
        world.now += 1
        world.fail(next(iter(world.tasks)))
        made = world.plan()
        waits.append((made.wake_at or world.now) - world.now if not world.tasks else 0.0)
        world.now += waits[-1]
        world.plan()
        for _ in range(3):
            world.advance(next(iter(world.tasks)))
    assert waits[0] == 0.0
    assert waits[1:] == pytest.approx([1, 2, 4])
    assert quick_pause(100) == 20


def test_an_older_deployments_lost_task_is_replaced_while_the_new_one_is_in_trouble() -> None:
    world = World(service(1))
    world.settle()
    world.deploy(2)
    world.plan()
    _fail_all(world, 1)
    for task_id, task in list(world.tasks.items()):
        if task.deployment == "ecs-svc/1":
            world.fail(task_id)
    world.plan()
    assert [t.deployment for t in world.tasks.values() if t.deployment == "ecs-svc/1"] == ["ecs-svc/1"]


def test_unhealthy_tasks_are_replaced_first_and_stopped_after() -> None:
    world = World(service(1))
    world.settle()
    (sick,) = world.tasks
    world.sicken(sick)
    made = world.plan()
    assert [a for a in made.actions if isinstance(a, steps.Start)] == [steps.Start("ecs-svc/1", 1, 1)]
    assert world.tasks[sick].desired_status == "RUNNING"
    assert world.events[-1] == f"(service web) (task {sick}) failed container health checks."
    world.settle()
    assert sick not in world.tasks
    assert ecs_events.started("web", ["x"], 1).endswith(
        "Amazon ECS replaced 1 tasks due to an unhealthy status."
    )


def test_a_failing_check_within_the_grace_period_is_not_held_against_a_task() -> None:
    world = World(service(1, grace_period=300))
    world.settle()
    (task,) = world.tasks
    world.sicken(task)
    made = world.plan()
    assert not made.actions
    assert made.wake_at == pytest.approx((world.tasks[task].started or 0) + 300)


def test_scaling_to_zero_ends_steady_and_spreads_what_is_left_before() -> None:
    world = World(service(6))
    world.settle()
    world.scale(3)
    world.settle()
    assert sorted(t.zone for t in world.tasks.values()) == ["a", "b", "c"]
    world.scale(0)
    world.settle()
    assert world.tasks == {}
    assert world.service.steady


def test_a_deleted_service_drains_and_becomes_inactive() -> None:
    world = World(service(2))
    world.settle()
    world.service = attrs.evolve(world.service, status="DRAINING", desired=0)
    world.plan()
    assert world.waiting_for == "2 tasks to stop"
    for _ in range(6):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    assert world.service.status == "INACTIVE"
    assert world.service.ended is not None


def test_a_user_stopping_a_task_gets_it_replaced() -> None:
    world = World(service(1))
    world.settle()
    (task,) = world.tasks
    world.user_stops(task)
    world.settle()
    assert task not in world.tasks
    assert len(running(world)) == 1


def test_steady_is_said_again_after_six_hours() -> None:
    world = World(service(1))
    world.settle()
    made = world.plan()
    assert made.wake_at == world.service.said["steady"] + steps.REPEAT
    world.now = made.wake_at
    world.plan()
    assert world.events.count("(service web) has reached a steady state.") == 2
