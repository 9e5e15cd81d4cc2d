"""CreateStack of a service without a load balancer until CREATE_COMPLETE, beside the engine's own pace.

The two are measured in turns. The stack's time ends when a client that asks every few milliseconds sees
CREATE_COMPLETE: the ECS service is steady then, and its task's port listens.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.asking import Client
from benchmarks.engine import IMAGE, Engine
from benchmarks.figures import Figure, median
from benchmarks.servers import neargate

TEMPLATE = Path(__file__).with_name("service.template.yml")
_CPUS, _MEMORY_MIB = 0.25, 512  # of the template's task definition
_ROUNDS = 7
_FACTOR, _ALLOWANCE = 1.5, 0.150
_LOOK = 0.010  # seconds between two looks at the stack
_WITHIN = 60.0


def measure() -> list[Figure]:
    """One figure; the first round of either side is not counted."""
    stacks, engines = [], []
    with neargate() as server:
        engine = Engine(server.wait_for_engine())
        try:
            engine.ensure_image()
            with Client(server) as client:
                parameters = _parameters(client)
                for number in range(_ROUNDS + 1):
                    engines.append(engine.seconds_to_listen(_CPUS, _MEMORY_MIB))
                    stacks.append(_seconds_to_complete(client, f"benchmark-{number}", parameters))
        finally:
            engine.close()
    own, beside = median(stacks[1:]), median(engines[1:])
    return [
        Figure(
            "CreateStack to CREATE_COMPLETE",
            own * 1000,
            "ms",
            "at most",
            (_FACTOR * beside + _ALLOWANCE) * 1000,
            f"median of {_ROUNDS} ({min(stacks[1:]) * 1000:.0f} to {max(stacks[1:]) * 1000:.0f})",
            f"the engine itself {beside * 1000:.0f} ms ({min(engines[1:]) * 1000:.0f} to "
            f"{max(engines[1:]) * 1000:.0f}); target {_FACTOR} x that + {_ALLOWANCE * 1000:.0f} ms",
        )
    ]


def _parameters(client: Client) -> dict[str, str]:
    vpc = client.query("ec2", "DescribeVpcs").findtext(".//vpcId") or ""
    subnets = [found.text or "" for found in client.query("ec2", "DescribeSubnets").iter("subnetId")]
    values = {"Image": IMAGE, "VpcId": vpc, "SubnetIds": ",".join(subnets)}
    parameters = {
        "TemplateBody": TEMPLATE.read_text(),
        "Capabilities.member.1": "CAPABILITY_IAM",
    }
    for number, (key, value) in enumerate(values.items(), 1):
        parameters[f"Parameters.member.{number}.ParameterKey"] = key
        parameters[f"Parameters.member.{number}.ParameterValue"] = value
    return parameters


def _seconds_to_complete(client: Client, name: str, parameters: dict[str, str]) -> float:
    """The stack is deleted again before this returns."""
    started = time.perf_counter()
    client.query("cloudformation", "CreateStack", StackName=name, **parameters)
    _wait(client, name, "CREATE_COMPLETE")
    seconds = time.perf_counter() - started
    identity = client.query("cloudformation", "DescribeStacks", StackName=name).findtext(".//StackId") or name
    client.query("cloudformation", "DeleteStack", StackName=name)
    _wait(client, identity, "DELETE_COMPLETE")
    return seconds


def _wait(client: Client, name: str, wanted: str) -> None:
    until = time.perf_counter() + _WITHIN
    while time.perf_counter() < until:
        time.sleep(_LOOK)
        stack = client.query("cloudformation", "DescribeStacks", StackName=name).find(".//Stacks/member")
        status = "" if stack is None else stack.findtext("StackStatus") or ""
        if status == wanted:
            return
        if not status.endswith("_IN_PROGRESS"):
            why = "" if stack is None else stack.findtext("StackStatusReason")
            raise RuntimeError(f"The stack {name} is {status}: {why}")
    raise RuntimeError(f"The stack {name} was not {wanted} within {_WITHIN:.0f} s.")
