"""Traffic between two target groups of a service: which listener rules split it, and what they must say.

A deployment that takes over traffic has, for each load balancer, a group of its own (`targetGroupArn`) and the
other one (`advancedConfiguration.alternateTargetGroupArn`), in which the deployment before it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from neargate.model.ecs import Deployment
from neargate.planners.rollout_actions import Shift

Weights = tuple[tuple[str, int], ...]
"""Target group ARNs with their weights, as a forward action has them."""

Rules = Mapping[str, Weights | None]
"""ARN of a listener rule or listener to its weights; None where there is no such rule."""

_INVALID = "Service deployment rolled back because of invalid networking configuration"


@attrs.frozen
class Route:
    """One load balancer of a deployment. `test` is "" where it has no rule for test traffic."""

    own: str
    other: str
    production: str
    test: str
    role: str


def routes(deployment: Deployment) -> list[Route]:
    """The load balancers whose traffic a deployment takes over."""
    found = []
    for item in deployment.load_balancers:
        advanced = item.get("advancedConfiguration")
        if advanced:
            found.append(
                Route(
                    own=item["targetGroupArn"],
                    other=advanced.get("alternateTargetGroupArn") or "",
                    production=advanced.get("productionListenerRule") or "",
                    test=advanced.get("testListenerRule") or "",
                    role=advanced.get("roleArn") or "",
                )
            )
    return found


def can_split(deployment: Deployment, before: Deployment | None) -> bool:
    """The deployment before it is in the other groups, so that traffic can go to both."""
    if before is None:
        return False
    groups = {item["targetGroupArn"] for item in before.load_balancers}
    return all(route.other in groups for route in routes(deployment))


def shares(route: Route, percent: float) -> Weights:
    """The weights that send `percent` of the traffic to the deployment's own group. Tenths of a percent are kept;
    a weight is 999 at most."""
    if percent == int(percent):
        own, rest = int(percent), 100 - int(percent)
    else:
        own = round(percent * 10)
        rest = 1000 - own
    return ((route.own, own), (route.other, rest))


def shifts(deployment: Deployment, rules: Rules, *, production: bool, test: bool) -> list[Shift]:
    """What must be changed for the rules to do what the deployment's weights say."""
    found: list[Shift] = []
    for route in routes(deployment):
        wanted = []
        if production and route.production:
            wanted.append((route.production, shares(route, deployment.weight)))
        if test and route.test:
            wanted.append((route.test, shares(route, deployment.test_weight)))
        for rule, weights in wanted:
            seen = rules.get(rule)
            if seen is not None and set(seen) != set(weights):
                found.append(Shift(rule, route.role, weights))
    return found


def problem(deployment: Deployment, rules: Rules) -> str:
    """Why the traffic cannot be shifted, as the service deployment's statusReason; "" where it can."""
    for route in routes(deployment):
        production, test = rules.get(route.production), rules.get(route.test) if route.test else ()
        if production is None or test is None:
            return f"{_INVALID}. One or more rules not found"
        linked = {group for group, _ in (*production, *test)}
        for group in (route.own, route.other):
            if group not in linked:
                return (
                    f"{_INVALID}: Target group {group} is not associated with either productionListenerRule or "
                    "testListenerRule."
                )
        serving = [group for group, weight in production if weight > 0]
        if len(serving) != 1:
            return (
                f"{_INVALID}. productionListenerRule {route.production} should have exactly one target group serving "
                f"traffic but found {len(serving)} target groups which are serving traffic"
            )
        if serving[0] not in (route.own, route.other):
            return (
                f"{_INVALID}. Production listener rule is forwarding traffic to unexpected target group {serving[0]}. "
                f"Expected traffic to be forwarded to either targetGroupArn: {route.own} or "
                f"alternateTargetGroupArn: {route.other}"
            )
    return ""
