"""Logs by the clients that people follow them with, and of a container that writes faster than they can read."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.machine import AWS, NEARGATE, Machine, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]

AWSLOGS = AWS.with_name("awslogs")
GROUP = "/writer"
ARN = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"
LINES = 200_000
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
TICKER = """
import itertools, time
for n in itertools.count():
    print("tick", n, flush=True)
    time.sleep(0.2)
"""
FLOOD = f"""
import sys, time
begin = time.monotonic()
for n in range({LINES}):
    sys.stdout.write("%07d a line of a program that has much to say about what it does\\n" % n)
    if n % 5000 == 4999:
        sys.stdout.flush()
        time.sleep(max(0, begin + n / 50000 - time.monotonic()))
"""


def call(machine: Machine, target: str, **request: Any) -> dict[str, Any]:
    """One operation of a JSON service, unsigned: pages by the dozen take the CLI too long."""
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    asked = urllib.request.Request(f"{machine.endpoint}/", json.dumps(request).encode(), headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return dict(json.load(answer) if answer.headers["Content-Length"] != "0" else {})


def logs(machine: Machine, operation: str, **request: Any) -> dict[str, Any]:
    return call(machine, f"Logs_20140328.{operation}", **request)


def ecs(machine: Machine, operation: str, **request: Any) -> dict[str, Any]:
    return call(machine, f"AmazonEC2ContainerServiceV20141113.{operation}", **request)


@pytest.fixture(scope="module")
def role(machine: Machine) -> str:
    made = machine.ask("iam", "create-role", "--role-name", "exec", "--assume-role-policy-document", TRUST)
    policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    machine.ask("iam", "attach-role-policy", "--role-name", "exec", "--policy-arn", policy)
    logs(machine, "CreateLogGroup", logGroupName=GROUP)
    ecs(machine, "CreateCluster", clusterName="c")
    return str(made["Role"]["Arn"])


def run_task(machine: Machine, role: str, program: str, **options: str) -> str:
    """The stream of a new task that runs a Python program."""
    where = {"awslogs-group": GROUP, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}
    container = {
        "name": "app",
        "image": "python:3.12-slim",
        "command": ["python3", "-c", program],
        "stopTimeout": 2,
        "logConfiguration": {"logDriver": "awslogs", "options": {**where, **options}},
    }
    ecs(
        machine,
        "RegisterTaskDefinition",
        family="writer",
        cpu="1024",
        memory="2048",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[container],
        executionRoleArn=role,
    )
    subnets = machine.ask("ec2", "describe-subnets")["Subnets"]
    answer = ecs(
        machine,
        "RunTask",
        cluster="c",
        taskDefinition="writer",
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {"subnets": [subnets[0]["SubnetId"]], "assignPublicIp": "ENABLED"}
        },
    )
    return f"p/app/{answer['tasks'][0]['taskArn'].rsplit('/', 1)[1]}"


def stopped(machine: Machine, stream: str) -> bool:
    task = stream.rsplit("/", 1)[1]
    (shown,) = ecs(machine, "DescribeTasks", cluster="c", tasks=[task])["tasks"]
    return bool(shown["lastStatus"] == "STOPPED")


@contextmanager
def following(machine: Machine, program: Path, *arguments: str) -> Iterator[list[str]]:
    """The lines that a client has shown so far, of one that does not end by itself."""
    environment = {
        **machine.environment,
        "HOME": str(machine.home),
        "PYTHONUNBUFFERED": "1",
        "AWS_ENDPOINT_URL": machine.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    process = subprocess.Popen(
        [str(program), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    shown: list[str] = []
    reader = threading.Thread(target=lambda output: shown.extend(output), args=(process.stdout,))
    reader.start()
    try:
        yield shown
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


@pytest.fixture(scope="module")
def ticker(machine: Machine, role: str) -> Iterator[str]:
    stream = run_task(machine, role, TICKER)
    yield stream
    ecs(machine, "StopTask", cluster="c", task=stream.rsplit("/", 1)[1])


def rising(shown: list[str]) -> list[int]:
    """The ticks that were shown, three at least."""
    found = [int(line.rsplit("tick ", 1)[1]) for line in shown if "tick " in line]
    return found if len(found) >= 3 else []


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        (AWSLOGS, ("get", GROUP, "--watch", "--watch-interval", "1")),
        (AWS, ("logs", "start-live-tail", "--log-group-identifiers", ARN)),
        (NEARGATE, ("logs", "-f", GROUP, "--since", "1m")),
    ],
)
def test_a_client_follows_what_a_container_writes(
    machine: Machine, ticker: str, program: Path, arguments: tuple[str, ...]
) -> None:
    with following(machine, program, *arguments) as shown:
        first = wait_for(lambda: rising(shown), f"{program.name} shows lines")
        more = wait_for(lambda: len(rising(shown)) > len(first) + 5 and rising(shown), "it goes on")
    assert more == list(range(more[0], more[-1] + 1))


def test_the_lines_of_a_task_by_its_id(machine: Machine, ticker: str) -> None:
    task = ticker.rsplit("/", 1)[1]
    done = machine.neargate("logs", task[:8], "--filter", "tick")
    assert done.code == 0, done.output
    assert done.output.splitlines()[0].endswith(f"p/app/{task[:8]}  tick 0")


def test_no_line_of_a_flood_is_lost_to_a_kill(machine: Machine, role: str) -> None:
    stream = run_task(machine, role, FLOOD)
    where = {"logGroupName": GROUP, "logStreamName": stream}

    def begun() -> bool:
        streams = logs(machine, "DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix=stream)
        return any("lastEventTimestamp" in one for one in streams["logStreams"])

    wait_for(begun, "the first lines")
    machine.kill()
    machine.start()
    wait_for(lambda: stopped(machine, stream), "the task ends", 120)
    expected, token = 0, None
    while True:
        page = logs(
            machine, "GetLogEvents", **where, startFromHead=True, **({"nextToken": token} if token else {})
        )
        for event in page["events"]:
            assert int(event["message"][:7]) == expected
            expected += 1
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert expected == LINES
    wanted = f"{LINES - 7:07d}"
    found = logs(machine, "FilterLogEvents", logGroupName=GROUP, filterPattern=wanted)["events"]
    assert [event["message"][:7] for event in found] == [wanted]
