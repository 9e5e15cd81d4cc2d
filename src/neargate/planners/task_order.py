"""`dependsOn`: which container waits for which, for how long, and the reverse order of stopping; `restartPolicy`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from neargate.model.ecs import TaskContainer, TaskDefinition
from neargate.model.records import Json

GIVE_UP = 3 * 3600.0
"""Seconds after which ECS stops a task whose dependency has no startTimeout and never gets so far."""


@attrs.frozen
class Blocked:
    """A container that may not start yet. `failure` is set where it never will; `wake_at` is when it gives up."""

    container: str
    waiting_for: str
    failure: str = ""
    wake_at: float | None = None


def blocked_by(
    definition: TaskDefinition,
    states: Mapping[str, TaskContainer],
    name: str,
    since: float,
    now: float,
) -> Blocked | None:
    """The first dependency that holds a container back, or None. `since`: when the task could first start."""
    for dependency in definition.container(name).get("dependsOn") or ():
        other = dependency["containerName"]
        condition = dependency["condition"]
        state = states[other]
        if _reached(state, condition):
            continue
        timeout = definition.container(other).get("startTimeout")
        never = condition == "SUCCESS" and state.exit_code not in (None, 0)
        if never and timeout is not None:
            text = f"dependency graph: failed to resolve container ordering dependency [{other}] for target "
            return Blocked(name, "", text + f"[{name}] as dependency did not exit successfully.")
        deadline = (state.started or since) + (GIVE_UP if timeout is None else timeout)
        if now >= deadline:
            text = f"dependency graph: container ordering dependency [{other}] for target [{name}] has timed out."
            return Blocked(name, "", text)
        return Blocked(name, _sentence(other, name, condition, never), wake_at=deadline)
    return None


def _reached(state: TaskContainer, condition: str) -> bool:
    match condition:
        case "START":
            return state.started is not None
        case "COMPLETE":
            return state.status == "STOPPED" and state.exit_code is not None
        case "SUCCESS":
            return state.status == "STOPPED" and state.exit_code == 0
        case _:
            return state.health == "HEALTHY"


def _sentence(other: str, name: str, condition: str, never: bool) -> str:
    if never:
        return f"{other} to succeed before {name} starts, which will not happen: it exited with an error"
    verb = {"START": "start", "COMPLETE": "end", "SUCCESS": "succeed", "HEALTHY": "be healthy"}[condition]
    return f"{other} to {verb} before {name} starts"


def may_stop(definition: TaskDefinition, name: str, running: Collection[str]) -> bool:
    """No running container depends on this one any more."""
    return not any(
        any(dependency["containerName"] == name for dependency in _dependencies(definition, other))
        for other in running
        if other != name
    )


def _dependencies(definition: TaskDefinition, name: str) -> list[Json]:
    return list(definition.container(name).get("dependsOn") or ())


RESTART_PERIOD = 300.0
"""Seconds that a container must have run before its restart policy starts it again, where it says nothing."""


def may_restart(definition: Json, container: TaskContainer, exit_code: int | None, ended: float) -> bool:
    """Whether the restart policy starts a container again that has exited at `ended` (facts 3.4, the agent's rule)."""
    policy = definition.get("restartPolicy") or {}
    if not policy.get("enabled") or exit_code is None or exit_code in (policy.get("ignoredExitCodes") or ()):
        return False
    began = container.started if container.restarted is None else container.restarted
    period = policy.get("restartAttemptPeriod") or RESTART_PERIOD
    return began is not None and ended - began >= period
