"""A service's rolling deployment, as a pure function: `plan(service, tasks, now, pace, alarms)`.

What ECS promises holds for every plan: starting never takes the tasks that run or are about to above the maximum
percent, stopping never takes the healthy ones below the minimum percent, and a deployment's state never goes back
(a rollback makes the last completed deployment PRIMARY again). A task counts as healthy from its `ready` on, while
its containers and its load balancers' targets are healthy.

A deployment that cannot start its tasks waits longer after each failure. Two things are Neargate's own. A task
that ends within seconds of running is replaced at once the first time and then with growing pauses, because here
nothing else slows a crash loop down. And where the new deployment is in trouble, tasks that a completed older one
loses are replaced, as long as it is not yet replaced itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs

from neargate.model.ecs import Service, Task
from neargate.planners import ecs_events as events
from neargate.planners import rollout_registries, rollout_shift
from neargate.planners.rollout_actions import REPEAT, Action, Plan, Say, Settle, Stop, say_rarely
from neargate.planners.rollout_failures import say_trouble, settle
from neargate.planners.rollout_health import bounds, is_healthy, is_pending
from neargate.planners.rollout_monitors import Alarms, bake_seconds, judge
from neargate.planners.rollout_step import Step
from neargate.planners.rollout_targets import drain_ends, moves
from neargate.planners.rollout_traffic import Rules

NO_ALARMS: Alarms = {}
NO_RULES: Rules = {}


def plan(
    service: Service,
    tasks: Sequence[Task],
    now: float,
    pace: str = "local",
    alarms: Alarms = NO_ALARMS,
    rules: Rules = NO_RULES,
) -> Plan:
    """What to do next. `tasks` are the service's tasks that live or were not settled yet; `alarms` those that its
    deployments watch; `rules` the listener rules that split its traffic."""
    settled: list[Action] = [Settle(task.id) for task in tasks if task.status == "STOPPED"]
    live = [task for task in tasks if task.status != "STOPPED"]
    if service.status != "ACTIVE":
        made = _drain(service, live, now)
    elif rollout_shift.concerns(service):
        made = rollout_shift.plan(service, tasks, now, pace, alarms, rules)
    else:
        made = _roll(service, tasks, live, now, pace, alarms)
    stopped = [action.task for action in made.actions if isinstance(action, Stop)]
    joined = [*moves(service.name, tasks, stopped, now), *rollout_registries.moves(tasks, stopped)]
    wake_at = _earliest_after(now, [*drain_ends(live), *([made.wake_at] if made.wake_at else [])])
    return attrs.evolve(made, actions=(*made.actions, *joined, *settled), wake_at=wake_at)


def _roll(
    service: Service, tasks: Sequence[Task], live: Sequence[Task], now: float, pace: str, alarms: Alarms
) -> Plan:
    actions: list[Action] = []
    before = service
    service = settle(service, tasks, now, pace)
    service = say_trouble(before, service, actions, now)
    service = judge(service, alarms, actions, now)
    service = _balance(service, live, actions)
    step = Step(service, live, now)
    step.note_failing()
    step.start()
    step.stop()
    actions += step.actions
    service = step.service
    if (
        service.primary.id == before.primary.id
    ):  # a rollback that begins now is looked at again before it can end
        service = _finished(service, step, alarms, actions, now)
    return Plan(
        service, tuple(actions), _waiting_for(service, step, now), _wake_at(service, step, alarms, now)
    )


# -- availability zones ----------------------------------------------------------------------------------------


def _balance(service: Service, live: Sequence[Task], actions: list[Action]) -> Service:
    """A steady service whose zones differ by two tasks or more gets one in the poorest, then loses one in the
    fullest, until they do not."""
    primary = service.primary
    if service.rebalancing or not service.steady or not primary.zones:
        return service
    room = bounds(service)[1] - service.desired
    if service.zone_rebalancing != "ENABLED" or len(service.deployments) > 1 or room <= 0:
        return service
    mine = [task.zone for task in live if task.desired_status == "RUNNING"]
    counts = {zone: mine.count(zone) for zone in primary.zones}
    if len(mine) != service.desired or max(counts.values()) - min(counts.values()) < 2:
        return service
    actions.append(Say(events.zones_not_balanced(service.name, counts)))
    return attrs.evolve(service, rebalancing=1, steady=False)


# -- the end of a rollout --------------------------------------------------------------------------------------


def _finished(service: Service, step: Step, alarms: Alarms, actions: list[Action], now: float) -> Service:
    service = _say_held(service, step, actions, now)
    service = _completed(service, step, alarms, actions, now)
    if not step.settled_down:
        if step.moved or step.missing:
            return _say_blocked(attrs.evolve(service, steady=False), step, actions, now)
        return service
    if service.primary.rollout_state != "COMPLETED":
        return service
    if service.steady and now - service.said.get("steady", 0.0) < REPEAT:
        return service
    actions.append(Say(events.steady(service.name)))
    return attrs.evolve(service, steady=True, said={**service.said, "steady": now})


def _completed(service: Service, step: Step, alarms: Alarms, actions: list[Action], now: float) -> Service:
    """A deployment whose tasks are in place is COMPLETED once it has baked."""
    primary = service.primary
    if primary.rollout_state != "IN_PROGRESS" or not _in_place(service, step):
        return service
    bake = 0.0 if primary.rolls_back else bake_seconds(service, alarms)
    if primary.bake_since is None and bake:
        primary = attrs.evolve(primary, bake_since=now, updated=now)
    if bake and now < (primary.bake_since or now) + bake:
        return attrs.evolve(service, deployments=(primary, *service.deployments[1:]))
    primary = attrs.evolve(
        primary,
        rollout_state="COMPLETED",
        rollout_reason=events.completed_reason(primary.id),
        rolls_back="",
        failed_by="",
        status_reason="",
        updated=now,
    )
    actions.append(Say(events.completed(service.name, primary.id)))
    return attrs.evolve(service, deployments=(primary, *service.deployments[1:]), last_completed=primary)


def _in_place(service: Service, step: Step) -> bool:
    """Its tasks are what they are to be, or enough of them where early success is good enough."""
    early = service.deployment_configuration.get("earlySuccessCriteria") or {}
    if not early.get("enable"):
        return step.settled_down
    enough = math.ceil(service.desired * early["healthyPercent"] / 100)
    alone = early["sourceServiceRevisionCleanup"] == "DEFERRED" or len(service.deployments) == 1
    return alone and step.healthy >= enough


def _say_held(service: Service, step: Step, actions: list[Action], now: float) -> Service:
    if service.held != step.held:
        service = attrs.evolve(service, held=step.held)
    if not step.held:
        return service
    message = events.protected(service.name, service.primary.id, step.held)
    return say_rarely(service, "protected", message, actions, now)


def _say_blocked(service: Service, step: Step, actions: list[Action], now: float) -> Service:
    nothing_moves = (
        step.can_start
        and step.missing > 0
        and step.room == 0
        and not step.held
        and not (step.moved or step.stopping)
        and not any(is_pending(task) for task in step.wanted)
        and all(is_healthy(task) for task in step.wanted)
    )
    if not nothing_moves:
        return service
    return say_rarely(service, "blocked", events.blocked(service.name), actions, now)


def _drain(service: Service, live: Sequence[Task], now: float) -> Plan:
    """DeleteService: every task stops; after the last one the service is INACTIVE."""
    actions: list[Action] = []
    wanted = [task for task in live if task.desired_status == "RUNNING"]
    for task in wanted:
        actions.append(Stop(task.id, events.scaling_reason(service.primary.id)))
    running = [task.id for task in wanted if not is_pending(task)]
    if running:
        actions.append(Say(events.stopped_running(service.name, running)))
    if len(running) < len(wanted):
        actions.append(Say(events.stopped_pending(service.name, len(wanted) - len(running))))
    if not live and service.status == "DRAINING":
        service = attrs.evolve(service, status="INACTIVE", ended=now)
    waiting_for = f"{_tasks(len(live))} to stop" if live else ""
    return Plan(service, tuple(actions), waiting_for, None)


# -- what it waits for -----------------------------------------------------------------------------------------


def _waiting_for(service: Service, step: Step, now: float) -> str:
    """A sentence's end, for `waiting for …`; "" where the service is steady."""
    primary = service.primary
    if service.steady:
        return ""
    if primary.rollout_state == "FAILED":
        who = "the circuit breaker" if primary.failed_by in ("", "circuit-breaker") else "a monitor"
        return f"an update of the service: {who} has stopped deployment {primary.id}"
    if step.missing and now < primary.retry_at:
        return f"the next try to start a task, in {math.ceil(primary.retry_at - now)} s: the last one failed"
    if step.healthy < service.desired:
        return f"{step.healthy} of {service.desired} tasks to be running and healthy"
    leaving = len(step.occupying) - len([task for task in step.mine if task not in step.stopped])
    if leaving > 0:
        return f"{_tasks(leaving)} to stop"
    return "the end of the bake time" if primary.bake_since is not None else ""


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _wake_at(service: Service, step: Step, alarms: Alarms, now: float) -> float | None:
    primary = service.primary
    moments = step.moments()
    if primary.rollout_state == "IN_PROGRESS" and primary.bake_since is not None:
        moments.append(primary.bake_since + bake_seconds(service, alarms))
    if service.steady:
        moments.append(service.said.get("steady", now) + REPEAT)
    return _earliest_after(now, moments)


def _earliest_after(now: float, moments: Iterable[float]) -> float | None:
    return min((moment for moment in moments if moment > now), default=None)
