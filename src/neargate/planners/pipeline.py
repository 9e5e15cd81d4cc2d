"""What a pipeline does next: a pure function of its executions.

A stage holds one execution at a time. One that waits in front of a stage is superseded by a newer one that comes to
wait there. Inside a stage, actions of the same runOrder run side by side; the next runOrder starts when all of them
have succeeded. A failed action fails its stage once its siblings have ended, and the stage is free again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from neargate.model.codepipeline import Execution, StageRun
from neargate.model.records import Json


@attrs.frozen
class Enter:
    """Let the execution into the stage it waits for."""

    execution: int


@attrs.frozen
class Supersede:
    """A newer execution waits at the same place."""

    execution: int
    by: str


@attrs.frozen
class StartAction:
    execution: int
    stage: str
    action: str


@attrs.frozen
class LookAtAction:
    """It runs: see how far it is."""

    execution: int
    stage: str
    action: str


@attrs.frozen
class EndStage:
    """All of its actions have ended. `status` is Succeeded, Failed or Stopped."""

    execution: int
    stage: str
    status: str


@attrs.frozen
class Wait:
    execution: int
    reason: str


Action = Enter | Supersede | StartAction | LookAtAction | EndStage | Wait


def plan(executions: Sequence[Execution], disabled: Mapping[str, object]) -> list[Action]:
    """The next actions for all active executions of one pipeline. `disabled` names closed stages."""
    active = sorted((e for e in executions if e.active), key=lambda e: e.number)
    inside = {e.position for e in active if e.inside}
    actions: list[Action] = []
    waiting: dict[int, list[Execution]] = {}
    for execution in active:
        if execution.inside:
            actions.extend(_inside(execution))
        else:
            waiting.setdefault(execution.position, []).append(execution)
    for position, queue in waiting.items():
        *older, newest = queue
        if position > 0:
            actions.extend(Supersede(e.number, newest.id) for e in older)
        elif older:
            newest = queue[0]
        actions.append(_at_the_door(newest, position, inside, disabled))
    return actions


def _at_the_door(
    execution: Execution, position: int, inside: set[int], disabled: Mapping[str, object]
) -> Action:
    stage = execution.structure["stages"][position]["name"]
    if execution.stop_requested:
        return EndStage(execution.number, stage, "Stopped")
    if position in inside:
        return Wait(execution.number, f"waiting for stage {stage}: another execution is in it")
    if stage in disabled:
        return Wait(execution.number, f"waiting for the transition into {stage} to be enabled")
    return Enter(execution.number)


def declared_actions(execution: Execution) -> list[Json]:
    """The actions of the stage the execution is in."""
    actions: list[Json] = execution.structure["stages"][execution.position]["actions"]
    return actions


def run_order(action: Json) -> int:
    """A missing runOrder means 1."""
    return int(action.get("runOrder") or 1)


def current_stage(execution: Execution) -> StageRun:
    """The run of the stage the execution is in."""
    return execution.stages[-1]


def _inside(execution: Execution) -> list[Action]:
    stage = current_stage(execution)
    status = {run.name: run.status for run in stage.actions}
    running = [name for name, s in status.items() if s == "InProgress"]
    look: list[Action] = [LookAtAction(execution.number, stage.name, name) for name in running]
    if any(s in {"Failed", "Abandoned"} for s in status.values()):
        ended = "Failed" if "Failed" in status.values() else "Stopped"
        return look or [EndStage(execution.number, stage.name, ended)]
    if execution.stop_requested:
        return look or [EndStage(execution.number, stage.name, "Stopped")]
    pending = [a for a in declared_actions(execution) if status.get(a["name"]) is None]
    if not pending:
        return look or [EndStage(execution.number, stage.name, "Succeeded")]
    order = min(run_order(a) for a in pending)
    earlier_busy = any(
        run_order(a) < order and status.get(a["name"]) == "InProgress" for a in declared_actions(execution)
    )
    if earlier_busy:
        return look
    starts: list[Action] = [
        StartAction(execution.number, stage.name, a["name"]) for a in pending if run_order(a) == order
    ]
    return [*look, *starts]
