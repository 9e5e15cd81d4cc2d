"""kill -9 of a real server in the middle of a rollout: it ends as if nothing had happened. Tests run in order."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.machine import Machine, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]

CLUSTER = ("--cluster", "killed")
SERVICE = (*CLUSTER, "--service", "steady")
COUNT = 2
IN_FOREGROUND = "trap 'exit 0' TERM; while :; do sleep 1; done"


def test_a_service_of_two_tasks(machine: Machine) -> None:
    machine.ask("ecs", "create-cluster", "--cluster-name", "killed")
    subnets = [subnet["SubnetId"] for subnet in machine.ask("ec2", "describe-subnets")["Subnets"]]
    network = {"awsvpcConfiguration": {"subnets": subnets[:2], "assignPublicIp": "ENABLED"}}
    machine.ask(
        *("ecs", "create-service", *CLUSTER, "--service-name", "steady", "--launch-type", "FARGATE"),
        *("--task-definition", register(machine), "--desired-count", str(COUNT)),
        *("--network-configuration", json.dumps(network)),
    )
    assert wait_for(lambda: len(running(machine)) == COUNT, "two tasks run", 60)


def test_killed_in_the_middle_of_a_rollout(machine: Machine) -> None:
    """What ran before and is still wanted, and what the rollout had started, keeps its process."""
    wait_for(lambda: describe(machine)["deployments"][0]["rolloutState"] == "COMPLETED", "it is steady", 90)
    old = set(running(machine))
    machine.ask("ecs", "update-service", *SERVICE, "--task-definition", register(machine))
    assert wait_for(lambda: set(running(machine)) - old, "a task of the new revision runs", 60)
    machine.kill()
    before = pids()
    machine.start()
    after = running(machine)
    assert {arn: before.get(task_id(arn)) for arn in after} == {
        arn: pids().get(task_id(arn)) for arn in after
    }

    assert wait_for(
        lambda: describe(machine)["deployments"][0]["rolloutState"] == "COMPLETED", "the rollout ends", 120
    )
    wait_for(lambda: len(pids()) == COUNT, "the old tasks' containers are gone", 60)
    ended = running(machine)
    assert len(ended) == COUNT
    assert not set(ended) & old
    assert set(pids()) == {task_id(arn) for arn in ended}
    assert [pids()[each] for each in pids() if each in before] == [
        before[each] for each in pids() if each in before
    ]
    messages = [event["message"] for event in describe(machine)["events"]]
    started = [m for m in messages if "has started" in m]
    assert sum(len(re.findall(r"\(task [0-9a-f]{32}\)", message)) for message in started) == 2 * COUNT
    assert sum("deployment completed" in message for message in messages) == 2


def test_a_container_killed_from_outside_is_replaced_at_once(machine: Machine) -> None:
    victim, survivor = running(machine)
    kept = pids()[task_id(survivor)]
    os.kill(pids()[task_id(victim)], signal.SIGKILL)
    assert wait_for(
        lambda: len(running(machine)) == COUNT and victim not in running(machine), "another runs", 30
    )
    assert pids()[task_id(survivor)] == kept
    (dead,) = machine.ask("ecs", "describe-tasks", *CLUSTER, "--tasks", victim)["tasks"]
    assert (dead["stopCode"], dead["containers"][0]["exitCode"]) == ("EssentialContainerExited", 137)


# -- what is looked at ---------------------------------------------------------------------------------------


def register(machine: Machine) -> str:
    """A new revision; its ARN."""
    container = {
        "name": "app",
        "image": "python:3.12-slim",
        "command": ["sh", "-c", IN_FOREGROUND],
        "stopTimeout": 2,
    }
    wanted = {
        "family": "steady",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [container],
    }
    made = machine.ask("ecs", "register-task-definition", "--cli-input-json", json.dumps(wanted))
    return str(made["taskDefinition"]["taskDefinitionArn"])


def describe(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = machine.ask("ecs", "describe-services", *CLUSTER, "--services", "steady")[
        "services"
    ][0]
    return found


def running(machine: Machine) -> list[str]:
    arns = machine.ask("ecs", "list-tasks", *CLUSTER, "--service-name", "steady")["taskArns"]
    if not arns:
        return []
    tasks = machine.ask("ecs", "describe-tasks", *CLUSTER, "--tasks", *arns)["tasks"]
    return [task["taskArn"] for task in tasks if task["lastStatus"] == "RUNNING"]


def task_id(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def pids() -> dict[str, int]:
    """The first process of each task's container, found by what Fargate puts into its environment."""
    found: dict[str, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        uri = re.search(rb"ECS_CONTAINER_METADATA_URI_V4=[^\0]*/([0-9a-f]{32})-", environment)
        if uri is not None and IN_FOREGROUND.encode() in command:
            found[uri[1].decode()] = int(entry.name)
    return found
