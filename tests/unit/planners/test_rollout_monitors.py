"""What ends a deployment before its time, how long it bakes, and what protection and zones do to it."""

from __future__ import annotations

import attrs

from neargate.planners import ecs_events
from neargate.planners.rollout_monitors import AlarmSeen
from tests.unit.planners.rollout_world import World, balanced, running, service

ALARMS = {"alarms": {"alarmNames": ["slow", "errors"], "enable": True, "rollback": True}}


def watched(**configuration: object) -> World:
    """A steady service of two tasks whose next deployment is watched."""
    world = World(service(2, deployment_configuration={**ALARMS, **configuration}))
    world.settle()
    world.events.clear()
    return world


def test_an_alarm_rolls_a_deployment_back_in_ecs_words() -> None:
    world = watched()
    world.deploy(2)
    world.plan()
    world.alarms["slow"] = AlarmSeen("ALARM")
    world.plan()
    assert world.events[:2] == [
        "(service web) (deployment ecs-svc/2) deployment failed: alarm detected.",
        "(service web) rolling back to deployment ecs-svc/1.",
    ]
    primary = world.service.primary
    assert (primary.id, primary.rollout_state) == ("ecs-svc/1", "IN_PROGRESS")
    assert primary.rollout_reason == "ECS deployment alarm: rolling back to deploymentId ecs-svc/1."
    world.settle()
    assert running(world) == ["ecs-svc/1"] * 2


def test_an_alarm_without_rollback_fails_the_deployment_and_nothing_starts() -> None:
    world = watched(alarms={"alarmNames": ["slow"], "enable": True, "rollback": False})
    world.deploy(2)
    world.alarms["slow"] = AlarmSeen("OK")
    world.plan()
    made = world.made
    world.alarms["slow"] = AlarmSeen("ALARM")
    world.plan()
    for task_id in list(world.tasks):
        world.fail(task_id)
    world.plan()
    assert world.service.primary.rollout_state == "FAILED"
    assert world.service.primary.status_reason == "ECS deployment failed: alarm detected."
    assert [t.deployment for t in list(world.tasks.values())[:]] == ["ecs-svc/1"] * 2  # what the old one lost
    assert world.made == made + 2


def test_an_alarm_that_was_on_before_is_not_watched_during_that_deployment() -> None:
    world = watched()
    world.alarms = {"slow": AlarmSeen("ALARM"), "errors": AlarmSeen("OK")}
    world.deploy(2)
    world.settle()
    assert world.service.primary.rollout_state == "COMPLETED"
    assert running(world) == ["ecs-svc/2"] * 2


def test_a_deployment_with_alarms_bakes_as_long_as_the_slowest_needs() -> None:
    world = watched()
    world.alarms = {"slow": AlarmSeen("OK", 300.0), "errors": AlarmSeen("OK", 60.0)}
    world.deploy(2)
    for _ in range(40):
        for task_id in list(world.tasks):
            world.advance(task_id)
        made = world.plan()
    assert (len(world.tasks), world.service.primary.rollout_state) == (2, "IN_PROGRESS")
    assert made.waiting_for == "the end of the bake time"
    assert made.wake_at == (world.service.primary.bake_since or 0) + 300
    world.alarms["errors"] = AlarmSeen("ALARM", 60.0)
    world.plan()
    assert "deployment failed: alarm detected." in world.events[-2]


def test_a_bake_time_of_ones_own_is_kept_to_the_minute() -> None:
    world = World(service(1, deployment_configuration={"bakeTimeInMinutes": 3}))
    for _ in range(10):
        for task_id in list(world.tasks):
            world.advance(task_id)
        made = world.plan()
    assert made.wake_at == world.now + 180
    world.now += 179
    world.plan()
    assert world.service.primary.rollout_state == "IN_PROGRESS"
    world.now += 1
    world.plan()
    assert world.service.primary.rollout_state == "COMPLETED"


def test_somebody_stops_a_deployment_and_it_is_rolled_back() -> None:
    world = watched()
    world.deploy(2)
    world.plan()
    world.stop("ROLLBACK")
    world.plan()
    assert world.events[-1] == "(service web) stopped 2 pending tasks."
    assert "(service web) rolling back to deployment ecs-svc/1." in world.events
    world.settle()
    assert running(world) == ["ecs-svc/1"] * 2


