"""Blue/green, canary and linear deployments, as a pure function.

Two deployments of a service run side by side, each at the service's full size: blue, the last one completed, and
green, the new one. Green goes through AWS's lifecycle stages; blue stops in the last of them. A deployment that
fails on the way gives the traffic back to blue before its tasks stop.

Each colour is kept at its size as a rolling service of its own is (`rollout_step`), with the same bounds. One plan
enters one stage at most, so that each can be seen. Without a load balancer the stages are the same, with no traffic
to shift.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from neargate.model.ecs import Deployment, Service, Task
from neargate.planners import ecs_events as events
from neargate.planners.rollout_actions import Action, Plan, Say, say_rarely
from neargate.planners.rollout_failures import say_trouble, settle
from neargate.planners.rollout_health import bounds
from neargate.planners.rollout_hooks import continue_or_pause, hook_failure
from neargate.planners.rollout_monitors import (
    Alarms,
    Failure,
    bake_seconds,
    fail,
    judge,
    traffic_failure,
)
from neargate.planners.rollout_step import Step
from neargate.planners.rollout_traffic import Rules, can_split, problem, shifts

STAGES = (
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
)
BEFORE_EACH_SHIFT = "PRE_PRODUCTION_TRAFFIC_SHIFT"
"""No stage of its own, but hooks can wait there before each step of the production traffic."""

_CANARY_PERCENT, _CANARY_BAKE = 5.0, 10
_STEP_PERCENT, _STEP_BAKE = 10.0, 6
_TRAFFIC_AGAIN = 15.0  # seconds after a load balancer refused to shift


def concerns(service: Service) -> bool:
    """Whether this planner leads the service now: two colours are there, or one that is on its way."""
    primary = service.primary
    if primary.traffic == "ROLLING":
        return False
    return primary.rollout_state == "IN_PROGRESS" or len(service.deployments) > 1


def plan(
    service: Service, tasks: Sequence[Task], now: float, pace: str, alarms: Alarms, rules: Rules
) -> Plan:
    """What to do next for a service that `concerns` this planner."""
    actions: list[Action] = []
    before = service
    live = [task for task in tasks if task.status != "STOPPED"]
    service = settle(service, tasks, now, pace)
    service = say_trouble(before, service, actions, now)
    service = judge(service, alarms, actions, now)
    failure = _failure(service.primary, rules, now)
    if failure is not None:
        service = fail(service, failure, actions, now)
    course = _Course(service, live, now, alarms, rules, actions)
    if service.primary.rollout_state != "IN_PROGRESS":
        course.hold()
    elif service.primary.rolls_back:
        course.go_back()
    else:
        course.go_on()
    return Plan(course.outcome(), tuple(actions), course.waiting_for, course.wake_at)


def _failure(green: Deployment, rules: Rules, now: float) -> Failure | None:
    """Why a deployment that is on its way fails, besides what its monitors say: a hook, or the load balancer.

    The rules are looked at before anything is shifted: later it is this deployment that changes them.
    """
    if green.rollout_state != "IN_PROGRESS" or green.rolls_back:
        return None
    hooked = hook_failure(green, now)
    if hooked is not None:
        return hooked
    early = green.stage in ("PRE_SCALE_UP", "SCALE_UP")
    why = green.traffic_error or (problem(green, rules) if early else "")
    return traffic_failure(why) if why else None


def _index(stage: str) -> int:
    return STAGES.index(stage) if stage else -1


class _Course:
    """One look at both colours."""

    def __init__(
        self,
        service: Service,
        live: Sequence[Task],
        now: float,
        alarms: Alarms,
        rules: Rules,
        actions: list[Action],
    ) -> None:
        self.service = service
        self.live = live
        self.now = now
        self.alarms = alarms
        self.rules = rules
        self.actions = actions
        self.green = service.primary
        self.others = list(service.deployments[1:])
        self.blue = self._find_blue()
        self.moments: list[float] = []
        self.waiting_for = ""
        self.held = 0
        self.completed = False

    def _find_blue(self) -> Deployment | None:
        """The deployment that serves until green does: the last completed one, or one that has traffic already."""
        last = self.service.last_completed
        found = [d for d in self.others if last is not None and d.id == last.id]
        serving = [d for d in self.others if d.weight > 0 or d.traffic == "ROLLING"]
        return next(iter(found or serving), None)

    @property
    def wake_at(self) -> float | None:
        return min((moment for moment in self.moments if moment > self.now), default=None)

    def outcome(self) -> Service:
        kept = [
            d for d in self.others if d.desired > 0 or any(t.deployment == d.id for t in self._occupying())
        ]
        service = attrs.evolve(self.service, deployments=(self.green, *kept), steady=False, held=self.held)
        if self.held:
            message = events.protected(service.name, service.primary.id, self.held)
            service = say_rarely(service, "protected", message, self.actions, self.now)
        if self.completed:
            service = attrs.evolve(service, last_completed=self.green)
        return service

    # -- forward ---------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Enter the next stage where this one has done what it is for, then do what the stage is for."""
        self._enter_next()
        green = self.green
        step = self._keep_green(self.service.desired if _index(green.stage) >= _index("SCALE_UP") else 0)
        able = self._blue_is_able()
        self._keep_others(0 if green.stage == "CLEAN_UP" else self.service.desired, stragglers_stop=able)
        if able:
            self._shift()
        cleaning = green.stage == self.service.primary.stage == "CLEAN_UP"
        if cleaning and not self._left() and self._whole(step):
            self._complete()

    def _enter_next(self) -> None:
        following = self._following()
        if following is None:
            return
        green = continue_or_pause(self.service, self.green, following, self.now)
        self.green = green
        waiting = [hook for hook in green.hooks if hook.status == "AWAITING_ACTION"]
        if waiting:
            self.moments.append(waiting[0].expires)
            self.waiting_for = f"ContinueServiceDeployment for the hook {waiting[0].id}"
            return
        if following == "PRODUCTION_TRAFFIC_SHIFT":
            self.green = attrs.evolve(green, weight=self._next_weight(), weighed=self.now)
        elif following == "TEST_TRAFFIC_SHIFT":
            self.green = attrs.evolve(green, test_weight=100.0)
        if following != green.stage:
            self.green = attrs.evolve(self.green, stage=following, stage_since=self.now, updated=self.now)

    def _following(self) -> str | None:
        """The stage to enter now; PRODUCTION_TRAFFIC_SHIFT again for its next step. None: not yet."""
        green = self.green
        if not green.stage:
            return "RECONCILE_SERVICE" if self._stragglers() else "PRE_SCALE_UP"
        if not self._is_done(green.stage):
            return None
        if green.stage == "PRODUCTION_TRAFFIC_SHIFT" and green.weight < 100:
            return green.stage
        return STAGES[_index(green.stage) + 1] if green.stage != "CLEAN_UP" else None

    def _is_done(self, stage: str) -> bool:
        green, now = self.green, self.now
        if stage == "RECONCILE_SERVICE":
            self.waiting_for = "older deployments to stop"
            return not self._stragglers()
        if stage == "SCALE_UP":
            return self._whole(self._look(green, self.service.desired))
        if stage in ("TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT") and self._to_shift():
            return False
        if stage == "PRODUCTION_TRAFFIC_SHIFT" and green.weight < 100:
            return self._waited((green.weighed or now) + self._step_bake(), "the next step of the traffic")
        if stage == "BAKE_TIME":
            until = green.stage_since + bake_seconds(self.service, self.alarms)
            return self._waited(until, "the end of the bake time")
        return True

    def _waited(self, until: float, what: str) -> bool:
        self.moments.append(until)
        self.waiting_for = what
        return self.now >= until

    def _next_weight(self) -> float:
        """Percent of the production traffic after the next step."""
        configuration = self.service.deployment_configuration
        if not can_split(self.green, self.blue):
            return 100.0
        if self.green.traffic == "CANARY" and self.green.weight == 0:
            return float(
                (configuration.get("canaryConfiguration") or {}).get("canaryPercent", _CANARY_PERCENT)
            )
        if self.green.traffic == "LINEAR":
            step = (configuration.get("linearConfiguration") or {}).get("stepPercent", _STEP_PERCENT)
            return min(100.0, round(self.green.weight + float(step), 1))
        return 100.0

    def _step_bake(self) -> float:
        """Seconds between two steps of the production traffic."""
        configuration = self.service.deployment_configuration
        if self.green.traffic == "CANARY":
            given = configuration.get("canaryConfiguration") or {}
            return 60.0 * float(given.get("canaryBakeTimeInMinutes", _CANARY_BAKE))
        given = configuration.get("linearConfiguration") or {}
        return 60.0 * float(given.get("stepBakeTimeInMinutes", _STEP_BAKE))

    def _complete(self) -> None:
        green = self.green
        rolled_back = bool(green.rolls_back)
        self.green = attrs.evolve(
            green,
            rollout_state="COMPLETED",
            rollout_reason=events.completed_reason(green.id),
            rolls_back="",
            failed_by="",
            status_reason="",
            hooks=(),
            stage="",
            traffic_error="",
            weight=100.0,
            updated=self.now,
        )
        self.completed = True
        self.actions.append(Say(events.completed(self.service.name, green.id)))
        if rolled_back:
            self.others = []

    # -- back ------------------------------------------------------------------------------------------------

    def go_back(self) -> None:
        """Blue is PRIMARY again: it gets the traffic as soon as it can carry it, then the others stop."""
        step = self._keep_green(self.service.desired)
        able = step.healthy >= bounds(self.service)[0]
        if self.green.weight < 100 or self.green.test_weight < 100:
            self._retire(stop=False)
            if not able:
                self._enter("SCALE_UP")
                self.waiting_for = f"{step.healthy} of {self.service.desired} tasks to be running and healthy"
                return
            self.green = attrs.evolve(self.green, weight=100.0, test_weight=100.0, weighed=self.now)
            self._enter("PRODUCTION_TRAFFIC_SHIFT")
        elif self._to_shift():
            self._retire(stop=False)
        else:
            self._enter("CLEAN_UP")
            self._retire(stop=True)
        self._shift()
        if self.green.stage == "CLEAN_UP" and not self._left() and self._whole(step):
            self._complete()

    def hold(self) -> None:
        """A deployment has failed and is not to be rolled back: everything stays as it is, blue at its size."""
        self._keep_green(self._alive(self.green))
        self._keep_others(self.service.desired)
        self.waiting_for = f"an update of the service: deployment {self.green.id} has failed"

    def _enter(self, stage: str) -> None:
        if self.green.stage != stage:
            self.green = attrs.evolve(self.green, stage=stage, stage_since=self.now, updated=self.now)

    def _retire(self, *, stop: bool) -> None:
        """The others stop, or stay as they are."""
        for number, other in enumerate(self.others):
            self.others[number], _ = self._keep(other, 0 if stop else self._alive(other))

    # -- tasks -----------------------------------------------------------------------------------------------

    def _stragglers(self) -> list[Deployment]:
        return [d for d in self.others if self.blue is None or d.id != self.blue.id]

    def _keep_green(self, size: int) -> Step:
        self.green, step = self._keep(self.green, size)
        if not self.waiting_for and step.healthy < size:
            self.waiting_for = f"{step.healthy} of {size} tasks to be running and healthy"
        return step

    def _blue_is_able(self) -> bool:
        """False while blue is to get all traffic back from a deployment that was given up, and cannot carry it."""
        if self.green.stage != "RECONCILE_SERVICE" or self.blue is None:
            return True
        return self._look(self.blue, self.service.desired).healthy >= bounds(self.service)[0]

    def _keep_others(self, blue_size: int, *, stragglers_stop: bool = True) -> None:
        for number, other in enumerate(self.others):
            is_blue = self.blue is not None and other.id == self.blue.id
            straggler_size = 0 if stragglers_stop else self._alive(other)
            self.others[number], _ = self._keep(other, blue_size if is_blue else straggler_size)

    def _keep(self, deployment: Deployment, size: int) -> tuple[Deployment, Step]:
        """Bring one colour to its size, as a service of its own."""
        step = self._look(deployment, size)
        step.note_failing()
        step.start()
        step.stop()
        self.actions += step.actions
        self.moments += step.moments()
        self.held += step.held
        return step.service.deployments[0], step

    def _look(self, deployment: Deployment, size: int) -> Step:
        alone = attrs.evolve(self.service, deployments=(deployment,), desired=size, rebalancing=0)
        return Step(alone, [task for task in self.live if task.deployment == deployment.id], self.now)

    def _whole(self, step: Step) -> bool:
        return step.settled_down and step.service.desired == self.service.desired

    def _alive(self, deployment: Deployment) -> int:
        return sum(1 for t in self.live if t.deployment == deployment.id and t.desired_status == "RUNNING")

    def _occupying(self) -> list[Task]:
        return [task for task in self.live if task.status != "DEPROVISIONING"]

    def _left(self) -> list[Deployment]:
        """The others that still have tasks."""
        return [d for d in self.others if any(t.deployment == d.id for t in self._occupying())]

    # -- traffic ---------------------------------------------------------------------------------------------

    def _to_shift(self) -> list[Action]:
        """What the load balancers do not do yet of what the stage wants."""
        back = bool(self.green.rolls_back)
        if not back and self.green.stage == "RECONCILE_SERVICE" and self.blue is not None:
            whole = attrs.evolve(self.blue, weight=100.0, test_weight=100.0)
            return list(shifts(whole, self.rules, production=True, test=True))
        tests = back or _index(self.green.stage) >= _index("TEST_TRAFFIC_SHIFT")
        serves = back or _index(self.green.stage) >= _index("PRODUCTION_TRAFFIC_SHIFT")
        return list(shifts(self.green, self.rules, production=serves, test=tests))

    def _shift(self) -> None:
        wanted = self._to_shift()
        self.actions += wanted
        if wanted:
            self.waiting_for = "the load balancer to shift its traffic"
            self.moments.append(self.now + _TRAFFIC_AGAIN)
