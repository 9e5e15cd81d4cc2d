"""What a rollout's plan consists of."""

from __future__ import annotations

from operator import attrgetter
from typing import Literal

import attrs

from neargate.model.ecs import Deployment, Service

REPEAT = 6 * 3600.0
"""Seconds after which ECS says again what still holds."""

Pace = Literal["local", "aws"]


@attrs.frozen
class Start:
    """Start tasks of a deployment (its id); `replaced` of them stand in for unhealthy ones. With `zone` they go
    there, to balance the zones."""

    deployment: str
    count: int
    replaced: int = 0
    zone: str = ""


@attrs.frozen
class Stop:
    """Stop a task (its id) for this reason, in ECS's words."""

    task: str
    reason: str


@attrs.frozen
class Register:
    """Put tasks into a target group (its ARN). `places` are (task id, container port)."""

    group: str
    places: tuple[tuple[str, int], ...]


@attrs.frozen
class Deregister:
    """Take tasks out of a target group (its ARN). `places` are (task id, container port)."""

    group: str
    places: tuple[tuple[str, int], ...]


@attrs.frozen
class Discover:
    """Register a task (its id) in a Cloud Map service (its ARN), or tell that one how healthy the task is now."""

    task: str
    registry: str
    healthy: bool


@attrs.frozen
class Forget:
    """Take a task out of a Cloud Map service."""

    task: str
    registry: str


@attrs.frozen
class Shift:
    """Let a listener rule or listener (its ARN) forward with these weights, acting in the role."""

    rule: str
    role: str
    weights: tuple[tuple[str, int], ...]


@attrs.frozen
class Settle:
    """A stopped task's end has been taken into account; the service lets go of it."""

    task: str


@attrs.frozen
class Say:
    """A service event."""

    message: str


Action = Start | Stop | Register | Deregister | Discover | Forget | Shift | Settle | Say


@attrs.frozen
class Plan:
    """`service` is the record as it is to be; the actions go with it, in this order, in one transaction."""

    service: Service
    actions: tuple[Action, ...]
    waiting_for: str
    wake_at: float | None


_COUNTS = {
    "desired",
    "failed_tasks",
    "launch_failures",
    "quick_exits",
    "retry_at",
    "healthy_at",
    "noted",
    "failing",
}
_stage = attrgetter(*(f.name for f in attrs.fields(Deployment) if f.name not in _COUNTS | {"updated"}))
_others = attrgetter(*(f.name for f in attrs.fields(Service) if f.name != "deployments"))


def is_at_rest(made: Plan, before: Service, after: Service) -> bool:
    """Nothing is left to do at once after a plan that took a service from `before` to `after`.

    So it is where tasks began or ended and deployments only count that; everything else is to be looked at again.
    """
    return (
        all(isinstance(action, Start | Stop | Settle | Say) for action in made.actions)
        and _others(before) == _others(after)
        and [_stage(d) for d in before.deployments] == [_stage(d) for d in after.deployments]
    )


def say_rarely(service: Service, what: str, message: str, actions: list[Action], now: float) -> Service:
    """Say something that ECS repeats every six hours at most; `what` names it in the service's memory."""
    if now - service.said.get(what, -REPEAT) < REPEAT:
        return service
    actions.append(Say(message))
    return attrs.evolve(service, said={**service.said, what: now})
