"""A container that writes 50,000 lines a second for 20 s: what becomes of them, and how fast they can be read."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.asking import Client
from benchmarks.engine import IMAGE, Engine
from benchmarks.figures import Figure
from benchmarks.servers import Running, neargate

LINES = 1_000_000
_SECONDS = 20
_BURST = 5_000  # lines at once, every tenth of a second
_GROUP, _CLUSTER = "/benchmark", "benchmark"
_TEXT = "GET /products/4711 HTTP/1.1 200 1532 a line as long as those of web servers are"
_LOOK = 0.05  # seconds between two looks
_WITHIN = 300.0

_WRITER = f"""
begin=$(/bin/busybox date +%s); n=0
while [ $n -lt {LINES} ]; do
  /bin/busybox awk -v n=$n 'BEGIN {{ for (i = n; i < n + {_BURST}; i++) printf "%07d {_TEXT}\\n", i }}'
  n=$((n + {_BURST}))
  due=$((begin + n / {LINES // _SECONDS}))
  if [ $(/bin/busybox date +%s) -ge $due ]; then :; else /bin/busybox usleep 80000; fi
done
"""


def measure() -> list[Figure]:
    """What is readable of the lines, when, at what cost of memory, and the pace of reading."""
    with neargate() as server:
        engine = Engine(server.wait_for_engine())
        try:
            engine.ensure_image()
        finally:
            engine.close()
        with Client(server) as client:
            stream = _start(client)
            return [*_written(server, client, stream), *_read(client, stream), *_searched(client)]


def _start(client: Client) -> str:
    """Run the writer; the name of its log stream."""
    client.json("logs", "CreateLogGroup", logGroupName=_GROUP)
    client.json("ecs", "CreateCluster", clusterName=_CLUSTER)
    options = {"awslogs-group": _GROUP, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "b"}
    container = {
        "name": "writer",
        "image": IMAGE,
        "command": ["/bin/busybox", "sh", "-c", _WRITER],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    client.json(
        "ecs",
        "RegisterTaskDefinition",
        family="writer",
        cpu="1024",
        memory="2048",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[container],
        executionRoleArn=_execution_role(client),
    )
    subnets = [found.text for found in client.query("ec2", "DescribeSubnets").iter("subnetId")]
    network = {"awsvpcConfiguration": {"subnets": subnets[:1], "assignPublicIp": "ENABLED"}}
    answer = client.json(
        "ecs",
        "RunTask",
        cluster=_CLUSTER,
        taskDefinition="writer",
        launchType="FARGATE",
        networkConfiguration=network,
    )
    return f"b/writer/{answer['tasks'][0]['taskArn'].rsplit('/', 1)[1]}"


def _execution_role(client: Client) -> str:
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
        '"Principal":{"Service":"ecs-tasks.amazonaws.com"}}]}'
    )
    made = client.query("iam", "CreateRole", RoleName="execution", AssumeRolePolicyDocument=trust)
    policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    client.query("iam", "AttachRolePolicy", RoleName="execution", PolicyArn=policy)
    return made.findtext(".//Arn") or ""


def _written(server: Running, client: Client, stream: str) -> list[Figure]:
    """Follow the stream's end until the writer's last line is there."""
    idle = most = server.resident_megabytes()
    behind = 0.0
    until = time.monotonic() + _WITHIN
    last: dict[str, Any] = {}
    while not last.get("message", "").startswith(f"{LINES - 1:07d}"):
        if time.monotonic() > until:
            raise RuntimeError(f"After {_WITHIN:.0f} s the last line is {last}.")
        time.sleep(_LOOK)
        most = max(most, server.resident_megabytes())
        newest = client.json("logs", "DescribeLogStreams", logGroupName=_GROUP)["logStreams"]
        if newest and "lastEventTimestamp" in newest[0]:
            last = client.json("logs", "GetLogEvents", logGroupName=_GROUP, logStreamName=stream, limit=1)[
                "events"
            ][0]
            behind = max(behind, (last["ingestionTime"] - last["timestamp"]) / 1000)
    events = client.json(
        "logs", "GetLogEvents", logGroupName=_GROUP, logStreamName=stream, limit=1, startFromHead=True
    )
    seconds = (last["timestamp"] - events["events"][0]["timestamp"]) / 1000
    pace = f"the container wrote them in {seconds:.1f} s"
    return [
        Figure("most that a line came behind its writing", behind, "s", "at most", 2.0, "one run", pace),
        Figure("memory more while they were written", most - idle, "MB", "at most", 60, "one run"),
    ]


def _read(client: Client, stream: str) -> list[Figure]:
    begun = time.perf_counter()
    expected, token, pages = 0, None, 0
    while True:
        more = {"nextToken": token} if token else {"startFromHead": True}
        page = client.json("logs", "GetLogEvents", logGroupName=_GROUP, logStreamName=stream, **more)
        for event in page["events"]:
            if not event["message"].startswith(f"{expected:07d} "):
                raise RuntimeError(f"Line {expected} is missing; there is {event['message']!r} in its place.")
            expected += 1
        pages += 1
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    seconds = time.perf_counter() - begun
    return [
        Figure("lines readable, in order", expected, "lines", "at least", LINES, "all pages of GetLogEvents"),
        Figure(
            "reading them all",
            expected / seconds,
            "lines/s",
            "at least",
            100_000,
            f"{pages} pages, one client",
        ),
    ]


def _searched(client: Client) -> list[Figure]:
    begun = time.perf_counter()
    wanted, found, token = f"{LINES - 12_345:07d}", [], None
    while True:
        more = {"nextToken": token} if token else {}
        page = client.json(
            "logs", "FilterLogEvents", logGroupName=_GROUP, filterPattern=f'"{wanted}"', **more
        )
        found += page["events"]
        token = page.get("nextToken")
        if token is None:
            break
    if [event["message"][:7] for event in found] != [wanted]:
        raise RuntimeError(f"FilterLogEvents finds {found} for {wanted}.")
    seconds = time.perf_counter() - begun
    return [
        Figure("finding one of them by a word", seconds, "s", "at most", 2.0, "FilterLogEvents, all pages")
    ]
