"""Restart policies: which exits lead to a restart, and that each does so once."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from neargate.model.ecs import TaskContainer
from neargate.planners import task as planner
from neargate.planners.task import Restart, Start
from neargate.planners.task_order import may_restart
from tests.unit.planners.test_task import NOW, Outside, outside


def container(**members: Any) -> TaskContainer:
    return TaskContainer(name="app", image="i", id="1", docker_id="d", started=NOW, **members)


def policy(**members: Any) -> dict[str, Any]:
    return {"restartPolicy": {"enabled": True, **members}}


@pytest.mark.parametrize(
    ("wanted", "code", "ran", "expected"),
    [
        ({}, 1, 1000.0, False),
        ({"restartPolicy": {"enabled": False}}, 1, 1000.0, False),
        (policy(), 1, 300.0, True),
        (policy(), 0, 300.0, True),
        (policy(), 1, 299.9, False),
        (policy(restartAttemptPeriod=60), 1, 60.0, True),
        (policy(ignoredExitCodes=[0]), 0, 1000.0, False),
        (policy(ignoredExitCodes=[0]), 1, 1000.0, True),
        (policy(), None, 1000.0, False),
    ],
)
def test_what_the_policy_allows(wanted: dict[str, Any], code: int | None, ran: float, expected: bool) -> None:
    assert may_restart(wanted, container(), code, NOW + ran) is expected


def test_the_period_counts_from_the_last_restart() -> None:
    again = container(restarts=1, restarted=NOW + 400)
    assert not may_restart(policy(), again, 1, NOW + 650)
    assert may_restart(policy(), again, 1, NOW + 700)


def running(**members: Any) -> Outside:
    world = outside({"name": "app", **policy(restartAttemptPeriod=60), **members})
    world.run("RUNNING")
    world.now += 100
    return world


def test_an_exit_is_restarted_once_and_the_task_goes_on() -> None:
    world = running()
    world.exits("app", 1)
    made = world.step()
    assert made.actions == (Restart("app"),)
    assert (made.task.status, made.task.containers[0].status) == ("RUNNING", "RUNNING")
    assert made.task.containers[0].restarts == 1

    world.now += 5  # the same end seen again, as after a crash between record and act
    assert world.step().actions == (Restart("app"),)
    assert world.task.containers[0].restarts == 1

    world.container("app", state="busy", exit_code=None, finished=None)
    assert world.step().actions == ()
    world.container("app", state="running", started=world.now)
    world.step()
    assert world.task.containers[0].status == "RUNNING"


def test_an_exit_too_soon_after_a_restart_ends_the_task() -> None:
    world = running()
    world.exits("app", 1)
    world.step()
    world.now += 5
    world.container("app", state="running", started=world.now, finished=None, exit_code=None)
    world.step()
    world.now += 5
    world.exits("app", 2)
    world.run("STOPPED")
    stopped = world.task.containers[0]
    assert (world.task.stop_code, stopped.exit_code, stopped.restarts) == ("EssentialContainerExited", 2, 1)


def test_a_task_that_is_to_stop_restarts_nothing() -> None:
    world = running()
    world.task = planner.stopping(world.task, "UserInitiated", "enough", world.now)
    world.exits("app", 143)
    made = world.step()
    assert not any(isinstance(action, Restart | Start) for action in made.actions)
    assert made.task.containers[0].restarts == 0


def test_a_stop_before_the_restart_is_carried_out_keeps_the_exit_code() -> None:
    world = running()
    world.exits("app", 9)
    world.step()
    world.task = planner.stopping(world.task, "UserInitiated", "enough", world.now)
    world.run("STOPPED")
    assert world.task.containers[0].exit_code == 9


def test_a_restart_that_fails_ends_the_container() -> None:
    world = running()
    world.exits("app", 1)
    world.step()
    world.container("app", state="exited", failure="CannotStartContainerError: no")
    world.step()
    assert world.task.containers[0].reason == "CannotStartContainerError: no"
    assert world.task.desired_status == "STOPPED"


def test_health_begins_anew() -> None:
    world = running()
    world.task = attrs.evolve(
        world.task, containers=(attrs.evolve(world.task.containers[0], health="HEALTHY"),)
    )
    world.exits("app", 1)
    assert world.step().task.containers[0].health == "UNKNOWN"
