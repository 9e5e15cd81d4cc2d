"""The port to the data plane of load balancers: what is to be served, its counters, its errors, the verbs.

A balancer belongs to one server (its owner) and serves all of its load balancers. It is told everything that is
wanted at once, in the records of `model/elbv2`, and makes it so; told the same again, it does nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import attrs

from neargate.model.elbv2 import Listener, LoadBalancer, Rule, TargetGroup

LOOPBACK = "127.0.0.1"
WEB = ("HTTP", "HTTPS")
"""The protocols of listeners that an application load balancer has."""
SERVED_PROTOCOLS = (*WEB, "TCP", "TLS")


class BalancerFailure(Exception):
    """What a balancer could not do. The text is for a person."""


class BalancerUnavailable(BalancerFailure):
    """This machine has nothing to balance with. `how_to_fix` is the next step."""

    def __init__(self, reason: str, how_to_fix: str) -> None:
        super().__init__(f"{reason} {how_to_fix}".strip())
        self.reason = reason
        self.how_to_fix = how_to_fix


@attrs.frozen(order=True)
class Endpoint:
    """A target's address. One that does not `serve` gets no new request, but what runs on it goes on."""

    address: str
    port: int
    serves: bool = True


@attrs.frozen
class Pool:
    """A target group with its targets, sorted."""

    group: TargetGroup
    endpoints: tuple[Endpoint, ...] = ()


@attrs.frozen
class Certificate:
    """A TLS certificate with its chain and its key, as PEM."""

    chain: str
    key: str


@attrs.frozen
class Entry:
    """A listener with its rules, by priority, and where it answers on this machine's loopback address.

    All HTTP and HTTPS listeners may share a `door`: the Host header (or SNI) tells them apart. 0: none.
    """

    listener: Listener
    rules: tuple[Rule, ...] = ()
    door: int = 0


@attrs.frozen
class Served:
    """A load balancer with its listeners. `addresses` are those of its VPC that are this machine's just now."""

    balancer: LoadBalancer
    entries: tuple[Entry, ...] = ()
    addresses: tuple[str, ...] = ()


@attrs.frozen
class Traffic:
    """All that is to be served. Every target group that a rule names is in `pools`, by its ARN; every certificate
    of an HTTPS listener in `certificates`."""

    served: tuple[Served, ...] = ()
    pools: Mapping[str, Pool] = attrs.field(factory=dict)
    certificates: Mapping[str, Certificate] = attrs.field(factory=dict)


@attrs.frozen
class Count:
    """Requests of one kind, all since the balancer's process began. `target` is `ADDRESS:PORT`, "" where none was
    asked; `group` the target group's key, "" where no rule forwarded.

    `made_here` tells an answer that the balancer made (a redirect, a fixed response, 502, 503, 504) from one of a
    target. `response_seconds` is these requests' share of the sum of TargetResponseTime, which is measured for a
    target group as a whole: what passed until its targets' answers were there.
    """

    balancer: str
    group: str
    target: str
    status: int
    made_here: bool
    requests: int
    response_seconds: float = 0.0


@attrs.frozen
class Counters:
    """What went through. `began` names the process that counted: where it differs from last time, all counts began
    anew at zero. `counts` has at most one item for the same balancer, group, target, status and `made_here`."""

    began: str
    counts: tuple[Count, ...] = ()


def shared(
    requests: Mapping[tuple[str, str, str, int, bool], int], seconds: Mapping[str, float]
) -> tuple[Count, ...]:
    """Counts from numbers of requests, by their first five members, and from the response times of target groups."""
    answered: dict[str, int] = {}
    for (_, group, _, _, made_here), number in requests.items():
        if not made_here:
            answered[group] = answered.get(group, 0) + number
    counts = []
    for key, number in sorted(requests.items()):
        _, group, _, _, made_here = key
        share = 0.0 if made_here else seconds.get(group, 0.0) * number / answered[group]
        counts.append(Count(*key, requests=number, response_seconds=share))
    return tuple(counts)


class Balancer(Protocol):
    """Carries traffic. What is served outlives the server; `stop` ends it."""

    async def apply(self, traffic: Traffic) -> None:
        """Make it so. Returns when it is in effect: from then on an endpoint that does not serve gets no new
        request, and a listener that was added answers.

        No request is lost through a change: one that runs on an endpoint that goes runs on. Raises
        `BalancerUnavailable`, and `BalancerFailure` where a listener cannot be opened; the rest is in effect then.
        """
        ...

    async def door(self, wanted: int, besides: Collection[int] = ()) -> int:
        """A port of the loopback address to listen on: the wanted one where it is free or the balancer's own
        already, else any that is free. None of those in `besides`; 0 is any."""
        ...

    async def in_flight(self) -> Mapping[tuple[str, str, int], int]:
        """Requests and connections under way, by (target group's key, address, port). None is left out that is not
        zero."""
        ...

    async def counters(self) -> Counters:
        """What has gone through so far. Nothing where nothing runs."""
        ...

    async def lost(self) -> None:
        """Return when what was served is served no more although nobody said `stop`: apply again."""
        ...

    async def stop(self) -> None:
        """End serving. Nothing of the balancer is left on the machine. Stopping twice is fine."""
        ...
