"""Moves the desired count of services: into a changed band, at scheduled times, and when alarms trigger policies.

An alarm in ALARM triggers its policies when it gets there and every minute from then on, as CloudWatch does with
scaling actions (a little later, so that the minute's measurements are there). A change and the activity that tells of
it are one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from neargate.drivers.scaling.activities import Ledger
from neargate.drivers.workqueue import WorkQueue
from neargate.model.application_autoscaling import ScalableTarget, ScalingPolicy, ScheduledAction, target_key
from neargate.model.cloudwatch import ALARM, Alarm
from neargate.model.ecs import Service
from neargate.model.errors import AwsError
from neargate.model.operations import Caller
from neargate.model.ports import Clock, Store
from neargate.model.records import Reader, Tx
from neargate.planners.scaling import Asked, Decision, Trigger, after_scaling, band, decide
from neargate.services.application_autoscaling.lookup import DIMENSION, NAMESPACE, service_of
from neargate.services.application_autoscaling.policies import triggering
from neargate.services.application_autoscaling.scheduled_actions import next_run
from neargate.services.application_autoscaling.targets import ROLE, SERVICE, role_arn
from neargate.services.cloudwatch.observation import boundary, observed, watch_of
from neargate.services.dispatch import Dispatcher

_KINDS = frozenset({ScalableTarget.KIND, ScalingPolicy.KIND, ScheduledAction.KIND, Alarm.KIND, Service.KIND})
_MINUTE = 60.0
_DATA_DELAY = 3.0  # seconds after which a minute's measurements are recorded


class ScalingDriver:
    """Keeps every scalable target where its band, its schedule and its policies want it."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._queue = WorkQueue("scaling", self.reconcile, clock)
        self._acted: dict[str, tuple[object, ...]] = {}
        """For which states of which alarms, in which minute, a target's policies were asked last."""

    async def run(self) -> None:
        """Work until cancelled."""
        await self._queue.serve(self._store, _KINDS, self._target_of, self._keys())

    def _keys(self) -> Iterator[str]:
        yield from self._store.read(lambda view: [target.key for target in view.scan(ScalableTarget)])

    def _target_of(self, kind: str, key: str) -> str | None:
        """The target that a change concerns."""
        if kind == Service.KIND:
            account, region, cluster, name = key.split("/", 3)
            return target_key(account, region, NAMESPACE, f"service/{cluster}/{name}", DIMENSION)
        if kind != Alarm.KIND:
            return key.partition("\n")[0]
        alarm = self._store.read(lambda view: view.get(Alarm, key))
        for arn in alarm.alarm_actions if alarm is not None else ():
            resource = _resource_of(arn)
            if alarm is not None and resource is not None:
                return target_key(alarm.account, alarm.region, NAMESPACE, resource, DIMENSION)
        return None

    async def reconcile(self, key: str) -> float | None:
        """One look at a target; when to look again."""
        now = self._clock.now()
        look = self._store.read(lambda view: _Look.at(view, key, now))
        if look is None:
            self._acted.pop(key, None)
            return None
        fresh = bool(look.occasion) and self._acted.get(key) != look.occasion
        if look.due or look.target.band_cause or look.unfinished or fresh:
            await self._store.write(lambda tx: self._carry_out(tx, key, now, fresh=fresh))
            if fresh:
                self._acted[key] = look.occasion
        return look.wake_at

    def _carry_out(self, tx: Tx, key: str, now: float, *, fresh: bool) -> None:
        """Everything that is due, in the order in which it counts: schedule, band, policies."""
        for action in _due(tx, key, now):
            _run_scheduled(tx, action, self._ledger(tx, key, now), now)
        look = _Look.at(tx, key, now)
        if look is None:
            return
        ledger = self._ledger(tx, key, now)
        ledger.settle(look.service)
        if look.target.band_cause:
            tx.put(attrs.evolve(look.target, band_cause=""))
            count = band(look.target, look.service.desired)
            if count is not None:
                self._set(tx, look.target, ledger, count, look.target.band_cause)
            return
        decision = look.decision(tx, now) if fresh else None
        if decision is not None:
            self._follow(tx, look, ledger, decision, now)

    def _follow(self, tx: Tx, look: _Look, ledger: Ledger, decision: Decision, now: float) -> None:
        if decision.count is None:
            ledger.not_scaled(decision)
            return
        before = look.service.desired
        if self._set(tx, look.target, ledger, decision.count, decision.cause) and decision.policy is not None:
            tx.put(after_scaling(decision.policy, before, decision.count, now))

    def _set(self, tx: Tx, target: ScalableTarget, ledger: Ledger, count: int, cause: str) -> bool:
        """Ask ECS for another count, and say so. False where ECS refused it."""
        cluster, service = service_of(target.resource)
        cx = self._dispatcher.context(tx, _actor(target))
        try:
            request = {"cluster": cluster, "service": service, "desiredCount": count}
            cx.invoke("ecs", "UpdateService", request)
        except AwsError as error:
            ledger.failed(count, cause, error.message)
            return False
        ledger.began(count, cause)
        return True

    def _ledger(self, tx: Tx, key: str, now: float) -> Ledger:
        return Ledger(tx, key, now, self._dispatcher.ids)


