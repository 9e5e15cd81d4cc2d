"""A client that waits is answered when there is something to say.

botocore marks a waiter's requests in its User-Agent (feature `B` in `m/…`), the CLI v2 names the command. Such a
DescribeStacks would come back in 30 s whatever the answer; held here until the status settles (20 s at most),
`aws cloudformation deploy` and `wait` feel instant. Everybody else is answered at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from neargate.model.elbv2 import LoadBalancer, Target
from neargate.model.ports import Store
from neargate.model.records import Json

LONGEST = 20.0  # seconds; below every client's read time-out

_FEATURES = re.compile(r"(?:^| )m/([A-Za-z0-9,]+)")
_COMMANDS = re.compile(r"md/command#\w+\.(?:wait|deploy)")


def is_waiting(user_agent: str) -> bool:
    """True for a request that a waiter sends."""
    found = _FEATURES.search(user_agent)
    return (found is not None and "B" in found.group(1).split(",")) or bool(_COMMANDS.search(user_agent))


def _stacks_settled(answer: Json) -> bool:
    return not any(stack["StackStatus"].endswith("_IN_PROGRESS") for stack in answer.get("Stacks", ()))


def _change_set_settled(answer: Json) -> bool:
    return not str(answer.get("Status", "")).endswith(("_IN_PROGRESS", "_PENDING"))


def _services_settled(answer: Json) -> bool:
    """ACTIVE ones are stable, none is on its way to INACTIVE."""
    services = answer.get("services", ())
    return not any(service.get("status") == "DRAINING" for service in services) and all(
        len(service.get("deployments", ())) == 1 and service["runningCount"] == service["desiredCount"]
        for service in services
        if service.get("status") == "ACTIVE"
    )


def _tasks_settled(answer: Json) -> bool:
    return all(task.get("lastStatus") == task.get("desiredStatus") for task in answer.get("tasks", ()))


def _load_balancers_settled(answer: Json) -> bool:
    return not any(
        balancer.get("State", {}).get("Code") == "provisioning"
        for balancer in answer.get("LoadBalancers", ())
    )


def _targets_settled(answer: Json) -> bool:
    return not any(
        target.get("TargetHealth", {}).get("State") in ("initial", "draining")
        for target in answer.get("TargetHealthDescriptions", ())
    )


_SETTLED: dict[tuple[str, str], tuple[frozenset[str], Callable[[Json], bool]]] = {
    ("cloudformation", "DescribeStacks"): (frozenset({"cloudformation.stack"}), _stacks_settled),
    ("cloudformation", "DescribeChangeSet"): (frozenset({"cloudformation.change-set"}), _change_set_settled),
    ("ecs", "DescribeServices"): (frozenset({"ecs.service", "ecs.task"}), _services_settled),
    ("ecs", "DescribeTasks"): (frozenset({"ecs.task"}), _tasks_settled),
    ("elbv2", "DescribeLoadBalancers"): (frozenset({LoadBalancer.KIND}), _load_balancers_settled),
    ("elbv2", "DescribeTargetHealth"): (frozenset({Target.KIND}), _targets_settled),
}


async def answer_when_settled(
    store: Store, service: str, operation: str, user_agent: str, ask: Callable[[], Awaitable[Json]]
) -> Json:
    """`ask()`, again after each change until its answer is settled or LONGEST has passed."""
    rule = _SETTLED.get((service, operation))
    if rule is None or not is_waiting(user_agent):
        return await ask()
    kinds, settled = rule
    changed = asyncio.Event()

    def notify(kind: str, key: str) -> Any:
        changed.set()

    unsubscribe = store.subscribe(kinds, notify)
    try:
        async with asyncio.timeout(LONGEST):
            while True:
                changed.clear()
                answer = await ask()
                if settled(answer):
                    return answer
                await changed.wait()
    except TimeoutError:
        return await ask()
    finally:
        unsubscribe()
