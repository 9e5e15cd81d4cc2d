"""The pipeline planner: order inside a stage, locks between executions, supersession, stopping."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from neargate.model.codepipeline import ActionRun, Execution, StageRun
from neargate.planners import pipeline as planner

STRUCTURE: dict[str, Any] = {
    "name": "p",
    "stages": [
        {"name": "Source", "actions": [{"name": "src"}]},
        {
            "name": "Build",
            "actions": [{"name": "a", "runOrder": 1}, {"name": "b"}, {"name": "c", "runOrder": 2}],
        },
        {"name": "Deploy", "actions": [{"name": "d"}]},
    ],
}


def execution(number: int = 1, **changes: Any) -> Execution:
    first = Execution(
        pipeline="p",
        id=f"id-{number}",
        number=number,
        version=1,
        structure=STRUCTURE,
        status="InProgress",
        started=0.0,
        updated=0.0,
        trigger="StartPipelineExecution",
        trigger_detail="",
    )
    return attrs.evolve(first, **changes)


def run(name: str, status: Any = "InProgress") -> ActionRun:
    return ActionRun(name=name, id=name, status=status, started=0.0, updated=0.0)


def inside(position: int, *runs: ActionRun, number: int = 1, **changes: Any) -> Execution:
    names = [stage["name"] for stage in STRUCTURE["stages"]]
    done = [StageRun(name=name, status="Succeeded", entered=0.0) for name in names[:position]]
    now = StageRun(name=names[position], status="InProgress", entered=0.0, actions=list(runs))
    return execution(number, position=position, inside=True, stages=[*done, now], **changes)


def test_an_execution_enters_its_first_stage() -> None:
    assert planner.plan([execution()], {}) == [planner.Enter(1)]


def test_actions_of_one_run_order_start_together_and_a_missing_one_means_1() -> None:
    steps = planner.plan([inside(1)], {})
    assert steps == [planner.StartAction(1, "Build", "a"), planner.StartAction(1, "Build", "b")]


def test_the_next_run_order_waits_for_the_one_before() -> None:
    steps = planner.plan([inside(1, run("a", "Succeeded"), run("b"))], {})
    assert steps == [planner.LookAtAction(1, "Build", "b")]
    steps = planner.plan([inside(1, run("a", "Succeeded"), run("b", "Succeeded"))], {})
    assert steps == [planner.StartAction(1, "Build", "c")]


def test_a_failed_action_ends_the_stage_once_its_siblings_have_ended() -> None:
    steps = planner.plan([inside(1, run("a", "Failed"), run("b"))], {})
    assert steps == [planner.LookAtAction(1, "Build", "b")]
    steps = planner.plan([inside(1, run("a", "Failed"), run("b", "Succeeded"))], {})
    assert steps == [planner.EndStage(1, "Build", "Failed")]


def test_a_stage_holds_one_execution() -> None:
    first = inside(1, run("a"), run("b"))
    second = execution(2, position=1)
    steps = planner.plan([first, second], {})
    assert planner.Wait(2, "waiting for stage Build: another execution is in it") in steps


def test_a_newer_execution_supersedes_one_that_waits_between_stages() -> None:
    busy = inside(1, run("a"), run("b"))
    steps = planner.plan([busy, execution(2, position=1), execution(3, position=1)], {})
    assert planner.Supersede(2, "id-3") in steps
    assert not any(isinstance(s, planner.Supersede) and s.execution == 3 for s in steps)


def test_executions_in_front_of_the_source_stage_wait_in_turn() -> None:
    busy = inside(0, run("src"))
    steps = planner.plan([busy, execution(2), execution(3)], {})
    assert not any(isinstance(s, planner.Supersede) for s in steps)
    assert planner.plan([execution(2), execution(3)], {}) == [planner.Enter(2)]


def test_a_closed_transition_holds() -> None:
    steps = planner.plan([execution(position=2)], {"Deploy": object()})
    assert steps == [planner.Wait(1, "waiting for the transition into Deploy to be enabled")]


def test_a_stop_lets_running_actions_end_and_starts_none() -> None:
    steps = planner.plan([inside(1, run("a", "Succeeded"), run("b"), stop_requested=True)], {})
    assert steps == [planner.LookAtAction(1, "Build", "b")]
    steps = planner.plan([inside(1, run("a", "Succeeded"), run("b", "Succeeded"), stop_requested=True)], {})
    assert steps == [planner.EndStage(1, "Build", "Stopped")]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=8))
def test_at_most_one_execution_is_ever_let_into_a_stage(places: list[tuple[int, bool]]) -> None:
    executions = []
    held = set()
    for number, (position, is_inside) in enumerate(places, start=1):
        if is_inside and position not in held:
            held.add(position)
            executions.append(inside(position, number=number))
        else:
            executions.append(execution(number, position=position))
    entered = [e.execution for e in planner.plan(executions, {}) if isinstance(e, planner.Enter)]
    targets = [executions[number - 1].position for number in entered]
    assert len(targets) == len(set(targets))
    assert not held & set(targets)
