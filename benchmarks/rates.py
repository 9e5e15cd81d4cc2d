"""Requests per second, Neargate's beside MiniStack's: the same bytes from the same client, in turns."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.asking import Client, signed
from benchmarks.figures import Figure, median
from benchmarks.load import CONNECTIONS, load
from benchmarks.servers import Running, ministack, neargate


@dataclass(frozen=True)
class Asked:
    """An operation with its request, and what every answer contains."""

    service: str
    operation: str
    answered: bytes
    request: dict[str, Any] = field(default_factory=dict)


_GROUP, _STREAM = "/benchmark", "web/app/0123456789abcdef"
_WHERE = {"logGroupName": _GROUP, "logStreamName": _STREAM}
_LINE = "GET /products/4711 HTTP/1.1 200 1532 a line as long as those of web servers are"
_EVENTS = 1_000
_DEFINITION = {
    "family": "benchmark",
    "cpu": "256",
    "memory": "512",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "containerDefinitions": [{"name": "app", "image": "no-such-image:1", "essential": True}],
}
_BEGUN = int(time.time() * 1000)

OPERATIONS = {
    "sts get-caller-identity": Asked("sts", "GetCallerIdentity", b"arn:aws:iam::000000000000:root"),
    "ecs list-clusters": Asked("ecs", "ListClusters", b'"clusterArns"'),
    "ecs describe-services": Asked("ecs", "DescribeServices", b'"desiredCount"', {"services": ["benchmark"]}),
    "ecs describe-tasks": Asked("ecs", "DescribeTasks", b'"lastStatus"', {"tasks": ["{task}"]}),
    "ecs list-tasks": Asked("ecs", "ListTasks", b'"taskArns"', {"desiredStatus": "STOPPED"}),
    "ecs register-task-definition": Asked(
        "ecs", "RegisterTaskDefinition", b'"taskDefinitionArn"', {**_DEFINITION, "family": "often"}
    ),
    "logs put-log-events, one": Asked(
        "logs",
        "PutLogEvents",
        b'"nextSequenceToken"',
        {
            "logGroupName": _GROUP,
            "logStreamName": "incoming",
            "logEvents": [{"timestamp": _BEGUN, "message": _LINE}],
        },
    ),
    "logs get-log-events, 100 of 1,000": Asked("logs", "GetLogEvents", b'"events"', {**_WHERE, "limit": 100}),
    "logs filter-log-events, 10 of 1,000": Asked(
        "logs", "FilterLogEvents", b'"events"', {"logGroupName": _GROUP, "filterPattern": "ERROR"}
    ),
    "logs describe-log-streams": Asked(
        "logs", "DescribeLogStreams", b'"logStreams"', {"logGroupName": _GROUP}
    ),
}
"""By the name in the table."""

_ROUNDS = 5
_SECONDS = 2.0
_WARM_UP = 0.5
_AT_LEAST = 2.0


def measure() -> list[Figure]:
    """A figure per operation: the median of the rounds' ratios."""
    with neargate() as ours, ministack() as theirs:
        ours.wait_for_engine()
        names = {}
        for server in (ours, theirs):
            with Client(server) as client:
                _fill(client)
                names[server] = _fill_ecs(client)
        return [_figure(name, ours, theirs, names) for name in OPERATIONS]


def _fill_ecs(client: Client) -> str:
    """A service of no tasks in the default cluster, and a task that has stopped; its ARN."""
    client.json("ecs", "CreateCluster")
    client.json("ecs", "RegisterTaskDefinition", **_DEFINITION)
    subnets = [found.text or "" for found in client.query("ec2", "DescribeSubnets").iter("subnetId")]
    where = {
        "taskDefinition": "benchmark",
        "launchType": "FARGATE",
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": subnets[:1], "assignPublicIp": "ENABLED"}
        },
    }
    client.json("ecs", "CreateService", serviceName="benchmark", desiredCount=0, **where)
    task: str = client.json("ecs", "RunTask", **where)["tasks"][0]["taskArn"]
    client.json("ecs", "StopTask", task=task)
    return task


def _fill(client: Client) -> None:
    """A log group with a stream of a thousand events, every hundredth an error, and an empty stream."""
    client.json("logs", "CreateLogGroup", logGroupName=_GROUP)
    client.json("logs", "CreateLogStream", **_WHERE)
    client.json("logs", "CreateLogStream", logGroupName=_GROUP, logStreamName="incoming")
    events = [
        {"timestamp": _BEGUN + n, "message": f"{'ERROR' if n % 100 == 0 else 'INFO'} {_LINE} {n}"}
        for n in range(_EVENTS)
    ]
    client.json("logs", "PutLogEvents", **_WHERE, logEvents=events)


def _figure(name: str, ours: Running, theirs: Running, tasks: dict[Running, str]) -> Figure:
    asked = OPERATIONS[name]
    requests = {}
    for server in (ours, theirs):
        request = json.loads(json.dumps(asked.request).replace("{task}", tasks[server]))
        with Client(server) as client:
            answer = client.ask(asked.service, asked.operation, request)
        if asked.answered not in answer:
            raise RuntimeError(f"{server.name} answers {name} with {answer[:500]!r}")
        requests[server] = signed(server, asked.service, asked.operation, request).raw()
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
