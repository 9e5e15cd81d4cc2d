"""From a load balancer's counters to CloudWatch's metrics of AWS/ApplicationELB, for one minute.

Which metrics there are, of which dimensions, and when a zero is reported is the ELB user guide's ("CloudWatch metrics
for your Application Load Balancer"). Counters know the sum of response times, so a data point of TargetResponseTime
has one value for each target and status: their mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from neargate.model.balancer import Count
from neargate.model.cloudwatch import Dimensions
from neargate.model.elbv2 import LoadBalancer, Target, TargetGroup


@attrs.frozen
class Grown:
    """Requests of one kind that came within the minute; members as in `Count`."""

    balancer: str
    group: str
    target: str
    status: int
    made_here: bool
    requests: int
    seconds: float


@attrs.frozen
class Measured:
    """One metric's (value, count) pairs."""

    account: str
    region: str
    name: str
    unit: str
    dimensions: Dimensions
    values: tuple[tuple[float, float], ...]


def grown(before: Iterable[Count], after: Iterable[Count]) -> tuple[Grown, ...]:
    """What came in between. A count that is lower than before began anew."""
    known = {_kind(count): count for count in before}
    found = []
    for count in after:
        old = known.get(_kind(count))
        if old is not None and old.requests > count.requests:
            old = None
        requests = count.requests - (old.requests if old else 0)
        if requests:
            seconds = max(count.response_seconds - (old.response_seconds if old else 0.0), 0.0)
            found.append(Grown(*_kind(count), requests, seconds))
    return tuple(found)


def _kind(count: Count) -> tuple[str, str, str, int, bool]:
    return (count.balancer, count.group, count.target, count.status, count.made_here)


def figures(
    balancers: Mapping[str, LoadBalancer],
    groups: Mapping[str, TargetGroup],
    targets: Iterable[Target],
    traffic: Sequence[Grown],
) -> Iterator[Measured]:
    """All metrics of all load balancers (by their keys) and of the groups behind them (by theirs)."""
    by_group: dict[str, list[Target]] = {}
    for target in targets:
        if target.state not in {"draining", "unused"}:
            by_group.setdefault(target.group_key, []).append(target)
    for balancer in balancers.values():
        own = [one for one in traffic if one.balancer == balancer.key]
        behind = [group for group in groups.values() if balancer.key in group.load_balancers]
        of_balancer: Dimensions = (("LoadBalancer", balancer.full_name),)
        registered = any(by_group.get(group.key) for group in behind)
        for figure in _of_requests(own, registered=registered):
            yield _measured(balancer, of_balancer, *figure)
        yield from _made_here(balancer, of_balancer, own)
        for group in behind:
            members = by_group.get(group.key, [])
            dimensions: Dimensions = (*of_balancer, ("TargetGroup", group.full_name))
            through = [one for one in own if one.group == group.key]
            for figure in _of_requests(through, registered=bool(members)):
                yield _measured(balancer, dimensions, *figure)
            for figure in _of_targets(members, through):
                yield _measured(balancer, dimensions, *figure)


_Figure = tuple[str, str, tuple[tuple[float, float], ...]]


def _of_requests(traffic: Sequence[Grown], *, registered: bool) -> Iterator[_Figure]:
    answered = [one for one in traffic if not one.made_here]
    total = sum(one.requests for one in answered)
    if total or registered:
        yield "RequestCount", "Count", ((float(total), 1.0),)
    for kind in (2, 3, 4, 5):
        count = sum(one.requests for one in answered if one.status // 100 == kind)
        if count or (registered and total):
            yield f"HTTPCode_Target_{kind}XX_Count", "Count", ((float(count), 1.0),)
    times = tuple((one.seconds / one.requests, float(one.requests)) for one in answered)
    if times:
        yield "TargetResponseTime", "Seconds", times


def _of_targets(members: Sequence[Target], traffic: Sequence[Grown]) -> Iterator[_Figure]:
    if not members:
        return
    healthy = sum(target.state == "healthy" for target in members)
    yield "HealthyHostCount", "Count", ((float(healthy), 1.0),)
    yield "UnHealthyHostCount", "Count", ((float(len(members) - healthy), 1.0),)
    total = sum(one.requests for one in traffic if not one.made_here)
    yield "RequestCountPerTarget", "Count", ((total / (healthy or len(members)), 1.0),)


def _made_here(
    balancer: LoadBalancer, dimensions: Dimensions, traffic: Sequence[Grown]
) -> Iterator[Measured]:
    """Answers of the load balancer itself: told where there are any."""
    counts: dict[str, int] = {}
    for one in traffic:
        if one.made_here and one.status >= 300:
            names = [f"HTTPCode_ELB_{one.status // 100}XX_Count"]
            if one.status in {500, 502, 503, 504}:
                names.append(f"HTTPCode_ELB_{one.status}_Count")
            for name in names:
                counts[name] = counts.get(name, 0) + one.requests
    for name, count in sorted(counts.items()):
        yield _measured(balancer, dimensions, name, "Count", ((float(count), 1.0),))


def _measured(
    balancer: LoadBalancer,
    dimensions: Dimensions,
    name: str,
    unit: str,
    values: tuple[tuple[float, float], ...],
) -> Measured:
    return Measured(balancer.account, balancer.region, name, unit, dimensions, values)
