"""How many there should be: the plan for one scalable target, from its policies and the alarms that trigger them.

The rules are those of the Application Auto Scaling user guide. Scaling out wins over scaling in; of several policies
the one with the largest capacity. Target tracking scales in only when all its policies with scale-in agree. During a
scale-out cooldown only a larger scale-out happens, reckoned from before the first one; during a scale-in cooldown no
further scale-in. What target tracking makes of a metric's value is AWS's own: here the capacity at which the load
would sit at the target, rounded up, from the mean of the breaching data points when scaling out and from the highest
one when scaling in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from neargate.model.application_autoscaling import ScalableTarget, ScalingPolicy
from neargate.model.records import Json

TRACKING, STEP = "TargetTrackingScaling", "StepScaling"
DEFAULT_COOLDOWN = 300.0
"""Seconds, for ECS services, where a policy names none."""

LOW_SHARE = 0.9
"""Below which part of the target value AlarmLow watches."""


@attrs.frozen
class Trigger:
    """An alarm in ALARM that names a policy. `values` are the data points that it looked at, oldest first."""

    alarm: str
    values: tuple[float, ...]
    threshold: float
    below: bool
    """Whether it watches for values below the threshold."""


@attrs.frozen
class Asked:
    """A policy and the alarms that trigger it now; `quiet` where none does."""

    policy: ScalingPolicy
    triggers: tuple[Trigger, ...] = ()


@attrs.frozen
class Decision:
    """What to do: set `count`, because of an alarm and a policy; or nothing, and `reasons` why."""

    count: int | None
    alarm: str = ""
    policy: ScalingPolicy | None = None
    reasons: tuple[Json, ...] = ()

    @property
    def cause(self) -> str:
        name = self.policy.name if self.policy else ""
        return f"monitor alarm {self.alarm} in state ALARM triggered policy {name}"


@attrs.frozen
class _Proposal:
    count: int
    alarm: str
    policy: ScalingPolicy


def decide(
    target: ScalableTarget, current: int, asked: Sequence[Asked], now: float, *, deploying: bool
) -> Decision | None:
    """None where no alarm asks for anything. `deploying`: a deployment of the service is in progress."""
    proposals = [
        _Proposal(count, trigger.alarm, one.policy)
        for one in asked
        for trigger in one.triggers
        if (count := _wanted(one.policy, trigger, current, now)) is not None
    ]
    outward = [proposal for proposal in proposals if proposal.count > current]
    if outward:
        return _out(target, current, max(outward, key=lambda each: each.count))
    inward = [proposal for proposal in proposals if proposal.count < current]
    if inward:
        return _in(target, current, asked, inward, now, deploying=deploying)
    if not proposals:
        return None
    same = proposals[0]
    return _not_scaled(same, "AlreadyAtDesiredCapacity", CurrentCapacity=current)


def band(target: ScalableTarget, current: int) -> int | None:
    """The count that a changed band asks for, or None where it lies within."""
    count = min(max(current, target.minimum), target.maximum)
    return None if count == current else count


def after_scaling(policy: ScalingPolicy, before: int, count: int, now: float) -> ScalingPolicy:
    """What a policy remembers for its cooldowns. A scale-out within a cooldown keeps where the first one began."""
    if count < before:
        return attrs.evolve(policy, in_at=now)
    cooling = now < policy.out_at + _cooldown(policy, out=True) and before == policy.out_to
    return attrs.evolve(policy, out_at=now, out_from=policy.out_from if cooling else before, out_to=count)


# -- one policy --------------------------------------------------------------------------------------------


def _wanted(policy: ScalingPolicy, trigger: Trigger, current: int, now: float) -> int | None:
    """The capacity that a policy asks for; None where its steps say nothing of such a value."""
    if not trigger.values and policy.kind == TRACKING:
        return None
    cooling = now < policy.out_at + _cooldown(policy, out=True) and current == policy.out_to
    base = policy.out_from if cooling else current
    if policy.kind == TRACKING:
        return _tracked(policy, trigger, base if not trigger.below else current)
    value = _aggregated(policy, trigger)
    count = _stepped(policy, value - trigger.threshold, current, trigger.below)
    if count is not None and count > current and cooling:
        larger = _stepped(policy, value - trigger.threshold, base, trigger.below)
        return max(current, larger or current)
    return count


def _tracked(policy: ScalingPolicy, trigger: Trigger, base: int) -> int:
    goal = float(policy.configuration["TargetValue"])
    if trigger.below:
        return min(base, math.ceil(round(base * max(trigger.values) / goal, 6)))
    mean = sum(trigger.values) / len(trigger.values)
    return max(base, math.ceil(round(base * mean / goal, 6)))


def _aggregated(policy: ScalingPolicy, trigger: Trigger) -> float:
    """The data points that the alarm looked at, as the policy's MetricAggregationType puts them together; the
    threshold for an alarm without any, whose state was set by hand."""
    if not trigger.values:
        return trigger.threshold
    kind = policy.configuration.get("MetricAggregationType", "Average")
    if kind == "Maximum":
        return max(trigger.values)
    if kind == "Minimum":
        return min(trigger.values)
    return sum(trigger.values) / len(trigger.values)


def _stepped(policy: ScalingPolicy, breach: float, current: int, below: bool) -> int | None:
    step = next((one for one in policy.configuration["StepAdjustments"] if _holds(one, breach, below)), None)
    if step is None:
        return None
    adjustment, kind = int(step["ScalingAdjustment"]), policy.configuration["AdjustmentType"]
    if kind == "ExactCapacity":
        return adjustment
    if kind == "ChangeInCapacity":
        return max(current + adjustment, 0)
    change = _percent(current, adjustment)
    fewest = int(policy.configuration.get("MinAdjustmentMagnitude") or 0)
    if change and abs(change) < fewest:
        change = fewest if change > 0 else -fewest
    return max(current + change, 0)


def _holds(step: Json, breach: float, below: bool) -> bool:
    """Lower bounds are inclusive and upper ones exclusive; for an alarm on low values it is the other way round."""
    low = step.get("MetricIntervalLowerBound")
    high = step.get("MetricIntervalUpperBound")
    if below:
        return (low is None or breach > low) and (high is None or breach <= high)
    return (low is None or breach >= low) and (high is None or breach < high)


def _percent(current: int, percent: int) -> int:
    """Rounded towards zero, and at least one."""
    change = current * percent / 100
    if 0 < change < 1:
        return 1
    if -1 < change < 0:
        return -1
    return math.trunc(change)


def _cooldown(policy: ScalingPolicy, *, out: bool) -> float:
    if policy.kind == STEP:
        given = policy.configuration.get("Cooldown")
    else:
        given = policy.configuration.get("ScaleOutCooldown" if out else "ScaleInCooldown")
    return DEFAULT_COOLDOWN if given is None else float(given)


# -- all of them -------------------------------------------------------------------------------------------


def _out(target: ScalableTarget, current: int, proposal: _Proposal) -> Decision | None:
    if target.suspended.get("DynamicScalingOutSuspended"):
        return None
    count = max(min(proposal.count, target.maximum), target.minimum)
    if count <= current:
        return _not_scaled(proposal, "AlreadyAtMaxCapacity", MaxCapacity=target.maximum)
    return Decision(count, proposal.alarm, proposal.policy)


def _in(
    target: ScalableTarget,
    current: int,
    asked: Sequence[Asked],
    proposals: Sequence[_Proposal],
    now: float,
    *,
    deploying: bool,
) -> Decision | None:
    if target.suspended.get("DynamicScalingInSuspended"):
        return None
    agreed = _agreeing(asked, proposals)
    cooled = [one for one in agreed if now >= _cooled_at(one.policy)]
    if not cooled:
        return None
    proposal = max(cooled, key=lambda each: each.count)
    if deploying:
        return _not_scaled(proposal, "TargetServicePutResourceAsUnscalable")
    count = max(proposal.count, target.minimum)
    if count >= current:
        return _not_scaled(proposal, "AlreadyAtMinCapacity", MinCapacity=target.minimum)
    return Decision(count, proposal.alarm, proposal.policy)


def _agreeing(asked: Sequence[Asked], proposals: Sequence[_Proposal]) -> list[_Proposal]:
    """Those of target tracking count only when every policy of that kind that may scale in wants to."""
    tracking = [
        one.policy.name
        for one in asked
        if one.policy.kind == TRACKING and not one.policy.configuration.get("DisableScaleIn")
    ]
    wanting = {proposal.policy.name for proposal in proposals}
    unanimous = all(name in wanting for name in tracking)
    return [
        one
        for one in proposals
        if one.policy.kind != TRACKING or (unanimous and not one.policy.configuration.get("DisableScaleIn"))
    ]


def _cooled_at(policy: ScalingPolicy) -> float:
    """When a policy may scale in again."""
    return policy.in_at + _cooldown(policy, out=False) if policy.in_at else 0.0


def _not_scaled(proposal: _Proposal, code: str, **capacity: int) -> Decision:
    return Decision(None, proposal.alarm, proposal.policy, ({"Code": code, **capacity},))
