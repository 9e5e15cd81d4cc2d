"""When a target is healthy, which targets get requests, and when draining is over: pure functions.

facts/aws-behaviour.md, section 4.1. One check passed makes a new target healthy; the healthy threshold counts for one
that was unhealthy. If no target is healthy, all that are registered get requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from neargate.model.balancer import Endpoint
from neargate.model.elbv2 import CHECKING, HEALTHY, TRAFFIC_PORT, HealthCheck, Target, TargetGroup

State = tuple[str, str, str]

CHECKED = ("initial", "healthy", "unhealthy")
"""The states in which a target's health is checked."""

DISABLED: State = (
    "unavailable",
    "Target.HealthCheckDisabled",
    "Health checks are disabled for this target group",
)
_IMPATIENT = 1.0
"""Seconds between two looks at a target that never was healthy. Only a pass counts then; failures count as often as on
AWS."""


@attrs.frozen
class Outcome:
    """What a check found: `reason` and `description` of the unhealthy state it would make, "" where it passed."""

    reason: str = ""
    description: str = ""

    @property
    def ok(self) -> bool:
        return not self.reason


TIMED_OUT = Outcome("Target.Timeout", "Request timed out")
FAILED = Outcome("Target.FailedHealthChecks", "Health checks failed")


def passed() -> Outcome:
    return Outcome()


def answered(status: int, matcher: str) -> Outcome:
    """A target answered a check with this status; the matcher is `200`, `200,302` or `200-299`, or a mix."""
    if matches(status, matcher):
        return Outcome()
    return Outcome("Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]")


def matches(status: int, matcher: str) -> bool:
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if low.isdigit() and int(low) <= status <= int(high or low):
            return True
    return False


@attrs.frozen
class Course:
    """What the checker remembers of a target: checks in a row, and when a failure counted last."""

    passed: int = 0
    failed: int = 0
    failed_at: float | None = None


@attrs.frozen
class Verdict:
    """After a check: the state to record (None: it stays), what to remember, when to check next."""

    state: State | None
    course: Course
    next_at: float


def after(
    target: Target, check: HealthCheck, outcome: Outcome, course: Course, now: float, pace: str
) -> Verdict:
    """One check more."""
    state, course = _judged(target, check, outcome, course, now)
    impatient = (state or (target.state,))[0] == "initial" and pace == "local"
    pause = min(_IMPATIENT, check.interval) if impatient else check.interval
    return Verdict(state, course, now + pause)


def _judged(
    target: Target, check: HealthCheck, outcome: Outcome, course: Course, now: float
) -> tuple[State | None, Course]:
    if outcome.ok:
        count = course.passed + 1
        if target.state == "initial" or (target.state == "unhealthy" and count >= check.healthy_threshold):
            return HEALTHY, Course()
        return None, Course(passed=min(count, check.healthy_threshold))
    unhealthy: State = ("unhealthy", outcome.reason, outcome.description)
    if target.state == "unhealthy":
        changed = (target.reason, target.description) != unhealthy[1:]
        return (unhealthy if changed else None), Course()
    counted = course.failed_at is None or now - course.failed_at >= check.interval - 0.001
    if not counted:
        return None, course
    failures = course.failed + 1
    if failures >= check.unhealthy_threshold:
        return unhealthy, Course()
    entering = target.state == "initial" and target.reason != CHECKING[1]
    return (CHECKING if entering else None), Course(failed=failures, failed_at=now)


def check_of(group: TargetGroup) -> HealthCheck:
    """How its targets are checked. The checker speaks HTTP/1.1 only: of targets that speak HTTP/2 or gRPC it asks no
    more than that they take connections."""
    check = group.health_check
    if group.protocol_version in ("HTTP2", "GRPC"):
        return attrs.evolve(check, protocol="TLS" if check.protocol == "HTTPS" else "TCP")
    return check


def check_port(check: HealthCheck, target: Target) -> int:
    return target.port if check.port == TRAFFIC_PORT else int(check.port)


def endpoints(group: TargetGroup, targets: Iterable[Target]) -> tuple[Endpoint, ...]:
    """The group's targets as the balancer shall see them. An instance has no address here."""
    if group.target_type != "ip":
        return ()
    known = [target for target in targets if target.state != "unused"]
    registered = [target for target in known if target.state != "draining"]
    healthy = [target for target in registered if target.state in ("healthy", "unavailable")]
    serving = {target.key for target in healthy or registered}
    return tuple(sorted(Endpoint(target.id, target.port, target.key in serving) for target in known))


def drained(
    target: Target, group: TargetGroup, in_flight: Mapping[tuple[str, str, int], int], now: float, pace: str
) -> bool:
    """Draining is over: the delay has passed or, at the local pace, nothing runs on the target any more."""
    if now >= ends_at(target, group):
        return True
    return pace == "local" and not in_flight.get((group.key, target.id, target.port))


def ends_at(target: Target, group: TargetGroup) -> float:
    """When draining ends at the latest."""
    return (target.deregistered or target.since) + group.deregistration_delay