def test_a_first_deployment_has_nothing_to_go_back_to() -> None:
    world = World(service(1))
    world.plan()
    world.stop("ROLLBACK")
    world.plan()
    primary = world.service.primary
    assert (primary.rollout_state, primary.status_reason) == (
        "FAILED",
        "No rollback candidate was found to run the rollback.",
    )


def test_early_success_does_not_wait_for_every_task() -> None:
    early = {"enable": True, "healthyPercent": 50, "sourceServiceRevisionCleanup": "DEFERRED"}
    world = World(service(2, 50, 100))
    world.settle()
    world.service = attrs.evolve(world.service, deployment_configuration={"earlySuccessCriteria": early})
    world.deploy(2)
    for _ in range(30):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
        if "ecs-svc/2" in running(world):
            break
    world.plan()
    assert world.service.primary.rollout_state == "COMPLETED"
    assert len(world.service.deployments) == 2
    world.settle()
    assert running(world) == ["ecs-svc/2"] * 2


def test_protected_tasks_stay_when_a_service_scales_in_and_ecs_says_why() -> None:
    world = World(service(3))
    world.settle()
    first, *others = world.tasks
    for task_id in (first, others[0]):
        world.change(task_id, protected_until=world.now + 60)
    world.scale(0)
    made = world.plan()
    assert made.wake_at == world.now + 60
    assert world.events[-2:] == [
        f"(service web) has stopped 1 running tasks: (task {others[1]}).",
        "(service web) was unable to reach steady state because (taskSet ecs-svc/1) was unable to scale in due to "
        "(reason 2 tasks under protection)",
    ]
    world.now += 60
    world.settle()
    assert world.tasks == {}


def test_a_protected_task_outlives_a_rollout_until_its_protection_ends() -> None:
    world = World(service(1))
    world.settle()
    (old,) = world.tasks
    world.change(old, protected_until=world.now + 3600)
    world.deploy(2)
    for _ in range(30):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    assert sorted(running(world)) == ["ecs-svc/1", "ecs-svc/2"]
    assert world.service.primary.rollout_state == "IN_PROGRESS"
    world.now += 3600
    world.settle()
    assert running(world) == ["ecs-svc/2"]


def test_protection_does_not_keep_a_task_that_fails_its_checks() -> None:
    world = World(balanced(service(1), "group"))
    world.settle()
    (task,) = world.tasks
    world.change(task, protected_until=world.now + 3600)
    world.sicken_target(task)
    world.settle()
    assert task not in world.tasks


def zoned(*zones: str) -> World:
    """A steady service with a task in each of these zones; it may use a, b and c."""
    made = service(len(zones))
    world = World(attrs.evolve(made, deployments=(attrs.evolve(made.primary, zones=("a", "b", "c")),)))
    for zone in zones:
        world.add("ecs-svc/1", zone)
    for _ in range(4):
        for task_id in list(world.tasks):
            world.advance(task_id)
    world.service = attrs.evolve(world.service, zone_rebalancing="DISABLED")
    world.settle()
    world.events.clear()
    world.service = attrs.evolve(world.service, zone_rebalancing="ENABLED")
    return world


def test_zones_that_differ_are_balanced_in_ecs_words() -> None:
    world = zoned("a", "a", "a", "b", "c")
    world.settle()
    assert sorted(task.zone for task in world.tasks.values()) == ["a", "a", "b", "b", "c"]
    gone = f"{3:032d}"
    assert [text for text in world.events if "steady" not in text] == [
        "(service web) is not AZ balanced with 3 tasks in a, 1 tasks in b, 1 tasks in c. AZ Rebalancing in progress.",
        f"(service web) has stopped 1 running tasks in a due to AZ rebalancing: (task {gone}).",
        "(service web) is AZ balanced with 2 tasks in a, 2 tasks in b, 1 tasks in c.",
    ]
    assert ecs_events.started("web", ["x"], zone="b") == (
        "(service web) has started 1 tasks in b to AZ Rebalance: (task x)."
    )


def test_zones_are_not_balanced_where_there_is_no_room_or_it_is_switched_off() -> None:
    world = zoned("a", "a", "a")
    world.service = attrs.evolve(world.service, maximum_percent=100)
    world.settle()
    assert [task.zone for task in world.tasks.values()] == ["a", "a", "a"]
    world.service = attrs.evolve(world.service, maximum_percent=200, zone_rebalancing="DISABLED")
    world.settle()
    assert [task.zone for task in world.tasks.values()] == ["a", "a", "a"]