@attrs.frozen
class _Look:
    """What there is of a target: the service, its policies, and the alarms that are in ALARM."""

    target: ScalableTarget
    service: Service
    policies: tuple[ScalingPolicy, ...]
    alarms: tuple[Alarm, ...]
    due: bool
    unfinished: bool
    occasion: tuple[object, ...]
    wake_at: float | None

    @classmethod
    def at(cls, view: Reader, key: str, now: float) -> _Look | None:
        target = view.get(ScalableTarget, key)
        if target is None:
            return None
        service = view.get(Service, _service_key(target))
        if service is None or service.status != "ACTIVE":
            return None
        policies = tuple(view.scan(ScalingPolicy, key + "\n"))
        alarms = _in_alarm(view, target, policies)
        times = [action.due for action in view.scan(ScheduledAction, key + "\n") if action.due is not None]
        minutes = [max(int((now - alarm.transitioned - _DATA_DELAY) // _MINUTE), 0) for alarm in alarms]
        due = any(each <= now for each in times)
        for alarm, minute in zip(alarms, minutes, strict=True):
            times.append(alarm.transitioned + (minute + 1) * _MINUTE + _DATA_DELAY)
        return cls(
            target,
            service,
            policies,
            alarms,
            due,
            Ledger.unfinished(view, key),
            tuple((alarm.key, alarm.transitioned, n) for alarm, n in zip(alarms, minutes, strict=True)),
            min(times, default=None),
        )

    def decision(self, view: Reader, now: float) -> Decision | None:
        """What the policies want now."""
        asked = [
            Asked(
                policy,
                tuple(_trigger(view, alarm, now) for alarm in self.alarms if triggering(alarm, policy)),
            )
            for policy in self.policies
        ]
        deployments = self.service.deployments
        deploying = len(deployments) > 1 or any(one.rollout_state == "IN_PROGRESS" for one in deployments)
        return decide(self.target, self.service.desired, asked, now, deploying=deploying)


def _trigger(view: Reader, alarm: Alarm, now: float) -> Trigger:
    watch = watch_of(alarm)
    seen = observed(view, alarm, watch, boundary(alarm, now))
    values = [one.value for one in seen if one.value is not None][-watch.periods :]
    below = watch.comparison.startswith("LessThan")
    return Trigger(alarm.name, tuple(values), watch.threshold, below)


def _in_alarm(view: Reader, target: ScalableTarget, policies: Sequence[ScalingPolicy]) -> tuple[Alarm, ...]:
    if not policies:
        return ()
    return tuple(
        alarm
        for alarm in view.scan(Alarm, f"{target.account}/{target.region}/")
        if alarm.state == ALARM
        and alarm.actions_enabled
        and not alarm.composite
        and any(triggering(alarm, policy) for policy in policies)
    )


def _due(view: Reader, key: str, now: float) -> list[ScheduledAction]:
    actions = view.scan(ScheduledAction, key + "\n")
    due = [action for action in actions if action.due is not None and action.due <= now]
    return sorted(due, key=lambda action: action.due or 0.0)


def _run_scheduled(tx: Tx, action: ScheduledAction, ledger: Ledger, now: float) -> None:
    """Change the band, unless that is suspended, and find out when it is due again."""
    tx.put(attrs.evolve(action, due=next_run(action, now)))
    target = tx.get(ScalableTarget, action.target_key)
    if target is None or target.suspended.get("ScheduledScalingSuspended"):
        return
    minimum = target.minimum if action.minimum is None else action.minimum
    maximum = target.maximum if action.maximum is None else action.maximum
    # An action that gives one bound moves the other where they would cross.
    if action.minimum is None:
        minimum = min(minimum, maximum)
    elif action.maximum is None:
        maximum = max(minimum, maximum)
    changed = f"minimum capacity was set to {minimum}"
    if minimum == target.minimum and maximum != target.maximum:
        changed = f"maximum capacity was set to {maximum}"
    tx.put(attrs.evolve(target, minimum=minimum, maximum=maximum, band_cause=changed))
    ledger.band(minimum, maximum, action.name)


def _service_key(target: ScalableTarget) -> str:
    cluster, service = service_of(target.resource)
    return f"{target.account}/{target.region}/{cluster}/{service}"


def _resource_of(arn: str) -> str | None:
    """The resource in the ARN of an ECS service's scaling policy."""
    _, found, rest = arn.partition(":resource/ecs/")
    return rest.partition(":policyName/")[0] if found and arn.split(":")[2] == "autoscaling" else None


def _actor(target: ScalableTarget) -> Caller:
    """Application Auto Scaling, in its service-linked role."""
    return Caller(
        account=target.account,
        region=target.region,
        principal=f"arn:aws:sts::{target.account}:assumed-role/{ROLE}/AutoScaling-UpdateDesiredCapacity",
        role=role_arn(target.account),
        via=SERVICE,
    )
