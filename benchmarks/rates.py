"""Requests per second, Neargate's beside MiniStack's: the same bytes from the same client, in turns."""

from __future__ import annotations

from benchmarks.asking import Client, signed
from benchmarks.figures import Figure, median
from benchmarks.load import CONNECTIONS, load
from benchmarks.servers import Running, ministack, neargate

OPERATIONS = {
    "sts get-caller-identity": ("sts", "GetCallerIdentity", b"arn:aws:iam::000000000000:root"),
    "ecs list-clusters": ("ecs", "ListClusters", b'"clusterArns"'),
}
"""By the name in the table: service, operation, and what every answer contains."""

_ROUNDS = 5
_SECONDS = 2.0
_WARM_UP = 0.5
_AT_LEAST = 2.0


def measure() -> list[Figure]:
    """A figure per operation: the median of the rounds' ratios."""
    with neargate() as ours, ministack() as theirs:
        ours.wait_for_engine()
        return [_figure(name, ours, theirs) for name in OPERATIONS]


def _figure(name: str, ours: Running, theirs: Running) -> Figure:
    service, operation, expected = OPERATIONS[name]
    requests = {}
    for server in (ours, theirs):
        with Client(server) as client:
            answer = client.ask(service, operation, {})
        if expected not in answer:
            raise RuntimeError(f"{server.name} answers {name} with {answer!r}")
        requests[server] = signed(server, service, operation, {}).raw()
        load(server.port, requests[server], _WARM_UP)
    rounds = []
    for _ in range(_ROUNDS):
        # Together with their neighbour in time, so that a noisy moment of the machine hits both.
        mine, other = (load(server.port, requests[server], _SECONDS).per_second for server in (ours, theirs))
        rounds.append((mine, other))
    ratios = [mine / other for mine, other in rounds]
    return Figure(
        f"{name}, requests per second",
        median(ratios),
        "x MiniStack's",
        "at least",
        _AT_LEAST,
        f"median of {_ROUNDS} rounds ({min(ratios):.2f} to {max(ratios):.2f}), {CONNECTIONS} connections",
        f"{median([r[0] for r in rounds]):.0f}/s beside {median([r[1] for r in rounds]):.0f}/s",
    )
