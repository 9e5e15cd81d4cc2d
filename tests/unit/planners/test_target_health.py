"""When a target is healthy, which targets get requests, when draining is over."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.model.balancer import Endpoint
from neargate.model.elbv2 import (
    CHECKING,
    DRAINING,
    HEALTHY,
    NOT_IN_USE,
    REGISTERING,
    HealthCheck,
    Target,
    TargetGroup,
)
from neargate.planners.target_health import (
    FAILED,
    TIMED_OUT,
    Course,
    Outcome,
    after,
    answered,
    check_of,
    drained,
    endpoints,
    matches,
    passed,
)

CHECK = HealthCheck(interval=30, healthy_threshold=3, unhealthy_threshold=2)
GROUP = TargetGroup(
    account="000000000000",
    region="us-east-1",
    name="web",
    id="0123456789abcdef",
    protocol="HTTP",
    port=80,
    vpc_id="vpc-1",
    target_type="ip",
    health_check=CHECK,
    attributes={"deregistration_delay.timeout_seconds": "300"},
    created=0.0,
)


def target(state: tuple[str, str, str] = REGISTERING, host: int = 5, **changes: Any) -> Target:
    made = Target(
        account=GROUP.account,
        region=GROUP.region,
        group="web/0123456789abcdef",
        id=f"172.31.0.{host}",
        port=80,
        zone="us-east-1a",
        state="",
        registered=100.0,
    )
    return attrs.evolve(made.entered(state, 100.0), **changes)


def course(
    outcomes: list[Outcome], pace: str = "aws", start: tuple[str, str, str] = REGISTERING
) -> list[str]:
    """The states after each check, every check when it is due."""
    one, memory, now, states = target(start), Course(), 100.0, []
    for outcome in outcomes:
        verdict = after(one, CHECK, outcome, memory, now, pace)
        if verdict.state is not None:
            one = one.entered(verdict.state, now)
        memory, now = verdict.course, verdict.next_at
        states.append(one.state)
    return states


def test_one_pass_makes_a_new_target_healthy() -> None:
    assert course([passed()]) == ["healthy"]


def test_one_failure_leaves_a_new_target_initial_and_says_that_it_was_checked() -> None:
    assert after(target(), CHECK, FAILED, Course(), 100.0, "aws").state == CHECKING


def test_as_many_failures_as_the_threshold_make_it_unhealthy() -> None:
    assert course([FAILED, FAILED]) == ["initial", "unhealthy"]
    assert course([FAILED, FAILED], start=HEALTHY) == ["healthy", "unhealthy"]


def test_a_pass_between_two_failures_begins_the_count_anew() -> None:
    assert course([FAILED, passed(), FAILED], start=HEALTHY) == ["healthy"] * 3


def test_one_that_was_unhealthy_needs_the_healthy_threshold() -> None:
    states = course([FAILED, FAILED, passed(), passed(), FAILED, passed(), passed(), passed()], start=HEALTHY)
    assert states == ["healthy", *["unhealthy"] * 6, "healthy"]


def test_the_reason_follows_what_the_last_check_found() -> None:
    unhealthy = target(("unhealthy", TIMED_OUT.reason, TIMED_OUT.description))
    found = after(unhealthy, CHECK, answered(502, "200"), Course(), 100.0, "aws").state
    assert found == (
        "unhealthy",
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [502]",
    )
    assert after(unhealthy, CHECK, TIMED_OUT, Course(), 100.0, "aws").state is None


def test_at_the_local_pace_a_new_target_is_looked_at_often_but_fails_no_sooner() -> None:
    one, memory, now = target(), Course(), 100.0
    looks = 0
    while one.state == "initial":
        verdict = after(one, CHECK, FAILED, memory, now, "local")
        if verdict.state is not None:
            one = one.entered(verdict.state, now)
        memory, failed_at, now = verdict.course, now, verdict.next_at
        looks += 1
    assert (failed_at, looks) == (100.0 + CHECK.interval, 31)
    assert now == failed_at + CHECK.interval


@given(st.lists(st.booleans(), max_size=60), st.sampled_from(["aws", "local"]))
def test_a_target_changes_state_only_for_its_reason(outcomes: list[bool], pace: str) -> None:
    states = ["initial", *course([passed() if good else FAILED for good in outcomes], pace)]
    for number, good in enumerate(outcomes):
        before, now = states[number], states[number + 1]
        assert now == before or now == ("healthy" if good else "unhealthy")
        assert not (good and before == "initial" and now != "healthy")


@pytest.mark.parametrize(
    ("matcher", "good", "bad"),
    [
        ("200", [200], [201, 404]),
        ("200,302", [200, 302], [301]),
        ("200-299, 401", [204, 299, 401], [199, 300]),
    ],
)
def test_matchers(matcher: str, good: list[int], bad: list[int]) -> None:
    assert all(matches(status, matcher) for status in good)
    assert not any(matches(status, matcher) for status in bad)


def test_healthy_targets_get_the_requests() -> None:
    unhealthy = ("unhealthy", FAILED.reason, FAILED.description)
    found = endpoints(
        GROUP, [target(HEALTHY, 5), target(REGISTERING, 6), target(unhealthy, 7), target(DRAINING, 8)]
    )
    assert [(each.address, each.serves) for each in found] == [
        ("172.31.0.5", True),
        ("172.31.0.6", False),
        ("172.31.0.7", False),
        ("172.31.0.8", False),
    ]


def test_where_none_is_healthy_all_that_are_registered_get_requests() -> None:
    unhealthy = ("unhealthy", FAILED.reason, FAILED.description)
    found = endpoints(
        GROUP, [target(unhealthy, 5), target(REGISTERING, 6), target(DRAINING, 7), target(NOT_IN_USE, 8)]
    )
    assert found == (
        Endpoint("172.31.0.5", 80, True),
        Endpoint("172.31.0.6", 80, True),
        Endpoint("172.31.0.7", 80, False),
    )


def test_draining_ends_with_the_last_request_or_with_the_delay() -> None:
    leaving = target(DRAINING, deregistered=200.0)
    busy = {(GROUP.key, leaving.id, leaving.port): 1}
    assert drained(leaving, GROUP, {}, 201.0, "local")
    assert not drained(leaving, GROUP, busy, 499.0, "local")
    assert drained(leaving, GROUP, busy, 500.0, "local")
    assert not drained(leaving, GROUP, {}, 499.0, "aws")
    assert drained(leaving, GROUP, {}, 500.0, "aws")


def test_targets_that_speak_http2_are_only_asked_to_connect() -> None:
    assert check_of(GROUP) == CHECK
    grpc = attrs.evolve(GROUP, protocol_version="GRPC")
    assert check_of(grpc) == attrs.evolve(CHECK, protocol="TCP")
    secure = attrs.evolve(grpc, health_check=attrs.evolve(CHECK, protocol="HTTPS"))
    assert check_of(secure).protocol == "TLS"
