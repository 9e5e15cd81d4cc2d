"""Metrics of load balancers: what a minute's counts say, and what is told where nothing came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neargate.model.balancer import Count
from neargate.model.elbv2 import HealthCheck, LoadBalancer, Target, TargetGroup
from neargate.planners.balancer_metrics import figures, grown

BALANCER = LoadBalancer(
    account="1", region="r", name="lb", id="b1", vpc_id="v", interfaces=(), dns_name="d", created=0
)
GROUP = TargetGroup(
    account="1",
    region="r",
    name="tg",
    id="g1",
    protocol="HTTP",
    port=80,
    vpc_id="v",
    health_check=HealthCheck(),
    load_balancers=(BALANCER.key,),
    created=0,
)


def target(number: int, state: str = "healthy") -> Target:
    return Target(
        account="1",
        region="r",
        group="tg/g1",
        id=f"10.0.0.{number}",
        port=80,
        zone="a",
        state=state,
        registered=0,
    )


def count(
    requests: int, status: int = 200, *, made_here: bool = False, seconds: float = 0.0, at: str = "x"
) -> Count:
    return Count(BALANCER.key, GROUP.key, at, status, made_here, requests, seconds)


def measured(
    counts: list[Count], targets: list[Target]
) -> dict[tuple[str, int], tuple[tuple[float, float], ...]]:
    """The values by metric and number of dimensions."""
    found = figures({BALANCER.key: BALANCER}, {GROUP.key: GROUP}, targets, grown((), counts))
    return {(one.name, len(one.dimensions)): one.values for one in found}


def test_requests_of_a_minute() -> None:
    counts = [count(6, seconds=3.0), count(2, 404, seconds=0.2), count(3, 503, made_here=True, at="")]
    found = measured(counts, [target(1), target(2), target(3, "unhealthy")])
    for dimensions in (1, 2):
        assert found["RequestCount", dimensions] == ((8.0, 1.0),)
        assert found["HTTPCode_Target_2XX_Count", dimensions] == ((6.0, 1.0),)
        assert found["HTTPCode_Target_4XX_Count", dimensions] == ((2.0, 1.0),)
        assert found["TargetResponseTime", dimensions] == ((0.5, 6.0), (0.1, 2.0))
    assert found["HTTPCode_ELB_5XX_Count", 1] == found["HTTPCode_ELB_503_Count", 1] == ((3.0, 1.0),)
    assert found["RequestCountPerTarget", 2] == ((4.0, 1.0),)
    assert found["HealthyHostCount", 2] == ((2.0, 1.0),)
    assert found["UnHealthyHostCount", 2] == ((1.0, 1.0),)


def test_a_silent_minute_is_zero_requests_where_there_are_targets_and_nothing_elsewhere() -> None:
    found = measured([], [target(1)])
    assert found["RequestCount", 1] == found["RequestCountPerTarget", 2] == ((0.0, 1.0),)
    assert not any(name.startswith("HTTPCode") for name, _ in found)
    assert measured([], [target(1, "draining")]) == {}


counts = st.lists(
    st.builds(
        count, st.integers(1, 50), st.sampled_from([200, 301, 404, 502]), at=st.sampled_from(["a", "b"])
    ),
    unique_by=lambda one: (one.status, one.target),
)


@given(counts, counts)
def test_what_grew_is_the_difference_and_never_negative(before: list[Count], after: list[Count]) -> None:
    old = {(one.status, one.target): one.requests for one in before}
    for one in grown(before, after):
        assert one.requests > 0
        now = next(each.requests for each in after if (each.status, each.target) == (one.status, one.target))
        earlier = old.get((one.status, one.target), 0)
        assert one.requests == (now - earlier if earlier <= now else now)
