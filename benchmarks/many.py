"""Stacks of many simple resources, beside MiniStack in the same run, and what one resource costs as they grow."""

from __future__ import annotations

import json
import time

from benchmarks.asking import Client
from benchmarks.figures import Figure, median
from benchmarks.servers import Running, ministack, neargate

_HUNDRED, _MANY, _FEW = 100, 500, 10
_ROUNDS = 5
_FASTER = 5.0
_FLAT = 1.5  # what a resource of 500 may cost beside one of 10, the stack's own cost taken off
_LOOK = 0.005  # seconds between two looks at the stack
_WITHIN = 120.0
_TYPES = {
    "SSM parameters": ("AWS::SSM::Parameter", {"Type": "String", "Value": "v"}),
    "log groups": ("AWS::Logs::LogGroup", {"RetentionInDays": 7}),
}


def measure() -> list[Figure]:
    """CreateStack to CREATE_COMPLETE of 100 resources of two types, in turns with MiniStack; 10 and 500 alone."""
    ours: dict[str, list[float]] = {name: [] for name in _TYPES}
    theirs: dict[str, list[float]] = {name: [] for name in _TYPES}
    sizes: dict[int, list[float]] = {_FEW: [], _MANY: []}
    with (
        neargate() as server,
        ministack() as neighbour,
        Client(server) as client,
        Client(neighbour) as other,
    ):
        for number in range(_ROUNDS + 1):
            for name in _TYPES:
                ours[name].append(_seconds(client, server, f"n{number}", name, _HUNDRED))
                theirs[name].append(_seconds(other, neighbour, f"m{number}", name, _HUNDRED))
            for size in sizes:
                sizes[size].append(_seconds(client, server, f"s{size}-{number}", "log groups", size))
    return [
        *(_beside(name, median(ours[name][1:]), median(theirs[name][1:])) for name in _TYPES),
        _flatness(median(sizes[_FEW][1:]), median(ours["log groups"][1:]), median(sizes[_MANY][1:])),
    ]


def _beside(name: str, own: float, other: float) -> Figure:
    return Figure(
        f"a stack of {_HUNDRED} {name}",
        other / own,
        "times as fast",
        "at least",
        _FASTER,
        f"median of {_ROUNDS}",
        f"{own * 1000:.0f} ms beside MiniStack's {other * 1000:.0f} ms",
    )


def _flatness(few: float, hundred: float, many: float) -> Figure:
    small, large = (hundred - few) / (_HUNDRED - _FEW), (many - hundred) / (_MANY - _HUNDRED)
    return Figure(
        f"cost of a resource between {_HUNDRED} and {_MANY}",
        large / small,
        "times that between 10 and 100",
        "at most",
        _FLAT,
        f"median of {_ROUNDS}",
        f"{large * 1000:.2f} ms beside {small * 1000:.2f} ms",
    )


def _seconds(client: Client, server: Running, stack: str, kind: str, size: int) -> float:
    type_name, properties = _TYPES[kind]
    stack = f"{stack}-{kind.replace(' ', '-')}"
    resources = {f"R{number}": {"Type": type_name, "Properties": properties} for number in range(size)}
    started = time.perf_counter()
    client.query(
        "cloudformation", "CreateStack", StackName=stack, TemplateBody=json.dumps({"Resources": resources})
    )
    _wait(client, server, stack, "CREATE_COMPLETE")
    seconds = time.perf_counter() - started
    client.query("cloudformation", "DeleteStack", StackName=stack)
    return seconds


def _wait(client: Client, server: Running, stack: str, wanted: str) -> None:
    until = time.monotonic() + _WITHIN
    while time.monotonic() < until:
        status = client.query("cloudformation", "DescribeStacks", StackName=stack).findtext(".//StackStatus")
        if status == wanted:
            return
        if status is None or not status.endswith("IN_PROGRESS"):
            raise RuntimeError(f"{server.name}: {stack} is {status}")
        time.sleep(_LOOK)
    raise RuntimeError(f"{server.name}: {stack} is not {wanted} after {_WITHIN:.0f} s")
